//! Names that one part of a configuration declares and another part uses.
//!
//! They are collected before anything is decoded, also from elements that will turn out wrong, so
//! that one mistake does not produce a second one wherever the element is referred to.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cursor::{Cursor, Fields};
use super::document::Located;
use super::spelling;

/// What is declared. A set is absent when its section cannot be read, and nothing is held against
/// references into it.
pub(super) struct Names<'a> {
    pub(super) authenticators: Option<BTreeSet<&'a str>>,
    pub(super) routes: Option<BTreeSet<&'a str>>,
    pub(super) upstreams: Option<BTreeSet<&'a str>>,
}

impl<'a> Names<'a> {
    pub(super) fn declared(root: &Fields<'a>) -> Self {
        Self {
            authenticators: match root.get("authenticators") {
                Some(section) => keys(&section),
                // Nothing but public routes.
                None => Some(BTreeSet::new()),
            },
            routes: root.get("routes").and_then(|section| routes(&section)),
            upstreams: root.get("upstreams").and_then(|section| keys(&section)),
        }
    }
}

/// A reference to a declared name. Gives it back also when it is unknown, after reporting that.
pub(super) fn reference(
    cursor: &Cursor<'_>,
    what: &str,
    declared: Option<&BTreeSet<&str>>,
) -> Option<Located<Arc<str>>> {
    let name = cursor.non_empty_text()?;
    if let Some(declared) = declared
        && !declared.contains(name)
    {
        let known: Vec<&str> = declared.iter().copied().collect();
        cursor.problem(spelling::unknown(what, name, &known));
        return None;
    }
    Some(cursor.locate(Arc::from(name)))
}

fn keys<'a>(section: &Cursor<'a>) -> Option<BTreeSet<&'a str>> {
    Some(section.as_map()?.keys().collect())
}

/// Names of routes, and the path patterns of those without one.
fn routes<'a>(section: &Cursor<'a>) -> Option<BTreeSet<&'a str>> {
    let routes = section.as_list()?;
    Some(routes.iter().filter_map(route_name).collect())
}

fn route_name<'a>(route: &Cursor<'a>) -> Option<&'a str> {
    let route = route.as_map()?;
    if let Some(name) = route.get("name") {
        return name.as_text();
    }
    // What is no path is no name either, and must not be proposed as one.
    let path = route.get("match")?.as_map()?.get("path")?.as_text()?;
    path.starts_with('/').then_some(path)
}
