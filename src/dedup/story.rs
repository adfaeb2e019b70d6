//! How copies make a story: which one leads, what an edit changes, which dates move. Pure.

use std::time::Duration;

use super::Options;
use crate::model::article::{Article, ArticleId, CopyText, Head, Joined, Layer, SeenAt, Sighting};
use crate::model::candidate::Candidate;
use crate::model::entry::Entry;
use crate::model::source::{About, SourceId};
use crate::model::time::Timestamp;

/// For this long after its creation another copy may take the lead; readers must not see churn later.
const LEAD_OPEN: Duration = Duration::from_hours(1);

/// What a copy or an edit did to the article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Sightings or labels only.
    Head,
    /// The text that readers see.
    Text,
}

/// The article that a candidate founds. It keeps this id for ever.
#[must_use]
pub fn found(candidate: Candidate, source: &SourceId, about: &About, now: Timestamp) -> Article {
    let mut article = Article {
        head: Head {
            id: ArticleId(candidate.sighting.guid_key),
            version: 1,
            first_seen: now,
            published: candidate.published,
            updated: candidate.updated,
            source: source.clone(),
            private: candidate.private,
            language: None,
            categories: Vec::new(),
            tags: Vec::new(),
            score: 0,
            outputs: Vec::new(),
            has_image: false,
            has_enclosure: false,
            seen_at: Vec::new(),
            aliases: Vec::new(),
        },
        entry: Entry::default(),
        about: About::default(),
        sightings: Vec::new(),
    };
    take_text(&mut article, &candidate, about);
    see(&mut article, candidate.sighting, None);
    article
}

/// One more copy of a story. It leads from now on if it is the better one and the first hour is not over.
pub fn join(
    article: &mut Article,
    candidate: Candidate,
    about: &About,
    now: Timestamp,
    options: &Options,
) -> Effect {
    let leads = now.since(article.head.first_seen) <= LEAD_OPEN
        && leader(article).is_some_and(|leader| outranks(&candidate.sighting, leader));
    if options.bump_on_new_source {
        article.head.updated = article.head.updated.max(now);
    }
    let source = candidate.sighting.source.clone();
    if leads {
        step_back(article);
        take_text(article, &candidate, about);
        see(article, candidate.sighting, None);
        article.head.source = source.unwrap_or_else(|| article.head.source.clone());
        Effect::Text
    } else {
        let text = copy_text(candidate.entry, about);
        see(article, candidate.sighting, Some(text));
        Effect::Head
    }
}

/// A copy that is in the commit which founds the story: the earliest date of those counts, later ones never.
pub fn join_founding(
    article: &mut Article,
    candidate: Candidate,
    about: &About,
    now: Timestamp,
    options: &Options,
) -> Effect {
    let published = article.head.published.min(candidate.published);
    let effect = join(article, candidate, about, now, options);
    article.head.published = published;
    effect
}

/// A copy that we know was edited. Readers see it only if that copy leads.
pub fn edit(article: &mut Article, candidate: Candidate, about: &About, now: Timestamp) -> Effect {
    let leads =
        leader(article).is_some_and(|leader| leader.guid_key == candidate.sighting.guid_key);
    if leads {
        take_text(article, &candidate, about);
        // What the publisher claims counts if it moved on; an edit that is not dated happened by now.
        let claimed = candidate.updated;
        article.head.updated = if claimed > article.head.updated {
            claimed
        } else {
            now.max(article.head.updated)
        };
        see(article, candidate.sighting, None);
        Effect::Text
    } else {
        let text = copy_text(candidate.entry, about);
        see(article, candidate.sighting, Some(text));
        Effect::Head
    }
}

/// The text of one copy, whether it leads or not.
#[must_use]
pub fn text_of(article: &Article, copy: ArticleId) -> Option<&Entry> {
    let sighting = article
        .sightings
        .iter()
        .find(|sighting| sighting.guid_key == copy.0)?;
    Some(match &sighting.copy {
        Some(text) => &text.entry,
        None => &article.entry,
    })
}

