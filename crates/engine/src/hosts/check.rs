//! What an admin types for a host, checked.

use bellwether_model::{
    Error, FieldError, MiB, Result,
    host::Host,
    host_uri::{HostUri, SshCommands, without_credentials},
    observed::HostFacts,
    text::shown,
};

pub(super) fn keep<T>(checked: Result<T, FieldError>, wrong: &mut Vec<FieldError>) -> Option<T> {
    checked.map_err(|error| wrong.push(error)).ok()
}

fn wrong(field: &str, message: impl Into<String>) -> FieldError {
    FieldError {
        field: field.into(),
        message: message.into(),
    }
}

pub(super) fn checked_name(name: &str) -> Result<String, FieldError> {
    let name = name.trim();
    let good = (1..=63).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if good {
        Ok(name.into())
    } else {
        Err(wrong(
            "name",
            format!(
                "'{}' is no host name; give 1 to 63 of a–z, 0–9, '-' and '.', beginning with a letter or digit",
                shown(name)
            ),
        ))
    }
}

/// An address a person typed.
pub(super) fn checked_uri(
    field: &str,
    uri: &str,
    commands: SshCommands,
) -> Result<HostUri, FieldError> {
    HostUri::parse(uri.trim(), commands).map_err(|why| {
        wrong(
            field,
            format!("'{}' can't be used: {why}", without_credentials(uri.trim())),
        )
    })
}

/// The address by which other hosts reach a host that the server reaches by `uri`: the given one, else the same without
/// what is a matter of this machine.
pub(super) fn checked_peer_uri(
    uri: &HostUri,
    given: Option<&str>,
    commands: SshCommands,
) -> Result<HostUri, FieldError> {
    const FIELD: &str = "peer_uri";
    let given = given.map(str::trim).filter(|text| !text.is_empty());
    let peer = checked_uri(FIELD, given.unwrap_or(uri.without_parameters()), commands)?;
    if !uri.transport().is_real() {
        return if peer.transport() == uri.transport() {
            Ok(peer)
        } else {
            Err(wrong(
                FIELD,
                "a host that is not real is reached by others the same way",
            ))
        };
    }
    if peer.works_from_elsewhere() {
        return Ok(peer);
    }
    Err(wrong(
        FIELD,
        format!(
            "'{peer}' means the machine on which it is used; give the address by which other hosts reach this one, such as qemu+tls://host/system"
        ),
    ))
}

pub(super) fn checked_address(address: Option<&str>) -> Result<Option<String>, FieldError> {
    let Some(address) = address.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let name = address.len() <= 253
        && address
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    if address.parse::<std::net::IpAddr>().is_ok() || name {
        Ok(Some(address.into()))
    } else {
        Err(wrong(
            "migration_address",
            format!(
                "'{}' is no address; give an IP address or a host name",
                shown(address)
            ),
        ))
    }
}

/// The site as it is kept; hosts of whom nobody says where they stand are together.
pub(super) fn checked_site(site: Option<&str>) -> Result<String, FieldError> {
    let site = site
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .unwrap_or("default");
    if site.chars().count() > 63 || site.chars().any(char::is_control) {
        return Err(wrong(
            "site",
            format!(
                "'{}' can't be a site; give at most 63 characters",
                shown(site)
            ),
        ));
    }
    Ok(site.into())
}

/// What a host offers when nobody says: its memory less a tenth, at least 1 GiB and at most 8 GiB, for itself.
pub(super) fn offered_of(memory: MiB) -> MiB {
    memory.minus(MiB((memory.0 / 10).clamp(1024, 8192).min(memory.0 / 2)))
}

pub(super) fn check_offered(host: &Host, facts: Option<&HostFacts>) -> Result<()> {
    let mut wrongs = Vec::new();
    if host.cores == 0 || host.cores > 4096 {
        wrongs.push(wrong(
            "cores",
            format!("{} cores can't be offered; give 1 to 4,096", host.cores),
        ));
    }
    if host.memory.0 < 128 {
        wrongs.push(wrong(
            "memory_mib",
            format!("{} can't be offered; give at least 128 MiB", host.memory),
        ));
    }
    if let Some(facts) = facts.filter(|facts| facts.memory.0 > 0) {
        if host.memory > facts.memory {
            wrongs.push(wrong(
                "memory_mib",
                format!(
                    "{} is more than the host has, {}",
                    host.memory, facts.memory
                ),
            ));
        }
        if host.cores > facts.cores {
            wrongs.push(wrong(
                "cores",
                format!("{} is more than the host has, {}", host.cores, facts.cores),
            ));
        }
    }
    if wrongs.is_empty() {
        Ok(())
    } else {
        Err(Error::invalid_fields(wrongs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_for_other_hosts_is_derived_or_works_from_elsewhere() {
        let refused = SshCommands::Refused;
        let peer = |uri: &str, given: Option<&str>| {
            let uri = checked_uri("uri", uri, refused).unwrap();
            checked_peer_uri(&uri, given, refused).map(|peer| peer.to_string())
        };
        for (uri, given, expected) in [
            (
                "qemu+ssh://root@kvm1/system?keyfile=/k",
                None,
                Some("qemu+ssh://root@kvm1/system"),
            ),
            (
                "qemu:///system",
                Some(" qemu+tls://kvm1/system "),
                Some("qemu+tls://kvm1/system"),
            ),
            ("sim://demo/host01", None, Some("sim://demo/host01")),
            ("qemu:///system", None, None),
            ("qemu+ssh://root@kvm1/system", Some("qemu:///system"), None),
            (
                "qemu+ssh://root@kvm1/system",
                Some("qemu+ssh://root@localhost/system"),
                None,
            ),
            (
                "qemu+ssh://root@kvm1/system",
                Some("qemu+ssh://root@kvm1/system?socket=/x;command=/y"),
                None,
            ),
            (
                "qemu+ssh://root@kvm1/system",
                Some("sim://demo/host01"),
                None,
            ),
            (
                "sim://demo/host01",
                Some("qemu+ssh://root@kvm1/system"),
                None,
            ),
        ] {
            let found = peer(uri, given);
            assert_eq!(
                found.clone().ok().as_deref(),
                expected,
                "{uri} {given:?}: {found:?}"
            );
            if let Err(wrong) = found {
                assert_eq!(wrong.field, "peer_uri");
            }
        }
    }

    #[test]
    fn an_address_is_refused_with_its_reason_and_without_its_password() {
        let error = checked_uri(
            "uri",
            "qemu+ssh://root:secret@kvm1/system",
            SshCommands::Refused,
        )
        .unwrap_err();
        assert!(error.message.contains("password"), "{error:?}");
        assert!(!error.message.contains("secret"), "{error:?}");
    }
}
