//! Names as tags: collected by origin, normalised, the most trusted origin kept.

mod headline;
mod section;

use super::{Auto, Options, Publisher};
use crate::model::article::Sighting;
use crate::model::candidate::Candidate;
use crate::model::label::{Origin, Tag};
use crate::model::source::Source;
use crate::text;

/// Characters of the longest label that is one, if somebody gave it.
const LONGEST: usize = 256;
/// And if we found it ourselves.
const LONGEST_FOUND: usize = 40;
/// Tags of one copy; some publishers list their whole vocabulary under each article.
const MOST: usize = 64;

/// The tags that one copy brings: the source's, its category's and the publisher's, most trusted first.
pub(super) fn of_copy(candidate: &Candidate, source: &Source, options: &Options) -> Vec<Tag> {
    let shelf = source
        .category
        .as_deref()
        .and_then(|name| options.categories.get(&text::key(name)));
    let by_source = source
        .tags
        .iter()
        .map(|name| (name.as_str(), Origin::Source));
    let by_category = shelf
        .into_iter()
        .flat_map(|shelf| &shelf.tags)
        .map(|name| (name.as_str(), Origin::Category));
    let by_publisher: Vec<&str> = candidate
        .entry
        .terms
        .iter()
        .filter(|_| options.publisher != Publisher::Drop)
        .filter_map(|term| term.label.as_deref().or(term.term.as_deref()))
        .collect();
    // Old portals fill in the words of the headline: they say no more than our own reading.
    let publisher = if headline::is_cut_up(&candidate.sighting.title, &by_publisher) {
        Origin::Auto
    } else {
        Origin::Publisher
    };
    let by_publisher = by_publisher.into_iter().map(|name| (name, publisher));
    let section = candidate.entry.url.as_deref().and_then(section::of_url);
    let by_url = section.iter().map(|name| (name.as_str(), Origin::Url));
    let mut tags = Vec::new();
    for (name, origin) in by_source
        .chain(by_category)
        .chain(by_publisher)
        .chain(by_url)
    {
        if tags.len() < MOST {
            add(&mut tags, tag(name, origin, options));
        }
    }
    tags
}

/// The tags of all copies together, most trusted first: those that readers get.
pub(super) fn united(copies: &[Sighting], options: &Options) -> Vec<Tag> {
    let is_given = |tag: &&Tag| match tag.origin {
        Origin::Publisher => match options.publisher {
            Publisher::Keep => true,
            Publisher::Known => is_used(&tag.key, options),
            Publisher::Drop => false,
        },
        Origin::Auto => options.auto == Auto::Publish,
        _ => true,
    };
    let mut tags = Vec::new();
    for found in copies.iter().flat_map(|copy| &copy.labels).filter(is_given) {
        add(&mut tags, Some(found.clone()));
    }
    tags.sort_by_key(|tag| tag.origin);
    tags
}

/// True if a label is used here beside the one article.
fn is_used(key: &str, options: &Options) -> bool {
    let is_meant = |name: &String| text::key(name) == key;
    options.learnt.is_shared(key)
        || options.label.contains_key(key)
        || options.alias.values().any(is_meant)
        || options
            .categories
            .values()
            .flat_map(|shelf| &shelf.tags)
            .any(is_meant)
}

/// A name as a tag: aliases followed, spelling chosen; `None` if it is no label.
pub(super) fn tag(name: &str, origin: Origin, options: &Options) -> Option<Tag> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let written = text::key(&name);
    let meant = options.alias.get(&written).unwrap_or(&name);
    let key = text::key(meant);
    let longest = match origin {
        Origin::Page | Origin::Url | Origin::Auto => LONGEST_FOUND,
        _ => LONGEST,
    };
    let fits = (1..=longest).contains(&key.chars().count());
    if !fits || options.drop.contains(&key) || options.drop.contains(&written) {
        return None;
    }
    let shown = options
        .label
        .get(&key)
        .map_or_else(|| meant.trim_start_matches('#').trim(), String::as_str);
    Some(Tag {
        name: shown.to_owned(),
        key,
        origin,
    })
}

/// One tag a key; the more trusted origin stays.
pub(super) fn add(tags: &mut Vec<Tag>, found: Option<Tag>) {
    let Some(found) = found else { return };
    match tags.iter_mut().find(|tag| tag.key == found.key) {
        Some(known) if found.origin < known.origin => *known = found,
        Some(_) => {}
        None => tags.push(found),
    }
}
