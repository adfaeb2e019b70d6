//! The tokens of HTML as its standard cuts them (13.2.5), without copying: text, tags, and what is neither.
//!
//! One pass, each byte looked at a bounded number of times. What the end of the input leaves open (a tag without `>`, a
//! comment without `-->`) is dropped with everything after it, as browsers do.

use memchr::{memchr, memmem};

/// One token. Names keep their case; compare them without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Characters, references not yet decoded.
    Text(&'a str),
    /// `<name attributes>`.
    Start(Tag<'a>),
    /// `</name>`.
    End(&'a str),
    /// Comments, processing instructions, declarations: what nobody keeps. True if it is a plain, closed comment or
    /// instruction whose extent nobody disputes.
    Other(bool),
}

/// A start tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// Name as written.
    pub(super) name: &'a str,
    /// Everything between the name and the closing `>` or `/>`.
    pub(super) attributes: &'a str,
}

/// The tokenizer, and where it stands.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Skips the content of an element that holds raw characters (`script`, `style`, …) up to its end tag, which comes
    /// next. Gives the content; without an end tag it is all there is.
    pub(super) fn skip_raw(&mut self, name: &str) -> &'a str {
        let rest = self.rest();
        let end = raw_end(rest, name).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Like [`Self::skip_raw`], but stays where it is and gives false if there is no end tag.
    pub(super) fn skip_closed(&mut self, name: &str) -> bool {
        let end = raw_end(self.rest(), name);
        self.at += end.unwrap_or(0);
        end.is_some()
    }

    fn markup(&mut self, second: u8) -> Option<Token<'a>> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        match second {
            b'/' => match bytes.get(start + 2) {
                Some(c) if c.is_ascii_alphabetic() => {
                    let (name, _) = self.tag(start + 2)?;
                    Some(Token::End(name))
                }
                Some(_) => self.until_angle(start + 2),
                None => self.plain_text(start + 2),
            },
            b'!' if self.text[start..].starts_with("<!--") => self.comment(start + 4),
            b'!' | b'?' => self.until_angle(start + 2),
            _ => {
                let (name, attributes) = self.tag(start + 1)?;
                Some(Token::Start(Tag { name, attributes }))
            }
        }
    }

    /// `<!-- … -->`, which the standard also ends at `--!>` and, oddly, at once for `<!-->` and `<!--->`.
    fn comment(&mut self, from: usize) -> Option<Token<'a>> {
        let body = &self.text[from..];
        for odd in [">", "->"] {
            if body.starts_with(odd) {
                self.at = from + odd.len();
                return Some(Token::Other(false));
            }
        }
        let mut searched = 0;
        while let Some(dashes) =
            memmem::find(&body.as_bytes()[searched..], b"--").map(|found| found + searched)
        {
            let after = &body[dashes + 2..];
            if after.starts_with('>') {
                self.at = from + dashes + 3;
                return Some(Token::Other(true));
            }
            if after.starts_with("!>") {
                self.at = from + dashes + 4;
                return Some(Token::Other(false));
            }
            searched = dashes + 1;
        }
        self.at = self.text.len();
        None
    }

    fn until_angle(&mut self, from: usize) -> Option<Token<'a>> {
        let Some(end) = memchr(b'>', &self.text.as_bytes()[from..]) else {
            self.at = self.text.len();
            return None;
        };
        self.at = from + end + 1;
        Some(Token::Other(true))
    }

    /// Text from here to the next `<` at or after `from`, this `<` included.
    fn plain_text(&mut self, from: usize) -> Option<Token<'a>> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut search = from.min(bytes.len());
        while let Some(open) = memchr(b'<', &bytes[search..]).map(|found| found + search) {
            if opens_markup(&bytes[open + 1..]) {
                self.at = open;
                return Some(Token::Text(&self.text[start..open]));
            }
            search = open + 1;
        }
        self.at = bytes.len();
        (start < self.at).then(|| Token::Text(&self.text[start..]))
    }

    /// Reads a tag whose name starts at `from`; gives name and attributes, or `None` if the input ends inside it.
    fn tag(&mut self, from: usize) -> Option<(&'a str, &'a str)> {
        let bytes = self.text.as_bytes();
        let name_end = bytes[from..]
            .iter()
            .position(|b| is_space(*b) || matches!(b, b'/' | b'>'))
            .map(|n| n + from);
        let Some(close) = name_end.and_then(|at| tag_end(bytes, at)) else {
            self.at = bytes.len();
            return None;
        };
        let name_end = name_end.unwrap_or(close);
        self.at = close + 1;
        Some((&self.text[from..name_end], &self.text[name_end..close]))
    }
}

impl<'a> Iterator for Scanner<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at..)? {
            [b'<', after @ ..] if opens_markup(after) => self.markup(after[0]),
            [] => None,
            _ => self.plain_text(self.at + 1),
        }
    }
}

/// Whether a `<` before these bytes begins anything but text. The standard takes `<!'` for a comment up to the next `>`;
/// people who write it mean text.
const fn opens_markup(after: &[u8]) -> bool {
    match after {
        [b'!', c, ..] => c.is_ascii_alphabetic() || matches!(c, b'-' | b'[' | b'>'),
        [c, ..] => c.is_ascii_alphabetic() || matches!(c, b'/' | b'?'),
        [] => false,
    }
}

/// White space of HTML.
pub(super) const fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | b'\r' | 0x0C)
}

/// The position of the `>` that closes the tag whose attributes begin at `at`; quotes count only after an `=`.
fn tag_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        while is_space(*bytes.get(at)?) || bytes[at] == b'/' {
            at += 1;
        }
        if bytes[at] == b'>' {
            return Some(at);
        }
        at = attribute_end(bytes, at)?.1;
    }
}

