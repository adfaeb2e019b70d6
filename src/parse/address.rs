//! Addresses: absolute where a base is known, otherwise as written, never of a scheme that runs code.
//!
//! A value and a base go in, a URL comes out, or the reason why there is none.

use std::rc::Rc;

use url::Url;

use super::xml::Reader;
use crate::model::warning::WarningCode;

/// Schemes that run code or read the reader's disk.
const UNSAFE: [&str; 4] = ["javascript", "vbscript", "data", "file"];

impl Reader<'_> {
    /// The address in `value` at this place of the document; a warning and nothing if it is an unsafe one.
    pub(super) fn url(&mut self, value: &str) -> Option<String> {
        self.url_from(value, None)
    }

    /// Like [`Self::url`], with a base that was taken earlier.
    pub(super) fn url_from(&mut self, value: &str, base: Option<Rc<Url>>) -> Option<String> {
        let value = value.trim();
        if value.is_empty() {
            return None;
        }
        if is_plain(value) {
            return Some(value.to_owned());
        }
        let base = base.or_else(|| self.base());
        let made = match scheme(value) {
            Some(scheme) => checked(value, &scheme),
            None => {
                let base = self.cx.base(base);
                let base = base.filter(|base| self.cx.repeat(base.as_str().len()));
                Ok(against(value, base.as_deref()))
            }
        };
        made.inspect_err(|scheme| {
            self.note(WarningCode::BadUrl, || {
                format!("address of scheme `{scheme}:` left out")
            });
        })
        .ok()
    }
}

/// The address in `value` for documents that are no XML; the error is the unsafe scheme.
pub(super) fn resolve(value: &str, base: Option<&Url>) -> Result<String, String> {
    let value = value.trim();
    match scheme(value) {
        _ if is_plain(value) => Ok(value.to_owned()),
        Some(scheme) => checked(value, &scheme),
        None => Ok(against(value, base)),
    }
}

/// The value as an absolute http(s) URL.
pub(super) fn absolute(value: &str) -> Option<Url> {
    Url::parse(value.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// True for what begins like an absolute http(s) URL.
pub(super) fn is_http(value: &str) -> bool {
    let starts = |prefix: &str| {
        value
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            && value.len() > prefix.len()
    };
    starts("http://") || starts("https://")
}

/// True for an absolute http(s) URL that can be kept byte by byte: nearly all of them.
fn is_plain(value: &str) -> bool {
    (value.starts_with("http://") || value.starts_with("https://"))
        && value.bytes().all(|byte| PLAIN[byte as usize])
}

const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x21_u8;
    while byte < 0x7F {
        table[byte as usize] = !matches!(
            byte,
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
        );
        byte += 1;
    }
    table
};

/// The scheme in lower case, if the value has one. White space and control characters inside it do not hide it.
fn scheme(value: &str) -> Option<String> {
    let mut scheme = String::new();
    for c in value.chars() {
        match c {
            ':' if !scheme.is_empty() => return Some(scheme),
            'a'..='z' | '0'..='9' | '+' | '-' | '.' => scheme.push(c),
            'A'..='Z' => scheme.push(c.to_ascii_lowercase()),
            _ if c.is_whitespace() || c.is_control() => {}
            _ => return None,
        }
        if scheme.len() > 30 {
            return None;
        }
    }
    None
}

/// An address with a scheme; the error is the scheme, if it is unsafe.
fn checked(value: &str, scheme: &str) -> Result<String, String> {
    if UNSAFE.contains(&scheme) {
        return Err(scheme.to_owned());
    }
    // Only a host beyond ASCII needs the whole machinery; it also mends white space in the scheme.
    if matches!(scheme, "http" | "https") {
        let host = value.split_once("//").map_or("", |(_, rest)| {
            rest.split(['/', '?', '#']).next().unwrap_or("")
        });
        if (!host.is_ascii() || !is_http(value))
            && let Ok(url) = Url::parse(value)
        {
            return Ok(url.into());
        }
    }
    Ok(encoded(value))
}

/// A relative address on its base; as written if that does not work.
fn against(value: &str, base: Option<&Url>) -> String {
    let value = encoded(value);
    base.and_then(|base| base.join(&value).ok())
        .map_or(value, String::from)
}

/// White space and what lies beyond ASCII percent-encoded, the rest as it is.
fn encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 8);
    for c in value.chars() {
        if c.is_ascii() && PLAIN[c as usize] || matches!(c, '^' | '`' | '{' | '|' | '}' | '\\') {
            out.push(c);
        } else if c.is_control() && !c.is_whitespace() {
            // Control characters never reach an output.
        } else {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    fn on(value: &str, base: &str) -> String {
        resolve(value, Url::parse(base).ok().as_ref())
            .unwrap_or_else(|scheme| format!("unsafe {scheme}"))
    }

    #[test]
    fn relative_addresses_are_resolved() {
        assert_eq!(on("/a b", "http://x.org/y/z"), "http://x.org/a%20b");
        assert_eq!(
            on("../ä?q#f", "http://x.org/y/z"),
            "http://x.org/%C3%A4?q#f"
        );
        assert_eq!(on("//cdn.x.org/1", "https://x.org/"), "https://cdn.x.org/1");
        assert_eq!(on("a/b", ""), "a/b");
    }

    #[test]
    fn absolute_addresses_stay_as_written() {
        for url in [
            "http://www.EXAMPLE.org/thing/../%7Ebob",
            "tag:x.org,2004:1",
            "mailto:j@x.org",
            "http://x.org",
        ] {
            assert_eq!(on(url, "http://base.org/"), url);
        }
        assert_eq!(on(" http://x.org/a\n b ", ""), "http://x.org/a%0A%20b");
        assert_eq!(
            on("http://bücher.example/ä", ""),
            "http://xn--bcher-kva.example/%C3%A4"
        );
    }

    #[test]
    fn addresses_that_run_code_are_refused() {
        for url in [
            "javascript:alert(1)",
            " JavaScript :x",
            "java\nscript:x",
            "data:text/html,x",
            "file:///etc/passwd",
        ] {
            assert!(on(url, "http://x.org/").starts_with("unsafe"), "{url}");
        }
    }
}
