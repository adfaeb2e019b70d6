//! Elements that RSS and Atom have in common, or that each borrows from the other: links, people, labels, generators.

use std::borrow::Cow;

use super::draft::Common;
use super::value::{collapse, filled, plain};
use super::xml::{Level, Reader, Tag};
use crate::model::entry::{Generator, Link, Person, Term};

/// Reads `link` in Atom's manner: attributes, or the text where `href` is missing. A link without any address still says
/// something of itself; its target is empty then.
pub(super) fn link(r: &mut Reader<'_>, level: Level) -> Option<Link> {
    let has_rel = r.filled_attr("rel").is_some();
    let rel = r
        .filled_attr("rel")
        .map_or_else(|| "alternate".to_owned(), |rel| collapse(&rel));
    let media_type = r.text_attr("type");
    let hreflang = r.text_attr("hreflang");
    let title = r.text_attr("title").map(|title| plain(&title));
    let length = r.number_attr("length").filter(|length| *length > 0);
    // Only an address that was refused takes the link with it.
    let (href, refused) = match r.filled_attr("href") {
        Some(href) => {
            let url = r.url(&href);
            (url.clone().unwrap_or_default(), url.is_none())
        }
        None => (r.url_value(level).unwrap_or_default(), false),
    };
    let says_nothing = href.is_empty()
        && media_type.is_none()
        && hreflang.is_none()
        && title.is_none()
        && length.is_none()
        && !has_rel;
    if refused || says_nothing {
        return None;
    }
    // The relations that IANA registered may be written as URIs.
    let rel = match rel.strip_prefix("http://www.iana.org/assignments/relation/") {
        Some(name) => name.to_owned(),
        None => rel,
    };
    Some(Link {
        rel,
        href,
        media_type,
        hreflang,
        title,
        length,
    })
}

/// Reads a person construct: Atom's children, or RSS text such as `jane@example.org (Jane)`.
pub(super) fn person(r: &mut Reader<'_>, level: Level) -> Option<Person> {
    let mut text = Cow::Borrowed("");
    let mut person = Person::default();
    while let Some(tag) = r.child_or_text(level, &mut text) {
        match &*tag.local {
            "name" if person.name.is_none() => person.name = r.words(tag.level),
            "email" if person.email.is_none() => person.email = r.words(tag.level),
            "uri" | "url" | "homepage" | "href" if person.url.is_none() => {
                person.url = r.url_value(tag.level);
            }
            // Markup in a name, and RDF descriptions of a person.
            "person" | "agent" | "description" | "b" | "i" | "a" | "span" => {
                let inner = r.value(tag.level);
                text.to_mut().push_str(&inner);
            }
            _ => {}
        }
    }
    let from_text = split_person(&text);
    let Some(mut whole) = complete(person) else {
        return from_text;
    };
    if let (Some(from_text), None) = (from_text, &whole.name) {
        whole.name = from_text.name;
    }
    Some(whole)
}

/// Tidies a person that has separate parts; `None` if nothing is left.
pub(super) fn complete(mut person: Person) -> Option<Person> {
    // `name` often holds the address as well.
    if let Some(name) = person.name.take()
        && let Some(split) = split_person(&name)
    {
        person.name = split.name;
        person.email = person.email.or(split.email);
    }
    if let Some(email) = person.email.take() {
        person.email = find_email(&email)
            .map(|(from, to)| email[from..to].to_owned())
            .or(Some(email));
    }
    if person.name.is_none() && person.url.is_none() {
        person.url = person.email.as_ref().map(|email| format!("mailto:{email}"));
    }
    (person != Person::default()).then_some(person)
}

/// Splits `Jane (j@x.org)`, `Jane <j@x.org>`, `j@x.org (Jane)` and plain names.
pub(super) fn split_person(value: &str) -> Option<Person> {
    let text = if find_email(value).is_some() {
        collapse(&crate::html::unescape(value))
    } else {
        plain(value)
    };
    if text.is_empty() {
        return None;
    }
    let Some((from, to)) = find_email(&text) else {
        return Some(Person {
            name: Some(text),
            ..Person::default()
        });
    };
    let email = text[from..to].to_owned();
    // `mailto:j@x.org?subject=Feed`: how to write to somebody is no name.
    let to = match text[to..].strip_prefix('?') {
        Some(query) => to + 1 + query.find(char::is_whitespace).unwrap_or(query.len()),
        None => to,
    };
    let rest = format!(
        "{} {}",
        text[..from].trim_end_matches("mailto:"),
        &text[to..]
    );
    let rest = rest
        .replace("()", " ")
        .replace("<>", " ")
        .replace("[]", " ");
    let blank = |c: char| {
        c.is_whitespace() || matches!(c, '(' | ')' | '<' | '>' | '[' | ']' | ',' | ';' | '"' | '-')
    };
    let name = rest.trim_matches(|c: char| {
        c.is_whitespace() || matches!(c, '<' | '>' | '[' | ']' | ',' | ';' | '"')
    });
    // One pair of brackets around the whole name, as in `j@x.org (Jane)`, but not the end of `Jane (Doe)`.
    let name = match name.strip_prefix('(') {
        Some(inner) => inner.strip_suffix(')').unwrap_or(inner),
        None if !name.contains('(') => name.trim_end_matches(')'),
        None if !name.contains(')') => name.trim_end_matches(['(', ' ']),
        None => name,
    };
    let name = name
        .split_whitespace()
        .filter(|word| !word.chars().all(|c| matches!(c, '(' | ')' | '<' | '>')))
        .collect::<Vec<_>>()
        .join(" ");
    let name = if name.chars().all(blank) {
        None
    } else {
        Some(name)
    };
    let url = name.is_none().then(|| format!("mailto:{email}"));
    Some(Person {
        name,
        url,
        avatar: None,
        email: Some(email),
    })
}

