//! A tolerant pull reader for XML: one pass, borrowed text, and always a way to go on.
//!
//! Text goes in; out come elements one at a time, with their attributes, base and language, and their text when somebody
//! asks for it. Elements always nest properly for the caller: what was forgotten in the document is closed here, what is
//! too deep is left out. Nothing is ever expanded, fetched or given up; oddities become warnings.

mod content;
mod names;
mod refs;
mod scan;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use memchr::{memchr, memmem};
use url::Url;

use self::scan::{Attr, End, Missing};
use super::context::{Context, LONGEST_BASE};
use super::notes::Notes;
use super::value::excerpt;
use crate::model::entry::WarningCode;

pub(super) use self::content::{Inner, escape_into, trim};
pub(super) use self::names::Ns;

/// Namespace declarations in force at once; feeds have a dozen.
const MOST_BINDINGS: usize = 256;

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

/// What kind of value is being read, for telling its own markup from the next element of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Collecting {
    Nothing,
    Value(Level),
    /// Inline XML that may hold anything.
    Foreign,
}

/// Elements beyond the depth limit: not handed out, but counted so that their ends are recognised.
#[derive(Debug, Default)]
struct Overflow<'a> {
    names: Vec<&'a str>,
    counts: HashMap<&'a str, u32>,
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
    started: bool,
    eof: bool,
    truncated: bool,
    too_deep: bool,
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
    no_comment_end: bool,
    /// The next `]]>`, once somebody looked for it.
    cdata_end: usize,
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
            started: false,
            eof: false,
            truncated: false,
            too_deep: false,
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
            no_comment_end: false,
            cdata_end: 0,
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
        self.eof = true;
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
                    })
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
            if self.eof || self.started && self.stack.is_empty() {
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
                    if self.started && self.overflow.names.is_empty() {
                        return Step::Text(&self.text[self.mark..self.at], false);
                    }
                }
            }
        }
    }

    /// The end of the document, expected or not.
    fn finish(&mut self) -> Step<'a> {
        if !self.eof {
            self.eof = true;
            if self.truncated {
                // Said already, with a better place.
                self.stack.clear();
            } else if !self.stack.is_empty() {
                let open = self
                    .stack
                    .iter()
                    .rev()
                    .take(3)
                    .map(|open| format!("</{}>", open.raw))
                    .collect::<Vec<_>>()
                    .join(", ");
                self.notes
                    .add(WarningCode::Truncated, Some(self.text.len()), || {
                        format!("the document ends where {open} should follow")
                    });
                self.stack.clear();
            } else if self.started && !only_misc(&self.text[self.at..]) {
                self.notes.add(WarningCode::XmlError, Some(self.at), || {
                    "something follows the end of the root element; it is not read".to_owned()
                });
            }
        }
        Step::Eof
    }

    /// Reads what begins with `<` here. `None` with `at` unmoved: it is just a character.
    fn markup(&mut self) -> Option<Step<'a>> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at + 1) {
            Some(b'/') => self.end_tag(),
            Some(b'!') => self.declaration(),
            Some(b'?') => {
                self.instruction();
                None
            }
            Some(&byte)
                if scan::is_name(byte)
                    && !byte.is_ascii_digit()
                    && !matches!(byte, b'-' | b'.') =>
            {
                self.start_tag()
            }
            None => {
                self.at = bytes.len();
                self.eof_inside("a tag");
                None
            }
            Some(_) => {
                if self.started {
                    self.note(WarningCode::XmlError, || {
                        "bare `<`, write `&lt;`".to_owned()
                    });
                }
                None
            }
        }
    }

    fn eof_inside(&mut self, what: &str) {
        self.at = self.text.len();
        self.truncated = true;
        let mark = self.mark;
        self.notes.add(WarningCode::Truncated, Some(mark), || {
            format!("the document ends inside {what}")
        });
    }

    /// `<!--…-->`, `<![CDATA[…]]>`, `<!DOCTYPE …>`.
    fn declaration(&mut self) -> Option<Step<'a>> {
        let rest = &self.text[self.at..];
        if rest.starts_with("<!--") {
            self.comment();
            None
        } else if rest
            .get(..9)
            .is_some_and(|start| start.eq_ignore_ascii_case("<![CDATA["))
        {
            Some(Step::Text(self.cdata(), true))
        } else if rest
            .get(..9)
            .is_some_and(|start| start.eq_ignore_ascii_case("<!DOCTYPE"))
            && !self.started
        {
            self.doctype();
            None
        } else if "<![CDATA[".starts_with(rest) || "<!DOCTYPE".starts_with(rest) {
            self.eof_inside("a declaration");
            None
        } else {
            self.note(WarningCode::XmlError, || {
                "bare `<`, write `&lt;`".to_owned()
            });
            None
        }
    }

    fn comment(&mut self) {
        let from = self.at + 4;
        let bytes = self.text.as_bytes();
        let end = if self.no_comment_end {
            None
        } else {
            memmem::find(&bytes[from..], b"-->")
        };
        if let Some(end) = end {
            if memmem::find(&bytes[from..from + end], b"--").is_some() {
                self.note(WarningCode::XmlError, || "`--` inside a comment".to_owned());
            }
            self.at = from + end + 3;
        } else {
            // Rather lose the comment's tail than everything behind it.
            self.no_comment_end = true;
            self.note(WarningCode::XmlError, || {
                "comment without an end".to_owned()
            });
            self.at = memchr(b'>', &bytes[from..]).map_or(bytes.len(), |end| from + end + 1);
        }
    }

    /// The text of a CDATA section. One that was not closed ends with the element that holds it.
    fn cdata(&mut self) -> &'a str {
        let from = self.at + 9;
        let rest = &self.text[from..];
        if self.cdata_end < from {
            self.cdata_end =
                memmem::find(rest.as_bytes(), b"]]>").map_or(usize::MAX, |end| from + end);
        }
        let end = (self.cdata_end < usize::MAX).then(|| self.cdata_end - from);
        let within = end.map_or(rest, |end| &rest[..end]);
        // A second start before the end: either the end was forgotten, or the section quotes another one.
        let nested = memmem::find(within.as_bytes(), b"<![CDATA[");
        if let (Some(limit), Some(open)) = (
            nested.or(end.is_none().then_some(rest.len())),
            self.stack.last(),
        ) && let Some(cut) = memmem::find(
            &within.as_bytes()[..limit],
            format!("</{}>", open.raw).as_bytes(),
        ) {
            self.note(WarningCode::XmlError, || {
                "CDATA section without an end".to_owned()
            });
            self.at = from + cut;
            return &rest[..cut];
        }
        match end {
            Some(end) => self.at = from + end + 3,
            None => self.eof_inside("a CDATA section"),
        }
        within
    }

    /// Skips a DTD with its internal subset.
    fn doctype(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = if self.doctype {
            bytes.len()
        } else {
            self.at + 9
        };
        let mut subset = false;
        self.doctype = true;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            match byte {
                b'[' => subset = true,
                b']' => subset = false,
                b'>' if !subset => break,
                b'"' | b'\'' => at = memchr(byte, &bytes[at..]).map_or(at, |end| at + end + 1),
                b'<' if bytes[at..].starts_with(b"!--") => {
                    at = memmem::find(&bytes[at..], b"-->").map_or(bytes.len(), |end| at + end + 3)
                }
                _ => {}
            }
        }
        // A quotation mark or bracket without its partner, or one DTD too many: go on at the first angle bracket.
        if at >= bytes.len() {
            self.note(WarningCode::XmlError, || {
                "DOCTYPE without an end".to_owned()
            });
            at = memchr(b'>', &bytes[self.at..]).map_or(bytes.len(), |end| self.at + end + 1);
        }
        self.at = at;
    }

    /// Skips `<?…?>`. One that holds `<` was probably not closed; it ends at the next angle bracket.
    fn instruction(&mut self) {
        let bytes = self.text.as_bytes();
        let from = self.at + 2;
        let limit = memchr(b'<', &bytes[from..]).map_or(bytes.len(), |found| from + found);
        self.at = if let Some(end) = memmem::find(&bytes[from..limit], b"?>") {
            from + end + 2
        } else {
            self.note(WarningCode::XmlError, || {
                "processing instruction without `?>`".to_owned()
            });
            memchr(b'>', &bytes[from..limit]).map_or(limit, |end| from + end + 1)
        };
    }

    fn end_tag(&mut self) -> Option<Step<'a>> {
        let bytes = self.text.as_bytes();
        let name_at = scan::skip_space(bytes, self.at + 2);
        let name_end = scan::skip_name(bytes, name_at);
        let name = &self.text[name_at..name_end];
        let end = scan::skip_space(bytes, name_end);
        match bytes.get(end) {
            Some(b'>') => self.at = end + 1,
            // `</rss` at the very end, `</title<link>`, or `</a b="c">`.
            Some(b'<') if end > self.at + 2 => self.at = end,
            None => {
                self.eof_inside("an end tag");
                self.close(name);
                return Some(Step::End);
            }
            Some(_) if name.is_empty() => return None,
            Some(_) => {
                self.at = memchr::memchr2(b'>', b'<', &bytes[end..]).map_or(bytes.len(), |found| {
                    end + found + usize::from(bytes[end + found] == b'>')
                })
            }
        }
        if !self.started {
            return None;
        }
        if self.close(name) {
            Some(Step::End)
        } else {
            None
        }
    }

    /// Closes the element of this name with all that is open inside it; false if there is none.
    fn close(&mut self, name: &str) -> bool {
        if !self.overflow.names.is_empty() {
            if self.overflow.pop(name) {
                return false;
            }
            if !self.stack.iter().any(|open| open.raw == name) {
                return false;
            }
            self.overflow = Overflow::default();
        }
        if self
            .stack
            .last()
            .is_some_and(|open| open.raw == name || name.is_empty())
        {
            self.close_to(self.stack.len() - 1);
            return true;
        }
        let found = self.stack.iter().rposition(|open| open.raw == name);
        let found = found.or_else(|| {
            self.stack
                .iter()
                .rposition(|open| open.raw.eq_ignore_ascii_case(name))
        });
        if let Some(depth) = found {
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

    fn close_to(&mut self, depth: usize) {
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

    fn start_tag(&mut self) -> Option<Step<'a>> {
        let bytes = self.text.as_bytes();
        let name_at = self.at + 1;
        let name_end = scan::skip_name(bytes, name_at);
        let mut raw = &self.text[name_at..name_end];
        self.attrs.clear();
        let mut faults = Vec::new();
        let end = if bytes.get(name_end) == Some(&b'>') {
            End::At(name_end + 1, false)
        } else {
            let fault = &mut |fault, at| faults.push((fault, at));
            scan::attributes(
                self.text,
                name_end,
                &mut self.attrs,
                &mut self.missing,
                fault,
            )
        };
        // Inside a value, what has no `>` is no tag: `if a <b then`.
        if matches!(self.collecting, Collecting::Value(_))
            && faults
                .last()
                .is_some_and(|(fault, _)| *fault == scan::Fault::OpenTag)
        {
            self.note(WarningCode::XmlError, || {
                "bare `<`, write `&lt;`".to_owned()
            });
            return None;
        }
        for (fault, at) in faults {
            self.notes
                .add(WarningCode::XmlError, Some(at), || complaint(fault, raw));
        }
        let End::At(end, empty) = end else {
            if self.started {
                self.eof_inside("a tag");
            } else {
                self.at = self.text.len();
            }
            return None;
        };
        self.at = end;
        if let Some(name) = self.merged_name(name_at, end) {
            raw = name;
            self.attrs.clear();
            self.at = name_at + name.len();
        }
        self.started = true;
        let mut depth = self.stack.len();
        if !self.attrs.is_empty() {
            self.declare(depth + 1);
        }
        let (prefix, local) = names::split(raw);
        let ns = self.namespace(prefix);
        let local = names::fold(local);
        let mut overtook = false;
        if let Some(cut) = self.implied_end(ns, &local) {
            let open = self.stack.last().map_or("", |open| open.raw);
            self.note(WarningCode::XmlError, || {
                format!("<{raw}> where </{open}> should stand")
            });
            self.cut(cut, depth + 1);
            self.overflow = Overflow::default();
            depth = cut;
            overtook = true;
        }
        if depth >= self.max_depth {
            if !empty {
                self.overflow.push(raw);
            }
            if !std::mem::replace(&mut self.too_deep, true) {
                let most = self.max_depth;
                self.note(WarningCode::Limit, || {
                    format!("elements deeper than {most} are skipped")
                });
            }
            self.close_to(depth);
            return None;
        }
        self.serial = self.serial.wrapping_add(1);
        self.stack.push(Open {
            raw,
            serial: self.serial,
        });
        self.empty = empty;
        let tag = Tag {
            ns,
            local,
            raw,
            level: Level {
                depth: depth + 1,
                serial: self.serial,
            },
        };
        if overtook {
            self.pending = Some(tag);
            return Some(Step::End);
        }
        Some(Step::Start(tag))
    }

    /// The name of `<titleText</title>`, where `>` was lost: the end tag tells it.
    fn merged_name(&self, name_at: usize, end: usize) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        if !bytes[end..].starts_with(b"</") || bytes[end - 1] == b'>' {
            return None;
        }
        let name = &self.text[end + 2..scan::skip_name(bytes, end + 2)];
        let merged = !name.is_empty()
            && name_at + name.len() < end
            && self.text[name_at..].starts_with(name);
        merged.then_some(name)
    }

    /// Takes `xmlns`, `xml:base` and `xml:lang` of the element that will be at `depth`.
    fn declare(&mut self, depth: usize) {
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
                    self.langs.push((depth, value));
                }
                _ => {
                    if let Some(prefix) = name.strip_prefix("xmlns:") {
                        self.bind(prefix, value, depth);
                    }
                }
            }
        }
    }

    fn bind(&mut self, prefix: &'a str, uri: &'a str, depth: usize) {
        if self.bindings.len() < MOST_BINDINGS {
            let ns = names::by_uri(uri);
            self.bindings.push(Binding { prefix, ns, depth });
        } else {
            self.note(WarningCode::Limit, || {
                format!("more than {MOST_BINDINGS} namespaces at once")
            });
        }
    }

    fn rebase(&mut self, value: &str, depth: usize) {
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
                self.bases.push((depth, Rc::new(url)))
            }
            _ if value.trim().is_empty() => {}
            _ => self.note(WarningCode::BadUrl, || {
                format!("xml:base `{}` is not used", excerpt(value))
            }),
        }
    }

    fn namespace(&mut self, prefix: &'a str) -> Ns {
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
                names::by_custom(prefix)
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

    /// If this start tag shows that the end of something was forgotten: the depth that remains open.
    fn implied_end(&self, ns: Ns, local: &str) -> Option<usize> {
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
            Ns::Core => {
                is_next(local, self.core.atom)
                    && !(self.has_attrs() && matches!(local, "link" | "title") && !self.core.atom)
            }
            Ns::Dc
            | Ns::DcTerms
            | Ns::Content
            | Ns::Itunes
            | Ns::Media
            | Ns::Slash
            | Ns::Wfw
            | Ns::Feedburner
            | Ns::Podcast
            | Ns::Thread
            | Ns::Syndication
            | Ns::Atom => !matches!(local, "name" | "email" | "uri" | "url"),
            _ => false,
        };
        next.then(|| value.depth - 1)
    }

    /// Leaves `keep` elements open, and the scopes of the start tag that was read as number `own`.
    fn cut(&mut self, keep: usize, own: usize) {
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

impl<'a> Overflow<'a> {
    fn push(&mut self, name: &'a str) {
        self.names.push(name);
        *self.counts.entry(name).or_default() += 1;
    }

    /// Closes the innermost element of this name; false if none is open here.
    fn pop(&mut self, name: &str) -> bool {
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
        "title" | "link" | "author" | "category" | "item" | "entry" | "generator" | "copyright" => {
            true
        }
        "id" | "updated" | "published" | "summary" | "content" | "contributor" | "rights"
        | "source" | "subtitle" | "modified" | "issued" | "created" | "tagline" | "icon"
        | "logo" => atom,
        "description" | "pubdate" | "guid" | "comments" | "enclosure" | "channel"
        | "lastbuilddate" | "managingeditor" | "webmaster" | "language" | "ttl" => !atom,
        _ => false,
    }
}

fn complaint(fault: scan::Fault, element: &str) -> String {
    match fault {
        scan::Fault::Unquoted => format!("an attribute of <{element}> has no quotation marks"),
        scan::Fault::Valueless => format!("an attribute of <{element}> has no value"),
        scan::Fault::Duplicate => format!("<{element}> has an attribute twice"),
        scan::Fault::OpenQuote => {
            format!("an attribute of <{element}> has only one quotation mark")
        }
        scan::Fault::OpenTag => format!("<{element}> has no `>`"),
        scan::Fault::Stray => format!("<{element}> holds something that is no attribute"),
        scan::Fault::TooMany => format!("<{element}> has too many attributes"),
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
