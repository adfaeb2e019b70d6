//! JSON Feed 1.0 and 1.1. Members of a wrong type are dropped, broken JSON is read as far as it makes sense.

mod lenient;
mod pruned;

use std::rc::Rc;

use serde_json::{Map, Value};
use url::Url;

use self::pruned::Limits;
use super::construct::Construct;
use super::context::Context;
use super::draft::identify;
use super::notes::Notes;
use super::value::{collapse, excerpt, filled};
use super::{address, date, shared, sniff};
use crate::model::entry::{Content, Enclosure, Entry, Feed, FeedFormat, Hub, Person, Term, Text};
use crate::model::time::Timestamp;
use crate::model::warning::WarningCode;

type Object = Map<String, Value>;

/// Reads a document that begins with `{`. `None` if it is no feed.
pub(super) fn read(cx: &Context<'_>, notes: &mut Notes) -> Option<Feed> {
    let text = &cx.text[cx.root..];
    let before = &cx.text[..cx.root];
    if !before.trim_matches(sniff::is_ignorable).is_empty() {
        notes.add(WarningCode::JsonError, Some(0), || {
            "something stands before the feed; it is not read".to_owned()
        });
    }
    let mut limits = Limits::new(text.len(), cx.max_items);
    let value = match pruned::parse(text.trim_end(), &limits) {
        Ok(value) => value,
        Err(error) => {
            limits = Limits::new(text.len(), cx.max_items);
            let (value, at, complete) = lenient::parse(text, &limits);
            let code = if complete {
                WarningCode::JsonError
            } else {
                WarningCode::Truncated
            };
            notes.add(code, Some(cx.root + at), || {
                format!("no proper JSON: {error}")
            });
            value
        }
    };
    if limits.met.get() {
        notes.add(WarningCode::Limit, None, || {
            "more values than a feed of this size needs; the rest is not read".to_owned()
        });
    }
    let object = value.as_object()?;
    let version = object.get("version").and_then(Value::as_str).unwrap_or("");
    let named = version.contains("jsonfeed.org");
    if !named && !object.get("items").is_some_and(Value::is_array) {
        return None;
    }
    cx.describe_as([
        object.get("feed_url").and_then(Value::as_str),
        object.get("home_page_url").and_then(Value::as_str),
    ]);
    let base = cx.base(cx.url.clone());
    let mut scene = Scene { cx, notes, base };
    Some(scene.feed(object, version))
}

/// What reading the members needs.
struct Scene<'a, 'n> {
    cx: &'a Context<'a>,
    notes: &'n mut Notes,
    base: Option<Rc<Url>>,
}

impl Scene<'_, '_> {
    fn feed(&mut self, object: &Object, version: &str) -> Feed {
        let number = version
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or("");
        let mut feed = Feed {
            format: FeedFormat::Json,
            format_version: number
                .starts_with(|c: char| c.is_ascii_digit())
                .then(|| number.to_owned()),
            title: self.line(object, "title"),
            description: self.line(object, "description"),
            home_page_url: self.url(object, "home_page_url"),
            feed_url: self.url(object, "feed_url"),
            icon: self.url(object, "icon"),
            favicon: self.url(object, "favicon"),
            language: self.string(object, "language"),
            next_url: self.url(object, "next_url"),
            user_comment: self.line(object, "user_comment").map(|text| text.plain),
            expired: self.boolean(object, "expired"),
            authors: self.authors(object),
            hubs: self.hubs(object),
            ..Feed::default()
        };
        let items = self.list(object, "items");
        for item in items.iter().take(self.cx.max_items) {
            match item.as_object() {
                Some(item) => {
                    let entry = self.item(item);
                    feed.entries.push(entry);
                }
                None => self.wrong("items", item),
            }
        }
        if items.len() > self.cx.max_items {
            self.notes.add(WarningCode::Limit, None, || {
                format!("only {} items are read", self.cx.max_items)
            });
        }
        feed
    }

    fn item(&mut self, object: &Object) -> Entry {
        let html = self.string(object, "content_html");
        let text = self.string(object, "content_text");
        let html = html
            .and_then(|html| Construct::markup(html.into(), self.base.clone()))
            .and_then(|html| html.into_html(self.cx))
            .map(|(html, _)| html);
        let (content, content_text) = match (html, text) {
            (Some(html), text) => (Some(Content::Html(html)), text),
            (None, text) => (text.map(Content::Plain), None),
        };
        let mut entry = Entry {
            url: self.url(object, "url"),
            external_url: self.url(object, "external_url"),
            title: self.line(object, "title"),
            content,
            content_text,
            summary: self.line(object, "summary"),
            image: self.url(object, "image"),
            banner_image: self.url(object, "banner_image"),
            published: self.date(object, "date_published"),
            updated: self.date(object, "date_modified"),
            authors: self.authors(object),
            language: self.string(object, "language"),
            terms: self.terms(object),
            enclosures: self.attachments(object),
            ..Entry::default()
        };
        let id = match object.get("id") {
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => self.string(object, "id"),
        };
        identify(&mut entry, id);
        entry
    }

