//! JSON that is not quite JSON: trailing commas, missing ends, naked names, raw line ends in strings, halves of surrogate
//! pairs.
//!
//! Text goes in, a value comes out, always. Only called once the proper parser has refused.

use serde_json::{Map, Number, Value};

use super::pruned::{Limits, is_known};

/// What is nested deeper becomes `null`.
const DEPTH: usize = 100;

/// The value, the byte where the text first was no JSON (or where reading ended), and whether the value was complete.
pub(super) fn parse(text: &str, limits: &Limits) -> (Value, usize, bool) {
    let mut reader = Lenient {
        text,
        limits,
        at: 0,
        fault: None,
        truncated: false,
    };
    let value = reader.value(0);
    (value, reader.fault.unwrap_or(reader.at), !reader.truncated)
}

struct Lenient<'a> {
    text: &'a str,
    limits: &'a Limits,
    at: usize,
    fault: Option<usize>,
    truncated: bool,
}

impl Lenient<'_> {
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        let byte = bytes.get(self.at).copied();
        self.truncated |= byte.is_none();
        byte
    }

    fn complain(&mut self) {
        self.fault.get_or_insert(self.at);
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.peek() {
            Some(b'{' | b'[') if depth >= DEPTH => {
                self.skip_nested();
                Value::Null
            }
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(quote @ (b'"' | b'\'')) => Value::String(self.string(quote)),
            Some(_) => self.word(),
            None => Value::Null,
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        self.at += 1;
        let mut map = Map::new();
        let room = self.limits.take(Limits::OBJECT);
        loop {
            match self.peek() {
                None => break,
                Some(b'}') => {
                    self.at += 1;
                    break;
                }
                Some(b',') => {
                    self.separator(b'}');
                }
                Some(quote @ (b'"' | b'\'')) => {
                    let name = self.string(quote);
                    self.member(&mut map, name, depth, room);
                }
                Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => {
                    self.complain();
                    let name = self.naked_name();
                    self.member(&mut map, name, depth, room);
                }
                // The end of something else: this object was not closed.
                Some(b']') => {
                    self.complain();
                    break;
                }
                Some(_) => {
                    self.complain();
                    self.skip_char();
                }
            }
        }
        Value::Object(map)
    }

    /// Reads what follows the name of a member.
    fn member(&mut self, map: &mut Map<String, Value>, name: String, depth: usize, room: bool) {
        if self.peek() != Some(b':') {
            return self.complain();
        }
        self.at += 1;
        let before = self.truncated;
        let value = self.value(depth + 1);
        // A value that the end of the text cut to nothing was never there.
        let there = before || !(self.truncated && value.is_null());
        // The feed's own members come in any case, however much stood in them.
        let own = depth == 0 && is_known(&name);
        if there && (own || room && self.limits.take(2)) {
            map.entry(name).or_insert(value);
        }
    }

    /// A name without quotation marks, as programs may write it and JSON may not.
    fn naked_name(&mut self) -> String {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        self.at += length;
        rest[..length].to_owned()
    }

    fn array(&mut self, depth: usize) -> Value {
        self.at += 1;
        let mut list = Vec::new();
        let room = self.limits.take(Limits::LIST);
        loop {
            match self.peek() {
                None => break,
                Some(b']') => {
                    self.at += 1;
                    break;
                }
                Some(b',') => {
                    self.separator(b']');
                }
                Some(b'}' | b':') => {
                    self.complain();
                    break;
                }
                Some(_) => {
                    let before = self.at;
                    let value = self.value(depth + 1);
                    let there = !(self.truncated && value.is_null());
                    if there && room && list.len() < self.limits.most_items() && self.limits.take(1)
                    {
                        list.push(value);
                    }
                    if self.at == before {
                        self.skip_char();
                    }
                }
            }
        }
        Value::Array(list)
    }

    /// A comma, and a complaint if the end of the list follows it.
    fn separator(&mut self, end: u8) {
        let comma = self.at;
        self.at += 1;
        if self.peek() == Some(end) {
            self.fault.get_or_insert(comma);
        }
    }

    fn string(&mut self, quote: u8) -> String {
        if quote == b'\'' {
            self.complain();
        }
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let Some(length) = memchr::memchr2(quote, b'\\', rest) else {
                out.push_str(&self.text[self.at..]);
                self.at = self.text.len();
                self.truncated = true;
                return out;
            };
            out.push_str(&self.text[self.at..self.at + length]);
            self.at += length + 1;
            if rest[length] == quote {
                return out;
            }
            self.escape(&mut out);
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, out: &mut String) {
        let Some(c) = self.text[self.at..].chars().next() else {
            return;
        };
        self.at += c.len_utf8();
        match c {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' | 'f' => out.push(' '),
            'u' => {
                let first = self.hex();
                let c = match first {
                    Some(high @ 0xD800..=0xDBFF) if self.text[self.at..].starts_with("\\u") => {
                        let before = self.at;
                        self.at += 2;
                        if let Some(low @ 0xDC00..=0xDFFF) = self.hex() {
                            char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
                        } else {
                            self.at = before;
                            None
                        }
                    }
                    first => first.and_then(char::from_u32),
                };
                if c.is_none() {
                    self.complain();
                }
                out.push(c.unwrap_or('\u{FFFD}'));
            }
            '"' | '\\' | '/' | '\'' => out.push(c),
            other => {
                self.complain();
                out.push(other);
            }
        }
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let code = digits
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then(|| u32::from_str_radix(digits, 16).ok())?;
        self.at += 4;
        code
    }

    /// `true`, a number, or something that is no JSON.
    fn word(&mut self) -> Value {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|c: char| {
                c.is_whitespace() || matches!(c, ',' | ']' | '}' | ':' | '"' | '[' | '{')
            })
            .unwrap_or(rest.len());
        let word = &rest[..length];
        self.at += length;
        self.truncated |= self.at == self.text.len();
        match word {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            _ => {
                if let Ok(number) = word.parse::<Number>() {
                    Value::Number(number)
                } else {
                    self.fault.get_or_insert(self.at - length);
                    Value::Null
                }
            }
        }
    }

    fn skip_char(&mut self) {
        self.at += self.text[self.at..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
    }

    /// Skips a list or an object without going into it.
    fn skip_nested(&mut self) {
        self.complain();
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    self.string(b'"');
                    continue;
                }
                _ => {}
            }
            self.skip_char();
            if depth == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_all(text: &str) -> (Value, usize, bool) {
        parse(text, &Limits::new(text.len(), 10_000))
    }

    fn read(text: &str) -> (String, bool) {
        let (value, _, complete) = parse_all(text);
        (value.to_string(), complete)
    }

    #[test]
    fn sloppy_json_is_read() {
        assert_eq!(
            read("{\"a\":[1,2,],\"b\":'x',}"),
            ("{\"a\":[1,2],\"b\":\"x\"}".to_owned(), true)
        );
        assert_eq!(
            read("{\"a\":\"x\ny\" \"b\":\"\\ud800\"}").0,
            "{\"a\":\"x\\ny\",\"b\":\"\u{FFFD}\"}"
        );
        assert_eq!(
            read("{\"a\":\"\\ud83d\\ude00\",\"b\":NaN}").0,
            "{\"a\":\"😀\",\"b\":null}"
        );
        assert_eq!(parse_all("{\"a\":[1,]}").1, 7);
    }

    #[test]
    fn what_was_cut_off_keeps_its_beginning() {
        assert_eq!(
            read("{\"items\":[{\"id\":\"1\"},{\"id\":\"2\",\"title\":\"ab"),
            (
                "{\"items\":[{\"id\":\"1\"},{\"id\":\"2\",\"title\":\"ab\"}]}".to_owned(),
                false
            )
        );
        assert_eq!(read("{\"items\":[{\"id\":").0, "{\"items\":[{}]}");
    }

    #[test]
    fn what_is_too_much_does_not_hide_the_beginning() {
        let text = format!("{{\"items\":[{}", "{\"id\":1},".repeat(300_000));
        let (value, _, complete) = parse(&text, &Limits::new(0, 3));
        assert!(!complete);
        assert_eq!(
            value.to_string(),
            "{\"items\":[{\"id\":1},{\"id\":1},{\"id\":1},{\"id\":1}]}"
        );
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse_all(&deep).2);
        assert_eq!(
            read(&format!("{{\"a\":{deep},\"b\":1}}"))
                .0
                .matches('b')
                .count(),
            1
        );
    }
}
