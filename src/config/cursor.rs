//! A way through a [`Tree`](super::tree::Tree) that knows where it is and reports what is wrong.
//!
//! Every accessor gives `None` after it has reported a problem, so that the caller goes on with
//! the next key and all mistakes come to light in one go. What was found is never part of a
//! message; what was expected always is.

mod fields;
mod scalars;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::document::Located;
use super::findings::Findings;
use super::spelling;
use super::tree::{Content, Fault, Node};
use crate::problem::Place;

pub(super) use fields::{Fields, Keys};
pub(super) use scalars::NAME;

/// The file that a tree was read from.
pub(super) struct Source {
    /// As problems name it.
    pub(super) file: Arc<Path>,
    /// What relative paths in it are relative to.
    pub(super) directory: PathBuf,
}

impl Source {
    pub(super) fn new(file: &Path) -> Self {
        let directory = file.parent().map(Path::to_owned).unwrap_or_default();
        Self {
            file: Arc::from(file),
            directory,
        }
    }
}

/// A node and its place.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    node: &'a Node,
    trail: Option<Rc<Trail<'a>>>,
    pub(super) source: &'a Source,
    pub(super) findings: &'a Findings,
}

/// The way from the root to a node, innermost step first.
struct Trail<'a> {
    outer: Option<Rc<Self>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Index(usize),
    Key(&'a str),
}

impl<'a> Cursor<'a> {
    pub(super) fn root(node: &'a Node, source: &'a Source, findings: &'a Findings) -> Self {
        Self {
            node,
            trail: None,
            source,
            findings,
        }
    }

    fn child(&self, node: &'a Node, step: Step<'a>) -> Self {
        let trail = Some(Rc::new(Trail {
            outer: self.trail.clone(),
            step,
        }));
        Self {
            node,
            trail,
            source: self.source,
            findings: self.findings,
        }
    }

    pub(super) fn place(&self) -> Place {
        Place {
            file: Arc::clone(&self.source.file),
            path: self.path(),
            line: self.node.line,
        }
    }

    pub(super) fn locate<T>(&self, value: T) -> Located<T> {
        Located {
            value,
            place: self.place(),
        }
    }

    /// Reports a mistake at this node.
    pub(super) fn problem(&self, message: impl Into<String>) {
        self.findings.problem(self.place(), message);
    }

    pub(super) fn warn(&self, message: impl Into<String>) {
        self.findings.warn(self.place(), message);
    }

    /// Reports what was expected, unless the node's form was already reported.
    fn expected<T>(&self, what: &str) -> Option<T> {
        if !matches!(self.node.content, Content::Broken) {
            self.problem(format!("expected {what}"));
        }
        None
    }

    /// Reports every forbidden form at this node and below it.
    ///
    /// To be called after decoding: nobody has looked at the keys on the way, so only those that
    /// the decoder came to know are shown.
    pub(super) fn report_faults(&self) {
        if let Some(fault) = self.node.fault {
            match fault {
                Fault::DuplicateKey | Fault::KeyIsNotText => self.outer_problem(fault.message()),
                Fault::Alias | Fault::Anchor | Fault::Tag => self.problem(fault.message()),
            }
        }
        if let Some(elements) = self.as_list() {
            elements.iter().for_each(Self::report_faults);
        } else if let Some(fields) = self.as_map() {
            fields.report_faults();
        }
    }

    /// Reports at this node's line, but with the path of the map around it: the key may not be
    /// shown.
    fn outer_problem(&self, message: impl Into<String>) {
        let path = render(self.trail.as_ref().and_then(|trail| trail.outer.as_deref()));
        let place = Place {
            file: Arc::clone(&self.source.file),
            path,
            line: self.node.line,
        };
        self.findings.problem(place, message);
    }

    // === Containers ===

    /// The elements of a list.
    pub(super) fn list(&self) -> Option<Vec<Self>> {
        self.as_list().or_else(|| self.expected("a list"))
    }

    /// The elements of a list that has at least one.
    pub(super) fn non_empty_list(&self) -> Option<Vec<Self>> {
        let elements = self.list()?;
        if elements.is_empty() {
            return self.expected("at least one element");
        }
        Some(elements)
    }

    fn elements(&self, nodes: &'a [Node]) -> Vec<Self> {
        let child = |(index, node)| self.child(node, Step::Index(index));
        nodes.iter().enumerate().map(child).collect()
    }

    /// The entries of a map whose keys are names that the configuration gives.
    pub(super) fn entries(&self) -> Option<Vec<(&'a str, Self)>> {
        let entries = self.open_map()?.entries();
        for (name, _) in &entries {
            self.findings.learn_name(name);
        }
        Some(entries)
    }

    /// Names, each once, at least one.
    pub(super) fn names(&self) -> Option<Vec<Arc<str>>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        for element in self.non_empty_list()? {
            let Some(name) = element.name() else { continue };
            if names.contains(&name) {
                element.problem("already listed above");
                continue;
            }
            names.push(name);
        }
        (!names.is_empty()).then_some(names)
    }

    /// A map with only these keys. Others are reported, and the known ones are given back.
    pub(super) fn map(&self, keys: &'static Keys) -> Option<Fields<'a>> {
        let mut fields = self.open_map()?;
        fields.refuse_unknown(keys);
        Some(fields)
    }

    /// A map that may have further keys, which nobody reads.
    pub(super) fn open_map(&self) -> Option<Fields<'a>> {
        self.as_map().or_else(|| self.expected("a map"))
    }

    // === Looks that report nothing ===

    pub(super) fn as_list(&self) -> Option<Vec<Self>> {
        match &self.node.content {
            Content::List(nodes) => Some(self.elements(nodes)),
            Content::Bool(_)
            | Content::Broken
            | Content::Float
            | Content::Integer(_)
            | Content::Map(_)
            | Content::Null
            | Content::Text(_) => None,
        }
    }

    pub(super) fn as_map(&self) -> Option<Fields<'a>> {
        match &self.node.content {
            Content::Map(entries) => Some(Fields::new(self.clone(), entries)),
            Content::Bool(_)
            | Content::Broken
            | Content::Float
            | Content::Integer(_)
            | Content::List(_)
            | Content::Null
            | Content::Text(_) => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&'a str> {
        match &self.node.content {
            Content::Text(text) => Some(text),
            Content::Bool(_)
            | Content::Broken
            | Content::Float
            | Content::Integer(_)
            | Content::List(_)
            | Content::Map(_)
            | Content::Null => None,
        }
    }

    /// Whether nothing stands behind the key.
    #[cfg(feature = "injector")]
    pub(super) fn is_null(&self) -> bool {
        matches!(self.node.content, Content::Null)
    }

    #[cfg(feature = "injector")]
    pub(super) fn as_boolean(&self) -> Option<bool> {
        if let Content::Bool(value) = self.node.content {
            Some(value)
        } else {
            None
        }
    }

    fn path(&self) -> String {
        render(self.trail.as_deref())
    }
}

/// Such as `routes[1].require.any_of[0]`. A name that does not look like one is shown as `?`.
fn render(innermost: Option<&Trail<'_>>) -> String {
    let mut steps = Vec::new();
    let mut next = innermost;
    while let Some(trail) = next {
        steps.push(trail.step);
        next = trail.outer.as_deref();
    }
    let mut path = String::new();
    for step in steps.into_iter().rev() {
        match step {
            Step::Index(index) => path.extend(["[", &index.to_string(), "]"]),
            Step::Key(key) => {
                let dot = if path.is_empty() { "" } else { "." };
                path.extend([dot, if spelling::is_name(key) { key } else { "?" }]);
            }
        }
    }
    path
}
