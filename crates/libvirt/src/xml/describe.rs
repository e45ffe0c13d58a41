//! A `<domain>` as libvirt gives it, read into what the engine wants to know.

use super::{child, descend, ownership, text};
use crate::trouble::Trouble;
use bellwether_hypervisor::{DiskSeen, NicSeen, VmDescription};
use bellwether_model::{MiB, Vcpus, network::Carrier};
use roxmltree::Node;
use uuid::Uuid;

/// Reads a `<domain>`; whether it has snapshots and autostart is not in it.
pub(crate) fn read_domain(xml: &str) -> Result<VmDescription, Trouble> {
    let document = super::parse(xml)?;
    let domain = document.root_element();
    let value = |name: &str| child(domain, name).map(text).unwrap_or_default();
    Ok(VmDescription {
        uuid: Uuid::try_parse(value("uuid").trim()).unwrap_or_default(),
        name: value("name"),
        vcpus: Vcpus(vcpus(domain)),
        memory: MiB::from_bytes(child(domain, "memory").map_or(0, memory_bytes)),
        ownership: ownership::read(domain),
        description: value("description"),
        cpu: child(domain, "cpu").map_or_else(String::new, |cpu| {
            xml.get(cpu.range()).unwrap_or_default().to_owned()
        }),
        disks: devices(domain, "disk").map(disk).collect(),
        nics: devices(domain, "interface").map(nic).collect(),
        passthrough: devices(domain, "hostdev")
            .map(host_device)
            .chain(
                devices(domain, "interface")
                    .filter(|nic| nic.attribute("type") == Some("hostdev"))
                    .map(|_| "a network card of the host".to_owned()),
            )
            .collect(),
        snapshots: false,
        autostart: false,
    })
}

/// What the VM's network cards are plugged into.
pub(crate) fn carriers(xml: &str) -> Vec<Carrier> {
    super::parse(xml).map_or_else(
        |_| Vec::new(),
        |document| {
            devices(document.root_element(), "interface")
                .filter_map(carrier)
                .collect()
        },
    )
}

/// Whether any of these disks (`vda`) is an overlay on something else.
pub(crate) fn any_overlay(xml: &str, targets: &[String]) -> Result<bool, Trouble> {
    let document = super::parse(xml)?;
    Ok(devices(document.root_element(), "disk").any(|disk| {
        let target = child(disk, "target").and_then(|target| target.attribute("dev"));
        let backed =
            child(disk, "backingStore").is_some_and(|backing| child(backing, "source").is_some());
        backed && target.is_some_and(|target| targets.iter().any(|wanted| wanted == target))
    }))
}

/// Where the VNC screen listens.
pub(crate) fn screen(xml: &str) -> Result<Option<(String, u16)>, Trouble> {
    let document = super::parse(xml)?;
    Ok(devices(document.root_element(), "graphics")
        .find(|graphics| graphics.attribute("type") == Some("vnc"))
        .and_then(|graphics| {
            let port: u16 = graphics.attribute("port")?.parse().ok()?;
            let address = child(graphics, "listen")
                .and_then(|listen| listen.attribute("address"))
                .or(graphics.attribute("listen"))?;
            Some((address.to_owned(), port))
        }))
}

fn devices<'a, 'input: 'a>(
    domain: Node<'a, 'input>,
    kind: &'a str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    child(domain, "devices")
        .into_iter()
        .flat_map(|devices| devices.children())
        .filter(move |node| node.has_tag_name(kind))
}

/// vCPUs plugged in now, where that differs from the most it may have.
fn vcpus(domain: Node<'_, '_>) -> u32 {
    child(domain, "vcpu").map_or(0, |vcpu| {
        vcpu.attribute("current")
            .map_or_else(|| text(vcpu), str::to_owned)
            .trim()
            .parse()
            .unwrap_or(0)
    })
}

/// A memory size; libvirt writes KiB and takes that where no unit is given.
fn memory_bytes(node: Node<'_, '_>) -> u64 {
    let value: u64 = text(node).trim().parse().unwrap_or(0);
    let factor: u64 = match node.attribute("unit").unwrap_or("KiB") {
        "b" | "bytes" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "TiB" | "T" => 1 << 40,
        _ => 1 << 10,
    };
    value.saturating_mul(factor)
}

