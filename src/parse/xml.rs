//! A tolerant pull reader for XML: one pass, borrowed text, and always a way to go on.
//!
//! Text goes in; out come elements one at a time, with their attributes, base and language, and their text when somebody
//! asks for it. Elements always nest properly for the caller: what was forgotten in the document is closed here, what is
//! too deep is left out. Nothing is ever expanded, fetched or given up; oddities become warnings.

mod content;
mod markup;
mod mend;
mod names;
mod refs;
mod scan;
mod scope;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::rc::Rc;

use memchr::memchr;
use url::Url;

use self::mend::Overflow;
use self::scan::{Attr, Missing};
use super::context::Context;
use super::notes::Notes;
use crate::model::entry::WarningCode;

pub(super) use self::content::{Inner, escape_into, trim};
pub(super) use self::names::Ns;

/// The start of an element.
#[derive(Debug, Clone)]
pub(super) struct Tag<'a> {
    /// Vocabulary.
    pub(super) ns: Ns,
    /// Name without prefix, in lower case.
    pub(super) local: Cow<'a, str>,
    /// Name as written.
    pub(super) raw: &'a str,
    /// The element, for [`Reader::child`] and its kin.
    pub(super) level: Level,
}

/// An open element. It stays good as a handle after the element was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    depth: usize,
    serial: u32,
}

#[derive(Debug)]
struct Open<'a> {
    raw: &'a str,
    serial: u32,
}

#[derive(Debug)]
struct Binding<'a> {
    prefix: &'a str,
    ns: Ns,
    depth: usize,
}

/// One step through the document.
enum Step<'a> {
    Start(Tag<'a>),
    /// Text with its references, and whether it was a CDATA section, which has none.
    Text(&'a str, bool),
    /// One or several elements ended.
    End,
    Eof,
}

/// How far the reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before the root element.
    Prolog,
    /// In the root element, or just behind it.
    Inside,
    /// Nothing more will be read.
    Ended,
}

/// What kind of value is being read, for telling its own markup from the next element of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Collecting {
    Nothing,
    Value(Level),
    /// Inline XML that may hold anything.
    Foreign,
}

/// Reads one document.
pub(super) struct Reader<'a> {
    /// What is known of the document as a whole.
    pub(super) cx: &'a Context<'a>,
    text: &'a str,
    at: usize,
    /// Where the construct began that is being read: the place of warnings.
    mark: usize,
    max_depth: usize,
    stack: Vec<Open<'a>>,
    serial: u32,
    attrs: Vec<Attr<'a>>,
    /// A start tag that ended elements before it, waiting for the loop over its parent.
    pending: Option<Tag<'a>>,
    /// The element on top was `<empty/>`.
    empty: bool,
    phase: Phase,
    /// A warning said already that the end is missing.
    truncated: bool,
    doctype: bool,
    bindings: Vec<Binding<'a>>,
    bases: Vec<(usize, Rc<Url>)>,
    langs: Vec<(usize, Cow<'a, str>)>,
    overflow: Overflow<'a>,
    core: Core<'a>,
    item: Option<Level>,
    /// What holds items: the root, and the channel in it.
    containers: Vec<Level>,
    collecting: Collecting,
    missing: Missing,
    /// What was odd.
    pub(super) notes: Notes,
}

