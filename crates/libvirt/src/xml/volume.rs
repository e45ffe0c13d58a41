//! Volumes and pools as XML.

use super::{child, definition::RbdSource, descend, text, writer::Writer};
use crate::trouble::Trouble;
use bellwether_hypervisor::VolumeSeen;
use roxmltree::Node;

/// The `<volume>` to make; `backing` is the path and format of what it is an overlay of.
pub(crate) fn volume_xml(
    name: &str,
    capacity: u64,
    format: &str,
    backing: Option<(&str, &str)>,
) -> Result<String, Trouble> {
    let mut w = Writer::new();
    w.element("volume", |w| {
        w.text_element("name", name);
        w.element("capacity", |w| {
            w.attribute("unit", "bytes").text(&capacity.to_string());
        });
        w.element("allocation", |w| {
            w.attribute("unit", "bytes").text("0");
        });
        w.element("target", |w| {
            w.element("format", |w| {
                w.attribute("type", format);
            });
            if format == "qcow2" {
                w.text_element("compat", "1.1");
            }
        });
        if let Some((path, format)) = backing {
            w.element("backingStore", |w| {
                w.text_element("path", path);
                w.element("format", |w| {
                    w.attribute("type", format);
                });
            });
        }
    });
    w.finish().map_err(Trouble::from)
}

/// Reads a `<volume>`.
pub(crate) fn read_volume(xml: &str) -> Result<VolumeSeen, Trouble> {
    let document = super::parse(xml)?;
    let volume = document.root_element();
    let bytes = |name: &str| child(volume, name).and_then(in_bytes).unwrap_or(0);
    Ok(VolumeSeen {
        name: child(volume, "name").map(text).unwrap_or_default(),
        path: descend(volume, &["target", "path"])
            .map(text)
            .unwrap_or_default(),
        capacity: bytes("capacity"),
        allocation: bytes("allocation"),
        format: descend(volume, &["target", "format"])
            .and_then(|format| format.attribute("type"))
            .map(str::to_owned),
        backing: descend(volume, &["backingStore", "path"]).map(text),
    })
}

/// A size with its unit; libvirt writes bytes, but promises no more than a known unit.
fn in_bytes(node: Node<'_, '_>) -> Option<u64> {
    let value: u64 = text(node).trim().parse().ok()?;
    let factor: u64 = match node.attribute("unit").unwrap_or("bytes") {
        "b" | "bytes" => 1,
        "KiB" | "k" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "TiB" | "T" => 1 << 40,
        _ => return None,
    };
    value.checked_mul(factor)
}

/// What a pool's definition says of its kind and place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoolDefinition {
    /// `dir`, `netfs`, …
    pub kind: String,
    /// Target path.
    pub path: Option<String>,
    /// For `rbd`: monitors, user and secret; the name is the pool's.
    pub rbd: RbdSource,
}

/// Reads a `<pool>`.
pub(crate) fn read_pool(xml: &str) -> Result<PoolDefinition, Trouble> {
    let document = super::parse(xml)?;
    let pool = document.root_element();
    let source = child(pool, "source");
    let auth = source.and_then(|source| child(source, "auth"));
    Ok(PoolDefinition {
        kind: pool.attribute("type").unwrap_or_default().to_owned(),
        path: descend(pool, &["target", "path"]).map(text),
        rbd: RbdSource {
            name: source
                .and_then(|source| child(source, "name"))
                .map(text)
                .unwrap_or_default(),
            hosts: source
                .into_iter()
                .flat_map(|source| source.children())
                .filter(|node| node.has_tag_name("host"))
                .filter_map(|host| {
                    Some((
                        host.attribute("name")?.to_owned(),
                        host.attribute("port").map(str::to_owned),
                    ))
                })
                .collect(),
            auth: auth.and_then(|auth| {
                Some((
                    auth.attribute("username")?.to_owned(),
                    child(auth, "secret")?.attribute("uuid")?.to_owned(),
                ))
            }),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlay_xml() {
        insta::assert_snapshot!(
            volume_xml(
                "bw-1.qcow2",
                1 << 30,
                "qcow2",
                Some(("/pool/base & co.qcow2", "qcow2"))
            )
            .unwrap()
        );
    }

    #[test]
    fn raw_xml() {
        insta::assert_snapshot!(volume_xml("seed.img", 368_640, "raw", None).unwrap());
    }

    #[test]
    fn reads_a_volume() {
        let seen = read_volume(
            "<volume type='file'><name>a</name><key>/p/a</key><capacity unit='KiB'>4</capacity>\
             <allocation>12</allocation><target><path>/p/a</path><format type='qcow2'/></target>\
             <backingStore><path>/p/base</path><format type='raw'/></backingStore></volume>",
        )
        .unwrap();
        assert_eq!(
            seen,
            VolumeSeen {
                name: "a".into(),
                path: "/p/a".into(),
                capacity: 4096,
                allocation: 12,
                format: Some("qcow2".into()),
                backing: Some("/p/base".into()),
            }
        );
    }

    #[test]
    fn reads_a_ceph_pool() {
        let pool = read_pool(
            "<pool type='rbd'><name>p</name><source><host name='mon1' port='6789'/><host name='mon2'/>\
             <name>vms</name><auth type='ceph' username='admin'><secret uuid='u'/></auth></source></pool>",
        )
        .unwrap();
        assert_eq!(pool.kind, "rbd");
        assert_eq!(pool.rbd.name, "vms");
        assert_eq!(
            pool.rbd.hosts,
            [("mon1".into(), Some("6789".into())), ("mon2".into(), None)]
        );
        assert_eq!(pool.rbd.auth, Some(("admin".into(), "u".into())));
    }
}
