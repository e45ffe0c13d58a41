//! The samples that are not in blocks yet, in memory: a copy of the journal, series by series.

use super::tiers::Roll;
use std::collections::HashMap;

/// Samples by series, with how far into the journal they go.
#[derive(Debug, Default)]
pub(crate) struct Open {
    /// The journal's lines up to this number are in here.
    pub(crate) seq: i64,
    /// Samples before this second are in blocks.
    pub(crate) closed: i64,
    /// The second of the sample appended last: what the appending clock says, which may have stepped back.
    pub(crate) newest: i64,
    series: HashMap<u32, Vec<(u32, f32)>>,
}

impl Open {
    /// Nothing, after everything before `closed` went into blocks.
    pub(crate) fn after(closed: i64) -> Self {
        Self {
            closed,
            newest: closed,
            ..Self::default()
        }
    }

    /// Takes up one line of the journal; one it has already is left alone.
    pub(crate) fn apply(&mut self, seq: i64, time: i64, values: &[(u32, f32)]) {
        if seq <= self.seq {
            return;
        }
        self.seq = seq;
        self.newest = time;
        let Ok(time) = u32::try_from(time) else {
            return;
        };
        for &(id, value) in values {
            let samples = self.series.entry(id).or_default();
            match samples.last() {
                // A clock that stepped back, or a second sample in one second, which counts instead of the first.
                Some(&(last, _)) if last >= time => {
                    match samples.binary_search_by_key(&time, |(time, _)| *time) {
                        Ok(index) => samples[index].1 = value,
                        Err(index) => samples.insert(index, (time, value)),
                    }
                }
                _ => samples.push((time, value)),
            }
        }
    }

    /// A series' samples in `from..until`.
    pub(crate) fn samples(&self, id: u32, from: i64, until: i64) -> Vec<Roll> {
        let Some(samples) = self.series.get(&id) else {
            return Vec::new();
        };
        let begin = samples.partition_point(|(time, _)| i64::from(*time) < from);
        samples[begin..]
            .iter()
            .map(|&(time, value)| Roll::sample(i64::from(time), value))
            .take_while(|roll| roll.time < until)
            .collect()
    }

    /// The series that have samples before `until`, in order, and the first second of any.
    pub(crate) fn due(&self, until: i64) -> Vec<u32> {
        let first = |samples: &Vec<(u32, f32)>| samples.first().map(|(time, _)| i64::from(*time));
        let mut due: Vec<u32> = self
            .series
            .iter()
            .filter(|(_, samples)| first(samples).is_some_and(|time| time < until))
            .map(|(id, _)| *id)
            .collect();
        due.sort_unstable();
        due
    }
}

/// A journal line's bytes: series in order, each as the difference to the one before (LEB128) and the value's four bytes.
pub(crate) fn encode(values: &mut [(u32, f32)]) -> Vec<u8> {
    values.sort_unstable_by_key(|(id, _)| *id);
    let mut out = Vec::with_capacity(values.len() * 5);
    let mut before = 0;
    for &mut (id, value) in values {
        let mut difference = id - before;
        while difference >= 0x80 {
            out.push((difference & 0x7f) as u8 | 0x80);
            difference >>= 7;
        }
        out.push(difference as u8);
        out.extend(value.to_le_bytes());
        before = id;
    }
    out
}

/// The values of a journal line; none if the bytes are not one.
pub(crate) fn decode(mut bytes: &[u8]) -> Option<Vec<(u32, f32)>> {
    let mut out = Vec::with_capacity(bytes.len() / 5);
    let mut id = 0u32;
    while !bytes.is_empty() {
        let mut difference = 0u32;
        for shift in (0..35).step_by(7) {
            let (&byte, rest) = bytes.split_first()?;
            bytes = rest;
            difference |= u32::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                break;
            }
        }
        id = id.checked_add(difference)?;
        let (value, rest) = bytes.split_first_chunk::<4>()?;
        bytes = rest;
        out.push((id, f32::from_le_bytes(*value)));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_round_trip_and_garbage_is_none() {
        let mut values = vec![(300_000, 1.5), (1, 0.0), (2, -3.0), (u32::MAX, f32::MAX)];
        let bytes = encode(&mut values);
        assert_eq!(decode(&bytes), Some(values));
        assert_eq!(decode(&[]), Some(vec![]));
        for cut in 1..bytes.len() {
            let _ = decode(&bytes[cut..]);
        }
        assert_eq!(decode(&[0xff; 40]), None);
    }

    #[test]
    fn a_clock_that_steps_back_loses_nothing() {
        let mut open = Open::default();
        for (seq, time) in [(1, 100), (2, 110), (3, 50), (4, 60), (5, 110)] {
            open.apply(seq, time, &[(7, seq as f32)]);
        }
        open.apply(5, 999, &[(7, 0.0)]);
        let seen: Vec<_> = open
            .samples(7, 0, 1000)
            .iter()
            .map(|r| (r.time, r.average))
            .collect();
        assert_eq!(seen, [(50, 3.0), (60, 4.0), (100, 1.0), (110, 5.0)]);
        assert_eq!(open.samples(7, 60, 110).len(), 2);
        assert_eq!((open.due(50), open.due(51)), (vec![], vec![7]));
    }
}
