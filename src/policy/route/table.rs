//! The table that chooses a route: a tree of path segments, so the number of routes does not matter.
//!
//! Host and path choose alone, then the method; a request never slides to another route because of
//! its method.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

use crate::policy::Names;
use crate::policy::requirement::Requirement;
use crate::policy::route::Route;
use crate::request::METHODS;

/// Why no route was chosen.
#[derive(Debug, PartialEq, Eq)]
pub enum Unrouted {
    /// No pattern fits, or a look-alike of the path belongs to a stricter or laxer route.
    NoRoute,
    /// A pattern fits, its methods do not. Holds the value of `Allow`.
    Method { allow: String },
}

/// All routes of a policy.
#[derive(Debug, Default)]
pub struct RouteTable {
    all: Vec<Arc<Route>>,
    groups: Vec<Group>,
    /// As written.
    exact: Tree,
    /// With letters folded, to find look-alikes.
    folded: Tree,
}

/// The position of a group in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct GroupId(usize);

/// The routes of one host and pattern; their methods do not overlap.
#[derive(Debug)]
struct Group {
    hosted: bool,
    kinds: Vec<Kind>,
    routes: Vec<Arc<Route>>,
}

/// What stands at one position of a pattern; the order is the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Literal,
    Parameter,
    Rest,
}

#[derive(Debug, Default)]
struct Tree {
    by_host: Names<String, Node>,
    any_host: Node,
}

#[derive(Debug, Default)]
struct Node {
    literal: Names<Box<str>, Self>,
    parameter: Option<Box<Self>>,
    /// `/**` below this node. More than one group only where letters are folded.
    rest: Vec<GroupId>,
    /// Patterns that end here.
    here: Vec<GroupId>,
}

impl RouteTable {
    /// Adds a route.
    ///
    /// # Errors
    ///
    /// The name of a route with the same host and pattern and a method in common.
    pub fn insert(&mut self, route: Arc<Route>) -> Result<(), Arc<str>> {
        let host = route.host.as_deref();
        let next = GroupId(self.groups.len());
        let place = self.exact.place(host, &route.pattern);
        let id = place.first().copied().unwrap_or(next);
        if id == next {
            place.push(next);
            self.folded.place(host, &fold(&route.pattern)).push(next);
            self.groups.push(Group {
                hosted: host.is_some(),
                kinds: kinds(&route.pattern),
                routes: Vec::new(),
            });
        }
        if let Some(group) = self.groups.get_mut(id.0) {
            if let Some(other) = group
                .routes
                .iter()
                .find(|other| other.shares_a_method(&route))
            {
                return Err(Arc::clone(&other.name));
            }
            group.routes.push(Arc::clone(&route));
        }
        self.all.push(route);
        Ok(())
    }

    /// In file order.
    pub fn all(&self) -> &[Arc<Route>] {
        &self.all
    }

    /// Chooses the route of a request. `host` is without port; its case does not matter. `path` is
    /// as sent; the syntax has refused escapes that would make it two paths.
    pub fn choose(&self, host: &str, path: &str, method: &str) -> Result<&Arc<Route>, Unrouted> {
        let written = path;
        let path = &*unescaped(written);
        let group = self.group_at(host, path).ok_or(Unrouted::NoRoute)?;
        let route = group.routes.iter().find(|route| route.allows(method));
        let ours = Judged { group, route };
        if self.has_stricter_twin(host, path, &ours)
            || (path != written && self.is_stricter_as_written(host, written, &ours))
        {
            return Err(Unrouted::NoRoute);
        }
        route.ok_or_else(|| Unrouted::Method {
            allow: group.allowed(),
        })
    }

    /// The methods that some route allows for this path, as an `Allow` value.
    pub fn methods(&self, host: &str, path: &str) -> Option<String> {
        self.group_at(host, &unescaped(path)).map(Group::allowed)
    }

    fn group_at(&self, host: &str, path: &str) -> Option<&Group> {
        let segments: Segments<'_> = segments(path).collect();
        let ids = self.exact.find(host, &segments)?;
        self.groups.get(ids.first()?.0)
    }

    /// Whether this path is a look-alike of one that is guarded otherwise.
    ///
    /// A backend that ignores case or a trailing slash would serve the twin under our requirement
    /// for this path. A twin that falls to a *less* specific pattern is no reason to refuse:
    /// beside `/**`, the exact `/health` is what the operator singled out.
    fn has_stricter_twin(&self, host: &str, path: &str, ours: &Judged<'_>) -> bool {
        self.any_twin(host, path, |other| {
            !other.is_less_specific_than(ours.group) && ours.is_guarded_unlike(other)
        })
    }

    /// Whether a backend that compares paths with their escapes, as Express does, would find a
    /// guard that this request has not passed.
    ///
    /// Where the escapes lead to another pattern it may be less specific: beside a guarded
    /// `/mail/**`, what the operator singled out is the public `/mail/a@b`, not `/mail/a%40b`.
    fn is_stricter_as_written(&self, host: &str, written: &str, ours: &Judged<'_>) -> bool {
        let group = self.group_at(host, written);
        let unpassed = |other: &Group| other.is_guarded() && ours.is_guarded_unlike(other);
        let leads_elsewhere = !group.is_some_and(|group| std::ptr::eq(group, ours.group));
        self.has_stricter_twin(host, written, ours)
            || (leads_elsewhere
                && (group.is_some_and(unpassed) || self.any_twin(host, written, unpassed)))
    }