    fn terms(&mut self, object: &Object) -> Vec<Term> {
        let mut terms: Vec<Term> = Vec::new();
        for tag in self.list(object, "tags") {
            match tag.as_str().map(collapse) {
                Some(term) if term.is_empty() => {}
                Some(term) => {
                    let term = Term {
                        term: Some(term),
                        ..Term::default()
                    };
                    if !terms.contains(&term) && terms.len() < 2000 {
                        terms.push(term);
                    }
                }
                None => self.wrong("tags", tag),
            }
        }
        terms
    }

    fn attachments(&mut self, object: &Object) -> Vec<Enclosure> {
        let mut files: Vec<Enclosure> = Vec::new();
        for file in self.list(object, "attachments") {
            let Some(file) = file.as_object() else {
                self.wrong("attachments", file);
                continue;
            };
            let Some(url) = self.url(file, "url") else {
                continue;
            };
            if files.iter().any(|known| known.url == url) || files.len() >= 2000 {
                continue;
            }
            files.push(Enclosure {
                url,
                mime_type: self.string(file, "mime_type"),
                title: self.line(file, "title").map(|title| title.plain),
                length: self
                    .number(file, "size_in_bytes")
                    .filter(|length| *length > 0),
                duration: self.number(file, "duration_in_seconds"),
            });
        }
        files
    }

    /// `authors` of 1.1, else `author` of 1.0.
    fn authors(&mut self, object: &Object) -> Vec<Person> {
        let mut authors = Vec::new();
        for person in self.list(object, "authors") {
            authors.extend(self.author(person));
        }
        if authors.is_empty()
            && let Some(person) = object.get("author").filter(|person| !person.is_null())
        {
            authors.extend(self.author(person));
        }
        authors
    }

    fn author(&mut self, value: &Value) -> Option<Person> {
        match value {
            // Not what the specification says, but plain enough.
            Value::String(name) => shared::split_person(name),
            Value::Object(object) => shared::complete(Person {
                name: self.line(object, "name").map(|name| name.plain),
                url: self.url(object, "url"),
                avatar: self.url(object, "avatar"),
                email: self.string(object, "email"),
            }),
            other => {
                self.wrong("author", other);
                None
            }
        }
    }

    fn hubs(&mut self, object: &Object) -> Vec<Hub> {
        let mut hubs = Vec::new();
        for hub in self.list(object, "hubs") {
            if let Some(hub) = hub.as_object()
                && let Some(url) = self.url(hub, "url")
                && hubs.len() < 100
            {
                hubs.push(Hub {
                    kind: self
                        .string(hub, "type")
                        .unwrap_or_else(|| "WebSub".to_owned()),
                    url,
                });
            }
        }
        hubs
    }

    fn list<'v>(&mut self, object: &'v Object, name: &str) -> &'v [Value] {
        match object.get(name) {
            Some(Value::Array(list)) => list,
            None | Some(Value::Null) => &[],
            Some(other) => {
                self.wrong(name, other);
                &[]
            }
        }
    }

    fn string(&mut self, object: &Object, name: &str) -> Option<String> {
        match object.get(name)? {
            Value::String(text) => filled(crate::html::hygiene(text.trim()).into_owned()),
            Value::Null => None,
            other => {
                self.wrong(name, other);
                None
            }
        }
    }

    /// Plain text in one line.
    fn line(&mut self, object: &Object, name: &str) -> Option<Text> {
        let plain = filled(collapse(&self.string(object, name)?))?;
        Some(Text { plain, html: None })
    }

    fn url(&mut self, object: &Object, name: &str) -> Option<String> {
        let value = self.string(object, name)?;
        let base = self
            .base
            .as_deref()
            .filter(|base| address::is_http(&value) || self.cx.repeat(base.as_str().len()));
        let resolved = address::resolve(&value, base);
        resolved
            .inspect_err(|scheme| {
                self.notes.add(WarningCode::BadUrl, None, || {
                    format!("{name}: address of scheme `{scheme}:` left out")
                });
            })
            .ok()
    }

    fn date(&mut self, object: &Object, name: &str) -> Option<Timestamp> {
        let value = match object.get(name)? {
            Value::Number(number) => number.to_string(),
            _ => self.string(object, name)?,
        };
        let date = date::parse(&value);
        if date.is_none() {
            self.notes.add(WarningCode::BadDate, None, || {
                format!("{name}: `{}` is no date", excerpt(&value))
            });
        }
        date
    }

    fn number(&mut self, object: &Object, name: &str) -> Option<u64> {
        let value = object.get(name)?;
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.trim().to_owned(),
            Value::Null => return None,
            _ => String::new(),
        };
        // Durations come with fractions.
        let number = text.split('.').next().and_then(|whole| whole.parse().ok());
        if number.is_none() {
            self.wrong(name, value);
        }
        number
    }

    fn boolean(&mut self, object: &Object, name: &str) -> Option<bool> {
        match object.get(name)? {
            Value::Bool(value) => Some(*value),
            Value::Null => None,
            other => {
                self.wrong(name, other);
                None
            }
        }
    }

    fn wrong(&mut self, name: &str, value: &Value) {
        self.notes.add(WarningCode::BadValue, None, || {
            let kind = match value {
                Value::Null => "null",
                Value::Bool(_) => "true or false",
                Value::Number(_) => "a number",
                Value::String(_) => "a string",
                Value::Array(_) => "a list",
                Value::Object(_) => "an object",
            };
            format!("`{name}` must not be {kind}")
        });
    }
}
