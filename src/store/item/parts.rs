//! What items are made of, as bytes: articles as they stand, keys, places in lists.

use super::{Left, Stand};
use crate::model::article::{ArticleId, Head, Key, SeenAt};
use crate::model::label::{Origin, Scope, Tag};
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::store::codec::{In, Out};

pub(super) fn put_stand(out: &mut Out, stand: &Stand) {
    out.number(stand.seq);
    put_head(out, &stand.head);
    put_keys(out, &stand.keys);
    put_left(out, &stand.left);
    out.signed(stand.listed_until.as_micros());
}

pub(super) fn take_stand(input: &mut In<'_>) -> Option<Stand> {
    Some(Stand {
        seq: input.number()?,
        head: take_head(input)?,
        keys: take_keys(input)?,
        left: take_left(input)?,
        listed_until: take_time(input)?,
    })
}

const PRIVATE: u8 = 1;
const IMAGE: u8 = 2;
const ENCLOSURE: u8 = 4;
const LANGUAGE: u8 = 8;

fn put_head(out: &mut Out, head: &Head) {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.byte(
        flag(head.private, PRIVATE)
            | flag(head.has_image, IMAGE)
            | flag(head.has_enclosure, ENCLOSURE)
            | flag(head.language.is_some(), LANGUAGE),
    );
    out.hash(head.id.0);
    out.number(u64::from(head.version));
    let first = head.first_seen.as_micros();
    out.signed(first);
    out.signed(head.published.as_micros().wrapping_sub(first));
    out.signed(head.updated.as_micros().wrapping_sub(first));
    out.text(head.source.as_str());
    if let Some(language) = &head.language {
        out.text(language);
    }
    out.number(head.categories.len() as u64);
    for category in &head.categories {
        out.text(category);
    }
    out.number(head.tags.len() as u64);
    for tag in &head.tags {
        out.text(&tag.name);
        // Most tags are written as their key: one byte instead of the word again.
        out.text(if tag.key == tag.name { "" } else { &tag.key });
        out.byte(tag.origin as u8 | if tag.key.is_empty() { 0x80 } else { 0 });
    }
    out.signed(i64::from(head.score));
    out.number(head.outputs.len() as u64);
    for output in &head.outputs {
        out.text(output);
    }
    out.number(head.seen_at.len() as u64);
    for seen in &head.seen_at {
        let leading = seen.source == head.source;
        out.text(if leading { "" } else { seen.source.as_str() });
        out.hash(seen.guid_key);
        out.word(seen.text_hash);
    }
    out.number(head.aliases.len() as u64);
    for alias in &head.aliases {
        out.hash(alias.0);
    }
}

fn take_head(input: &mut In<'_>) -> Option<Head> {
    let flags = input.byte()?;
    let id = ArticleId(input.hash()?);
    let version = input.small()?;
    let first = input.signed()?;
    let published = first.wrapping_add(input.signed()?);
    let updated = first.wrapping_add(input.signed()?);
    let source = take_source(input)?;
    let language = if flags & LANGUAGE == 0 {
        None
    } else {
        Some(input.text()?.to_owned())
    };
    let categories = take_all(input, |input| Some(input.text()?.to_owned()))?;
    let tags = take_all(input, take_tag)?;
    let score = i32::try_from(input.signed()?).ok()?;
    let outputs = take_all(input, |input| Some(input.text()?.to_owned()))?;
    let seen_at = take_all(input, |input| {
        let at = input.text()?;
        Some(SeenAt {
            source: if at.is_empty() {
                source.clone()
            } else {
                SourceId::new(at)?
            },
            guid_key: input.hash()?,
            text_hash: input.word()?,
        })
    })?;
    let aliases = take_all(input, |input| input.hash().map(ArticleId))?;
    Some(Head {
        id,
        version,
        first_seen: Timestamp::from_micros(first),
        published: Timestamp::from_micros(published),
        updated: Timestamp::from_micros(updated),
        source,
        private: flags & PRIVATE != 0,
        language,
        categories,
        tags,
        score,
        outputs,
        has_image: flags & IMAGE != 0,
        has_enclosure: flags & ENCLOSURE != 0,
        seen_at,
        aliases,
    })
}

