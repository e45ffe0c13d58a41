//! Which machines may be hosts, and which hosts may be forgotten.

use bellwether_model::{
    Error, FieldError, MachineId, Result,
    host::{Host, HostMode, HostTies},
    text::shown,
};

/// Whether `host` may be the machine that answered at its address. `others` are all hosts; `bound` VMs (not gone) are bound
/// to it. A machine that does not say which it is may be any.
pub fn may_be(
    host: &Host,
    machine: Option<MachineId>,
    others: &[Host],
    bound: usize,
) -> Result<()> {
    let Some(machine) = machine else {
        return Ok(());
    };
    let is_it = |other: &&Host| other.id != host.id && other.machine == Some(machine);
    if let Some(other) = others.iter().find(is_it) {
        return Err(at_uri(format!(
            "the machine that answers there is {} already (its UUID is {machine}); a machine is added once",
            other.name
        )));
    }
    match host.machine {
        Some(known) if known != machine && bound > 0 => Err(at_uri(format!(
            "another machine answers there than {} is (its UUID is {machine}, not {known}), and {} bound to {}; add the \
             other machine as a host of its own, or move or delete what is bound to this one first",
            host.name,
            if bound == 1 {
                "a VM is".to_owned()
            } else {
                format!("{bound} VMs are")
            },
            host.name
        ))),
        _ => Ok(()),
    }
}

fn at_uri(message: String) -> Error {
    let mut error = Error::conflict(format!("uri: {message}"));
    error.fields.push(FieldError {
        field: "uri".into(),
        message,
    });
    error
}

/// Whether a host may be forgotten, with what hangs on it; `Conflict` with every reason against it.
pub fn may_forget(host: &Host, ties: &HostTies) -> Result<()> {
    let mut reasons = Vec::new();
    if !ties.vms.is_empty() {
        reasons.push(format!("it is still in use by {}", some("VM", &ties.vms)));
    }
    if !ties.moves.is_empty() {
        reasons.push(format!(
            "{} on the way from or to it",
            some("VM", &ties.moves) + if ties.moves.len() == 1 { " is" } else { " are" }
        ));
    }
    match ties.jobs {
        0 => {}
        1 => reasons.push("a job of it is under way".into()),
        jobs => reasons.push(format!("{jobs} jobs of it are under way")),
    }
    // What an admin declared off runs nothing: nobody has to remove anything from it.
    if ties.tombstones > 0 && host.mode != HostMode::DeclaredOff {
        reasons.push(format!(
            "what {} left on it is still to be removed, for which it must answer; declare it off if it never will",
            if ties.tombstones == 1 {
                "an undone or deleted VM".to_owned()
            } else {
                format!("{} undone or deleted VMs", ties.tombstones)
            }
        ));
    }
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "{} can't be removed: {}.",
        host.name,
        reasons.join("; ")
    )))
}

/// `the VM 'a'`, `the VMs 'a', 'b' and 7 more`.
fn some(what: &str, names: &[String]) -> String {
    const SHOWN: usize = 5;
    let first: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("'{}'", shown(name)))
        .collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("the {what}{plural} {}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn machine(number: u64) -> Option<MachineId> {
        Some(testing::id(9, number))
    }

    fn host(number: u64, machine: Option<MachineId>) -> Host {
        Host {
            machine,
            ..testing::host(number)
        }
    }

    #[test]
    fn a_machine_is_one_host_and_a_host_with_vms_stays_one_machine() {
        let (first, second) = (host(1, machine(1)), host(2, machine(2)));
        let others = [first.clone(), second.clone()];
        assert_eq!(may_be(&first, machine(1), &others, 3), Ok(()));
        assert_eq!(may_be(&first, None, &others, 3), Ok(()), "nobody knows");
        assert_eq!(may_be(&host(3, None), machine(3), &others, 3), Ok(()));
        let twice = may_be(&host(3, None), machine(2), &others, 0).unwrap_err();
        assert_eq!(twice.fields[0].field, "uri");
        assert!(twice.message.contains("is host02 already"), "{twice}");
        let elsewhere = machine(4);
        assert_eq!(may_be(&first, elsewhere, &others, 0), Ok(()), "replaced");
        let bound = may_be(&first, elsewhere, &others, 1).unwrap_err();
        assert!(bound.message.contains("a VM is bound to host01"), "{bound}");
    }

    #[test]
    fn a_host_is_forgotten_only_when_nothing_hangs_on_it() {
        let mut host = testing::host(1);
        assert_eq!(may_forget(&host, &HostTies::default()), Ok(()));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let ties = HostTies {
            vms: names(&["a", "b", "c", "d", "e", "f"]),
            moves: names(&["g"]),
            jobs: 2,
            tombstones: 1,
        };
        let said = may_forget(&host, &ties).unwrap_err().message;
        for why in [
            "in use by the VMs 'a', 'b', 'c', 'd', 'e' and 1 more",
            "the VM 'g' is on the way",
            "2 jobs",
            "an undone or deleted VM left",
        ] {
            assert!(said.contains(why), "{said}");
        }
        let stone = HostTies {
            tombstones: 1,
            ..HostTies::default()
        };
        assert!(may_forget(&host, &stone).is_err());
        host.mode = HostMode::DeclaredOff;
        assert_eq!(may_forget(&host, &stone), Ok(()));
    }
}
