//! Fetching a file over HTTP: which addresses may be asked, and what an answer means for the bytes that are here already.

use bellwether_model::text::shown;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many times an answer may send us elsewhere.
const REDIRECTIONS: usize = 10;

/// Whether the address is one of the public Internet. All others lead to this machine, to a network only this machine may
/// be let into (a cloud's metadata service among them), or nowhere.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, ..] = address.segments();
    let v4 = |at: usize| {
        let octets = address.octets();
        Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3])
    };
    match (a, b, c) {
        // An IPv4 address behind a translator, or inside a 6to4 address.
        (0x64, 0xff9b, 0) => is_public_v4(v4(12)),
        (0x2002, ..) => is_public_v4(v4(2)),
        // Teredo, benchmarks, ORCHID; documentation.
        (0x2001, 0..0x200, _) | (0x2001, 0xdb8, _) | (0x3fff, 0..0x1000, _) => false,
        (0x2000..0x4000, ..) => true,
        // An IPv4 address written as IPv6 among them: no vendor publishes such a one.
        _ => false,
    }
}

/// Whether a URL of this scheme and (where it is written as one) this address may be asked; why not, as the end of a
/// sentence. `local` allows plain http and addresses that are not public.
pub fn may_ask(scheme: &str, host: &str, local: bool) -> Result<(), String> {
    match scheme {
        "https" => {}
        "http" if local => {}
        _ => {
            return Err(format!(
                "'{}' is not https, the only way images are fetched",
                shown(scheme)
            ));
        }
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    match literal.parse() {
        Ok(address) if !local && !is_public(address) => Err(not_public(host)),
        _ => Ok(()),
    }
}

/// Why a name or address is not asked.
pub fn not_public(host: &str) -> String {
    format!(
        "'{}' is an address of this machine or of a private network; allow_local_image_urls in the configuration would allow it",
        shown(host)
    )
}

/// Whether to go where an answer sends us, after so many redirections already; why not, as the end of a sentence.
pub fn may_follow(
    already: usize,
    from_scheme: &str,
    scheme: &str,
    host: &str,
    local: bool,
) -> Result<(), String> {
    if already > REDIRECTIONS {
        return Err(format!(
            "the source sends us elsewhere more than {REDIRECTIONS} times"
        ));
    }
    if from_scheme == "https" && scheme != "https" {
        return Err(
            "the source sends us from https to an address that is not, where anybody on the way could change it"
                .into(),
        );
    }
    may_ask(scheme, host, local).map_err(|why| format!("the source sends us elsewhere, and {why}"))
}

/// By what one version of a file at its source is told from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The machine that served it: mirrors of one file have entity tags of their own.
    pub served_by: String,
    /// Its strong entity tag.
    pub tag: Option<String>,
    /// When it was changed, as the source writes it.
    pub modified: Option<String>,
    /// Its length.
    pub length: Option<u64>,
}

impl Version {
    /// Whether it is known to be the same file: by the tag where one machine served both, else by date and length.
    pub fn is(&self, other: &Self) -> bool {
        if self.length.is_some() && other.length.is_some() && self.length != other.length {
            return false;
        }
        match (&self.tag, &other.tag) {
            (Some(a), Some(b)) if self.served_by == other.served_by => a == b,
            _ => {
                self.modified.is_some()
                    && self.modified == other.modified
                    && self.length == other.length
            }
        }
    }
}

/// The head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Which version of the file it speaks of; `length` is the whole file's.
    pub version: Version,
    /// The first byte of the part that is answered.
    pub from: Option<u64>,
}

/// What to do about an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// What comes follows what is here.
    Append,
    /// What comes is the file from its beginning.
    Begin,
    /// What is here is of no use: drop it and ask for the file from its beginning.
    Anew(&'static str),
    /// Ask again later.
    Later(String),
    /// It will not come.
    Never(String),
}

