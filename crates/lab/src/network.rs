//! The two networks of a lab. Both bridges live in a network namespace of their own, the *switch*, where neither the
//! machine's firewall nor its routes matter:
//!
//! ```text
//!   machine                    switch                          host N
//!   bw…g  10.a.b.1  ────────── to-machine                      (no address on br0)
//!                              guests (bridge) ─ hNg ───────── guests0 ─ br0 ─ guests' taps
//!   bw…m  10.a.(b+1).1 ─────┐
//!                              mgmt (bridge)   ─ hNm ───────── mgmt0  10.a.(b+1).(10+N)
//! ```
//!
//! The machine holds the guests' gateway address, but it is not on their segment: the switch answers for it (proxy ARP)
//! and routes to that one address and to nothing else. So a guest reaches other guests and the gateway address, and
//! has no way to the management network or to any other address of the machine, whatever it sends.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Context, ensure};

use crate::names::{LabName, Subnets};
use crate::process::Process;
use crate::run::tool;
use crate::state::{Host, Lab};

/// The switch's own address on the guests' network, from which it asks for guests' hardware addresses.
const SWITCH_LAST: u8 = 254;

/// The machine's place in both networks.
pub(crate) const MACHINE_LAST: u8 = 1;

/// Hosts' management addresses are this plus the host's number.
pub(crate) const HOST_BASE: u8 = 10;

/// Writes kernel settings: pairs of file and value.
const WRITE_SETTINGS: &str = r#"while [ $# -gt 0 ]; do echo "$2" > "$1"; shift 2; done"#;

/// Chooses two networks no interface and no route of this machine has anything to do with.
pub(crate) fn choose_subnets(name: &LabName) -> anyhow::Result<Subnets> {
    let taken = taken()?;
    let free = |subnets: &Subnets| {
        !taken
            .iter()
            .any(|(address, prefix)| subnets.overlaps(*address, *prefix))
    };
    (0..256)
        .map(|attempt| Subnets::candidate(name, attempt))
        .find(free)
        .context("found no free network in 10.64.0.0 to 10.191.255.255")
}

/// Networks in use: addresses with their prefix, and routes' destinations.
fn taken() -> anyhow::Result<Vec<(Ipv4Addr, u8)>> {
    let mut networks = Vec::new();
    let addresses: Vec<serde_json::Value> =
        serde_json::from_str(&tool(["ip", "-j", "-4", "address", "show"]).run()?)?;
    for address in addresses
        .iter()
        .flat_map(|link| link["addr_info"].as_array().into_iter().flatten())
    {
        let parsed = address["local"].as_str().and_then(|text| text.parse().ok());
        let prefix = address["prefixlen"]
            .as_u64()
            .and_then(|prefix| u8::try_from(prefix).ok());
        networks.extend(parsed.zip(prefix));
    }
    let routes: Vec<serde_json::Value> =
        serde_json::from_str(&tool(["ip", "-j", "-4", "route", "show", "table", "all"]).run()?)?;
    for route in &routes {
        let Some(text) = route["dst"].as_str() else {
            continue;
        };
        let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
        networks.extend(address.parse().ok().zip(prefix.parse().ok()));
    }
    Ok(networks)
}

/// Whether the interface carries this lab's mark, not that of a lab whose name has the same short digest.
pub(crate) fn is_ours(interface: &str, name: &LabName) -> bool {
    let alias =
        fs::read_to_string(format!("/sys/class/net/{interface}/ifalias")).unwrap_or_default();
    alias.trim().is_empty() || alias.trim() == format!("bellwether lab {name}")
}

