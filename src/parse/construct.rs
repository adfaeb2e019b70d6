//! Text constructs: values that may be text or HTML, by the rules of RSS and of both Atoms.
//!
//! Reading one only borrows. What it costs to clean HTML is paid when the value is really used.

use std::borrow::Cow;
use std::rc::Rc;

use url::Url;

use super::context::Context;
use super::value::{collapse, plain};
use super::xml::{Inner, Level, Reader, trim};
use crate::html;
use crate::model::entry::{Content, Text};

/// How the value reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Text, never to be read as HTML.
    Text,
    /// HTML, or text with its character references.
    Html,
    /// HTML whose elements stood in the document as such, whatever their names.
    Markup,
}

/// A value, as found.
#[derive(Debug, Clone)]
pub(super) struct Construct<'a> {
    value: Cow<'a, str>,
    form: Form,
    base: Option<Rc<Url>>,
}

/// What an Atom construct says of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Html,
    Xhtml,
    /// XML that is neither, read as XHTML for its text.
    Xml,
    /// XML of a vocabulary that is no text.
    Foreign,
    Base64,
    /// Base64 by its type where only text makes sense: if it is none, it is text.
    Doubtful,
}

impl<'a> Construct<'a> {
    /// Reads RSS text: HTML after one decoding, whatever elements stand in it included. `None` if empty.
    pub(super) fn rss(r: &mut Reader<'a>, level: Level) -> Option<Self> {
        let base64 = r.attr("mode").is_some_and(|mode| mode.trim() == "base64");
        if base64 {
            Self::read(r, level, Kind::Base64)
        } else {
            Self::read(r, level, Kind::Html)
        }
    }

    /// Reads markup in place: `xhtml:body` and its kin.
    pub(super) fn xhtml(r: &mut Reader<'a>, level: Level) -> Option<Self> {
        Self::read(r, level, Kind::Xhtml)
    }

    /// Reads an Atom text construct by its `type` and (0.3) `mode`. `None` if empty or no text.
    pub(super) fn atom(r: &mut Reader<'a>, level: Level) -> Option<Self> {
        let kind = match Self::kind(r) {
            (Kind::Base64, false) => Kind::Doubtful,
            (kind, _) => kind,
        };
        Self::read(r, level, kind)
    }

    /// Reads Atom `content`, which may be of any type. `None` if empty or no text.
    pub(super) fn content(r: &mut Reader<'a>, level: Level) -> Option<Self> {
        let (kind, _) = Self::kind(r);
        Self::read(r, level, kind)
    }

    /// What `type` and `mode` of the element that was just started say, and whether that is `mode="base64"`.
    fn kind(r: &mut Reader<'a>) -> (Kind, bool) {
        let mode = r.attr("mode").map(|mode| mode.trim().to_ascii_lowercase());
        if mode.as_deref() == Some("base64") {
            return (Kind::Base64, true);
        }
        let kind = r
            .attr("type")
            .map_or(Kind::Text, |kind| kind_of(&kind, mode.as_deref()));
        (kind, false)
    }

    /// A value that is already decoded HTML.
    pub(super) fn markup(value: Cow<'a, str>, base: Option<Rc<Url>>) -> Option<Self> {
        (!value.trim().is_empty()).then_some(Self {
            value,
            form: Form::Html,
            base,
        })
    }

    fn read(r: &mut Reader<'a>, level: Level, kind: Kind) -> Option<Self> {
        let base = r.base();
        let inner = match kind {
            Kind::Html => Inner::Html,
            Kind::Text | Kind::Base64 | Kind::Doubtful => Inner::Text,
            Kind::Xhtml | Kind::Xml => Inner::Xhtml,
            Kind::Foreign => Inner::Foreign,
        };
        let inside = r.inside(level, inner);
        let value = trim(inside.text);
        let (value, form) = match kind {
            Kind::Foreign => return None,
            _ if inside.elements => (unwrap_cdata(value).0, Form::Markup),
            Kind::Base64 => (Cow::Owned(base64_text(&value)?), Form::Html),
            Kind::Doubtful => match base64_text(&value) {
                Some(text) => (Cow::Owned(text), Form::Html),
                None => (value, Form::Text),
            },
            Kind::Text => (unwrap_cdata(value).0, Form::Text),
            _ => (unwrap_cdata(value).0, Form::Html),
        };
        (!value.is_empty()).then_some(Self { value, form, base })
    }

    /// The value as text for a title, a summary, a copyright line.
    pub(super) fn into_text(self, cx: &Context<'_>) -> Option<Text> {
        let text = match self.form {
            Form::Text => Text {
                plain: collapse(&self.value),
                html: None,
            },
            Form::Html | Form::Markup if self.has_markup() => {
                let html = cx.html(&self.value, self.base).map(|(html, _)| html);
                Text {
                    plain: if cx.clean {
                        html::text(&self.value)
                    } else {
                        String::from(self.value.trim())
                    },
                    html,
                }
            }
            Form::Html | Form::Markup => Text {
                plain: collapse(&html::unescape(&self.value)),
                html: None,
            },
        };
        (!text.plain.is_empty() || text.html.is_some()).then_some(text)
    }