/// What the answer means when `held` bytes of `version` are here, which were asked to be continued unless there are none.
/// A file longer than `most` is not taken.
pub fn next(held: u64, version: Option<&Version>, answer: &Answer, most: u64) -> Next {
    const CHANGED: &str = "the file at the source has changed";
    let same = version.is_some_and(|version| version.is(&answer.version));
    match answer.status {
        200 | 206 if answer.version.length.is_some_and(|length| length > most) => Next::Never(
            format!("it is larger than {most} bytes, the most that is taken"),
        ),
        200 => Next::Begin,
        206 | 416 if held == 0 => {
            Next::Never("the source answered with a part nobody asked for".into())
        }
        206 if !same => Next::Anew(CHANGED),
        206 if answer.from != Some(held) => Next::Anew("the source answered with another part"),
        206 => Next::Append,
        416 if held > 0 => Next::Anew(CHANGED),
        status @ (408 | 425 | 429 | 500..=599) => {
            Next::Later(format!("the source answered {status}"))
        }
        300..=399 => {
            Next::Never("the source sends us elsewhere, to no address that can be asked".into())
        }
        status => Next::Never(format!("the source answered {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for public in [
            "1.1.1.1",
            "151.101.2.132",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a04:4e42::644",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for not in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.192",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "fe80::1",
            "fec0::1",
            "fd00:ec2::254",
            "ff02::1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:a00:1::1",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(not.parse().unwrap()), "{not}");
        }
    }

    #[test]
    fn what_is_asked_is_https_and_public_unless_local_ones_are_allowed() {
        for (scheme, host, always, local) in [
            ("https", "cloud.debian.org", true, true),
            ("https", "1.1.1.1", true, true),
            ("http", "cloud.debian.org", false, true),
            ("https", "127.0.0.1", false, true),
            ("https", "[::1]", false, true),
            ("https", "169.254.169.254", false, true),
            ("ftp", "cloud.debian.org", false, false),
            ("file", "", false, false),
        ] {
            assert_eq!(
                may_ask(scheme, host, false).is_ok(),
                always,
                "{scheme} {host}"
            );
            assert_eq!(
                may_ask(scheme, host, true).is_ok(),
                local,
                "{scheme} {host}"
            );
        }
    }

    #[test]
    fn redirections_are_bounded_and_never_leave_https() {
        let follow = |already, from, to, host, local| may_follow(already, from, to, host, local);
        assert!(follow(1, "https", "https", "mirror.example.org", false).is_ok());
        assert!(follow(10, "https", "https", "mirror.example.org", false).is_ok());
        assert!(follow(1, "http", "http", "127.0.0.1", true).is_ok());
        for (already, from, to, host, local, why) in [
            (
                11,
                "https",
                "https",
                "mirror.example.org",
                false,
                "more than 10 times",
            ),
            (
                1,
                "https",
                "http",
                "mirror.example.org",
                false,
                "from https",
            ),
            (1, "https", "http", "mirror.example.org", true, "from https"),
            (
                1,
                "https",
                "https",
                "169.254.169.254",
                false,
                "private network",
            ),
            (1, "https", "file", "", true, "from https"),
        ] {
            let said = follow(already, from, to, host, local).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    fn version(tag: &str, modified: &str, length: u64) -> Version {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Version {
            served_by: "mirror".into(),
            tag: given(tag),
            modified: given(modified),
            length: Some(length),
        }
    }

    fn answer(status: u16, version: Version, from: Option<u64>) -> Answer {
        Answer {
            status,
            version,
            from,
        }
    }

    #[test]
    fn a_broken_transfer_goes_on_only_in_the_same_file() {
        let had = version("\"a\"", "Mon", 100);
        let ask = |answer: &Answer| next(40, Some(&had), answer, 1000);
        assert_eq!(ask(&answer(206, had.clone(), Some(40))), Next::Append);
        // Another mirror has a tag of its own; date and length tell.
        let elsewhere = |mut version: Version| {
            version.served_by = "other".into();
            version
        };
        let mirrored = elsewhere(version("\"b\"", "Mon", 100));
        assert_eq!(ask(&answer(206, mirrored, Some(40))), Next::Append);
        for changed in [
            answer(206, version("\"b\"", "Mon", 100), Some(40)),
            answer(206, version("\"a\"", "Mon", 101), Some(40)),
            answer(206, elsewhere(version("\"a\"", "Tue", 100)), Some(40)),
            answer(206, elsewhere(version("\"a\"", "", 100)), Some(40)),
            answer(206, had.clone(), Some(0)),
            answer(206, had.clone(), None),
            answer(416, version("", "", 20), None),
        ] {
            assert!(matches!(ask(&changed), Next::Anew(_)), "{changed:?}");
        }
        // Nothing is known of what is here.
        let unknown = next(40, None, &answer(206, had.clone(), Some(40)), 1000);
        assert!(matches!(unknown, Next::Anew(_)));
    }

    #[test]
    fn every_answer_is_something_to_do() {
        let had = version("\"a\"", "Mon", 100);
        let fresh = |status, length| {
            let of = Version {
                length,
                ..had.clone()
            };
            next(0, None, &answer(status, of, None), 1000)
        };
        assert_eq!(fresh(200, Some(100)), Next::Begin);
        assert_eq!(fresh(200, None), Next::Begin);
        assert!(matches!(fresh(200, Some(1001)), Next::Never(_)));
        assert!(matches!(fresh(206, Some(100)), Next::Never(_)));
        for (status, later) in [
            (404, false),
            (403, false),
            (204, false),
            (503, true),
            (429, true),
        ] {
            let next = fresh(status, None);
            assert_eq!(matches!(next, Next::Later(_)), later, "{next:?}");
            assert_eq!(matches!(next, Next::Never(_)), !later, "{next:?}");
        }
        // The source does not know ranges, or sends the new file at once.
        assert_eq!(
            next(40, Some(&had), &answer(200, had.clone(), None), 1000),
            Next::Begin
        );
    }
}
