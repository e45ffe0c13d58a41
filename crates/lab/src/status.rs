//! What runs of a lab now.

use serde::Serialize;

use crate::host;
use crate::network;
use crate::run::tool;
use crate::state::Lab;

/// A lab with what was just seen of it.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The lab as recorded.
    #[serde(flatten)]
    pub lab: Lab,
    /// Whether everything of it runs.
    pub running: bool,
    /// Each host as it is now, in the order of `lab.hosts`.
    pub live: Vec<LiveHost>,
}

/// One host as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct LiveHost {
    /// Its name.
    pub name: String,
    /// Whether the host itself, its libvirtd and its sshd run.
    pub running: bool,
    /// Whether it is on its networks, that is: not cut off.
    pub connected: bool,
    /// What its management link is limited to, in Mbit/s.
    pub rate_mbit: Option<u32>,
    /// Its VMs as libvirt names them; none known when libvirtd does not answer.
    pub vms: Option<Vec<String>>,
}

/// Looks at a lab.
pub fn status(lab: Lab) -> Status {
    let live: Vec<LiveHost> = lab
        .hosts
        .iter()
        .map(|host| {
            let running = host::running(host).all();
            let (connected, rate_mbit) = network::link_state(&lab, host).unwrap_or((false, None));
            let listed = running
                .then(|| {
                    tool([
                        "virsh",
                        "--connect",
                        &host.uris.local,
                        "list",
                        "--all",
                        "--name",
                    ])
                    .deadline_s(10)
                    .run()
                    .ok()
                })
                .flatten();
            let vms = listed.map(|names| names.split_whitespace().map(String::from).collect());
            LiveHost {
                name: host.name.clone(),
                running,
                connected,
                rate_mbit,
                vms,
            }
        })
        .collect();
    let running = lab.complete && live.iter().all(|host| host.running);
    Status { lab, running, live }
}
