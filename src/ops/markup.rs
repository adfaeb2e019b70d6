//! Tags and their attributes, in HTML pages and OPML files as people and programs really write them. Forgives everything,
//! builds no tree.

/// A start or end tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    /// Name, in lower case.
    pub(super) name: String,
    /// `</name>`.
    pub(super) is_end: bool,
    /// `<name/>`.
    pub(super) is_empty: bool,
    /// Names in lower case, values with their references decoded.
    pub(super) attributes: Vec<(String, String)>,
}

impl Tag {
    /// The value of an attribute, named in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The tags of these names, in order; comments, CDATA sections and scripts are passed over.
pub(super) fn tags(text: &str, names: &[&str]) -> Vec<Tag> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let passed = [("!--", "-->"), ("![CDATA[", "]]>")]
            .iter()
            .find_map(|(open, close)| Some((rest.strip_prefix(open)?, close)));
        if let Some((inner, close)) = passed {
            rest = inner
                .find(close)
                .map_or("", |end| &inner[end + close.len()..]);
            continue;
        }
        let is_end = rest.starts_with('/');
        rest = rest.strip_prefix('/').unwrap_or(rest);
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != ':')
            .unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        if names.contains(&name.as_str()) {
            let (attributes, is_empty, after) = attributes(rest);
            rest = after;
            all.push(Tag {
                name,
                is_end,
                is_empty,
                attributes,
            });
        } else if !is_end && matches!(name.as_str(), "script" | "style") {
            let close = rest.match_indices("</").find(|(at, _)| {
                let word = rest.as_bytes().get(at + 2..at + 2 + name.len());
                word.is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
            });
            rest = close.map_or("", |(at, _)| &rest[at..]);
        }
    }
    all
}

fn attributes(mut rest: &str) -> (Vec<(String, String)>, bool, &str) {
    let mut all = Vec::new();
    let mut is_empty = false;
    loop {
        let trimmed = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        is_empty = rest[..rest.len() - trimmed.len()].ends_with('/')
            || (is_empty && trimmed.len() == rest.len());
        rest = trimmed;
        if rest.is_empty() {
            return (all, is_empty, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (all, is_empty, after);
        }
        // A tag that was never closed must not swallow the next one.
        if rest.starts_with('<') {
            return (all, is_empty, rest);
        }
        let end = rest
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))
            .unwrap_or(rest.len());
        // A stray `=` is a name of one character to the HTML standard.
        let end = end.max(rest.chars().next().map_or(1, char::len_utf8));
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let Some(after) = rest.strip_prefix('=') else {
            all.push((name, String::new()));
            continue;
        };
        rest = after.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let value = if let Some(quote) = quote {
            let inner = &rest[1..];
            let end = inner.find(quote).unwrap_or(inner.len());
            rest = inner.get(end + 1..).unwrap_or("");
            &inner[..end]
        } else {
            let end = rest
                .find(|c: char| c.is_ascii_whitespace() || c == '>')
                .unwrap_or(rest.len());
            let value = &rest[..end];
            rest = &rest[end..];
            value
        };
        all.push((name, decoded(value.trim())));
    }
}

/// Character references as their characters; what is none stays as it is.
fn decoded(value: &str) -> String {
    if !value.contains('&') {
        return value.to_owned();
    }
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.char_indices().take(12).find(|(_, c)| *c == ';');
        let found = end.and_then(|(end, _)| Some((reference(&rest[1..end])?, end)));
        if let Some((c, end)) = found {
            text.push(c);
            rest = &rest[end + 1..];
        } else {
            text.push('&');
            rest = &rest[1..];
        }
    }
    text.push_str(rest);
    text
}

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| !c.is_control() || c.is_whitespace());
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => return None,
    })
}

/// Text as it may stand in an attribute between double quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push_str("&#10;"),
            '\r' => safe.push_str("&#13;"),
            '\t' => safe.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_whatever_their_form() {
        let found = tags(
            "<!-- <a href=x> --><A HREF='a&amp;b&#x4e2d;&bogus;&'/><a href=c/d>x</a><a ==\"><a b",
            &["a"],
        );
        let shown: Vec<(bool, bool, Option<&str>)> = found
            .iter()
            .map(|tag| (tag.is_end, tag.is_empty, tag.get("href")))
            .collect();
        assert_eq!(shown[0], (false, true, Some("a&b中&bogus;&")));
        assert_eq!(shown[1], (false, false, Some("c/d")));
        assert_eq!(shown[2], (true, false, None));
    }

    #[test]
    fn what_is_escaped_comes_back() {
        let text = "a & b < \"c\" 'd'\n\t中";
        let page = format!("<x v=\"{}\"/>", escaped(text));
        assert_eq!(tags(&page, &["x"])[0].get("v"), Some(text));
    }
}