/// Puts bridges, links and addresses into the switch's and the machine's namespace.
pub(crate) fn make_switch(lab: &Lab, switch: Process) -> anyhow::Result<()> {
    let pid = switch.pid.to_string();
    for (interface, peer) in [
        (&lab.guests.interface, "to-machine"),
        (&lab.management.interface, "to-mgmt"),
    ] {
        // A leftover of a lab that was killed while being made.
        if fs::exists(format!("/sys/class/net/{interface}"))? {
            ensure!(
                is_ours(interface, &lab.name),
                "there is an interface {interface} that is not of lab {}; another name leads to others",
                lab.name
            );
            tool(["ip", "link", "delete", interface]).run()?;
        }
        tool([
            "ip", "link", "add", interface, "type", "veth", "peer", "name", peer, "netns", &pid,
        ])
        .run()?;
        tool([
            "ip",
            "link",
            "set",
            interface,
            "alias",
            &format!("bellwether lab {}", lab.name),
        ])
        .run()?;
        for (setting, value) in [
            ("ipv6/conf/{}/disable_ipv6", "1"),
            ("ipv4/conf/{}/rp_filter", "1"),
        ] {
            write_setting(&setting.replace("{}", interface), value)?;
        }
    }
    let gateway = lab.guests.gateway;
    let [first, second, third, _] = gateway.octets();
    let own = Ipv4Addr::new(first, second, third, SWITCH_LAST);
    settings_inside(
        switch.pid,
        &[
            ("ipv6/conf/all/disable_ipv6", "1"),
            ("ipv6/conf/default/disable_ipv6", "1"),
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/rp_filter", "1"),
            ("ipv4/conf/default/rp_filter", "1"),
            ("ipv4/conf/all/send_redirects", "0"),
            ("ipv4/conf/default/send_redirects", "0"),
        ],
    )?;
    let inside = |words: &[&str]| tool(words.iter()).inside(switch.pid, &["-n"]).run();
    inside(&["ip", "link", "set", "lo", "up"])?;
    for bridge in ["guests", "mgmt"] {
        inside(&[
            "ip",
            "link",
            "add",
            bridge,
            "type",
            "bridge",
            "stp_state",
            "0",
            "forward_delay",
            "0",
        ])?;
    }
    inside(&["ip", "link", "set", "to-mgmt", "master", "mgmt"])?;
    for link in ["guests", "mgmt", "to-machine", "to-mgmt"] {
        inside(&["ip", "link", "set", link, "up"])?;
    }
    inside(&[
        "ip",
        "address",
        "add",
        &format!("{own}/24"),
        "dev",
        "guests",
    ])?;
    inside(&[
        "ip",
        "route",
        "add",
        &format!("{gateway}/32"),
        "dev",
        "to-machine",
    ])?;
    settings_inside(
        switch.pid,
        &[
            ("ipv4/conf/guests/proxy_arp", "1"),
            ("ipv4/conf/to-machine/proxy_arp", "1"),
            // Proxied answers are delayed by up to 0.8 s unless told otherwise.
            ("ipv4/neigh/guests/proxy_delay", "0"),
            ("ipv4/neigh/to-machine/proxy_delay", "0"),
        ],
    )?;
    for (interface, address) in [
        (&lab.guests.interface, gateway),
        (&lab.management.interface, lab.management.machine),
    ] {
        tool([
            "ip",
            "address",
            "add",
            &format!("{address}/24"),
            "dev",
            interface,
        ])
        .run()?;
        tool(["ip", "link", "set", interface, "up"]).run()?;
    }
    Ok(())
}

/// Wires one host: its bridge for guests, on which it has no address and answers nothing, and its management address.
pub(crate) fn wire_host(
    switch: Process,
    host: &Host,
    init: Process,
    bridge: &str,
) -> anyhow::Result<()> {
    let pid = init.pid.to_string();
    let [guests, management] = links(host);
    for (number, (link, peer, port_of)) in [
        (&guests, "guests0", "guests"),
        (&management, "mgmt0", "mgmt"),
    ]
    .into_iter()
    .enumerate()
    {
        let inside = |words: &[&str]| tool(words.iter()).inside(switch.pid, &["-n"]).run();
        if tool(["ip", "link", "show", link])
            .inside(switch.pid, &["-n"])
            .succeeds()
        {
            inside(&["ip", "link", "delete", link])?;
        }
        // A host keeps its hardware address over a power failure: whoever spoke to it would go on using the old one.
        inside(&[
            "ip",
            "link",
            "add",
            link,
            "type",
            "veth",
            "peer",
            "name",
            peer,
            "address",
            &hardware_address(host, number),
            "netns",
            &pid,
        ])?;
        inside(&["ip", "link", "set", link, "master", port_of])?;
        inside(&["ip", "link", "set", link, "up"])?;
    }
    settings_inside(
        init.pid,
        &[
            ("ipv6/conf/all/disable_ipv6", "1"),
            ("ipv6/conf/default/disable_ipv6", "1"),
            // The machine's own values are inherited, and a machine with containers on it forwards.
            ("ipv4/ip_forward", "0"),
            // Strict: nothing that comes in by br0 has a way back by br0, so the host takes nothing from there.
            ("ipv4/conf/all/rp_filter", "1"),
            ("ipv4/conf/default/rp_filter", "1"),
        ],
    )?;
    let inside = |words: &[&str]| tool(words.iter()).inside(init.pid, &["-n"]).run();
    inside(&[
        "ip",
        "link",
        "add",
        bridge,
        "type",
        "bridge",
        "stp_state",
        "0",
        "forward_delay",
        "0",
    ])?;
    inside(&["ip", "link", "set", "guests0", "master", bridge])?;
    inside(&["ip", "link", "set", bridge, "arp", "off"])?;
    inside(&[
        "ip",
        "address",
        "add",
        &format!("{}/24", host.address),
        "dev",
        "mgmt0",
    ])?;
    for link in ["lo", "guests0", "mgmt0", bridge] {
        inside(&["ip", "link", "set", link, "up"])?;
    }
    Ok(())
}