/// True if an administrator parted these two.
#[must_use]
pub fn are_apart(one: &Article, other: &Article) -> bool {
    let parted = |one: &Article, other: &Article| {
        let ids = ids(other);
        one.sightings
            .iter()
            .any(|sighting| sighting.apart.iter().any(|id| ids.contains(id)))
    };
    parted(one, other) || parted(other, one)
}

/// Every id that leads to an article.
fn ids(article: &Article) -> Vec<ArticleId> {
    let copies = article.head.seen_at.iter().map(|at| ArticleId(at.guid_key));
    std::iter::once(article.head.id)
        .chain(article.head.aliases.iter().copied())
        .chain(copies)
        .collect()
}

/// True if the first of two stories was there first, so that its id stays when they become one.
#[must_use]
pub fn is_older(one: &Head, other: &Head) -> bool {
    (one.first_seen, one.id) < (other.first_seen, other.id)
}

/// Two stories become one. The older keeps its id, its text and its dates; the id of the younger leads to it from now on.
/// The copy that founded the younger is there `because` of this.
pub fn merge(older: &mut Article, younger: Article, because: &Joined) {
    let (from, into) = (ids(&younger), ids(older));
    for sighting in &mut older.sightings {
        sighting.apart.retain(|id| !from.contains(id));
    }
    for mut sighting in younger.sightings {
        if sighting.copy.is_none() {
            sighting.copy = Some(copy_text(younger.entry.clone(), &younger.about));
        }
        sighting.part_of.get_or_insert(younger.head.id);
        sighting.apart.retain(|id| !into.contains(id));
        if sighting.joined.layer == Layer::Founded || because.layer == Layer::Pinned {
            sighting.joined.layer = because.layer;
            sighting.joined.with = because.with.or(sighting.joined.with);
            sighting.joined.scores = because.scores.or(sighting.joined.scores);
        }
        let text = sighting.copy.take();
        see(older, sighting, text);
    }
    older.head.aliases.push(younger.head.id);
    older.head.aliases.extend(younger.head.aliases);
}

/// Takes copies out of a story, as an article of its own with the id that they had: that of the merged story they came
/// with, else their own. `None` if nothing would stay behind, or nothing would go.
pub fn part(article: &mut Article, id: ArticleId, now: Timestamp) -> Option<Article> {
    let goes = |sighting: &Sighting| sighting.guid_key == id.0 || sighting.part_of == Some(id);
    let (going, staying): (Vec<Sighting>, Vec<Sighting>) =
        article.sightings.iter().cloned().partition(goes);
    if going.is_empty() || staying.is_empty() || id == article.head.id {
        return None;
    }
    let own_text = copy_text(article.entry.clone(), &article.about);
    let texted = |mut all: Vec<Sighting>| -> Vec<Sighting> {
        for sighting in &mut all {
            sighting.copy.get_or_insert_with(|| own_text.clone());
        }
        all
    };
    let mut part = Article {
        head: Head {
            id,
            version: 1,
            first_seen: now,
            aliases: Vec::new(),
            seen_at: Vec::new(),
            ..article.head.clone()
        },
        entry: article.entry.clone(),
        about: article.about.clone(),
        sightings: texted(going),
    };
    article.sightings = staying;
    article.head.aliases.retain(|alias| *alias != id);
    part.head.first_seen = part
        .sightings
        .iter()
        .map(|sighting| sighting.seen)
        .min()
        .unwrap_or(now);
    for sighting in &mut part.sightings {
        sighting.part_of = None;
        sighting.apart.push(article.head.id);
        if sighting.guid_key == id.0 {
            sighting.joined = Joined {
                layer: Layer::Pinned,
                ..Joined::default()
            };
        }
    }
    for sighting in &mut article.sightings {
        sighting.apart.push(id);
    }
    let published = part
        .sightings
        .iter()
        .filter_map(|sighting| sighting.published)
        .filter(|date| *date > Timestamp::EPOCH)
        .min();
    part.head.published = published
        .unwrap_or(part.head.first_seen)
        .min(part.head.first_seen);
    part.head.updated = part.head.updated.max(part.head.published);
    settle(&mut part);
    settle(article);
    Some(part)
}

