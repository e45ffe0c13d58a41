//! A VM's definition as libvirt's `<domain>`.

use super::{capabilities::Platform, child, ownership, writer::Writer};
use crate::trouble::Trouble;
use bellwether_hypervisor::{GuestCpu, VmDefinition};
use bellwether_model::{network::Carrier, vm::Devices};

/// Seconds between reports of the guest's balloon.
pub(crate) const BALLOON_PERIOD: u32 = 10;

/// Where a disk's bytes lie, as found when the volume was looked up on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DiskSource {
    /// A file.
    File(String),
    /// A block device.
    Block(String),
    /// An RBD image, reached by QEMU itself.
    Rbd(RbdSource),
}

/// An image in a Ceph cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RbdSource {
    /// `pool/image`.
    pub name: String,
    /// Monitors: host and port.
    pub hosts: Vec<(String, Option<String>)>,
    /// User and UUID of the libvirt secret.
    pub auth: Option<(String, String)>,
}

/// The `<domain>` of a definition; `sources` are those of its disks, in order.
pub(crate) fn domain_xml(
    definition: &VmDefinition,
    sources: &[DiskSource],
    platform: &Platform,
) -> Result<String, Trouble> {
    let mut w = Writer::new();
    // Checked before writing, so that the writer has no other error than a forbidden character.
    let baseline = match &definition.cpu {
        GuestCpu::Baseline(xml) => Some(super::parse(xml)?),
        GuestCpu::Emulated => None,
    };
    let cpu = baseline.as_ref().map(roxmltree::Document::root_element);
    w.element("domain", |w| {
        w.attribute("type", &platform.virt_type);
        w.text_element("name", &definition.name)
            .text_element("uuid", definition.uuid)
            .text_element("title", &definition.title);
        if !definition.description.is_empty() {
            w.text_element("description", &definition.description);
        }
        w.element("metadata", |w| ownership::write(w, &definition.ownership));
        w.element("memory", |w| {
            w.attribute("unit", "MiB")
                .text(&definition.memory.0.to_string());
        });
        w.text_element("vcpu", definition.vcpus.0);
        w.element("os", |w| {
            w.element("type", |w| {
                w.attribute("arch", &platform.arch);
                if let Some(machine) = &platform.machine {
                    w.attribute("machine", machine);
                }
                w.text("hvm");
            });
        });
        w.element("features", |w| {
            w.element("acpi", |_| ()).element("apic", |_| ());
        });
        match (platform.has_cpu_models, cpu) {
            (true, Some(cpu)) => write_cpu(w, cpu),
            (true, None) => write_emulated_cpu(w),
            (false, _) => (),
        }
        // A Windows guest takes the hardware clock for local time.
        w.element("clock", |w| {
            w.attribute(
                "offset",
                match definition.devices {
                    Devices::Virtio => "utc",
                    Devices::Plain => "localtime",
                },
            );
        });
        // A guest that crashes is stopped, not restarted in a loop: whether it should run again is our intent to carry
        // out (and to count), not the host's.
        w.text_element("on_poweroff", "destroy")
            .text_element("on_reboot", "restart")
            .text_element("on_crash", "destroy");
        w.element("devices", |w| devices(w, definition, sources));
    });
    w.finish().map_err(Trouble::from)
}

/// Copies what a baseline consists of: model, vendor and features.
fn write_cpu(w: &mut Writer, cpu: roxmltree::Node<'_, '_>) {
    w.element("cpu", |w| {
        w.attribute("mode", "custom").attribute("match", "exact");
        if let Some(model) = child(cpu, "model") {
            w.element("model", |w| {
                w.attribute("fallback", "forbid").text(&super::text(model));
            });
        }
        if let Some(vendor) = child(cpu, "vendor") {
            w.text_element("vendor", super::text(vendor));
        }
        for feature in cpu.children().filter(|node| node.has_tag_name("feature")) {
            w.element("feature", |w| {
                w.attribute("policy", feature.attribute("policy").unwrap_or("require"))
                    .attribute("name", feature.attribute("name").unwrap_or_default());
            });
        }
    });
}

/// `qemu64`, which every QEMU emulates; unchecked, because with KVM a host may lack one of its features harmlessly.
fn write_emulated_cpu(w: &mut Writer) {
    w.element("cpu", |w| {
        w.attribute("mode", "custom")
            .attribute("match", "exact")
            .attribute("check", "none");
        w.element("model", |w| {
            w.attribute("fallback", "forbid").text("qemu64");
        });
    });
}

