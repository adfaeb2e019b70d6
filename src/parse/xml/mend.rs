//! How elements nest where the document does not say so properly: ends that are missing, wrong, or too many.

use std::collections::HashMap;

use super::{Collecting, Ns, Reader};
use crate::model::warning::WarningCode;

/// Elements beyond the depth limit: not handed out, but counted so that their ends are recognised.
#[derive(Debug, Default)]
pub(super) struct Overflow<'a> {
    pub(super) names: Vec<&'a str>,
    counts: HashMap<&'a str, u32>,
    /// A warning told of the limit already.
    pub(super) noted: bool,
}

impl Reader<'_> {
    /// Closes the element of this name with all that is open inside it; false if there is none.
    pub(super) fn close(&mut self, name: &str) -> bool {
        if !self.overflow.names.is_empty() {
            if self.overflow.pop(name) {
                return false;
            }
            if !self.stack.iter().any(|open| open.raw == name) {
                return false;
            }
            self.overflow.clear();
        }
        if self
            .stack
            .last()
            .is_some_and(|open| open.raw == name || name.is_empty())
        {
            self.close_to(self.stack.len() - 1);
            self.overtaken = false;
            return true;
        }
        let found = self.stack.iter().rposition(|open| open.raw == name);
        let found = found.or_else(|| {
            self.stack
                .iter()
                .rposition(|open| open.raw.eq_ignore_ascii_case(name))
        });
        if let Some(depth) = found {
            self.overtaken = depth + 1 < self.stack.len();
            let open = self.stack.last().map_or("", |open| open.raw);
            self.note(WarningCode::XmlError, || {
                format!("</{name}> where </{open}> should stand")
            });
            self.close_to(depth);
        } else {
            self.note(WarningCode::XmlError, || {
                format!("</{name}> without a start")
            });
        }
        found.is_some()
    }

    /// If this start tag shows that the end of something was forgotten: the depth that remains open.
    pub(super) fn implied_end(&self, ns: Ns, local: &str) -> Option<usize> {
        self.core.ns?;
        if self.collecting == Collecting::Foreign {
            return None;
        }
        if ns == Ns::Core && matches!(local, "item" | "entry") {
            let item = self
                .item
                .filter(|item| self.is_open(*item))
                .map(|item| item.depth - 1);
            let container = || {
                self.containers
                    .iter()
                    .rev()
                    .find(|level| self.is_open(**level))
                    .map(|level| level.depth)
            };
            return item
                .or_else(container)
                .filter(|depth| *depth < self.stack.len());
        }
        let Collecting::Value(value) = self.collecting else {
            return None;
        };
        if self.stack.len() != value.depth || !self.is_open(value) {
            return None;
        }
        let next = match ns {
            // HTML knows `source` as well, but not with an address called `url`.
            Ns::Core if local == "source" && !self.core.atom => {
                self.attrs.iter().any(|attr| attr.name == "url")
            }
            Ns::Core => {
                is_next(local, self.core.atom)
                    && !(self.has_attrs() && matches!(local, "link" | "title") && !self.core.atom)
            }
            Ns::None | Ns::Rss | Ns::Rdf | Ns::Xhtml | Ns::Other => false,
            _ => !matches!(local, "name" | "email" | "uri" | "url"),
        };
        next.then(|| value.depth - 1)
    }
}

impl<'a> Overflow<'a> {
    /// Forgets what is open; not that there was a warning.
    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.counts.clear();
    }

    pub(super) fn push(&mut self, name: &'a str) {
        self.names.push(name);
        *self.counts.entry(name).or_default() += 1;
    }

    /// Closes the innermost element of this name; false if none is open here.
    pub(super) fn pop(&mut self, name: &str) -> bool {
        if self.counts.get(name).is_none_or(|count| *count == 0) {
            return false;
        }
        while let Some(last) = self.names.pop() {
            if let Some(count) = self.counts.get_mut(last) {
                *count -= 1;
            }
            if last == name {
                break;
            }
        }
        true
    }
}

/// Elements that follow a value in a feed, and never occur inside one.
fn is_next(local: &str, atom: bool) -> bool {
    match local {
        "title" | "link" | "author" | "category" | "item" | "entry" | "generator" | "copyright"
        | "summary" => true,
        "id" | "updated" | "published" | "content" | "contributor" | "rights" | "source"
        | "subtitle" | "modified" | "issued" | "created" | "tagline" | "icon" | "logo" => atom,
        "description" | "fullitem" | "pubdate" | "guid" | "comments" | "enclosure" | "channel"
        | "lastbuilddate" | "managingeditor" | "webmaster" | "language" | "ttl" => !atom,
        _ => false,
    }
}