fn take_tag(input: &mut In<'_>) -> Option<Tag> {
    let name = input.text()?.to_owned();
    let key = input.text()?.to_owned();
    let origin = input.byte()?;
    let key = if key.is_empty() && origin & 0x80 == 0 {
        name.clone()
    } else {
        key
    };
    Some(Tag {
        name,
        key,
        origin: match origin & 0x7f {
            0 => Origin::Rule,
            1 => Origin::Source,
            2 => Origin::Category,
            3 => Origin::Publisher,
            4 => Origin::Page,
            5 => Origin::Url,
            6 => Origin::Auto,
            _ => return None,
        },
    })
}

pub(super) fn put_keys(out: &mut Out, keys: &[Key]) {
    out.number(keys.len() as u64);
    for key in keys {
        let (kind, hash) = parts(*key);
        out.byte(kind);
        out.hash(hash);
    }
}

pub(super) fn take_keys(input: &mut In<'_>) -> Option<Vec<Key>> {
    take_all(input, |input| {
        let kind = input.byte()?;
        let hash = input.hash()?;
        match kind {
            0 => Some(Key::Guid(hash)),
            1 => Some(Key::Url(hash)),
            2 => Some(Key::Content(hash)),
            _ => None,
        }
    })
}

/// Kind and hash of a key.
pub(in crate::store) fn parts(key: Key) -> (u8, u128) {
    match key {
        Key::Guid(hash) => (0, hash),
        Key::Url(hash) => (1, hash),
        Key::Content(hash) => (2, hash),
    }
}

pub(super) fn put_left(out: &mut Out, left: &Left) {
    out.number(left.lists.len() as u64);
    for scope in &left.lists {
        put_scope(out, scope);
    }
    out.number(left.hidden.len() as u64);
    for scope in &left.hidden {
        put_scope(out, scope);
    }
    if !left.lists.is_empty() || !left.hidden.is_empty() {
        out.byte(u8::from(left.private));
        out.signed(left.published.as_micros());
        out.signed(left.first_seen.as_micros());
    }
}

pub(super) fn take_left(input: &mut In<'_>) -> Option<Left> {
    let lists = take_all(input, take_scope)?;
    let hidden = take_all(input, take_scope)?;
    if lists.is_empty() && hidden.is_empty() {
        return Some(Left::default());
    }
    Some(Left {
        lists,
        hidden,
        private: input.byte()? != 0,
        published: take_time(input)?,
        first_seen: take_time(input)?,
    })
}

pub(super) fn put_scope(out: &mut Out, scope: &Scope) {
    let (kind, name) = scope_parts(scope);
    out.byte(kind);
    if kind != b'o' {
        out.text(name);
    }
}

pub(super) fn take_scope(input: &mut In<'_>) -> Option<Scope> {
    Some(match input.byte()? {
        b'o' => Scope::All,
        b't' => Scope::Tag(input.text()?.to_owned()),
        b'c' => Scope::Category(input.text()?.to_owned()),
        b'f' => Scope::Source(take_source(input)?),
        b'q' => Scope::Output(input.text()?.to_owned()),
        _ => return None,
    })
}

/// The letter of a kind of list, and the list's name.
pub(in crate::store) fn scope_parts(scope: &Scope) -> (u8, &str) {
    match scope {
        Scope::All => (b'o', ""),
        Scope::Tag(key) => (b't', key),
        Scope::Category(key) => (b'c', key),
        Scope::Source(id) => (b'f', id.as_str()),
        Scope::Output(id) => (b'q', id),
    }
}

pub(super) fn take_source(input: &mut In<'_>) -> Option<SourceId> {
    SourceId::new(input.text()?)
}

pub(super) fn take_time(input: &mut In<'_>) -> Option<Timestamp> {
    input.signed().map(Timestamp::from_micros)
}

pub(super) fn take_all<T>(
    input: &mut In<'_>,
    mut one: impl FnMut(&mut In<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = input.count()?;
    let mut all = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        all.push(one(input)?);
    }
    Some(all)
}