fn disk(disk: Node<'_, '_>) -> DiskSeen {
    let source = child(disk, "source").and_then(|source| {
        let plain = ["file", "dev", "dir"]
            .into_iter()
            .find_map(|name| source.attribute(name))
            .map(str::to_owned);
        plain
            .or_else(|| {
                Some(format!(
                    "{}/{}",
                    source.attribute("pool")?,
                    source.attribute("volume")?
                ))
            })
            .or_else(|| {
                Some(format!(
                    "{}:{}",
                    source.attribute("protocol")?,
                    source.attribute("name")?
                ))
            })
    });
    DiskSeen {
        target: child(disk, "target")
            .and_then(|target| target.attribute("dev"))
            .unwrap_or_default()
            .to_owned(),
        source,
        read_only: child(disk, "readonly").is_some(),
        format: child(disk, "driver")
            .and_then(|driver| driver.attribute("type"))
            .unwrap_or_default()
            .to_owned(),
    }
}

fn nic(nic: Node<'_, '_>) -> NicSeen {
    NicSeen {
        mac: child(nic, "mac")
            .and_then(|mac| mac.attribute("address"))
            .unwrap_or_default()
            .to_owned(),
        carrier: carrier(nic),
    }
}

fn carrier(nic: Node<'_, '_>) -> Option<Carrier> {
    let source = child(nic, "source")?;
    match nic.attribute("type")? {
        "bridge" => source
            .attribute("bridge")
            .map(|name| Carrier::Bridge(name.to_owned())),
        "network" => source
            .attribute("network")
            .map(|name| Carrier::Libvirt(name.to_owned())),
        _ => None,
    }
}

fn host_device(device: Node<'_, '_>) -> String {
    let address = descend(device, &["source", "address"]);
    let part = |name: &str| {
        address
            .and_then(|address| address.attribute(name))
            .unwrap_or("?")
            .trim_start_matches("0x")
            .to_owned()
    };
    match device.attribute("type") {
        Some("pci") => format!(
            "PCI device {}:{}:{}.{}",
            part("domain"),
            part("bus"),
            part("slot"),
            part("function")
        ),
        Some("usb") => "a USB device of the host".into(),
        Some("mdev") => format!("mediated device {}", part("uuid")),
        Some(other) => format!("a {other} device of the host"),
        None => "a device of the host".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = r#"<domain type='kvm'>
  <name>web</name><uuid>6c1ab4b8-1111-4222-8333-444455556666</uuid>
  <description>two
lines</description>
  <memory unit='KiB'>1048576</memory><currentMemory unit='KiB'>524288</currentMemory>
  <vcpu placement='static' current='2'>4</vcpu>
  <cpu mode='custom' match='exact'><model>qemu64</model></cpu>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/p/a.qcow2'/>
      <backingStore type='file'><format type='qcow2'/><source file='/p/b'/><backingStore/></backingStore>
      <target dev='vda' bus='virtio'/></disk>
    <disk type='volume' device='cdrom'><driver type='raw'/><source pool='p' volume='seed'/><backingStore/>
      <target dev='sda'/><readonly/></disk>
    <disk type='network'><source protocol='rbd' name='p/v'/><target dev='vdb'/></disk>
    <disk type='file' device='cdrom'><target dev='sdb'/></disk>
    <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/></interface>
    <interface type='direct'><mac address='52:54:00:00:00:02'/><source dev='eth0'/></interface>
    <hostdev type='pci'><source><address domain='0x0000' bus='0x06' slot='0x02' function='0x0'/></source></hostdev>
    <graphics type='vnc' port='5907' autoport='yes' listen='10.0.0.1'><listen type='address' address='10.0.0.1'/></graphics>
  </devices>
</domain>"#;

    #[test]
    fn reads_what_matters() {
        let seen = read_domain(DOMAIN).unwrap();
        insta::assert_debug_snapshot!(seen);
        assert_eq!(screen(DOMAIN).unwrap(), Some(("10.0.0.1".into(), 5907)));
        assert_eq!(screen("<domain/>").unwrap(), None);
    }

    #[test]
    fn overlays_are_seen_by_target() {
        assert!(any_overlay(DOMAIN, &["vda".into()]).unwrap());
        assert!(!any_overlay(DOMAIN, &["sda".into(), "vdb".into()]).unwrap());
    }

    #[test]
    fn nonsense_is_an_error_and_emptiness_is_not() {
        assert!(read_domain("<domain>").is_err());
        assert_eq!(read_domain("<domain/>").unwrap().memory, MiB(0));
    }
}