fn devices(w: &mut Writer, definition: &VmDefinition, sources: &[DiskSource]) {
    let virtio = definition.devices == Devices::Virtio;
    let letters = 'a'..='z';
    for ((disk, source), letter) in definition.disks.iter().zip(sources).zip(letters) {
        // SATA has no read-only disks, only read-only drives.
        let drive = disk.seed && !virtio;
        w.element("disk", |w| {
            w.attribute(
                "type",
                match source {
                    DiskSource::File(_) => "file",
                    DiskSource::Block(_) => "block",
                    DiskSource::Rbd(_) => "network",
                },
            )
            .attribute("device", if drive { "cdrom" } else { "disk" });
            w.element("driver", |w| {
                w.attribute("name", "qemu").attribute("type", &disk.format);
                if !disk.seed {
                    // No host page cache: memory is what a fleet runs out of, and libvirt moves such disks without
                    // doubting the storage's coherence. Discarded blocks go back to the pool.
                    w.attribute("cache", "none").attribute("discard", "unmap");
                }
            });
            write_source(w, source);
            w.element("target", |w| {
                let (prefix, bus) = if virtio {
                    ("vd", "virtio")
                } else {
                    ("sd", "sata")
                };
                w.attribute("dev", format!("{prefix}{letter}"))
                    .attribute("bus", bus);
            });
            if disk.seed {
                w.element("readonly", |_| ());
            }
        });
    }
    if virtio {
        // Nothing of ours hangs on USB, and a USB controller polls.
        w.element("controller", |w| {
            w.attribute("type", "usb").attribute("model", "none");
        });
    }
    w.element("interface", |w| {
        w.attribute(
            "type",
            match definition.carrier {
                Carrier::Bridge(_) => "bridge",
                Carrier::Libvirt(_) => "network",
            },
        );
        w.element("mac", |w| {
            w.attribute("address", definition.mac);
        });
        source_of_nic(w, &definition.carrier);
        w.element("model", |w| {
            w.attribute("type", if virtio { "virtio" } else { "e1000e" });
        });
    });
    w.element("serial", |w| {
        w.attribute("type", "pty");
        w.element("target", |w| {
            w.attribute("port", 0);
        });
    });
    w.element("console", |w| {
        w.attribute("type", "pty");
        w.element("target", |w| {
            w.attribute("type", "serial").attribute("port", 0);
        });
    });
    if virtio {
        w.element("channel", |w| {
            w.attribute("type", "unix");
            w.element("target", |w| {
                w.attribute("type", "virtio")
                    .attribute("name", "org.qemu.guest_agent.0");
            });
        });
    }
    w.element("input", |w| {
        w.attribute("type", "tablet")
            .attribute("bus", if virtio { "virtio" } else { "usb" });
    });
    screen(w);
    w.element("video", |w| {
        w.element("model", |w| {
            w.attribute("type", "vga");
        });
    });
    w.element("memballoon", |w| {
        w.attribute("model", if virtio { "virtio" } else { "none" });
        if virtio {
            w.element("stats", |w| {
                w.attribute("period", BALLOON_PERIOD);
            });
        }
    });
    if virtio {
        w.element("rng", |w| {
            w.attribute("model", "virtio");
            w.element("backend", |w| {
                w.attribute("model", "random").text("/dev/urandom");
            });
        });
    }
}

/// The screen. No listen address is written: each host then uses the `vnc_listen` of its own qemu.conf (127.0.0.1 unless
/// its administrator chose the management address), and the target of a move uses its own, which a number written here
/// would prevent. The password is empty and long expired: QEMU then asks for one and takes none until
/// [`bellwether_hypervisor::Console::set_screen_password`] sets one with an end.
fn screen(w: &mut Writer) {
    w.element("graphics", |w| {
        w.attribute("type", "vnc")
            .attribute("autoport", "yes")
            .attribute("passwd", "")
            .attribute("passwdValidTo", "1970-01-01T00:00:01");
        w.element("listen", |w| {
            w.attribute("type", "address");
        });
    });
}

fn write_source(w: &mut Writer, source: &DiskSource) {
    match source {
        DiskSource::File(path) => {
            w.element("source", |w| {
                w.attribute("file", path);
            });
        }
        DiskSource::Block(path) => {
            w.element("source", |w| {
                w.attribute("dev", path);
            });
        }
        DiskSource::Rbd(rbd) => {
            w.element("source", |w| {
                w.attribute("protocol", "rbd").attribute("name", &rbd.name);
                for (host, port) in &rbd.hosts {
                    w.element("host", |w| {
                        w.attribute("name", host);
                        if let Some(port) = port {
                            w.attribute("port", port);
                        }
                    });
                }
                if let Some((user, secret)) = &rbd.auth {
                    w.element("auth", |w| {
                        w.attribute("username", user);
                        w.element("secret", |w| {
                            w.attribute("type", "ceph").attribute("uuid", secret);
                        });
                    });
                }
            });
        }
    }
}

/// The `<source>` of a network card.
pub(super) fn source_of_nic(w: &mut Writer, carrier: &Carrier) {
    w.element("source", |w| {
        match carrier {
            Carrier::Bridge(name) => w.attribute("bridge", name),
            Carrier::Libvirt(name) => w.attribute("network", name),
        };
    });
}

#[cfg(test)]
mod tests;