/// Takes the copies of a source out of a story; true if any was there. Another copy leads if the leader was among them.
pub fn vanish(article: &mut Article, source: &SourceId) -> bool {
    let before = article.sightings.len();
    let stays = |sighting: &Sighting| sighting.source.as_ref() != Some(source);
    if !article.sightings.iter().any(stays) {
        return false;
    }
    article.sightings.retain(stays);
    settle(article);
    article.sightings.len() != before
}

/// Makes the head fit the sightings, and lets the best copy lead if none does.
fn settle(article: &mut Article) {
    article.head.seen_at = article.sightings.iter().filter_map(brief).collect();
    if leader(article).is_some() {
        return;
    }
    let mut best = 0;
    for at in 1..article.sightings.len() {
        if outranks(&article.sightings[at], &article.sightings[best]) {
            best = at;
        }
    }
    let Some(sighting) = article.sightings.get_mut(best) else {
        return;
    };
    if let Some(text) = sighting.copy.take() {
        article.entry = text.entry;
        article.about = text.about;
        article.head.language = article
            .entry
            .language
            .clone()
            .or_else(|| article.about.language.clone());
        article.head.has_image = article.entry.image.is_some();
        article.head.has_enclosure = !article.entry.enclosures.is_empty();
    }
    if let Some(source) = &article.sightings[best].source {
        article.head.source = source.clone();
    }
}

/// The leader's text becomes that of a copy.
fn step_back(article: &mut Article) {
    let text = copy_text(article.entry.clone(), &article.about);
    let source = article.head.source.clone();
    if let Some(leader) = article
        .sightings
        .iter_mut()
        .find(|sighting| sighting.copy.is_none() && sighting.source.as_ref() == Some(&source))
    {
        leader.copy = Some(text);
    }
}

fn copy_text(entry: Entry, about: &About) -> Box<CopyText> {
    Box::new(CopyText {
        entry,
        about: about.clone(),
    })
}

fn leader(article: &Article) -> Option<&Sighting> {
    article.sightings.iter().find(|sighting| {
        sighting.copy.is_none() && sighting.source.as_ref() == Some(&article.head.source)
    })
}

/// Trust first, then a full text before a teaser, then who had it first.
fn outranks(newcomer: &Sighting, leader: &Sighting) -> bool {
    if newcomer.trust != leader.trust {
        return newcomer.trust > leader.trust;
    }
    if newcomer.fullness >= leader.fullness.saturating_mul(2) && newcomer.fullness > 0 {
        return true;
    }
    if leader.fullness >= newcomer.fullness.saturating_mul(2) {
        return false;
    }
    matches!((newcomer.published, leader.published), (Some(ours), Some(theirs)) if ours < theirs)
}

fn take_text(article: &mut Article, candidate: &Candidate, about: &About) {
    article.entry = candidate.entry.clone();
    article.about = about.clone();
    article.head.language.clone_from(&candidate.language);
    article.head.has_image = candidate.entry.image.is_some();
    article.head.has_enclosure = !candidate.entry.enclosures.is_empty();
}

fn brief(sighting: &Sighting) -> Option<SeenAt> {
    Some(SeenAt {
        source: sighting.source.clone()?,
        guid_key: sighting.guid_key,
        text_hash: sighting.text_hash,
    })
}

/// Keeps the sighting: a known copy is brought up to date, its first date and its history stay.
fn see(article: &mut Article, mut sighting: Sighting, copy: Option<Box<CopyText>>) {
    let Some(brief) = brief(&sighting) else {
        return;
    };
    sighting.copy = copy;
    if let Some(place) = article
        .sightings
        .iter()
        .position(|known| known.guid_key == sighting.guid_key)
    {
        let known = &mut article.sightings[place];
        sighting.seen = known.seen;
        sighting.joined = std::mem::take(&mut known.joined);
        sighting.part_of = known.part_of;
        sighting.apart = std::mem::take(&mut known.apart);
        *known = sighting;
        article.head.seen_at[place] = brief;
    } else {
        article.sightings.push(sighting);
        article.head.seen_at.push(brief);
    }
}
