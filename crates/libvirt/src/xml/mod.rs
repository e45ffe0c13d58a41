//! XML to and from libvirt: written by [`writer`] from typed values, read with roxmltree; never pasted together.

pub(crate) mod capabilities;
pub(crate) mod definition;
pub(crate) mod describe;
pub(crate) mod ownership;
pub(crate) mod rewrite;
pub(crate) mod volume;
pub(crate) mod writer;

use roxmltree::{Document, Node};

/// Reads a document that libvirt sent.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, crate::trouble::Trouble> {
    Document::parse(text).map_err(|error| {
        crate::trouble::Trouble::said(
            "reading libvirt's XML",
            format!("it is not well-formed: {error}"),
        )
    })
}

/// The first child element of that name.
pub(crate) fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// Follows child elements by name.
pub(crate) fn descend<'a, 'input>(
    node: Node<'a, 'input>,
    path: &[&str],
) -> Option<Node<'a, 'input>> {
    path.iter().try_fold(node, |node, name| child(node, name))
}

/// All text directly inside an element, as written.
pub(crate) fn text(node: Node<'_, '_>) -> String {
    node.children()
        .filter(Node::is_text)
        .filter_map(|child| child.text())
        .collect()
}
