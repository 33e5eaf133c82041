//! The shape of a YAML text, from saphyr-parser's events.
//!
//! Scalars are left [`Content::Null`] for the second parser to fill in. Keys are taken from here.

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::{Content, Entry, Fault, MAX_DEPTH, Node, SyntaxError, Tree, mark_duplicates};

/// Reads the shape of the first document and notices a second one.
pub(super) fn read(text: &str) -> Result<Tree, SyntaxError> {
    let mut outline = Outline {
        open: Vec::new(),
        root: None,
    };
    let mut documents = 0_usize;
    let mut second_document = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| SyntaxError {
            line: Some(error.marker().line()),
            message: explain(text, error.marker().line()),
        })?;
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                second_document = Some(span.start.line());
                break;
            }
        }
        outline.take(event, span.start.line())?;
    }
    let root = outline
        .root
        .unwrap_or_else(|| Node::new(Some(1), Content::Null));
    Ok(Tree {
        root,
        second_document,
    })
}

/// The containers that are open, and the root once it is complete.
struct Outline {
    open: Vec<Container>,
    root: Option<Node>,
}

struct Container {
    line: usize,
    fault: Option<Fault>,
    children: Children,
}

enum Children {
    List(Vec<Node>),
    /// Complete entries, and the key that still waits for its value.
    Map(Vec<Entry>, Option<(String, usize)>),
}

impl Outline {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), SyntaxError> {
        match event {
            Event::Alias(_) => {
                self.refuse_as_key(line)?;
                self.place(line, Some(Fault::Alias), Content::Broken);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let fault = fault(anchor, tag.is_some());
                if let Some(waiting) = self.waiting_key() {
                    if fault.is_some() {
                        return Err(odd_key(line));
                    }
                    // `? ` with nothing behind it, or a value without a key.
                    if text.is_empty() && style == ScalarStyle::Plain {
                        return Err(odd_key(line));
                    }
                    *waiting = Some((text.into_owned(), line));
                } else {
                    self.place(line, fault, broken_if_tagged(fault, Content::Null));
                }
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(
                    line,
                    fault(anchor, tag.is_some()),
                    Children::List(Vec::new()),
                )?;
            }
            Event::MappingStart(anchor, tag) => {
                self.open(
                    line,
                    fault(anchor, tag.is_some()),
                    Children::Map(Vec::new(), None),
                )?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn open(
        &mut self,
        line: usize,
        fault: Option<Fault>,
        children: Children,
    ) -> Result<(), SyntaxError> {
        self.refuse_as_key(line)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(SyntaxError {
                line: Some(line),
                message: "nested too deeply",
            });
        }
        self.open.push(Container {
            line,
            fault,
            children,
        });
        Ok(())
    }

    fn close(&mut self) {
        let Some(Container {
            line,
            fault,
            children,
        }) = self.open.pop()
        else {
            return;
        };
        let content = match children {
            Children::List(nodes) => Content::List(nodes),
            Children::Map(mut entries, _) => {
                mark_duplicates(&mut entries);
                Content::Map(entries)
            }
        };
        self.place(line, fault, broken_if_tagged(fault, content));
    }

    /// Puts a complete node where it belongs: into the innermost open container, or at the root.
    fn place(&mut self, line: usize, fault: Option<Fault>, content: Content) {
        let mut node = Node {
            line: Some(line),
            fault,
            content,
        };
        match self
            .open
            .last_mut()
            .map(|container| &mut container.children)
        {
            None => self.root = Some(node),
            Some(Children::List(nodes)) => nodes.push(node),
            Some(Children::Map(entries, waiting)) => {
                if let Some((key, key_line)) = waiting.take() {
                    node.line = Some(key_line);
                    entries.push(Entry { key, value: node });
                }
            }
        }
    }

    /// Where the next scalar goes when it is a key; `None` when a value comes next.
    fn waiting_key(&mut self) -> Option<&mut Option<(String, usize)>> {
        match self
            .open
            .last_mut()
            .map(|container| &mut container.children)
        {
            Some(Children::Map(_, waiting)) if waiting.is_none() => Some(waiting),
            Some(Children::Map(..) | Children::List(_)) | None => None,
        }
    }

    fn refuse_as_key(&mut self, line: usize) -> Result<(), SyntaxError> {
        if self.waiting_key().is_some() {
            Err(odd_key(line))
        } else {
            Ok(())
        }
    }
}

fn fault(anchor: usize, tagged: bool) -> Option<Fault> {
    match (anchor, tagged) {
        (_, true) => Some(Fault::Tag),
        (0, false) => None,
        (_, false) => Some(Fault::Anchor),
    }
}

/// A tag may change what a value is, so nothing may be made of the value; an anchor may not.
fn broken_if_tagged(fault: Option<Fault>, content: Content) -> Content {
    if fault == Some(Fault::Tag) {
        Content::Broken
    } else {
        content
    }
}

fn odd_key(line: usize) -> SyntaxError {
    SyntaxError {
        line: Some(line),
        message: "expected a plain word as the key of a map",
    }
}

/// Names the one mistake that is hard to see on the screen.
fn explain(text: &str, line: usize) -> &'static str {
    let indented_by_tab = text
        .lines()
        .nth(line.saturating_sub(1))
        .is_some_and(|line| line.trim_start_matches(' ').starts_with('\t'));
    if indented_by_tab {
        "not valid YAML: indent with spaces, not with tabs"
    } else {
        "not valid YAML near this line"
    }
}
