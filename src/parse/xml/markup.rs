//! What begins with `<`: tags, comments, CDATA sections, DTDs and instructions, closed or not.

use memchr::{memchr, memmem};

use super::scan::{self, End};
use super::{Collecting, Level, Open, Phase, Reader, Step, Tag, names};
use crate::model::warning::WarningCode;

impl<'a> Reader<'a> {
    /// Reads what begins with `<` here. `None` with `at` unmoved: it is just a character.
    pub(super) fn markup(&mut self) -> Option<Step<'a>> {
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
                if self.phase != Phase::Prolog {
                    self.note(WarningCode::XmlError, || {
                        "bare `<`, write `&lt;`".to_owned()
                    });
                }
                self.parted_end_tag()
            }
        }
    }

    /// `< /title>`, if that is what ends here.
    fn parted_end_tag(&mut self) -> Option<Step<'a>> {
        let slash = scan::skip_space(self.text.as_bytes(), self.at + 1);
        let name = self.text[slash..].strip_prefix('/')?;
        let open = self.stack.last()?.raw;
        name.strip_prefix(open)?
            .trim_start()
            .starts_with('>')
            .then_some(())?;
        self.at = slash - 1;
        self.end_tag()
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
            && self.phase == Phase::Prolog
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
        if self.missing.comment_end < from {
            self.missing.comment_end =
                memmem::find(&bytes[from..], b"-->").map_or(usize::MAX, |end| from + end);
        }
        // If another comment begins inside, the end that was found is that one's.
        let end = Some(self.missing.comment_end)
            .filter(|&end| end < usize::MAX && memmem::find(&bytes[from..end], b"<!--").is_none());
        if let Some(end) = end {
            if memmem::find(&bytes[from..end], b"--").is_some() {
                self.note(WarningCode::XmlError, || "`--` inside a comment".to_owned());
            }
            self.at = end + 3;
        } else {
            // Rather show the comment's tail than lose everything behind it.
            self.note(WarningCode::XmlError, || {
                "comment without an end".to_owned()
            });
            self.at = memchr::memchr2(b'<', b'>', &bytes[from..]).map_or(bytes.len(), |end| {
                from + end + usize::from(bytes[from + end] == b'>')
            });
        }
    }

    /// The text of a CDATA section. One that was not closed ends with the element that holds it.
    fn cdata(&mut self) -> &'a str {
        let from = self.at + 9;
        let rest = &self.text[from..];
        if self.missing.cdata_end < from {
            self.missing.cdata_end = self
                .missing
                .section_end
                .find(rest.as_bytes())
                .map_or(usize::MAX, |end| from + end);
        }
        let end = (self.missing.cdata_end < usize::MAX).then(|| self.missing.cdata_end - from);
        let within = end.map_or(rest, |end| &rest[..end]);
        // A second start before the end: either the end was forgotten, or the section quotes another one.
        let nested = self.missing.section_start.find(within.as_bytes());
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
            return without_half_end(&rest[..cut]);
        }
        match end {
            Some(end) => self.at = from + end + 3,
            None => {
                self.eof_inside("a CDATA section");
                return without_half_end(within);
            }
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
        let (mut subset, mut open) = (false, false);
        self.doctype = true;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            match byte {
                b'[' => subset = true,
                b']' => subset = false,
                b'>' if !subset => break,
                b'"' | b'\'' => {
                    let end = memchr(byte, &bytes[at..]).map(|end| at + end);
                    // Only the values of entities hold markup.
                    let closes = |end: &usize| subset || memchr(b'<', &bytes[at..*end]).is_none();
                    at = end.filter(closes).map_or(at, |end| end + 1);
                }
                b'<' if bytes[at..].starts_with(b"!--") => {
                    at = memmem::find(&bytes[at..], b"-->").map_or(bytes.len(), |end| at + end + 3);
                }
                // An element: what should have ended before it did not.
                b'<' if bytes.get(at).is_some_and(u8::is_ascii_alphabetic) => {
                    open = true;
                    at -= 1;
                    break;
                }
                _ => {}
            }
        }
        // A quotation mark or bracket without its partner, or one DTD too many: go on at the first angle bracket.
        if at >= bytes.len() {
            open = true;
            let from = self.at + 1;
            at = memchr::memchr2(b'<', b'>', &bytes[from..]).map_or(bytes.len(), |end| {
                from + end + usize::from(bytes[from + end] == b'>')
            });
        }
        if open {
            self.note(WarningCode::XmlError, || {
                "DOCTYPE without an end".to_owned()
            });
        }
        self.at = at;
    }

    /// Skips `<?…?>`. One that holds `<` was probably not closed; it ends at the next angle bracket.
    fn instruction(&mut self) {
        let bytes = self.text.as_bytes();
        let from = self.at + 2;
        let declares = self.text[from..]
            .strip_prefix("xml")
            .is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n']));
        if declares && self.at > self.cx.root {
            self.note(WarningCode::XmlError, || {
                "an XML declaration that is not at the beginning".to_owned()
            });
        }
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
                });
            }
        }
        if self.phase == Phase::Prolog {
            return None;
        }
        if self.close(name) {
            Some(Step::End)
        } else {
            None
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
            if self.phase == Phase::Prolog {
                self.at = self.text.len();
            } else {
                self.eof_inside("a tag");
            }
            return None;
        };
        self.at = end;
        let empty = empty && !self.take_slash_into_value(raw, end);
        if let Some(name) = self.merged_name(name_at, end) {
            raw = name;
            self.attrs.clear();
            self.at = name_at + name.len();
        }
        self.phase = Phase::Inside;
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
            self.overflow.clear();
            depth = cut;
            overtook = true;
            self.overtaken = true;
        }
        if depth >= self.max_depth {
            if !empty {
                self.overflow.push(raw);
            }
            self.note_depth();
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

    fn note_depth(&mut self) {
        if !std::mem::replace(&mut self.overflow.noted, true) {
            let most = self.max_depth;
            self.note(WarningCode::Limit, || {
                format!("elements deeper than {most} are skipped")
            });
        }
    }

    /// `<rss xmlns:media=http://search.yahoo.com/mrss/>` is not empty.
    fn take_slash_into_value(&mut self, raw: &str, end: usize) -> bool {
        let text = self.text;
        let holds = self.phase == Phase::Prolog
            || matches!(names::split(raw).1, "channel" | "item" | "entry")
            || scan::is_followed_by_end(text, end, raw);
        let Some(attr) = self.attrs.last_mut().filter(|attr| !attr.value.is_empty()) else {
            return false;
        };
        let from = attr.value.as_ptr() as usize - text.as_ptr() as usize;
        if !holds || from + attr.value.len() + 2 != end {
            return false;
        }
        attr.value = &text[from..end - 1];
        true
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
}

/// The text of a section whose `]]>` was cut short or written `]] >`.
fn without_half_end(text: &str) -> &str {
    let short = text.trim_end();
    let short = short.strip_suffix('>').map_or(short, str::trim_end);
    match short.strip_suffix(']') {
        Some(rest) => rest.trim_end().strip_suffix(']').unwrap_or(rest),
        None => text,
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
