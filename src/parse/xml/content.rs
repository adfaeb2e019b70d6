//! The value of an element: its text, with any markup inside it written out again as HTML.

use std::borrow::Cow;

use super::refs::append;
use super::{Attr, Collecting, Level, Ns, Reader, Step, Tag, names};

/// How the inside of an element is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::parse) enum Inner {
    /// The text is HTML (once decoded); elements in it belong to that HTML.
    Html,
    /// The text is text. If there are elements all the same, the whole is HTML.
    Text,
    /// The elements are HTML, the text between them is text.
    Xhtml,
    /// Like [`Inner::Xhtml`] for XML of any vocabulary, also one that looks like a feed.
    Foreign,
}

/// What an element held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::parse) struct Inside<'a> {
    /// Text, or HTML if `markup`.
    pub(in crate::parse) text: Cow<'a, str>,
    /// It is HTML by its elements.
    pub(in crate::parse) markup: bool,
    /// Elements were written out: there were others than the wrapper that is left out.
    pub(in crate::parse) elements: bool,
}

/// HTML elements that have no end tag.
const VOID: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

/// Attributes of HTML that hold a URL.
const ADDRESS: &[&str] = &[
    "href",
    "src",
    "cite",
    "poster",
    "longdesc",
    "background",
    "action",
    "data",
];

/// Collects one value.
struct Collector<'a> {
    inner: Inner,
    text: Cow<'a, str>,
    markup: bool,
    elements: bool,
    /// What is open inside: depth and name, or no name for the wrapper that is left out.
    open: Vec<(usize, Option<Cow<'a, str>>)>,
}