/// A locally administered hardware address of a host's own for one of its links.
fn hardware_address(host: &Host, link: usize) -> String {
    let [a, b, c, d, ..] = *host.uuid.as_bytes();
    format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{link:02x}")
}

/// The switch's ends of a host's two links: guests', management.
fn links(host: &Host) -> [String; 2] {
    [format!("h{}g", host.number), format!("h{}m", host.number)]
}

/// Cuts a host off both networks, or heals it.
pub(crate) fn set_connected(lab: &Lab, host: &Host, connected: bool) -> anyhow::Result<()> {
    let switch = switch(lab)?;
    for link in links(host) {
        tool([
            "ip",
            "link",
            "set",
            &link,
            if connected { "up" } else { "down" },
        ])
        .inside(switch.pid, &["-n"])
        .run()?;
    }
    Ok(())
}

/// Limits a host's management link (which carries migrations) to `mbit` each way; none lifts the limit.
pub(crate) fn set_rate(lab: &Lab, host: &Host, mbit: Option<u32>) -> anyhow::Result<()> {
    let [_, management] = links(host);
    for (pid, device) in [
        (switch(lab)?.pid, management.as_str()),
        (host.init()?.pid, "mgmt0"),
    ] {
        match mbit {
            Some(mbit) => {
                // A burst of 10 ms at full rate, and never less than a few of the 64 KiB packets virtual links carry.
                let burst = (u64::from(mbit) * 1_250).max(262_144).to_string();
                tool([
                    "tc",
                    "qdisc",
                    "replace",
                    "dev",
                    device,
                    "root",
                    "tbf",
                    "rate",
                    &format!("{mbit}mbit"),
                    "burst",
                    &burst,
                    "latency",
                    "50ms",
                ])
                .inside(pid, &["-n"])
                .run()?;
            }
            None if rate_of(pid, device).is_some() => {
                tool(["tc", "qdisc", "delete", "dev", device, "root"])
                    .inside(pid, &["-n"])
                    .run()?;
            }
            None => {}
        }
    }
    Ok(())
}

/// Whether both links of a host are up, and the rate its management link is limited to, in Mbit/s.
pub(crate) fn link_state(lab: &Lab, host: &Host) -> anyhow::Result<(bool, Option<u32>)> {
    let switch = switch(lab)?;
    let [guests, management] = links(host);
    let shown = tool(["ip", "-j", "link", "show"])
        .inside(switch.pid, &["-n"])
        .run()?;
    let shown: Vec<serde_json::Value> = serde_json::from_str(&shown)?;
    let up = |name: &str| {
        let mut links = shown.iter().filter(|link| link["ifname"] == name);
        links.any(|link| {
            link["flags"]
                .as_array()
                .is_some_and(|flags| flags.iter().any(|flag| flag == "UP"))
        })
    };
    Ok((
        up(&guests) && up(&management),
        rate_of(switch.pid, &management),
    ))
}

/// The rate of a device's token bucket, in Mbit/s.
fn rate_of(pid: i32, device: &str) -> Option<u32> {
    let shown = tool(["tc", "-j", "qdisc", "show", "dev", device])
        .inside(pid, &["-n"])
        .run()
        .ok()?;
    let shown: Vec<serde_json::Value> = serde_json::from_str(&shown).ok()?;
    let bucket = shown.iter().find(|qdisc| qdisc["kind"] == "tbf")?;
    // Bytes per second.
    let rate = bucket["options"]["rate"].as_u64()?;
    u32::try_from(rate * 8 / 1_000_000).ok()
}

fn switch(lab: &Lab) -> anyhow::Result<Process> {
    lab.switch
        .filter(Process::alive)
        .with_context(|| format!("lab {} has no running switch; `up` repairs it", lab.name))
}

fn write_setting(setting: &str, value: &str) -> anyhow::Result<()> {
    let path = format!("/proc/sys/net/{setting}");
    match fs::write(&path, value) {
        // A kernel without IPv6 has nothing to switch off.
        Err(_) if setting.starts_with("ipv6/") && !fs::exists("/proc/sys/net/ipv6")? => Ok(()),
        result => result.with_context(|| format!("cannot write {value} to {path}")),
    }
}

/// Which network namespace /proc/sys/net belongs to is decided by who opens it.
fn settings_inside(pid: i32, settings: &[(&str, &str)]) -> anyhow::Result<()> {
    let v6 = fs::exists("/proc/sys/net/ipv6")?;
    let mut words: Vec<String> = ["sh", "-euc", WRITE_SETTINGS, "sh"]
        .map(String::from)
        .to_vec();
    for (setting, value) in settings
        .iter()
        .filter(|(setting, _)| v6 || !setting.starts_with("ipv6/"))
    {
        words.push(format!("/proc/sys/net/{setting}"));
        words.push((*value).to_owned());
    }
    tool(words).inside(pid, &["-n"]).run()?;
    Ok(())
}
