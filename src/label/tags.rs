//! Names as tags: collected by origin, normalised, the most trusted origin kept.

use super::{Options, Publisher};
use crate::model::article::Sighting;
use crate::model::candidate::Candidate;
use crate::model::label::{Origin, Tag};
use crate::model::source::Source;
use crate::text;

/// Characters of the longest label that is one.
const LONGEST: usize = 256;
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
    let by_publisher = candidate
        .entry
        .terms
        .iter()
        .filter(|_| options.publisher != Publisher::Drop)
        .filter_map(|term| {
            Some((
                term.label.as_deref().or(term.term.as_deref())?,
                Origin::Publisher,
            ))
        });
    let mut tags = Vec::new();
    for (name, origin) in by_source.chain(by_category).chain(by_publisher) {
        if tags.len() < MOST {
            add(&mut tags, tag(name, origin, options));
        }
    }
    tags
}

/// The tags of all copies together, most trusted first.
pub(super) fn united(copies: &[Sighting]) -> Vec<Tag> {
    let mut tags = Vec::new();
    for found in copies.iter().flat_map(|copy| &copy.labels) {
        add(&mut tags, Some(found.clone()));
    }
    tags.sort_by_key(|tag| tag.origin);
    tags
}

/// A name as a tag: aliases followed, spelling chosen; `None` if it is no label.
fn tag(name: &str, origin: Origin, options: &Options) -> Option<Tag> {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let written = text::key(&name);
    let meant = options.alias.get(&written).unwrap_or(&name);
    let key = text::key(meant);
    let fits = (1..=LONGEST).contains(&key.chars().count());
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
fn add(tags: &mut Vec<Tag>, found: Option<Tag>) {
    let Some(found) = found else { return };
    match tags.iter_mut().find(|tag| tag.key == found.key) {
        Some(known) if found.origin < known.origin => *known = found,
        Some(_) => {}
        None => tags.push(found),
    }
}