impl<'a> Reader<'a> {
    /// Reads an element to its end.
    pub(in crate::parse) fn inside(&mut self, level: Level, inner: Inner) -> Inside<'a> {
        let before = self.collecting;
        self.collecting = if inner == Inner::Foreign {
            Collecting::Foreign
        } else {
            Collecting::Value(level)
        };
        let mut value = Collector {
            inner,
            text: Cow::Borrowed(""),
            markup: false,
            elements: false,
            open: Vec::new(),
        };
        while self.is_open(level) {
            match self.step() {
                Step::Text(raw, cdata) => {
                    value.close(self.stack.len());
                    self.collect_text(&mut value, raw, cdata);
                }
                Step::Start(tag) => {
                    value.close(self.stack.len() - 1);
                    self.collect_start(&mut value, &tag, level);
                }
                Step::End => value.close(self.stack.len()),
                Step::Eof => break,
            }
        }
        value.close(0);
        self.collecting = before;
        Inside {
            text: value.text,
            markup: value.markup,
            elements: value.elements,
        }
    }

    /// Reads an element that holds a plain value: its own text, or that of its descendants if it has none. Trimmed.
    pub(in crate::parse) fn value(&mut self, level: Level) -> Cow<'a, str> {
        let before = self.collecting;
        self.collecting = Collecting::Value(level);
        let (mut own, mut inner) = (Cow::Borrowed(""), Cow::Borrowed(""));
        while self.is_open(level) {
            match self.step() {
                Step::Text(raw, cdata) => {
                    let out = if self.stack.len() == level.depth {
                        &mut own
                    } else {
                        &mut inner
                    };
                    if cdata {
                        append(out, raw);
                    } else {
                        self.decode_into(out, raw);
                    }
                }
                Step::Start(_) | Step::End => {}
                Step::Eof => break,
            }
        }
        self.collecting = before;
        let own = trim(own);
        if own.is_empty() { trim(inner) } else { own }
    }

    /// The next child of an element whose text matters too: that text is added to `text` on the way. An element that
    /// follows such a value in a feed ends it.
    pub(in crate::parse) fn child_or_text(
        &mut self,
        parent: Level,
        text: &mut Cow<'a, str>,
    ) -> Option<Tag<'a>> {
        let before = self.collecting;
        self.collecting = Collecting::Value(parent);
        let found = self.child_and_text(parent, text);
        self.collecting = before;
        found
    }

    /// Like [`Self::child_or_text`] for elements that hold a feed.
    pub(in crate::parse) fn child_and_text(
        &mut self,
        parent: Level,
        text: &mut Cow<'a, str>,
    ) -> Option<Tag<'a>> {
        while self.is_open(parent) && self.pending.is_none() {
            match self.step() {
                Step::Start(tag) if tag.level.depth == parent.depth + 1 => return Some(tag),
                Step::Text(raw, true) if self.stack.len() == parent.depth => append(text, raw),
                Step::Text(raw, false) if self.stack.len() == parent.depth => {
                    self.decode_into(text, raw);
                }
                Step::Eof => break,
                _ => {}
            }
        }
        None
    }

    fn collect_text(&mut self, value: &mut Collector<'a>, raw: &'a str, cdata: bool) {
        let escaped = match value.inner {
            // Inside its elements it is what the elements say; beside them it may still be escaped HTML.
            Inner::Html => value.open.iter().any(|(_, name)| name.is_some()),
            Inner::Text => value.markup,
            Inner::Xhtml | Inner::Foreign => true,
        };
        if !escaped {
            if cdata {
                append(&mut value.text, raw);
            } else {
                self.decode_into(&mut value.text, raw);
            }
        } else if memchr::memchr3(b'&', b'<', b'>', raw.as_bytes()).is_none() {
            append(&mut value.text, raw);
        } else {
            let mut plain = Cow::Borrowed("");
            if cdata {
                append(&mut plain, raw);
            } else {
                self.decode_into(&mut plain, raw);
            }
            escape_into(value.text.to_mut(), &plain);
        }
    }

    fn collect_start(&mut self, value: &mut Collector<'a>, tag: &Tag<'a>, level: Level) {
        let wrapper = tag.level.depth == level.depth + 1
            && tag.local == "div"
            && value.inner != Inner::Text
            && value.text.trim().is_empty();
        value.begin_markup();
        if wrapper {
            value.open.push((tag.level.depth, None));
            return;
        }
        value.elements = true;
        let name = if matches!(tag.ns, Ns::Xhtml | Ns::Core | Ns::None) || !tag.raw.contains(':') {
            tag.local.clone()
        } else {
            Cow::Borrowed(tag.raw)
        };
        let out = value.text.to_mut();
        out.push('<');
        out.push_str(&name);
        for index in 0..self.attrs.len() {
            let Attr { name, value } = self.attrs[index];
            self.collect_attr(out, name, value, level);
        }
        out.push('>');
        if !VOID.contains(&&*name) {
            value.open.push((tag.level.depth, Some(name)));
        }
    }

    fn collect_attr(&mut self, out: &mut String, name: &'a str, raw: &'a str, level: Level) {
        let local = if name == "xml:lang" {
            "lang"
        } else {
            names::split(name).1
        };
        if name.starts_with("xml") && name != "xml:lang" {
            return;
        }
        let mut value = self.decode(raw);
        // An `xml:base` inside the value counts for what is inside it; that of the value is applied with the rest.
        if let Some((depth, base)) = self.bases.last()
            && *depth > level.depth
            && ADDRESS
                .iter()
                .any(|address| local.eq_ignore_ascii_case(address))
            && let Ok(url) = base.join(value.trim())
        {
            value = Cow::Owned(url.into());
        }
        out.push(' ');
        out.push_str(local);
        out.push_str("=\"");
        escape_into(out, &value);
        out.push('"');
    }
}

impl Collector<'_> {
    /// From the first element on the value is HTML, so text before it must read as text.
    fn begin_markup(&mut self) {
        if !self.markup && self.inner == Inner::Text {
            let mut escaped = String::with_capacity(self.text.len() + 16);
            escape_into(&mut escaped, &self.text);
            self.text = Cow::Owned(escaped);
        }
        self.markup = true;
    }

    /// Ends the elements that are open deeper than `depth`.
    fn close(&mut self, depth: usize) {
        while self.open.last().is_some_and(|(at, _)| *at > depth) {
            if let Some((_, Some(name))) = self.open.pop() {
                let out = self.text.to_mut();
                out.push_str("</");
                out.push_str(&name);
                out.push('>');
            }
        }
    }
}

/// Writes text so that it reads as text in HTML, also inside a quoted attribute.
fn escape_into(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = bytes[from..]
        .iter()
        .position(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"'))
    {
        out.push_str(&text[from..from + found]);
        out.push_str(match bytes[from + found] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            _ => "&quot;",
        });
        from += found + 1;
    }
    out.push_str(&text[from..]);
}

/// Without white space at the ends, still borrowed if it was.
pub(in crate::parse) fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}