    /// Whether something is so where a backend would look that ignores case, or also the slash at
    /// the end.
    fn any_twin(&self, host: &str, path: &str, is_so: impl Fn(&Group) -> bool) -> bool {
        let folded = fold(path);
        let mut twin: Segments<'_> = segments(&folded).collect();
        if self.any_at(host, &twin, &is_so) {
            return true;
        }
        // The same with the trailing slash toggled.
        if twin.last() == Some(&"") {
            twin.pop();
        } else {
            twin.push("");
        }
        self.any_at(host, &twin, is_so)
    }

    fn any_at(&self, host: &str, path: &[&str], is_so: impl Fn(&Group) -> bool) -> bool {
        self.folded
            .find(host, path)
            .unwrap_or_default()
            .iter()
            .filter_map(|id| self.groups.get(id.0))
            .any(is_so)
    }
}

/// What a path was judged as: its patterns' routes, and the one of them that the method chose.
struct Judged<'t> {
    group: &'t Group,
    route: Option<&'t Arc<Route>>,
}

impl Judged<'_> {
    /// Whether other people may enter some route there.
    fn is_guarded_unlike(&self, other: &Group) -> bool {
        let ours = self
            .route
            .map_or(self.group.routes.as_slice(), std::slice::from_ref);
        !std::ptr::eq(other, self.group)
            && other
                .routes
                .iter()
                .any(|theirs| ours.iter().any(|ours| !ours.guards_like(theirs)))
    }
}

impl Group {
    /// Whether some route of it is not for everybody, or not at any rate.
    fn is_guarded(&self) -> bool {
        let mut routes = self.routes.iter();
        routes.any(|route| route.require != Requirement::Public || route.limit.is_some())
    }

    fn allowed(&self) -> String {
        let allows = |method: &&str| self.routes.iter().any(|route| route.allows(method));
        METHODS
            .iter()
            .copied()
            .filter(allows)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The first position where two patterns differ decides; an exact end is as good as a literal.
    fn is_less_specific_than(&self, other: &Self) -> bool {
        if self.hosted != other.hosted {
            return other.hosted;
        }
        let at = |group: &Self, i| group.kinds.get(i).copied().unwrap_or(Kind::Literal);
        (0..self.kinds.len().max(other.kinds.len()))
            .map(|i| (at(self, i), at(other, i)))
            .find(|(ours, theirs)| ours != theirs)
            .is_some_and(|(ours, theirs)| ours > theirs)
    }
}

impl Tree {
    /// Where a pattern's groups stand.
    fn place(&mut self, host: Option<&str>, pattern: &str) -> &mut Vec<GroupId> {
        let mut node = match host {
            Some(host) => self.by_host.entry(host.to_owned()).or_default(),
            None => &mut self.any_host,
        };
        let (path, is_rest) = match pattern.strip_suffix("/**") {
            Some(prefix) => (prefix, true),
            None => (pattern, false),
        };
        for segment in segments(path) {
            node = if segment.starts_with('{') {
                node.parameter.get_or_insert_default()
            } else {
                node.literal.entry(segment.into()).or_default()
            };
        }
        if is_rest {
            &mut node.rest
        } else {
            &mut node.here
        }
    }

    /// The most specific groups; a host of its own beats any host.
    fn find(&self, host: &str, path: &[&str]) -> Option<&[GroupId]> {
        let own = if self.by_host.is_empty() {
            None
        } else {
            self.by_host
                .get(host)
                .or_else(|| self.by_host.get(&host.to_ascii_lowercase()))
        };
        own.and_then(|node| node.find(path))
            .or_else(|| self.any_host.find(path))
    }
}

impl Node {
    /// A literal beats a parameter, which beats `/**`, left to right.
    fn find(&self, path: &[&str]) -> Option<&[GroupId]> {
        let some = |ids: &'_ [GroupId]| !ids.is_empty();
        let rest = Some(&*self.rest).filter(|ids| some(ids));
        let Some((segment, below)) = path.split_first() else {
            // `/a/**` includes `/a` itself.
            return Some(&*self.here).filter(|ids| some(ids)).or(rest);
        };
        self.literal
            .get(*segment)
            .and_then(|node| node.find(below))
            .or_else(|| {
                let node = self.parameter.as_ref().filter(|_| !segment.is_empty())?;
                node.find(below)
            })
            .or(rest)
    }
}

/// The segments of a path, on the stack for all but the deepest.
type Segments<'p> = SmallVec<[&'p str; 16]>;

/// `/a/b` → `a`, `b`; `/a/` → `a` and an empty segment; nothing → nothing.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/')
        .map(|path| path.split('/'))
        .into_iter()
        .flatten()
}

fn kinds(pattern: &str) -> Vec<Kind> {
    segments(pattern)
        .map(|segment| match segment {
            "**" => Kind::Rest,
            segment if segment.starts_with('{') => Kind::Parameter,
            _ => Kind::Literal,
        })
        .collect()
}

/// `/a%40b` is `/a@b` for every backend, so it is for the routes: an escape must not lead past a
/// stricter one.
pub(super) fn unescaped(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8_lossy()
}

/// What a backend that ignores case may take a path for.
fn fold(path: &str) -> Cow<'_, str> {
    if path
        .bytes()
        .any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii())
    {
        Cow::Owned(path.to_lowercase())
    } else {
        Cow::Borrowed(path)
    }
}
