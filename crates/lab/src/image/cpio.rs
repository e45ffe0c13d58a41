//! The archive a kernel unpacks as its first root: cpio's "newc" format, written by hand so that it is the same to the
//! byte each time and needs no root.

/// An archive being written.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    pub(crate) fn folder(&mut self, path: &str) {
        self.entry(path, 0o040_755, &[]);
    }

    pub(crate) fn file(&mut self, path: &str, executable: bool, content: &[u8]) {
        self.entry(
            path,
            if executable { 0o100_755 } else { 0o100_644 },
            content,
        );
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.entry(path, 0o120_777, target.as_bytes());
    }

    /// The finished archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(path.len() + 1).unwrap_or(u32::MAX);
        // inode, mode, uid, gid, links, time, size, device (2), special device (2), name's size, checksum
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            0,
            0,
            name_size,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpio_itself_reads_it() {
        let mut archive = Archive::default();
        archive.folder("bin");
        archive.file("bin/x", true, b"hello");
        archive.link("bin/y", "x");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let listed = crate::run::tool(["cpio", "-it", "--quiet"]).run_with_input(&bytes);
        match listed {
            Ok(names) => assert_eq!(
                String::from_utf8_lossy(&names).lines().collect::<Vec<_>>(),
                ["bin", "bin/x", "bin/y"]
            ),
            Err(error) => println!("skipped, cpio is not installed: {error}"),
        }
    }
}
