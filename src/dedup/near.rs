//! Which of the texts that look alike is the same: each entry joins the story of its single best match, or none. Pure.

use std::time::Duration;

use super::Mode;
use super::compare::{self, Pair};
use super::shape::Shape;
use crate::model::article::{Against, ArticleId, Joined, Layer, Spoke};

/// Rivals that are remembered with their reasons.
const REMEMBERED: usize = 5;
/// Equal headlines are a hint only so close in time.
const TITLE_WINDOW: Duration = Duration::from_hours(24);

/// A text that might be the same.
#[derive(Debug, Clone, Copy)]
pub struct Rival<'a> {
    /// That copy: its guid key.
    pub copy: ArticleId,
    /// The article it belongs to.
    pub article: ArticleId,
    /// Its shape.
    pub shape: &'a Shape,
    /// What is known of the pair.
    pub pair: Pair,
    /// How far apart in time the two were first seen.
    pub distance: Duration,
}

/// Looks at all rivals of a text: the place of the one whose story it joins, if any, and the reason to keep with it.
#[must_use]
pub fn best(shape: &Shape, rivals: &[Rival<'_>], mode: Mode) -> (Option<usize>, Joined) {
    let mut winner: Option<(usize, f32)> = None;
    let mut looked_at = Vec::with_capacity(rivals.len());
    for (place, rival) in rivals.iter().enumerate() {
        let scores = compare::scores(shape, rival.shape);
        let mut verdict = compare::verdict(shape, rival.shape, &scores, rival.pair, mode);
        if verdict == Err(Spoke::Teaser) && is_proposal(shape, rival) {
            verdict = Err(Spoke::Title);
        }
        if let Ok(score) = verdict
            && winner.is_none_or(|(_, best)| score > best)
        {
            winner = Some((place, score));
        }
        looked_at.push((scores, verdict.err()));
    }
    let won = winner.map(|(place, _)| place);
    let story = won.map(|place| rivals[place].article);
    let mut against: Vec<Against> = rivals
        .iter()
        .zip(&looked_at)
        .filter(|(rival, _)| Some(rival.article) != story)
        .filter(|(_, (_, spoke))| *spoke != Some(Spoke::Teaser))
        .map(|(rival, (scores, spoke))| Against {
            article: rival.article,
            scores: *scores,
            spoke: spoke.unwrap_or(Spoke::Weaker),
        })
        .collect();
    against.sort_by(|a, b| b.scores.jaccard.total_cmp(&a.scores.jaccard));
    against.truncate(REMEMBERED);
    let joined = Joined {
        layer: if won.is_some() {
            Layer::Near
        } else {
            Layer::Founded
        },
        with: won.map(|place| rivals[place].copy),
        scores: won.map(|place| looked_at[place].0),
        against,
    };
    (won, joined)
}

/// The same long headline at another source on the same day: a hint, where there is no text to compare.
fn is_proposal(shape: &Shape, rival: &Rival<'_>) -> bool {
    shape.title_speaks
        && shape.title == rival.shape.title
        && !rival.pair.same_source
        && !rival.pair.in_series
        && rival.distance <= TITLE_WINDOW
}