/// The extent of an attribute's value.
type Span = (usize, usize);

/// Reads the attribute whose name starts at `at` (not white space, `/` or `>`): the end of its name and the extent of
/// its value if it has one, and where to go on. `None` if the input ends inside a quoted value or a name.
fn attribute_end(bytes: &[u8], at: usize) -> Option<((usize, Option<Span>), usize)> {
    // The first character belongs to the name even if it is `=`.
    let mut here = at + 1;
    while !is_space(*bytes.get(here)?) && !matches!(bytes[here], b'/' | b'>' | b'=') {
        here += 1;
    }
    let name_end = here;
    while is_space(*bytes.get(here)?) {
        here += 1;
    }
    if bytes[here] != b'=' {
        return Some(((name_end, None), here));
    }
    here += 1;
    while is_space(*bytes.get(here)?) {
        here += 1;
    }
    let quote = bytes[here];
    match quote {
        b'"' | b'\'' => {
            let end = memchr(quote, &bytes[here + 1..])? + here + 1;
            Some(((name_end, Some((here + 1, end))), end + 1))
        }
        b'>' => Some(((name_end, None), here)),
        _ => {
            let start = here;
            while !is_space(*bytes.get(here)?) && bytes[here] != b'>' {
                here += 1;
            }
            Some(((name_end, Some((start, here))), here))
        }
    }
}

/// The attributes of a start tag: names as written, values with their references still in them.
pub(super) struct Attributes<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tag<'a> {
    /// The attributes in their order; of several with one name the first counts, which is for the caller to see to.
    pub(super) const fn attributes(&self) -> Attributes<'a> {
        Attributes {
            text: self.attributes,
            at: 0,
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        while is_space(*bytes.get(self.at)?) || bytes[self.at] == b'/' {
            self.at += 1;
        }
        let start = self.at;
        // The `>` is not part of the slice: what the end cuts off was complete in the tag.
        let ((name_end, value), next) =
            attribute_end(bytes, start).unwrap_or_else(|| open_ended(bytes, start));
        self.at = next;
        let value = value.map_or("", |(from, to)| &self.text[from..to]);
        Some((&self.text[start..name_end], value))
    }
}

/// [`attribute_end`] for the last attribute of a tag, which ends where the slice ends.
fn open_ended(bytes: &[u8], at: usize) -> ((usize, Option<Span>), usize) {
    let end = bytes.len();
    let name_end = (at + 1..end)
        .find(|&i| is_space(bytes[i]) || matches!(bytes[i], b'/' | b'='))
        .unwrap_or(end);
    let equals = (name_end..end)
        .find(|&i| !is_space(bytes[i]))
        .filter(|&i| bytes[i] == b'=');
    let value = equals
        .and_then(|equals| (equals + 1..end).find(|&i| !is_space(bytes[i])))
        .map(|start| (start, end));
    ((name_end, value), end)
}

/// Where the raw content of the element `name` ends: at `</name` followed by white space, `/` or `>`.
fn raw_end(text: &str, name: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memmem::find_iter(bytes, b"</").find(|&at| {
        let candidate = &bytes[at + 2..];
        candidate.len() > name.len()
            && candidate[..name.len()].eq_ignore_ascii_case(name.as_bytes())
            && (is_space(candidate[name.len()]) || matches!(candidate[name.len()], b'/' | b'>'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        Scanner::new(text)
            .map(|token| match token {
                Token::Text(text) => format!("«{text}»"),
                Token::Start(tag) => tag
                    .attributes()
                    .fold(tag.name.to_owned(), |all, (name, value)| {
                        format!("{all} {name}={value}")
                    }),
                Token::End(name) => format!("/{name}"),
                Token::Other(plain) => format!("!{plain}"),
            })
            .collect()
    }

    #[test]
    fn tokens_are_cut_as_the_standard_cuts_them() {
        for (source, tokens) in [
            ("", ""),
            ("plain", "«plain»"),
            ("a < b <3 <<i>", "«a < b <3 <» i"),
            ("<p>x</p >", "p «x» /p"),
            ("<a href=x title='y z' b=\"q>\">", "a href=x title=y z b=q>"),
            ("<a href = x checked / b>", "a href=x checked= b="),
            ("<br/><br /><IMG src=a/>", "br br IMG src=a/"),
            ("<a =x=y>", "a =x=y"),
            ("<a b=>c", "a b= «c»"),
            ("<a b='1'c='2'>", "a b=1 c=2"),
            (
                "x<!-- a > b -->y<!-->z<!--->w<!--q--!>v",
                "«x» !true «y» !false «z» !false «w» !false «v»",
            ),
            (
                "<!DOCTYPE html><?xml a?>x</3>y</>z",
                "!true !true «x» !true «y» !true «z»",
            ),
            ("x<a href='unclosed", "«x»"),
            ("x<!-- unclosed > ", "«x»"),
            ("x<", "«x<»"),
            ("x</", "«x» «</»"),
            ("<!' <a b=c>x", "«<!' » a b=c «x»"),
            ("<p", ""),
            ("<é>", "«<é>»"),
            ("<p\u{c}a='é'>", "p a=é"),
        ] {
            assert_eq!(shown(source).join(" "), tokens, "{source}");
        }
    }

    #[test]
    fn raw_content_ends_only_at_its_own_end_tag() {
        let mut scanner = Scanner::new("if (a </b> c </scripty> </SCRIPT >x");
        assert_eq!(scanner.skip_raw("script"), "if (a </b> c </scripty> ");
        assert_eq!(scanner.next(), Some(Token::End("SCRIPT")));
        assert_eq!(scanner.rest(), "x");
    }
}
