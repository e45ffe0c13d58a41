//! OpenSSH public keys as people paste them (`authorized_keys` form, RFC 4253 §6.6 and RFC 8709 inside).

use base64::Engine as _;

/// Longest key text accepted; RSA with 16,384 bits takes about 2,800 characters.
const LONGEST: usize = 8_192;

/// The key with single spaces and without surrounding ones, or what is wrong with it. The text itself is never repeated
/// in the message: it may be a private key.
pub fn checked(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.contains("PRIVATE KEY") {
        return Err(
            "this is a private key: keep it to yourself and give the line of the file that ends in .pub".into(),
        );
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err("a public key is one line; this has a line break or control character".into());
    }
    if text.len() > LONGEST {
        return Err(format!(
            "the key has {} characters; at most {LONGEST} are accepted",
            text.len()
        ));
    }
    let mut words = text.split_whitespace();
    let (kind, blob) = match (words.next(), words.next()) {
        (Some(kind), Some(blob)) => (kind, blob),
        _ => return Err(expected("this is not an OpenSSH public key")),
    };
    if kind == "ssh-dss" {
        return Err(expected(
            "DSA keys are broken and no longer accepted by OpenSSH",
        ));
    }
    if !KINDS.contains(&kind) {
        return Err(expected(
            "the first word is not a key type (options before the key are not accepted)",
        ));
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(blob)
        .map_err(|_| {
            expected("the second word is not base64: perhaps a part was lost while copying")
        })?;
    check_inside(kind, &bytes).ok_or_else(|| {
        expected(&format!(
            "what is inside is not a whole {kind} key: perhaps a part was lost while copying"
        ))
    })??;
    let comment: Vec<&str> = words.collect();
    let mut line = format!("{kind} {blob}");
    if !comment.is_empty() {
        line.push(' ');
        line.push_str(&comment.join(" "));
    }
    Ok(line)
}

const KINDS: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

fn expected(wrong: &str) -> String {
    format!(
        "{wrong}; one line of a .pub file is expected, such as 'ssh-ed25519 AAAA… name' (types: ed25519, ecdsa, rsa, sk-*)"
    )
}

/// None where the bytes are not a key of that kind; an error in words where it is one that is too weak.
fn check_inside(kind: &str, bytes: &[u8]) -> Option<Result<(), String>> {
    let mut rest = bytes;
    let mut string = || -> Option<&[u8]> {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (value, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = after;
        Some(value)
    };
    if string()? != kind.as_bytes() {
        return None;
    }
    match kind {
        "ssh-rsa" => {
            let (exponent, modulus) = (string()?, string()?);
            let bits = modulus_bits(modulus);
            if exponent.is_empty() || bits == 0 {
                return None;
            }
            if !(2_048..=16_384).contains(&bits) {
                return Some(Err(format!(
                    "the RSA key has {bits} bits; 2,048 to 16,384 are accepted"
                )));
            }
        }
        "ssh-ed25519" => (string()?.len() == 32).then_some(())?,
        "sk-ssh-ed25519@openssh.com" => {
            (string()?.len() == 32).then_some(())?;
            (!string()?.is_empty()).then_some(())?;
        }
        _ => {
            // ecdsa: the curve's name, then an uncompressed point of twice its bytes and one (SEC 1 §2.3.3).
            let curve = string()?;
            let size = match curve {
                b"nistp256" => 65,
                b"nistp384" => 97,
                b"nistp521" => 133,
                _ => return None,
            };
            let named = kind
                .as_bytes()
                .windows(curve.len())
                .any(|part| part == curve);
            let point = string()?;
            (named && point.len() == size && point.first() == Some(&4)).then_some(())?;
            if kind.starts_with("sk-") {
                (!string()?.is_empty()).then_some(())?;
            }
        }
    }
    rest.is_empty().then_some(Ok(()))
}

fn modulus_bits(modulus: &[u8]) -> usize {
    let first = modulus.iter().position(|byte| *byte != 0);
    first.map_or(0, |at| {
        (modulus.len() - at) * 8 - modulus[at].leading_zeros() as usize
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(kind: &str, parts: &[&[u8]]) -> String {
        let mut bytes = Vec::new();
        for part in std::iter::once(&kind.as_bytes()).chain(parts) {
            bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        format!(
            "{kind} {}",
            base64::engine::general_purpose::STANDARD.encode(bytes)
        )
    }

    fn point(size: usize) -> Vec<u8> {
        let mut point = vec![7; size];
        point[0] = 4;
        point
    }

    #[test]
    fn every_kind_is_accepted() {
        let keys = [
            key("ssh-ed25519", &[&[9; 32]]),
            key("ssh-rsa", &[&[1, 0, 1], &[0x80; 256]]),
            key("ecdsa-sha2-nistp256", &[b"nistp256", &point(65)]),
            key("ecdsa-sha2-nistp521", &[b"nistp521", &point(133)]),
            key("sk-ssh-ed25519@openssh.com", &[&[9; 32], b"ssh:"]),
            key(
                "sk-ecdsa-sha2-nistp256@openssh.com",
                &[b"nistp256", &point(65), b"ssh:"],
            ),
        ];
        for key in keys {
            assert_eq!(checked(&key).as_ref(), Ok(&key));
            let commented = format!("  {key}   anna's \t laptop ☕ ");
            assert_eq!(checked(&commented), Ok(format!("{key} anna's laptop ☕")));
        }
        let real =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a@b";
        assert_eq!(checked(real), Ok(real.into()));
    }

    #[test]
    fn what_is_wrong_is_said_without_repeating_the_key() {
        let good = key("ssh-ed25519", &[&[9; 32]]);
        let cases = [
            ("", "not an OpenSSH public key"),
            ("hello", "not an OpenSSH public key"),
            (
                &*format!("command=\"rm -rf /\" {good}"),
                "options before the key",
            ),
            (&format!("{good}\n{good}"), "one line"),
            ("ssh-dss AAAA", "DSA"),
            ("ssh-ed25519 !!!!", "not base64"),
            (&good[..good.len() - 8], "a part was lost"),
            (
                &good.replacen("ssh-ed25519", "ssh-rsa", 1),
                "not a whole ssh-rsa key",
            ),
            (&key("ssh-rsa", &[&[1, 0, 1], &[0x80; 128]]), "1024 bits"),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n-----END OPENSSH PRIVATE KEY-----",
                "private key",
            ),
        ];
        for (text, part) in cases {
            let said = checked(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
            assert!(
                !said.contains("secret") && !said.contains("rm -rf"),
                "{said}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_is_pasted_never_panics_and_what_passes_is_one_line(text in "(ssh-ed25519 |ssh-rsa )?\\PC{0,80}[\r\n]?\\PC{0,20}") {
            if let Ok(line) = checked(&text) {
                prop_assert!(!line.contains(['\n', '\r']));
                prop_assert_eq!(checked(&line), Ok(line.clone()));
            }
        }
    }
}