/// Where an e-mail address stands in a text.
fn find_email(text: &str) -> Option<(usize, usize)> {
    let local = |b: &u8| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'.' | b'_' | b'-' | b'+' | b'%' | b'\'' | b'=' | b'&' | b'!' | b'#'
            )
    };
    let domain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'@', bytes).take(8).find_map(|at| {
        let from = at
            - bytes[..at]
                .iter()
                .rev()
                .take(80)
                .take_while(|b| local(b))
                .count();
        let length = bytes[at + 1..]
            .iter()
            .take(255)
            .take_while(|b| domain(b))
            .count();
        let to = at
            + 1
            + text[at + 1..=at + length]
                .trim_end_matches(['.', '-'])
                .len();
        let name = &text[at + 1..to];
        let plausible = from < at
            && name.contains('.')
            && name.rsplit('.').next().is_some_and(|tld| tld.len() >= 2)
            && !name.starts_with('.');
        plausible.then_some((from, to))
    })
}

/// Reads `category` and what resembles it: Atom's attributes, RSS `domain`, the text.
pub(super) fn category(r: &mut Reader<'_>, level: Level) -> Term {
    let scheme = r.text_attr("scheme").or_else(|| r.text_attr("domain"));
    let label = r.text_attr("label");
    let term = r.text_attr("term");
    let text = if term.is_none() { r.words(level) } else { None };
    Term {
        term: term.or(text),
        scheme,
        label,
    }
}

/// Adds the labels of a list such as `one, two`.
pub(super) fn term_list(common: &mut Common<'_>, list: &str, scheme: Option<&str>) {
    for word in list.split([',', '，']) {
        if let Some(term) = filled(plain(word)) {
            // A keyword that repeats a category adds nothing.
            common.term(Term {
                term: Some(term),
                scheme: scheme.map(str::to_owned),
                label: None,
            });
        }
    }
}

/// Reads `generator`.
pub(super) fn generator(r: &mut Reader<'_>, tag: &Tag<'_>) -> Option<Generator> {
    let url = match r.url_attr("uri") {
        Some(url) => Some(url),
        None => r.url_attr("url"),
    };
    let version = r.text_attr("version");
    let name = r.words(tag.level);
    let generator = Generator { name, url, version };
    (generator != Generator::default()).then_some(generator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(value: &str) -> (Option<String>, Option<String>) {
        split_person(value).map_or((None, None), |person| (person.name, person.email))
    }

    #[test]
    fn names_and_addresses_are_told_apart() {
        let both = (Some("Jane Doe".to_owned()), Some("j@x.org".to_owned()));
        for value in [
            "Jane Doe (j@x.org)",
            "Jane Doe <j@x.org>",
            "j@x.org (Jane Doe)",
            "Jane Doe &lt;j@x.org&gt;",
            "j@x.org Jane Doe",
            "j@x.org, Jane Doe",
            "mailto:j@x.org (Jane Doe)",
        ] {
            assert_eq!(split(value), both, "{value}");
        }
        assert_eq!(
            split("j@x.org?subject=Feed (Jane Doe)").0.as_deref(),
            Some("Jane Doe")
        );
        assert_eq!(split("j@x.org"), (None, Some("j@x.org".to_owned())));
        assert_eq!(split("Jane (Doe)"), (Some("Jane (Doe)".to_owned()), None));
        assert_eq!(
            split("Jane Doe (Ms) <j@x.org>").0.as_deref(),
            Some("Jane Doe (Ms)")
        );
        assert_eq!(split("@jane"), (Some("@jane".to_owned()), None));
        assert_eq!(split(" "), (None, None));
    }

    #[test]
    fn only_an_address_is_a_person_too() {
        let person = complete(Person {
            email: Some("j@x.org".to_owned()),
            ..Person::default()
        })
        .unwrap();
        assert_eq!(person.url.as_deref(), Some("mailto:j@x.org"));
    }
}
