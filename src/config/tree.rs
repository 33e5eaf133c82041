//! A document as a tree: what was written, on which line, and what is wrong with its form.
//!
//! Two parsers build it. saphyr-parser's events give the shape, the lines and everything that the
//! configuration does not allow (tags, anchors, aliases, duplicate keys, a second document);
//! `serde_yaml` then walks the same shape and fills in the values. Where the two do not see the same
//! shape, the text can be read in two ways and is refused. What the values mean is decided by
//! those who look at the tree through a [`super::cursor::Cursor`].

mod json;
mod outline;
mod values;

use zeroize::Zeroizing;

/// One node and all below it.
pub(super) struct Node {
    /// Counted from 1: the line of the key for a map's value, else of the node itself. Absent in
    /// JSON, which tells only the path.
    pub(super) line: Option<usize>,
    pub(super) fault: Option<Fault>,
    pub(super) content: Content,
}

/// What a node holds.
pub(super) enum Content {
    Bool(bool),
    /// An alias or a tagged node. Its [`Fault`] is the problem; nobody has to report another.
    Broken,
    Float,
    /// Numbers beyond the type's ends are put there; no key takes them.
    Integer(i128),
    List(Vec<Node>),
    Map(Vec<Entry>),
    Null,
    Text(Zeroizing<String>),
}

/// One key of a map and its value.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Node,
}

/// A form that a configuration may not have. Never says what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Alias,
    Anchor,
    DuplicateKey,
    KeyIsNotText,
    Tag,
}

/// A parsed document.
pub(super) struct Tree {
    pub(super) root: Node,
    /// The line of a second document in the same file, which is never read.
    pub(super) second_document: Option<usize>,
}

/// Why a text could not become a tree. Without the parser's own words, which may quote the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: Option<usize>,
    pub(super) message: &'static str,
}

/// No sensible document is nested deeper; each parser has a limit of its own beyond this one.
const MAX_DEPTH: usize = 32;

impl Tree {
    /// Reads one YAML 1.2 document.
    pub(super) fn from_yaml(text: &str) -> Result<Self, SyntaxError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut tree = outline::read(text)?;
        values::fill(&mut tree.root, text)?;
        Ok(tree)
    }

    /// Reads one JSON value (RFC 8259).
    pub(super) fn from_json(text: &str) -> Result<Self, SyntaxError> {
        json::read(text).map(|root| Self {
            root,
            second_document: None,
        })
    }
}

impl Node {
    /// Whether a forbidden form stands here or below.
    pub(super) fn has_fault(&self) -> bool {
        let below = match &self.content {
            Content::List(nodes) => nodes.iter().any(Self::has_fault),
            Content::Map(entries) => entries.iter().any(|entry| entry.value.has_fault()),
            Content::Bool(_)
            | Content::Broken
            | Content::Float
            | Content::Integer(_)
            | Content::Null
            | Content::Text(_) => false,
        };
        below || self.fault.is_some()
    }

    fn new(line: Option<usize>, content: Content) -> Self {
        Self {
            line,
            fault: None,
            content,
        }
    }
}

impl Fault {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Alias => "aliases are not supported, write the value out",
            Self::Anchor => "anchors are not supported, remove it",
            Self::DuplicateKey => "this key is already set above in the same map",
            Self::KeyIsNotText => "expected a string as the key, put it in quotes",
            Self::Tag => "tags are not supported, write the plain value",
        }
    }
}

/// Marks every entry whose key stands earlier in the same map.
fn mark_duplicates(entries: &mut [Entry]) {
    let mut order: Vec<&mut Entry> = entries.iter_mut().collect();
    // The sort is stable, so of equal keys the first one written stays first.
    order.sort_by(|a, b| a.key.cmp(&b.key));
    for group in order.chunk_by_mut(|a, b| a.key == b.key) {
        for entry in group.iter_mut().skip(1) {
            entry.value.fault.get_or_insert(Fault::DuplicateKey);
        }
    }
}

#[cfg(test)]
mod tests;