    /// The value as the main text of an entry, and whether it shows anything.
    pub(super) fn into_content(self, cx: &Context<'_>) -> Option<(Content, bool)> {
        match self.form {
            Form::Text => Some((Content::Plain(self.value.replace("\r\n", "\n")), true)),
            Form::Html | Form::Markup => self
                .into_html(cx)
                .map(|(html, shows)| (Content::Html(html), shows)),
        }
    }

    /// The value as an HTML fragment, also if it is text, and whether it shows anything.
    pub(super) fn into_html(self, cx: &Context<'_>) -> Option<(String, bool)> {
        if self.has_markup() {
            return cx.html(&self.value, self.base);
        }
        let text = if self.form == Form::Text {
            Cow::Borrowed(&*self.value)
        } else {
            html::unescape(&self.value)
        };
        let cleaned = html::from_text(text.trim());
        cleaned.html.map(|html| (html, cleaned.shows))
    }

    /// The value as a plain line.
    pub(super) fn into_plain(self) -> Option<String> {
        let text = match self.form {
            Form::Text => collapse(&self.value),
            Form::Html => plain(&self.value),
            Form::Markup => html::text(&self.value),
        };
        (!text.is_empty()).then_some(text)
    }

    /// Whether there is anything in the value that HTML would not show as it stands.
    fn has_markup(&self) -> bool {
        match self.form {
            Form::Text => false,
            Form::Html => html::has_markup(&self.value),
            Form::Markup => true,
        }
    }
}

impl Context<'_> {
    /// A clean fragment, with the base that its relative URLs need, and whether it shows anything.
    fn html(&self, value: &str, base: Option<Rc<Url>>) -> Option<(String, bool)> {
        if !self.clean {
            return Some((value.to_owned(), true));
        }
        let cleaned = html::clean_noting(value, self.base(base).as_deref());
        self.cut.set(self.cut.get() || cleaned.cut);
        cleaned.html.map(|html| (html, cleaned.shows))
    }
}

/// What `type` means.
fn kind_of(kind: &str, mode: Option<&str>) -> Kind {
    let kind = kind
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    match (&*kind, mode) {
        ("" | "text" | "plain", _) => Kind::Text,
        ("html" | "text/html", _)
        | (
            "xhtml" | "application/xhtml+xml" | "text/xhtml" | "application/xml" | "text/xml",
            Some("escaped"),
        ) => Kind::Html,
        ("xhtml" | "application/xhtml+xml" | "text/xhtml", _) => Kind::Xhtml,
        ("application/xml" | "text/xml", _) => Kind::Xml,
        (kind, _) if kind.ends_with("+xml") || kind.ends_with("/xml") => Kind::Foreign,
        (kind, _) if kind.starts_with("text/") => Kind::Text,
        // `type="TEXT"` and other inventions without a slash are no media types.
        (kind, _) if !kind.contains('/') => Kind::Text,
        _ => Kind::Base64,
    }
}

/// The media type that `type` of Atom `content` stands for.
pub(super) fn media_type(kind: &str) -> String {
    match kind.trim().to_ascii_lowercase().as_str() {
        "" | "text" => "text/plain".to_owned(),
        "html" => "text/html".to_owned(),
        "xhtml" => "application/xhtml+xml".to_owned(),
        other => other.to_owned(),
    }
}

/// The text of a value that is one escaped CDATA section, and whether it was one.
fn unwrap_cdata(value: Cow<'_, str>) -> (Cow<'_, str>, bool) {
    let inner = |text: &str| -> Option<(usize, usize)> {
        let within = text.strip_prefix("<![CDATA[")?.strip_suffix("]]>")?;
        Some((9, 9 + within.len()))
    };
    match (inner(&value), value) {
        (Some((from, to)), Cow::Borrowed(text)) => (Cow::Borrowed(text[from..to].trim()), true),
        (Some((from, to)), Cow::Owned(text)) => {
            (Cow::Owned(text[from..to].trim().to_owned()), true)
        }
        (None, value) => (value, false),
    }
}

/// Base64 that holds text; `None` for anything else.
fn base64_text(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in value
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=')
    {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xFF) as u8);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    let text = text.trim();
    let readable = !text.is_empty()
        && !text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'));
    readable.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_both_atoms() {
        assert_eq!(kind_of("text/html", Some("escaped")), Kind::Html);
        assert_eq!(kind_of("HTML", None), Kind::Html);
        assert_eq!(kind_of("application/xhtml+xml", Some("xml")), Kind::Xhtml);
        assert_eq!(kind_of("image/svg+xml", None), Kind::Foreign);
        assert_eq!(kind_of("image/png", None), Kind::Base64);
        assert_eq!(kind_of("text/plain; charset=utf-8", None), Kind::Text);
    }

    #[test]
    fn base64_counts_only_if_it_is_text() {
        assert_eq!(
            base64_text("RXhhbXBs\n ZSA8Yj5BdG9tPC9iPg==").as_deref(),
            Some("Example <b>Atom</b>")
        );
        assert_eq!(base64_text("iVBORw0KGgo="), None);
        assert_eq!(base64_text("not base64!"), None);
    }

    #[test]
    fn one_escaped_section_is_unwrapped() {
        assert_eq!(
            unwrap_cdata(Cow::Borrowed("<![CDATA[ x ]]>")),
            (Cow::Borrowed("x"), true)
        );
        assert!(!unwrap_cdata(Cow::Borrowed("a <![CDATA[x]]>")).1);
    }
}
