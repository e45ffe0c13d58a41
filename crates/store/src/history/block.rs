//! The bytes of a block: one series over one span, columns of single-precision numbers.
//!
//! ```text
//! version u8 = 1 | columns u8 | points u16 | times | column …          numbers are little-endian
//! times:  0, first u16, step u16          evenly spaced
//!         1, length u16, pco of u16       otherwise
//! column: 0, value f32                    the same throughout (an idle disk, a constant memory)
//!         1, length u16, pco of f32       otherwise
//! ```
//! A time is an offset from the block's start in units of its tier (seconds for samples as taken), and grows strictly.
//! [pco](https://docs.rs/pco) compresses sequences of numbers; its format is stable and readable by later versions.

use pco::{ChunkConfig, standalone};

/// Points of one series with the same number of values each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Block {
    /// Offsets from the block's start, growing.
    pub(crate) times: Vec<u16>,
    /// One or more columns as long as `times`.
    pub(crate) columns: Vec<Vec<f32>>,
}

/// Why bytes are no block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the block ends early or goes on too long")]
    Length,
    #[error("the block is of version {0}, which is not known here")]
    Version(u8),
    #[error("the block's numbers can't be decompressed: {0}")]
    Numbers(#[from] pco::errors::PcoError),
}

impl Block {
    /// The block as bytes.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Broken> {
        let count = u16::try_from(self.times.len()).map_err(|_| Broken::Length)?;
        let columns = u8::try_from(self.columns.len()).map_err(|_| Broken::Length)?;
        let mut out = vec![1, columns];
        out.extend(count.to_le_bytes());
        match even(&self.times) {
            Some((first, step)) => {
                out.push(0);
                out.extend(first.to_le_bytes());
                out.extend(step.to_le_bytes());
            }
            None => {
                packed(
                    &mut out,
                    standalone::simple_compress(&self.times, &config())?,
                )?;
            }
        }
        for column in &self.columns {
            match column.split_first() {
                Some((first, rest)) if rest.iter().all(|v| v.to_bits() == first.to_bits()) => {
                    out.push(0);
                    out.extend(first.to_le_bytes());
                }
                _ => packed(&mut out, standalone::simple_compress(column, &config())?)?,
            }
        }
        Ok(out)
    }

    /// The block from its bytes; whatever they are, an error or a block whose columns are all as long as its times.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let mut rest = Bytes(bytes);
        match rest.u8()? {
            1 => {}
            other => return Err(Broken::Version(other)),
        }
        let columns = rest.u8()?;
        let count = usize::from(rest.u16()?);
        let times = match rest.u8()? {
            0 => {
                let (first, step) = (rest.u16()?, rest.u16()?);
                (0..count)
                    .map(|index| {
                        u16::try_from(usize::from(first) + index * usize::from(step))
                            .map_err(|_| Broken::Length)
                    })
                    .collect::<Result<Vec<_>, _>>()?
            }
            _ => standalone::simple_decompress(rest.packed()?)?,
        };
        if times.len() != count {
            return Err(Broken::Length);
        }
        let mut block = Self {
            times,
            columns: Vec::with_capacity(usize::from(columns)),
        };
        for _ in 0..columns {
            let column: Vec<f32> = match rest.u8()? {
                0 => vec![
                    f32::from_bits(u32::from(rest.u16()?) | u32::from(rest.u16()?) << 16);
                    count
                ],
                _ => standalone::simple_decompress(rest.packed()?)?,
            };
            if column.len() != count {
                return Err(Broken::Length);
            }
            block.columns.push(column);
        }
        Ok(block)
    }
}

fn config() -> ChunkConfig {
    ChunkConfig::default()
}

fn packed(out: &mut Vec<u8>, bytes: Vec<u8>) -> Result<(), Broken> {
    out.push(1);
    out.extend(
        u16::try_from(bytes.len())
            .map_err(|_| Broken::Length)?
            .to_le_bytes(),
    );
    out.extend(bytes);
    Ok(())
}

/// First and step of evenly spaced times.
fn even(times: &[u16]) -> Option<(u16, u16)> {
    let first = *times.first()?;
    let step = times
        .get(1)
        .map_or(0, |second| second.saturating_sub(first));
    times
        .windows(2)
        .all(|pair| pair[1].checked_sub(pair[0]) == Some(step))
        .then_some((first, step))
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Broken::Length)?;
        self.0 = rest;
        Ok(taken)
    }
    fn u8(&mut self) -> Result<u8, Broken> {
        self.take(1).map(|bytes| bytes[0])
    }
    fn u16(&mut self) -> Result<u16, Broken> {
        self.take(2)
            .map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }
    fn packed(&mut self) -> Result<&'a [u8], Broken> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(block: Block, at_most: usize) {
        let bytes = block.encode().unwrap();
        assert!(bytes.len() <= at_most, "{} bytes", bytes.len());
        assert_eq!(Block::decode(&bytes).unwrap(), block);
        // Whatever part of it is lost or altered, it never panics.
        for cut in 0..bytes.len() {
            let _ = Block::decode(&bytes[..cut]);
            let mut altered = bytes.clone();
            altered[cut] ^= 0x5a;
            let _ = Block::decode(&altered);
        }
    }

    #[test]
    fn blocks_round_trip_and_are_small() {
        let even: Vec<u16> = (0..360).map(|i| i * 10).collect();
        let uneven: Vec<u16> = (0..360).map(|i| i * 10 + u16::from(i % 7 == 0)).collect();
        let noise: Vec<f32> = (0..360u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0)
            .collect();
        check(
            Block {
                times: even.clone(),
                columns: vec![vec![0.25; 360]],
            },
            20,
        );
        check(
            Block {
                times: even,
                columns: vec![noise.clone()],
            },
            360 * 3,
        );
        check(
            Block {
                times: uneven.clone(),
                columns: vec![noise.clone(), vec![1.0; 360], noise.clone(), noise],
            },
            360 * 9,
        );
        check(
            Block {
                times: vec![7],
                columns: vec![vec![f32::MAX]],
            },
            20,
        );
        check(Block::default(), 20);
    }

    #[test]
    fn a_newer_block_is_named_as_such() {
        assert!(matches!(
            Block::decode(&[9, 1, 0, 0]),
            Err(Broken::Version(9))
        ));
    }
}
