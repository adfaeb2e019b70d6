//! What is known of a document as a whole while its parts are read: its text, where it came from, what is wanted.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use url::Url;

use super::xml::{Level, Ns, Reader};
use super::{Before, Options, address};

/// A longer base would be written out again for each of many short links.
pub(super) const LONGEST_BASE: usize = 2048;

/// What may be repeated in any case, beside as much as the document is long.
const ALLOWANCE: usize = 4 << 20;

/// The document as a whole.
pub(super) struct Context<'a> {
    /// All of it, decoded.
    pub(super) text: &'a str,
    /// The byte where reading begins.
    pub(super) root: usize,
    /// Where it came from.
    pub(super) url: Option<Rc<Url>>,
    /// Clean HTML, or leave it as it is?
    pub(super) clean: bool,
    /// Elements nested deeper are skipped.
    pub(super) max_depth: usize,
    /// Items beyond this number are not read.
    pub(super) max_items: usize,
    /// What need not be read again; `None`: no fingerprints are asked for.
    pub(super) before: Option<&'a Before>,
    described: OnceCell<Option<Rc<Url>>>,
    /// Cleaning met a limit: something in an HTML value was left out.
    pub(super) cut: Cell<bool>,
    /// How many bytes may still be made by repeating what the document said once.
    allowance: Cell<usize>,
}

impl<'a> Context<'a> {
    /// Sets the scene for a document from `url`, which counts only if it is absolute and http(s).
    pub(super) fn new(text: &'a str, root: usize, url: Option<&str>, options: &Options) -> Self {
        let url = url
            .and_then(address::absolute)
            .filter(|url| url.as_str().len() <= LONGEST_BASE);
        Self {
            text,
            root,
            url: url.map(Rc::new),
            clean: options.clean_html,
            max_depth: options.max_depth,
            max_items: options.max_items,
            before: None,
            described: OnceCell::new(),
            cut: Cell::new(false),
            allowance: Cell::new(text.len() + ALLOWANCE),
        }
    }

    /// May `bytes` more be made by repeating what the document said once (a base, an author)? Without a limit a small
    /// document could fill the memory.
    pub(super) fn repeat(&self, bytes: usize) -> bool {
        let left = self.allowance.get().checked_sub(bytes);
        self.allowance.set(left.unwrap_or(0));
        left.is_some()
    }

    /// The base to use where the nearest known one is `near`: without any, what the feed says of its own address.
    pub(super) fn base(&self, near: Option<Rc<Url>>) -> Option<Rc<Url>> {
        near.or_else(|| self.described.get_or_init(|| self.describe()).clone())
    }

    /// Notes the addresses that the feed gives for itself, for documents that are no XML.
    pub(super) fn describe_as(&self, addresses: [Option<&str>; 2]) {
        let url = addresses
            .into_iter()
            .flatten()
            .find_map(address::absolute)
            .filter(|url| url.as_str().len() <= LONGEST_BASE);
        let _ = self.described.set(url.map(Rc::new));
    }

    /// Reads the head of the feed for its address, only when a relative URL needs it: the address may follow the items.
    fn describe(&self) -> Option<Rc<Url>> {
        let scene = Context {
            text: self.text,
            root: self.root,
            url: None,
            clean: false,
            max_depth: self.max_depth,
            max_items: 0,
            before: None,
            described: OnceCell::from(None),
            cut: Cell::new(false),
            allowance: Cell::new(0),
        };
        let mut reader = Reader::new(&scene);
        let root = reader.root()?;
        let atom = root.local == "feed" || root.local == "entry";
        reader.speak(&root, atom);
        let (mut own, mut home) = (None, None);
        links(&mut reader, root.level, &mut own, &mut home);
        own.or(home)
            .filter(|url| url.as_str().len() <= LONGEST_BASE)
            .map(Rc::new)
    }
}

/// Values that stand beside the links of a feed. They are read like values, so that one whose end is missing does not
/// swallow the link behind it.
const VALUES: [&str; 18] = [
    "title",
    "id",
    "updated",
    "modified",
    "published",
    "subtitle",
    "tagline",
    "description",
    "generator",
    "copyright",
    "rights",
    "language",
    "pubdate",
    "lastbuilddate",
    "managingeditor",
    "webmaster",
    "category",
    "ttl",
];

/// Looks at the links of a feed or channel.
fn links(r: &mut Reader<'_>, level: Level, own: &mut Option<Url>, home: &mut Option<Url>) {
    while let Some(tag) = r.child(level) {
        match (tag.ns, &*tag.local) {
            (Ns::Core, "channel") => links(r, tag.level, own, home),
            (Ns::Core | Ns::Atom, "link") => {
                let rel = r.filled_attr("rel").unwrap_or_default();
                let target = match r.filled_attr("href") {
                    Some(href) => href,
                    None => r.value(tag.level),
                };
                let Some(url) = address::absolute(&target) else {
                    continue;
                };
                match &*rel {
                    "self" if own.is_none() => *own = Some(url),
                    "" | "alternate" if home.is_none() => *home = Some(url),
                    _ => {}
                }
            }
            (Ns::Core, local) if VALUES.contains(&local) => {
                r.value(tag.level);
            }
            _ => {}
        }
        if own.is_some() {
            return;
        }
    }
}
