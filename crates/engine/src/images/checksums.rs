//! The vendor's own file of checksums: the forms that `sha256sum`, `sha512sum` and `cksum --tag` write.

/// A checksum found in such a file, by the length of its digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// SHA-256, hexadecimal.
    Sha256(String),
    /// SHA-512, hexadecimal.
    Sha512(String),
}

impl Checksum {
    fn of(digits: &str) -> Option<Self> {
        let digits = digits.to_ascii_lowercase();
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        match digits.len() {
            64 => Some(Self::Sha256(digits)),
            128 => Some(Self::Sha512(digits)),
            _ => None,
        }
    }
}

/// The checksum of `file` in `text`; the last one where a file is named twice. A file that holds nothing but one checksum
/// (`image.qcow2.sha256`) speaks of `file` too.
pub fn find(text: &str, file: &str) -> Option<Checksum> {
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if let Some((head, digits)) = line.split_once(" = ") {
            // SHA256 (file) = digits
            if head
                .split_once(" (")
                .is_some_and(|(_, name)| name.trim_end_matches(')') == file)
            {
                found = Checksum::of(digits).or(found);
            }
        } else if let Some((digits, name)) = line.split_once(char::is_whitespace) {
            let name = name.trim().trim_start_matches('*');
            if name == file || name.ends_with(&format!("/{file}")) {
                found = Checksum::of(digits).or(found);
            }
        }
    }
    found.or_else(|| {
        let mut words = text.split_whitespace();
        let only = Checksum::of(words.next()?)?;
        words.next().is_none().then_some(only)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vendors_form() {
        let (a, b) = ("ab".repeat(32), "CD".repeat(64));
        let a256 = Some(Checksum::Sha256(a.clone()));
        assert_eq!(
            find(
                &format!("{a} *disk.img\n{} *other.img", "00".repeat(32)),
                "disk.img"
            ),
            a256
        );
        assert_eq!(find(&format!("{a}  ./disk.img"), "disk.img"), a256);
        assert_eq!(
            find(
                &format!("# disk.img: 5 bytes\nSHA256 (disk.img) = {a}\n"),
                "disk.img"
            ),
            a256
        );
        assert_eq!(
            find(&format!("{b}  disk.img"), "disk.img"),
            Some(Checksum::Sha512(b.to_lowercase()))
        );
        assert_eq!(find(&a, "disk.img"), a256);
        for none in [
            "",
            "nonsense",
            "abcd  disk.img",
            &format!("{a}  disk.img.asc"),
        ] {
            assert_eq!(find(none, "disk.img"), None, "{none}");
        }
    }
}
