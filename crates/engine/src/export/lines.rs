//! Lines of Graphite's plaintext protocol: `path value seconds`.
//!
//! Classic: `PREFIX.hosts.HOST.SIGNAL`, `PREFIX.vms.LIBVIRT_NAME.SIGNAL`: libvirt's name of a VM of ours holds the start of
//! the UUID, which others get appended, and stays as it is when a VM moves or is given another name. A few signals are written
//! once more as `PREFIX.hosts.HOST.vms.LIBVIRT_NAME.SIGNAL`. Tagged: `PREFIX.vm.SIGNAL;host=…;owner=…;title=…;uuid=…`, where the
//! title is the name people gave it: carbon takes a tag called `name` for its own.

use super::{Batch, Labels};
use bellwether_model::signal::{self, Entity};
use std::fmt::Write;

/// Appends a line for each point of the batch.
pub(super) fn write(out: &mut String, batch: &Batch, prefix: &str, tagged: bool) {
    let at = batch.at.seconds();
    let mut last: Option<(*const Labels, String)> = None;
    for point in &batch.points {
        if !point.value.is_finite() {
            continue;
        }
        // The points of one thing follow each other.
        let labels: *const Labels = &*point.labels;
        let name = match last.take().filter(|(of, _)| *of == labels) {
            Some((_, name)) => name,
            None if tagged => tags(&point.labels),
            None => path_of(&point.labels),
        };
        // Writing to a text can't fail.
        let _ = match (tagged, point.labels.of) {
            (true, of) => writeln!(
                out,
                "{prefix}.{}.{}{name} {} {at}",
                of.as_str(),
                point.signal,
                point.value
            ),
            (false, Entity::Host) => writeln!(
                out,
                "{prefix}.hosts.{name}.{} {} {at}",
                point.signal, point.value
            ),
            (false, Entity::Vm) => writeln!(
                out,
                "{prefix}.vms.{name}.{} {} {at}",
                point.signal, point.value
            ),
        };
        if !tagged && IN_HOST.contains(&point.signal) && point.labels.of == Entity::Vm {
            let host = part(&point.labels.host);
            let _ = writeln!(
                out,
                "{prefix}.hosts.{host}.vms.{name}.{} {} {at}",
                point.signal, point.value
            );
        }
        last = Some((labels, name));
    }
    for total in &batch.totals {
        total.write(out, prefix, tagged, at);
    }
}

/// What is also written below the host a VM is on: a path of the VM's own does not say where it is, and who looks at a host
/// wants to see whose the load is.
const IN_HOST: &[&str] = &[
    signal::vm::CPU.word,
    signal::vm::CONTENTION.word,
    signal::vm::MEMORY_RESIDENT.word,
];

/// A VM that is not ours may have a name that another host's has too: the start of its UUID keeps them apart.
fn path_of(labels: &Labels) -> String {
    let name = part(&labels.libvirt_name);
    let id = labels.id.simple().to_string();
    match labels.of {
        Entity::Vm if !name.contains(&id[..8]) => format!("{name}_{}", &id[..8]),
        _ => name,
    }
}

fn tags(labels: &Labels) -> String {
    let mut tags = String::new();
    for (tag, value) in [
        ("host", Some(labels.host.as_str())),
        ("owner", labels.owner.as_deref()),
        ("title", Some(&labels.name)),
        ("uuid", Some(&labels.id.to_string())),
    ] {
        if let Some(value) = value {
            let _ = write!(tags, ";{tag}={}", tag_value(value));
        }
    }
    tags
}

/// A name as one part of a path: letters, digits, `-` and `_` of ASCII. Where anything else stood, a few digits of the
/// name's sum are added, so that `a.b` and `a b` stay two.
pub(super) fn part(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut part: String = name
        .chars()
        .map(|c| if fits(c) { c } else { '_' })
        .collect();
    if part.is_empty() || part != name {
        let _ = write!(part, "_{:06x}", sum(name) & 0xff_ffff);
    }
    part
}

/// A name as the value of a tag: anything but white space, control characters, `;`, and a `~` in front.
pub(super) fn tag_value(name: &str) -> String {
    let bad = |c: char| c == ';' || c.is_whitespace() || c.is_control();
    let value: String = name.chars().map(|c| if bad(c) { '_' } else { c }).collect();
    match value.strip_prefix('~') {
        Some(rest) => format!("_{rest}"),
        None if value.is_empty() => "_".into(),
        None => value,
    }
}

/// [FNV-1a](https://datatracker.ietf.org/doc/html/draft-eastlake-fnv), 32 bits.
fn sum(text: &str) -> u32 {
    let step = |sum: u32, byte: u8| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step)
}

#[cfg(test)]
mod tests {
    use super::{super::Point, *};
    use bellwether_model::Timestamp;
    use std::{collections::BTreeSet, sync::Arc};
    use uuid::Uuid;

    fn lines(name: &str, owner: Option<&str>, tagged: bool) -> String {
        let vm = Arc::new(Labels {
            of: Entity::Vm,
            host: "host 1".into(),
            id: Uuid::from_u128(7 << 96),
            name: name.into(),
            libvirt_name: name.into(),
            owner: owner.map(Into::into),
        });
        let host = Arc::new(Labels {
            of: Entity::Host,
            host: "host1".into(),
            id: Uuid::from_u128(8),
            name: "host1".into(),
            libvirt_name: "host1".into(),
            owner: None,
        });
        let point = |labels: &Arc<Labels>, signal, value| Point {
            labels: labels.clone(),
            signal,
            value,
        };
        let batch = Batch {
            at: Timestamp::from_seconds(1_790_000_000),
            points: vec![
                point(&host, "cpu", 1.25),
                point(&vm, "cpu", 0.1),
                point(&vm, "net_rx", f64::NAN),
                point(&vm, "net_tx", 2_048.0),
            ],
            totals: Vec::new(),
        };
        let mut out = String::new();
        write(&mut out, &batch, "bellwether", tagged);
        out
    }

    #[test]
    fn classic_paths() {
        assert_eq!(
            lines("bw-00000007-web", None, false),
            "bellwether.hosts.host1.cpu 1.25 1790000000\n\
             bellwether.vms.bw-00000007-web.cpu 0.1 1790000000\n\
             bellwether.hosts.host_1_d78b04.vms.bw-00000007-web.cpu 0.1 1790000000\n\
             bellwether.vms.bw-00000007-web.net_tx 2048 1790000000\n"
        );
    }

    #[test]
    fn one_name_on_two_hosts_is_two_paths() {
        let path = lines("win10", None, false);
        assert!(
            path.contains("bellwether.vms.win10_00000007.cpu "),
            "{path}"
        );
    }

    #[test]
    fn tagged_names() {
        let all = lines("~we b;x", Some("ada"), true);
        assert_eq!(
            all.lines().nth(1).unwrap(),
            "bellwether.vm.cpu;host=host_1;owner=ada;title=_we_b_x;uuid=00000007-0000-0000-0000-000000000000 0.1 1790000000"
        );
    }

    #[test]
    fn every_line_has_three_words_whatever_the_name() {
        let names = [
            "a.b", "a b", "a/b", "a\nb", "机器", "", "../..", "a_b", "Ω", "a;b=c",
        ];
        for name in names {
            for tagged in [true, false] {
                for line in lines(name, Some(name), tagged).lines() {
                    assert_eq!(line.split(' ').count(), 3, "{line:?}");
                }
            }
        }
        let parts: BTreeSet<String> = names.iter().map(|name| part(name)).collect();
        assert_eq!(parts.len(), names.len(), "no two become one: {parts:?}");
    }
}
