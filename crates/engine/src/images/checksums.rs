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

/// The checksum of the image at `url` in `text`, which was fetched from `from`; the last one where a file is named twice.
/// What is published beside one file (`image.qcow2.sha256`) and holds one checksum speaks of that file, whatever it calls
/// it: openSUSE names there what its "latest" address leads to at the moment.
pub fn find(text: &str, from: &str, url: &str) -> Option<Checksum> {
    let bare = |url: &str| url.split(['?', '#']).next().unwrap_or_default().to_owned();
    let (from, url) = (bare(from), bare(url));
    let file = url.rsplit('/').next().unwrap_or_default();
    let beside = from
        .strip_prefix(&url)
        .is_some_and(|ending| ending.starts_with('.'));
    named(text, file).or_else(|| {
        let mut all = text.lines().filter_map(|line| {
            let word = line.split_whitespace();
            let digits = match line.split_once(" = ") {
                Some((_, digits)) => Some(digits.trim()),
                None => word.clone().next(),
            };
            Some((Checksum::of(digits?)?, word.count()))
        });
        let (only, words) = all.next()?;
        (all.next().is_none() && (beside || words == 1)).then_some(only)
    })
}

/// The checksum of the file that the text calls so.
fn named(text: &str, file: &str) -> Option<Checksum> {
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
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::catalogue::catalogue;

    fn found(text: &str) -> Option<Checksum> {
        find(text, "https://x.org/SUMS", "https://x.org/disk.img")
    }

    #[test]
    fn every_form_is_read() {
        let (a, b) = ("ab".repeat(32), "CD".repeat(64));
        let a256 = Some(Checksum::Sha256(a.clone()));
        for text in [
            format!("{a} *disk.img\n{} *other.img", "00".repeat(32)),
            format!("{a}  ./disk.img"),
            format!("# disk.img: 5 bytes\nSHA256 (disk.img) = {a}\n"),
            a.clone(),
        ] {
            assert_eq!(found(&text), a256, "{text}");
        }
        assert_eq!(
            found(&format!("{b}  disk.img")),
            Some(Checksum::Sha512(b.to_lowercase()))
        );
        for none in [
            "",
            "nonsense",
            "abcd  disk.img",
            "<!DOCTYPE html>",
            &format!("{a}  disk.img.asc"),
            &format!("{a}\n{a}"),
        ] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_published_beside_one_file_speaks_of_it() {
        let url = "https://x.org/disk.img";
        let text = format!("{}  disk-build7.img\n", "ab".repeat(32));
        let beside = |from: &str, text: &str| find(text, from, url).is_some();
        assert!(beside("https://x.org/disk.img.sha256", &text));
        assert!(beside("https://x.org/disk.img.sha256?mirror=1", &text));
        assert!(!beside("https://x.org/SUMS", &text));
        assert!(!beside("https://x.org/disk.img2.sha256", &text));
        assert!(!beside("https://x.org/disk.img.sha256", &text.repeat(2)));
    }

    /// What each vendor's file looks like: other files before and after, signatures, comments, names with a star.
    fn vendors_text(key: &str, file: &str) -> String {
        let (one, other) = ("1a".repeat(32), "00".repeat(32));
        let (long, long_other) = ("1a".repeat(64), "00".repeat(64));
        let bsd =
            |name: &str, sum: &str| format!("# {name}: 528154624 bytes\nSHA256 ({name}) = {sum}\n");
        match key.split('-').next().unwrap() {
            "debian" => format!(
                "{long_other}  debian-genericcloud-amd64.json\n{long}  {file}\n{long_other}  {file}.tar.xz\n"
            ),
            "ubuntu" => {
                format!("{other} *{file}.manifest\n{one} *{file}\n{other} *{file}.tar.gz\n")
            }
            "fedora" => format!(
                "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{}{}-----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCAAdFiEE\n=abcd\n-----END PGP SIGNATURE-----\n",
                bsd("Fedora-Cloud-Base-AmazonEC2.x86_64.raw.xz", &other),
                bsd(file, &one)
            ),
            "rocky" => bsd("Rocky-GenericCloud-LVM.latest.x86_64.qcow2", &other) + &bsd(file, &one),
            "alpine" => format!("{long}\n"),
            "opensuse" => format!(
                "{one}  {}\n",
                file.replace("Cloud.qcow2", "Cloud-Build17.8.qcow2")
            ),
            _ => panic!("how does the vendor of {key} write its checksums?"),
        }
    }

    #[test]
    fn every_entry_of_the_catalogue_is_found_in_its_vendors_file() {
        for entry in catalogue() {
            let file = entry.url.rsplit('/').next().unwrap();
            let text = vendors_text(entry.key, file);
            match find(&text, entry.checksums_url, entry.url) {
                Some(Checksum::Sha256(sum)) => assert_eq!(sum, "1a".repeat(32), "{}", entry.key),
                Some(Checksum::Sha512(sum)) => assert_eq!(sum, "1a".repeat(64), "{}", entry.key),
                None => panic!("{}: {text}", entry.key),
            }
        }
    }
}
