//! Which lists an article stands in, and whether it fits a selection. Heads in, scopes out; nothing is kept here.

use crate::model::article::{ArticleId, Head, Key};
use crate::model::label::{Has, Scope, Selection};
use crate::model::source::SourceId;
use crate::text;

/// How many of a list's newest articles count for `touched`.
pub(super) const SHOWN: u64 = 500;

/// The lists in which readers find an article. A private one stands in outputs alone.
pub(super) fn lists(head: &Head) -> Vec<Scope> {
    let outputs = labels(head.outputs.iter().cloned()).map(Scope::Output);
    if head.private {
        return outputs.collect();
    }
    let mut all = vec![Scope::All];
    all.extend(narrowing(head));
    all.extend(outputs);
    all
}

/// The tags, categories and sources that an article can be narrowed down by, whether or not it is public.
pub(super) fn narrowing(head: &Head) -> Vec<Scope> {
    let tags = labels(head.tags.iter().map(|tag| tag.key.clone())).map(Scope::Tag);
    let categories =
        labels(head.categories.iter().map(|name| text::key(name))).map(Scope::Category);
    tags.chain(categories)
        .chain(sources(head).into_iter().map(Scope::Source))
        .collect()
}

/// Every source of an article once, the leading one first.
pub(super) fn sources(head: &Head) -> Vec<SourceId> {
    let mut all = vec![head.source.clone()];
    for seen in &head.seen_at {
        if !all.contains(&seen.source) {
            all.push(seen.source.clone());
        }
    }
    all
}

/// What leads to an article by itself: its own id, the ids of its copies and of the stories merged into it.
pub(super) fn own_keys(head: &Head) -> Vec<Key> {
    let copies = head.seen_at.iter().map(|seen| seen.guid_key);
    let merged = head.aliases.iter().map(|&ArticleId(id)| id);
    unique(std::iter::once(head.id.0).chain(copies).chain(merged))
        .map(Key::Guid)
        .collect()
}

/// The spelling under which an article has a tag or a category.
pub(super) fn spelling<'a>(head: &'a Head, scope: &Scope) -> Option<&'a str> {
    match scope {
        Scope::Tag(key) => head
            .tags
            .iter()
            .find(|tag| tag.key == *key)
            .map(|tag| tag.name.as_str()),
        Scope::Category(key) => head
            .categories
            .iter()
            .find(|name| text::key(name) == *key)
            .map(String::as_str),
        _ => None,
    }
}

/// The first subtag of a language, in lower case: what languages are compared by.
pub(super) fn primary(language: &str) -> String {
    let end = language.find(['-', '_']).unwrap_or(language.len());
    language[..end].to_ascii_lowercase()
}

/// True if an article belongs to a selection.
pub(super) fn fits(head: &Head, selection: &Selection) -> bool {
    let narrowing = narrowing(head);
    let has_tag = |key: &String| narrowing.contains(&Scope::Tag(key.clone()));
    lists(head).contains(&selection.scope)
        && selection.tags.iter().all(has_tag)
        && (selection.any.is_empty() || selection.any.iter().any(has_tag))
        && !selection.not.iter().any(has_tag)
        && selection
            .category
            .iter()
            .all(|key| narrowing.contains(&Scope::Category(key.clone())))
        && selection
            .source
            .iter()
            .all(|id| narrowing.contains(&Scope::Source(id.clone())))
        && selection.language.iter().all(|asked| {
            head.language
                .as_ref()
                .is_some_and(|language| primary(language) == primary(asked))
        })
        && selection.has.iter().all(|what| match what {
            Has::Image => head.has_image,
            Has::Enclosure => head.has_enclosure,
        })
        && selection.since.is_none_or(|since| head.published > since)
        && selection
            .before
            .is_none_or(|before| head.published < before)
        && selection
            .month
            .is_none_or(|month| head.first_seen.year_month() == month)
        && selection
            .seen_after
            .is_none_or(|after| head.first_seen > after)
        && head.seen_at.len() >= selection.sightings as usize
}

/// Each value once, in order of first appearance.
fn unique<T: PartialEq>(values: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    let mut seen: Vec<T> = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen.into_iter()
}

/// Each label once; an empty one is none.
fn labels(keys: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    unique(keys.filter(|key| !key.is_empty()))
}
