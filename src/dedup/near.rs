//! Which of the texts that look alike is the same: each entry joins the story of its single best match, or none. Pure.

use std::time::Duration;

use super::Mode;
use super::compare::{self, Pair};
use super::shape::Shape;
use crate::model::article::{Against, ArticleId, Joined, Layer, Scores, Spoke};

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

/// What a look at all rivals of a text came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Match {
    /// The place of the one whose story it joins, if any.
    pub won: Option<usize>,
    /// The reason to keep with it.
    pub joined: Joined,
    /// Places of rivals in other stories that are copies of it as well, the most alike first. One that stands alone came
    /// before everything it resembles; it would join this story if it came now, and the order of arrival must not matter.
    pub strays: Vec<(usize, Scores)>,
}

/// Looks at all rivals of a text.
#[must_use]
pub fn best(shape: &Shape, rivals: &[Rival<'_>], mode: Mode) -> Match {
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
    let strays = won.map(|won| strays(rivals, won, &looked_at, mode));
    Match {
        won,
        joined,
        strays: strays.unwrap_or_default(),
    }
}

/// The copies in other stories than the winner's, unless more than a mere difference keeps them and the winner apart.
fn strays(
    rivals: &[Rival<'_>],
    won: usize,
    looked_at: &[(Scores, Option<Spoke>)],
    mode: Mode,
) -> Vec<(usize, Scores)> {
    let winner = &rivals[won];
    let may_be_one = |rival: &Rival<'_>| {
        let scores = compare::scores(winner.shape, rival.shape);
        let verdict = compare::verdict(winner.shape, rival.shape, &scores, rival.pair, mode);
        matches!(verdict, Ok(_) | Err(Spoke::Different))
    };
    let mut strays: Vec<(usize, Scores)> = rivals
        .iter()
        .zip(looked_at)
        .enumerate()
        .filter(|(_, (rival, (_, spoke)))| spoke.is_none() && rival.article != winner.article)
        .filter(|(_, (rival, _))| may_be_one(rival))
        .map(|(place, (_, (scores, _)))| (place, *scores))
        .collect();
    strays.sort_by(|(_, a), (_, b)| b.jaccard.total_cmp(&a.jaccard));
    strays
}

/// The same long headline at another source on the same day: a hint, where there is no text to compare.
fn is_proposal(shape: &Shape, rival: &Rival<'_>) -> bool {
    shape.title_speaks
        && shape.title == rival.shape.title
        && !rival.pair.same_source
        && !rival.pair.in_series
        && rival.distance <= TITLE_WINDOW
}

#[cfg(test)]
mod tests {
    use super::super::shape::Folded;
    use super::*;
    use crate::model::boilerplate::Boilerplate;

    fn shape(title: &str, words: std::ops::Range<u32>) -> Shape {
        let text: Vec<String> = words
            .map(|n| {
                format!(
                    "w{}",
                    "abcdefghij"
                        .chars()
                        .nth((n % 10) as usize)
                        .unwrap()
                        .to_string()
                        .repeat(1 + (n / 10) as usize)
                )
            })
            .collect();
        Folded::new(title, &text.join(" ")).shape(&Boilerplate::default())
    }

    fn rival(article: u128, shape: &Shape) -> Rival<'_> {
        Rival {
            copy: ArticleId(article + 100),
            article: ArticleId(article),
            shape,
            pair: Pair::default(),
            distance: Duration::from_hours(1),
        }
    }

    #[test]
    fn the_best_match_wins_and_the_others_keep_their_reasons() {
        let text = shape("t", 0..100);
        let (good, better, other) = (shape("a", 0..80), shape("b", 0..95), shape("c", 200..300));
        let rivals = [rival(1, &good), rival(2, &better), rival(3, &other)];
        let Match {
            won,
            joined,
            strays,
        } = best(&text, &rivals, Mode::Cluster);
        assert_eq!(won, Some(1));
        let strays: Vec<usize> = strays.iter().map(|(place, _)| *place).collect();
        assert_eq!(strays, [0]);
        assert_eq!(
            (joined.layer, joined.with),
            (Layer::Near, Some(ArticleId(102)))
        );
        let reasons: Vec<_> = joined
            .against
            .iter()
            .map(|a| (a.article.0, a.spoke))
            .collect();
        assert_eq!(reasons, [(1, Spoke::Weaker), (3, Spoke::Different)]);
    }

    #[test]
    fn an_equal_headline_alone_is_a_proposal() {
        let long = "the old ferry will not run this winter";
        let (teaser, full) = (shape(long, 0..5), shape(long, 0..80));
        let found = best(&teaser, &[rival(1, &full)], Mode::Cluster);
        assert_eq!(
            (found.won, found.joined.against[0].spoke),
            (None, Spoke::Title)
        );
        for pair in [
            Rival {
                distance: Duration::from_hours(25),
                ..rival(1, &full)
            },
            Rival {
                pair: Pair {
                    in_series: true,
                    same_source: false,
                },
                ..rival(1, &full)
            },
            Rival {
                pair: Pair {
                    in_series: false,
                    same_source: true,
                },
                ..rival(1, &full)
            },
        ] {
            let found = best(&teaser, &[pair], Mode::Cluster);
            assert!(found.joined.against.is_empty());
        }
        let (short, other) = (shape("the ferry", 0..5), shape("the ferry", 0..80));
        let found = best(&short, &[rival(1, &other)], Mode::Cluster);
        assert!(found.joined.against.is_empty());
    }
}
