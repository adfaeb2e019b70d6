//! How copies make a story: which one leads, what an edit changes, which dates move. Pure.

use std::time::Duration;

use super::Options;
use crate::model::article::{Article, ArticleId, Head, SeenAt, Sighting};
use crate::model::candidate::Candidate;
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
        entry: crate::model::entry::Entry::default(),
        about: About::default(),
        sightings: Vec::new(),
    };
    take_text(&mut article, &candidate, about);
    see(&mut article, candidate.sighting);
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
    if leads {
        take_text(article, &candidate, about);
    }
    let source = candidate.sighting.source.clone();
    see(article, candidate.sighting);
    if leads {
        article.head.source = source.unwrap_or_else(|| article.head.source.clone());
        Effect::Text
    } else {
        Effect::Head
    }
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
    }
    see(article, candidate.sighting);
    if leads { Effect::Text } else { Effect::Head }
}

fn leader(article: &Article) -> Option<&Sighting> {
    article
        .sightings
        .iter()
        .find(|sighting| sighting.source.as_ref() == Some(&article.head.source))
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

/// Keeps the sighting: a known copy is brought up to date, its first date stays.
fn see(article: &mut Article, mut sighting: Sighting) {
    let Some(source) = sighting.source.clone() else {
        return;
    };
    let brief = SeenAt {
        source,
        guid_key: sighting.guid_key,
        text_hash: sighting.text_hash,
    };
    if let Some(place) = article
        .sightings
        .iter()
        .position(|known| known.guid_key == sighting.guid_key)
    {
        sighting.seen = article.sightings[place].seen;
        article.sightings[place] = sighting;
        article.head.seen_at[place] = brief;
    } else {
        article.sightings.push(sighting);
        article.head.seen_at.push(brief);
    }
}
