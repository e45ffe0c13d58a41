//! Copying libvirt's XML with changes: what is not changed is kept, known to us or not.

use super::writer::Writer;
use crate::trouble::Trouble;
use bellwether_model::network::Carrier;
use roxmltree::{Document, Node};

/// What to do with an element while copying.
enum Edit<'a> {
    /// As it is.
    Keep,
    /// With these attributes set (added or replaced).
    Set(Vec<(&'a str, String)>),
    /// A `<interface>` that is plugged into something else.
    Plug(&'a Carrier),
}

/// Copies a node and all below it.
fn copy<'a>(node: Node<'_, '_>, w: &mut Writer, edit: &dyn Fn(Node<'_, '_>) -> Edit<'a>) {
    if node.is_text() {
        // White space between elements is the writer's own business.
        let text = node.text().unwrap_or_default();
        let between =
            text.trim().is_empty() && node.next_sibling().or(node.prev_sibling()).is_some();
        if !between {
            w.text(text);
        }
        return;
    }
    if !node.is_element() {
        return;
    }
    w.start(&qualified(node));
    // Namespaces declared here and not already above.
    for namespace in node.namespaces() {
        let above = node
            .parent_element()
            .is_some_and(|parent| parent.namespaces().any(|other| other == namespace));
        if !above
            && let Some(prefix) = namespace.name()
            && prefix != "xml"
        {
            w.attribute(&format!("xmlns:{prefix}"), namespace.uri());
        }
    }
    let edit_here = edit(node);
    let mut attributes: Vec<(String, String)> = node
        .attributes()
        .map(|attribute| (attribute.name().to_owned(), attribute.value().to_owned()))
        .collect();
    let mut set = |name: &str, value: &str| match attributes.iter_mut().find(|(n, _)| n == name) {
        Some(attribute) => attribute.1 = value.to_owned(),
        None => attributes.push((name.to_owned(), value.to_owned())),
    };
    match &edit_here {
        Edit::Keep => (),
        Edit::Set(new) => new.iter().for_each(|(name, value)| set(name, value)),
        Edit::Plug(Carrier::Bridge(_)) => set("type", "bridge"),
        Edit::Plug(Carrier::Libvirt(_)) => set("type", "network"),
    }
    for (name, value) in &attributes {
        w.attribute(name, value);
    }
    for child in node.children() {
        match &edit_here {
            Edit::Plug(carrier) if child.has_tag_name("source") => {
                super::definition::source_of_nic(w, carrier)
            }
            _ => copy(child, w, edit),
        }
    }
    w.end();
}

/// The name with its prefix, as it was written.
fn qualified(node: Node<'_, '_>) -> String {
    let name = node.tag_name();
    match name.namespace().and_then(|uri| node.lookup_prefix(uri)) {
        Some(prefix) => format!("{prefix}:{}", name.name()),
        None => name.name().to_owned(),
    }
}

fn rewritten<'a>(
    root: Node<'_, '_>,
    edit: &dyn Fn(Node<'_, '_>) -> Edit<'a>,
) -> Result<String, Trouble> {
    let mut w = Writer::new();
    copy(root, &mut w, edit);
    w.finish().map_err(Trouble::from)
}

/// The domain's XML with its network cards plugged into `carrier`.
pub(crate) fn with_carrier(domain_xml: &str, carrier: &Carrier) -> Result<String, Trouble> {
    let document = super::parse(domain_xml)?;
    rewritten(document.root_element(), &|node| {
        let plugged = node.has_tag_name("interface")
            && matches!(node.attribute("type"), Some("bridge" | "network"));
        if plugged {
            Edit::Plug(carrier)
        } else {
            Edit::Keep
        }
    })
}

/// The domain's VNC screen with a password that is good until `valid_to` (UTC, `2026-11-24T12:00:00`).
pub(crate) fn screen_with_password(
    domain_xml: &str,
    password: &str,
    valid_to: &str,
) -> Result<Option<String>, Trouble> {
    let document: Document<'_> = super::parse(domain_xml)?;
    let Some(screen) = super::child(document.root_element(), "devices").and_then(|devices| {
        devices
            .children()
            .find(|node| node.has_tag_name("graphics") && node.attribute("type") == Some("vnc"))
    }) else {
        return Ok(None);
    };
    rewritten(screen, &|node| {
        if node.has_tag_name("graphics") {
            Edit::Set(vec![
                ("passwd", password.to_owned()),
                ("passwdValidTo", valid_to.to_owned()),
            ])
        } else {
            Edit::Keep
        }
    })
    .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = r#"<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>a &lt;b&gt;</name>
  <metadata>
    <x:vm xmlns:x="urn:x"><x:owner> spaces kept </x:owner></x:vm>
  </metadata>
  <devices>
    <interface type='bridge'>
      <mac address='52:54:00:00:00:01'/>
      <source bridge='br0'/>
      <target dev='vnet0'/>
    </interface>
    <interface type='user'/>
    <graphics type='vnc' port='5901' autoport='yes' listen='127.0.0.1' passwd='old'>
      <listen type='address' address='127.0.0.1'/>
    </graphics>
  </devices>
  <qemu:commandline><qemu:arg value='-x'/></qemu:commandline>
</domain>"#;

    #[test]
    fn replugs_and_keeps_the_rest() {
        insta::assert_snapshot!(with_carrier(DOMAIN, &Carrier::Libvirt("guests".into())).unwrap());
    }

    #[test]
    fn screen_gets_its_password() {
        insta::assert_snapshot!(
            screen_with_password(DOMAIN, "a\"<b", "2026-11-24T12:00:00")
                .unwrap()
                .unwrap()
        );
        assert_eq!(
            screen_with_password("<domain><devices/></domain>", "x", "y").unwrap(),
            None
        );
    }
}
