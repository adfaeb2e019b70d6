//! What holds for an element and all inside it: namespaces, `xml:base`, `xml:lang`.

use std::rc::Rc;

use url::Url;

use super::scan::Attr;
use super::{Binding, Ns, Reader, names};
use crate::model::warning::WarningCode;
use crate::parse::context::LONGEST_BASE;
use crate::parse::value::excerpt;

/// No language tag is longer; what is longer would be repeated for each item.
const LONGEST_LANGUAGE: usize = 64;

/// Namespace declarations in force at once; feeds have a dozen.
const MOST_BINDINGS: usize = 256;

impl<'a> Reader<'a> {
    pub(super) fn close_to(&mut self, depth: usize) {
        self.stack.truncate(depth);
        while self
            .bindings
            .last()
            .is_some_and(|binding| binding.depth > depth)
        {
            self.bindings.pop();
        }
        while self.bases.last().is_some_and(|(at, _)| *at > depth) {
            self.bases.pop();
        }
        while self.langs.last().is_some_and(|(at, _)| *at > depth) {
            // The root's own language is asked for when the feed is complete.
            if depth == 0 {
                break;
            }
            self.langs.pop();
        }
    }

    /// Takes `xmlns`, `xml:base` and `xml:lang` of the element that will be at `depth`.
    pub(super) fn declare(&mut self, depth: usize) {
        for index in 0..self.attrs.len() {
            let Attr { name, value } = self.attrs[index];
            if !name.starts_with("xml") {
                continue;
            }
            match name {
                "xmlns" => self.bind("", value, depth),
                "xml:base" => {
                    let value = self.decode(value);
                    self.rebase(&value, depth);
                }
                "xml:lang" => {
                    let value = self.decode(value);
                    if value.len() <= LONGEST_LANGUAGE {
                        self.langs.push((depth, value));
                    } else {
                        self.bad(&value, "language");
                    }
                }
                _ => {
                    if let Some(prefix) = name.strip_prefix("xmlns:") {
                        self.bind(prefix, value, depth);
                    }
                }
            }
        }
    }

    pub(super) fn bind(&mut self, prefix: &'a str, uri: &'a str, depth: usize) {
        if self.bindings.len() < MOST_BINDINGS {
            let ns = names::bound(prefix, uri);
            self.bindings.push(Binding { prefix, ns, depth });
        } else {
            self.note(WarningCode::Limit, || {
                format!("more than {MOST_BINDINGS} namespaces at once")
            });
        }
    }

    pub(super) fn rebase(&mut self, value: &str, depth: usize) {
        let joined = match self.bases.last() {
            _ if value.len() > LONGEST_BASE => Err(url::ParseError::Overflow),
            Some((_, base)) => base.join(value.trim()),
            None => Url::parse(value.trim()),
        };
        match joined {
            Ok(url)
                if matches!(url.scheme(), "http" | "https" | "ftp")
                    && url.as_str().len() <= LONGEST_BASE =>
            {
                self.bases.push((depth, Rc::new(url)));
            }
            _ if value.trim().is_empty() => {}
            _ => self.note(WarningCode::BadUrl, || {
                format!("xml:base `{}` is not used", excerpt(value))
            }),
        }
    }

    pub(super) fn namespace(&mut self, prefix: &'a str) -> Ns {
        let bound = self
            .bindings
            .iter()
            .rev()
            .find(|binding| binding.prefix == prefix)
            .map(|binding| binding.ns);
        let ns = match bound {
            Some(ns) => ns,
            None if prefix.is_empty() => Ns::None,
            None if prefix == "xml" => Ns::Other,
            None => {
                self.note(WarningCode::NamespaceUndeclared, || {
                    format!("the prefix `{prefix}` is not declared")
                });
                let in_other_case = self
                    .bindings
                    .iter()
                    .rev()
                    .find(|binding| binding.prefix.eq_ignore_ascii_case(prefix));
                in_other_case.map_or_else(|| names::by_custom(prefix), |binding| binding.ns)
            }
        };
        match self.core.ns {
            None => ns,
            Some(root) => match ns {
                Ns::None => Ns::Core,
                Ns::Rss if !self.core.atom => Ns::Core,
                Ns::Atom if self.core.atom => Ns::Core,
                Ns::Other if root == Ns::Other && prefix == self.core.prefix => Ns::Core,
                ns if ns == root
                    && !matches!(ns, Ns::Rdf | Ns::Other)
                    && prefix == self.core.prefix =>
                {
                    Ns::Core
                }
                ns => ns,
            },
        }
    }

    /// In RDF without any namespace of RSS, the default namespace is a misspelt one of RSS.
    pub(super) fn mend_rdf(&mut self) {
        if self.bindings.iter().all(|binding| binding.ns != Ns::Rss) {
            let default =
                |binding: &&mut Binding<'_>| binding.prefix.is_empty() && binding.ns == Ns::Other;
            if let Some(binding) = self.bindings.iter_mut().find(default) {
                binding.ns = Ns::Rss;
            }
        }
    }

    /// Leaves `keep` elements open, and the scopes of the start tag that was read as number `own`.
    pub(super) fn cut(&mut self, keep: usize, own: usize) {
        self.stack.truncate(keep);
        let moved = |depth: &mut usize| {
            let stays = *depth <= keep || *depth == own;
            if *depth == own {
                *depth = keep + 1;
            }
            stays
        };
        self.bindings
            .retain_mut(|binding| moved(&mut binding.depth));
        self.bases.retain_mut(|(depth, _)| moved(depth));
        self.langs.retain_mut(|(depth, _)| moved(depth));
    }
}
