//! Whose a VM is, in libvirt's metadata: what `bellwetherd rebuild --from-hosts` reads.

use super::{child, text, writer::Writer};
use crate::trouble::Trouble;
use bellwether_hypervisor::Ownership;
use roxmltree::Node;

/// The namespace, whose last part is the version of the format.
pub(crate) const NAMESPACE: &str = "https://github.com/bellwether-cloud/bellwether/xmlns/vm/1";
/// The prefix.
pub(crate) const PREFIX: &str = "bellwether";

/// Writes the element into a definition.
pub(crate) fn write(w: &mut Writer, ownership: &Ownership) {
    w.element("bellwether:vm", |w| {
        w.attribute("xmlns:bellwether", NAMESPACE);
        inside(w, ownership, "bellwether:");
    });
}

/// The element alone, as libvirt takes it for a change: without the namespace, which it puts on every element itself.
pub(crate) fn element(ownership: &Ownership) -> Result<String, Trouble> {
    let mut w = Writer::new();
    w.element("vm", |w| inside(w, ownership, ""));
    w.finish().map_err(Trouble::from)
}

fn inside(w: &mut Writer, ownership: &Ownership, prefix: &str) {
    let mut value = |name: &str, value: &str| {
        w.text_element(&format!("{prefix}{name}"), value);
    };
    value("name", &ownership.name);
    value("owner", &ownership.owner);
    value("request", &ownership.request);
    value("image", &ownership.image);
    value("address", &ownership.address);
    value("job", &ownership.job);
    w.element(&format!("{prefix}lease"), |w| {
        w.attribute("from", &ownership.lease_from)
            .attribute("until", &ownership.lease_until);
    });
}

/// Reads it from a `<domain>`; none where there is none of ours.
pub(crate) fn read(domain: Node<'_, '_>) -> Option<Ownership> {
    let ours = child(domain, "metadata")?
        .children()
        .find(|node| node.has_tag_name((NAMESPACE, "vm")))?;
    let inner = |name: &str| {
        ours.children()
            .find(|node| node.has_tag_name((NAMESPACE, name)))
    };
    let value = |name: &str| inner(name).map(text).unwrap_or_default();
    let lease = |name: &str| {
        inner("lease")
            .and_then(|lease| lease.attribute(name))
            .unwrap_or_default()
            .to_owned()
    };
    Some(Ownership {
        owner: value("owner"),
        request: value("request"),
        lease_from: lease("from"),
        lease_until: lease("until"),
        name: value("name"),
        image: value("image"),
        address: value("address"),
        job: value("job"),
    })
}