/// What the root of the document told about its vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Core<'a> {
    ns: Option<Ns>,
    prefix: &'a str,
    atom: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a document.
    pub(super) fn new(cx: &'a Context<'a>) -> Self {
        Self {
            cx,
            text: cx.text,
            at: cx.root,
            mark: cx.root,
            max_depth: cx.max_depth,
            stack: Vec::with_capacity(16),
            serial: 0,
            attrs: Vec::with_capacity(16),
            pending: None,
            empty: false,
            phase: Phase::Prolog,
            truncated: false,
            doctype: false,
            bindings: Vec::with_capacity(16),
            bases: cx.url.iter().map(|url| (0, Rc::clone(url))).collect(),
            langs: Vec::new(),
            overflow: Overflow::default(),
            core: Core::default(),
            item: None,
            containers: Vec::new(),
            collecting: Collecting::Nothing,
            missing: Missing::default(),
            notes: Notes::default(),
        }
    }

    /// The root element, if the document has one.
    pub(super) fn root(&mut self) -> Option<Tag<'a>> {
        loop {
            match self.step() {
                Step::Start(tag) => return Some(tag),
                Step::Eof => return None,
                Step::Text(..) | Step::End => {}
            }
        }
    }

    /// From here on names of the root's vocabulary, and those without a namespace, are [`Ns::Core`]; `atom` says which
    /// dialect that is.
    pub(super) fn speak(&mut self, root: &Tag<'a>, atom: bool) {
        if root.ns == Ns::Rdf {
            self.mend_rdf();
        }
        self.core = Core {
            ns: Some(root.ns),
            prefix: names::split(root.raw).0,
            atom,
        };
    }

    /// The next child of an open element; `None` once that element has ended. What earlier children still had inside is
    /// skipped.
    pub(super) fn child(&mut self, parent: Level) -> Option<Tag<'a>> {
        while self.is_open(parent) {
            if let Some(tag) = self.pending.take() {
                if tag.level.depth == parent.depth + 1 {
                    return Some(tag);
                }
                continue;
            }
            match self.step() {
                Step::Start(tag) if tag.level.depth == parent.depth + 1 => return Some(tag),
                Step::Eof => return None,
                _ => {}
            }
        }
        None
    }

    /// Where the start tag began that [`Self::child`] gave last.
    pub(super) fn begun(&self) -> usize {
        self.mark
    }

    /// What was read since that byte.
    pub(super) fn since(&self, from: usize) -> &'a str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// Tells that this element is an item: another item inside it means that its end was forgotten.
    pub(super) fn enter_item(&mut self, item: Level) {
        self.item = Some(item);
    }

    /// Tells that items are expected in this element: an item deeper in it means that the end of something was forgotten.
    pub(super) fn enter_container(&mut self, container: Level) {
        while self
            .containers
            .last()
            .is_some_and(|level| !self.is_open(*level))
        {
            self.containers.pop();
        }
        self.containers.push(container);
    }

    /// The value of an attribute of the element that was just started; the name in lower case, without prefix.
    pub(super) fn attr(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let found = self
            .attrs
            .iter()
            .find(|attr| attr.name.eq_ignore_ascii_case(name))
            .or_else(|| {
                let local = |attr: &&Attr<'a>| {
                    attr.name.contains(':') && names::split(attr.name).1.eq_ignore_ascii_case(name)
                };
                self.attrs
                    .iter()
                    .filter(|attr| !attr.name.starts_with("xml"))
                    .find(local)
            })?;
        let raw = found.value;
        Some(self.decode(raw))
    }

    /// Like [`Self::attr`], trimmed, and `None` if nothing is left.
    pub(super) fn filled_attr(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let value = match self.attr(name)? {
            Cow::Borrowed(value) => Cow::Borrowed(value.trim()),
            Cow::Owned(value) => Cow::Owned(value.trim().to_owned()),
        };
        (!value.is_empty()).then_some(value)
    }

    /// True if the element that was just started has any attribute.
    pub(super) fn has_attrs(&self) -> bool {
        !self.attrs.is_empty()
    }

    /// The base of relative URLs here: the nearest `xml:base`, else the document's own URL.
    pub(super) fn base(&self) -> Option<Rc<Url>> {
        self.bases.last().map(|(_, base)| Rc::clone(base))
    }

    /// The language here, if an element at this depth or deeper than the root said so.
    pub(super) fn language_below_root(&self) -> Option<&str> {
        self.langs
            .last()
            .filter(|(depth, _)| *depth > 1)
            .map(|(_, lang)| &**lang)
            .filter(|lang| !lang.is_empty())
    }

    /// The language of the root element.
    pub(super) fn root_language(&self) -> Option<&str> {
        self.langs
            .first()
            .filter(|(depth, lang)| *depth == 1 && !lang.is_empty())
            .map(|(_, lang)| &**lang)
    }

    /// True if one of the namespaces declared at the root (and in force here) has this URI, in normal form.
    pub(super) fn root_declares(&self, normal_uri: &str) -> bool {
        self.attrs
            .iter()
            .any(|attr| attr.name.starts_with("xmlns") && names::normal(attr.value) == normal_uri)
    }

    /// A warning about the place where the reader is.
    pub(super) fn note(&mut self, code: WarningCode, message: impl FnOnce() -> String) {
        self.notes.add(code, Some(self.mark), message);
    }

    /// Reads on to the end of an element, for the warnings.
    pub(super) fn drain(&mut self, level: Level) {
        while self.child(level).is_some() {}
        self.step();
    }

    /// Stops reading: everything counts as closed.
    pub(super) fn stop(&mut self) {
        self.phase = Phase::Ended;
        self.stack.clear();
        self.pending = None;
    }

    fn is_open(&self, level: Level) -> bool {
        self.stack
            .get(level.depth - 1)
            .is_some_and(|open| open.serial == level.serial)
    }

    /// Decodes the references of an attribute value or of some text.
    fn decode(&mut self, raw: &'a str) -> Cow<'a, str> {
        let mut out = Cow::Borrowed("");
        self.decode_into(&mut out, raw);
        out
    }

    fn decode_into(&mut self, out: &mut Cow<'a, str>, raw: &'a str) {
        let at = raw.as_ptr() as usize - self.text.as_ptr() as usize;
        let (notes, doctype) = (&mut self.notes, self.doctype);
        refs::decode_into(out, raw, |fault, offset| {
            let at = Some(at + offset);
            let name = || {
                raw[offset..]
                    .split_inclusive(';')
                    .next()
                    .unwrap_or("&")
                    .chars()
                    .take(40)
                    .collect::<String>()
            };
            match fault {
                refs::Fault::BareAmpersand => notes.add(WarningCode::XmlError, at, || {
                    "bare `&`, write `&amp;`".to_owned()
                }),
                refs::Fault::CdataEnd => notes.add(WarningCode::XmlError, at, || {
                    "`]]>` in text, write `]]&gt;`".to_owned()
                }),
                refs::Fault::NotACharacter => notes.add(WarningCode::XmlError, at, || {
                    format!("{} is no character of XML", name())
                }),
                // A DTD may have declared it; we do not read those.
                refs::Fault::Undefined { html: true } if doctype => {}
                refs::Fault::Undefined { html: true } => {
                    notes.add(WarningCode::EntityUndefined, at, || {
                        format!(
                            "{} is HTML, XML does not know it; write the character itself",
                            name()
                        )
                    });
                }
                refs::Fault::Undefined { html: false } => {
                    notes.add(WarningCode::EntityUndefined, at, || {
                        format!("{} is not declared, and not expanded", name())
                    });
                }
            }
        });
    }

    fn step(&mut self) -> Step<'a> {
        if std::mem::take(&mut self.empty) {
            self.close_to(self.stack.len() - 1);
            return Step::End;
        }
        loop {
            if self.phase != Phase::Prolog && self.stack.is_empty() {
                return self.finish();
            }
            self.mark = self.at;
            let bytes = self.text.as_bytes();
            let Some(&byte) = bytes.get(self.at) else {
                return self.finish();
            };
            let markup = byte == b'<';
            let step = if markup { self.markup() } else { None };
            match step {
                Some(Step::Text(..) | Step::Start(_)) if !self.overflow.names.is_empty() => {}
                Some(step) => return step,
                // A comment or an instruction was skipped.
                None if self.at > self.mark => {}
                None => {
                    let from = self.at + usize::from(markup);
                    self.at =
                        memchr(b'<', &bytes[from..]).map_or(bytes.len(), |found| from + found);
                    if self.phase != Phase::Prolog && self.overflow.names.is_empty() {
                        return Step::Text(&self.text[self.mark..self.at], false);
                    }
                }
            }
        }
    }

    /// The end of the document, expected or not.
    fn finish(&mut self) -> Step<'a> {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let open = std::mem::take(&mut self.stack);
        if phase != Phase::Inside || self.truncated {
            // Said already, with a better place.
        } else if !open.is_empty() {
            let names: Vec<String> = open
                .iter()
                .rev()
                .take(3)
                .map(|open| format!("</{}>", open.raw))
                .collect();
            self.notes
                .add(WarningCode::Truncated, Some(self.text.len()), || {
                    format!("the document ends where {} should follow", names.join(", "))
                });
        } else if !only_misc(&self.text[self.at..]) {
            self.notes.add(WarningCode::XmlError, Some(self.at), || {
                "something follows the end of the root element; it is not read".to_owned()
            });
        }
        Step::Eof
    }
}

/// True if nothing but white space, comments and instructions is left.
pub(super) fn only_misc(mut rest: &str) -> bool {
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
        let end = if rest.starts_with("<!--") {
            rest.find("-->").map(|end| end + 3)
        } else if rest.starts_with("<?") {
            rest.find("?>").map(|end| end + 2)
        } else {
            return rest.is_empty();
        };
        match end {
            Some(end) => rest = &rest[end..],
            None => return false,
        }
    }
}
