//! Are two texts copies of one? Shapes in, a verdict with its scores out.

use super::Mode;
use super::shape::{Shape, TEASER};
use crate::model::article::{Scores, Spoke};
use crate::model::signature::CONTAINED;

/// Jaccard similarity from which two texts are copies.
const ALIKE: f32 = 0.5;
/// The same where only near-equal texts count.
const STRICTLY: f32 = 0.8;
/// A copy that was cut off has at least so many tokens, is contained in the other one, …
const CUT_OFF: usize = 44;
/// … and begins like it.
const BEGINS: f32 = 0.7;
/// With so many numbers on both sides, numbers speak.
const NUMBERS: usize = 3;
/// Fewer common numbers than this: the same form, filled in for another day.
const AGREEMENT: f32 = 0.5;
/// What is asked for where both stand in one series.
const AGREEMENT_IN_SERIES: f32 = 0.8;
/// A text that one source repeats under several headlines and that is shorter than this is its footer.
const FOOTER: usize = 80;

/// Whence two texts are, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pair {
    /// From one source.
    pub same_source: bool,
    /// One of them has a headline of a series: at its source three or more differ in digits and dates alone.
    pub in_series: bool,
}

/// How alike two shapes are.
#[must_use]
pub fn scores(a: &Shape, b: &Shape) -> Scores {
    let common = shared(&a.body, &b.body);
    let all = a.body.len() + b.body.len() - common;
    let numbers = a.numbers.len().min(b.numbers.len());
    Scores {
        jaccard: ratio(common, all),
        containment: ratio(common, a.body.len().min(b.body.len())),
        lead: ratio(shared(&a.lead, &b.lead), a.lead.len().min(b.lead.len())),
        numbers: u32::try_from(numbers).unwrap_or(u32::MAX),
        common_numbers: u32::try_from(shared(&a.numbers, &b.numbers)).unwrap_or(u32::MAX),
    }
}

/// What a pair with these scores is; `Ok` with the score that competes with other pairs if they are copies.
///
/// # Errors
/// What speaks against it.
pub fn verdict(
    a: &Shape,
    b: &Shape,
    scores: &Scores,
    pair: Pair,
    mode: Mode,
) -> Result<f32, Spoke> {
    let shorter = a.tokens.min(b.tokens);
    if shorter < TEASER {
        return Err(Spoke::Teaser);
    }
    let least = if mode == Mode::Strict {
        STRICTLY
    } else {
        ALIKE
    };
    let cut_off = mode == Mode::Cluster
        && shorter >= CUT_OFF
        && scores.containment >= CONTAINED
        && scores.lead >= BEGINS;
    if scores.jaccard < least && !cut_off {
        return Err(Spoke::Different);
    }
    if is_series(a, b) {
        return Err(Spoke::Series);
    }
    let both = scores.numbers as usize;
    let agreement = ratio(scores.common_numbers as usize, both);
    if both >= NUMBERS && agreement < AGREEMENT {
        return Err(Spoke::Numbers);
    }
    if (pair.same_source || pair.in_series) && both >= NUMBERS && agreement < AGREEMENT_IN_SERIES {
        return Err(Spoke::Numbers);
    }
    if pair.same_source
        && a.title != b.title
        && a.tokens.max(b.tokens) < FOOTER
        && scores.jaccard > 0.95
    {
        return Err(Spoke::Footer);
    }
    Ok(scores.jaccard.max(0.9 * scores.containment))
}

/// True if a reader would notice the difference between two versions of one text.
#[must_use]
pub fn is_material(old: &Shape, new: &Shape) -> bool {
    old.title != new.title || old.whole != new.whole
}

/// Headlines that differ in digits and dates alone: two days of one series.
fn is_series(a: &Shape, b: &Shape) -> bool {
    a.series != 0 && a.series == b.series && a.title != b.title
}

/// How many members two ascending lists share.
fn shared(one: &[u64], other: &[u64]) -> usize {
    let (mut at, mut there, mut count) = (0, 0, 0);
    while at < one.len() && there < other.len() {
        let (mine, theirs) = (one[at], other[there]);
        count += usize::from(mine == theirs);
        at += usize::from(mine <= theirs);
        there += usize::from(theirs <= mine);
    }
    count
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of tokens are far below what a float holds"
)]
fn ratio(part: usize, whole: usize) -> f32 {
    if whole == 0 {
        0.0
    } else {
        part as f32 / whole as f32
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::Folded;
    use super::*;
    use crate::model::boilerplate::Boilerplate;

    /// A text of `count` different words from `first` on.
    fn words(first: usize, count: usize) -> String {
        (first..first + count)
            .map(|n| {
                format!(
                    "w{}x",
                    char::from(b'a' + u8::try_from(n % 26).unwrap())
                        .to_string()
                        .repeat(n / 26 + 1)
                )
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn shape(title: &str, text: &str) -> Shape {
        Folded::new(title, text).shape(&Boilerplate::default())
    }

    fn of(a: &Shape, b: &Shape, pair: Pair, mode: Mode) -> Result<f32, Spoke> {
        verdict(a, b, &scores(a, b), pair, mode)
    }

    #[track_caller]
    fn check(a: (&str, &str), b: (&str, &str), expected: Result<(), Spoke>) {
        let (a, b) = (shape(a.0, a.1), shape(b.0, b.1));
        let found = of(&a, &b, Pair::default(), Mode::Cluster);
        assert_eq!(found.map(|_| ()), expected, "{:?}", scores(&a, &b));
    }

    #[test]
    fn copies_are_alike_or_cut_off() {
        let whole = words(0, 300);
        check(("one", &whole), ("other", &whole), Ok(()));
        check(("one", &whole), ("other", &words(0, 50)), Ok(()));
        // Cut off too early, cut out of the middle, too short to say anything, another text.
        check(
            ("one", &whole),
            ("other", &words(0, 40)),
            Err(Spoke::Different),
        );
        check(
            ("one", &whole),
            ("other", &words(100, 60)),
            Err(Spoke::Different),
        );
        check(
            ("one", &whole),
            ("other", &words(0, 20)),
            Err(Spoke::Teaser),
        );
        check(
            ("one", &whole),
            ("other", &words(400, 300)),
            Err(Spoke::Different),
        );
        let strictly = |count| {
            let (a, b) = (shape("a", &whole), shape("b", &words(0, count)));
            of(&a, &b, Pair::default(), Mode::Strict).is_ok()
        };
        assert!(strictly(260) && !strictly(220) && !strictly(50));
    }

    #[test]
    fn one_form_filled_in_anew_is_no_copy() {
        let form = |numbers: &str| format!("{} {numbers}", words(0, 60));
        check(
            ("Weather", &form("12 a 7 b 31")),
            ("Weather", &form("14 a 3 b 31")),
            Err(Spoke::Numbers),
        );
        check(
            ("Weather", &form("12 a 7 b 31")),
            ("Storm", &form("12 a 7 b 31")),
            Ok(()),
        );
        check(
            ("Weather for 3 May", &form("")),
            ("Weather for 4 May", &form("")),
            Err(Spoke::Series),
        );
        // In a series, and at one source, numbers count for more.
        let (a, b) = (
            shape("x", &form("1 2 3 4 5")),
            shape("y", &form("1 2 3 8 9")),
        );
        assert!(of(&a, &b, Pair::default(), Mode::Cluster).is_ok());
        for pair in [
            Pair {
                same_source: true,
                in_series: false,
            },
            Pair {
                same_source: false,
                in_series: true,
            },
        ] {
            assert_eq!(of(&a, &b, pair, Mode::Cluster), Err(Spoke::Numbers));
        }
    }

    #[test]
    fn a_short_text_under_two_headlines_of_one_source_is_its_footer() {
        let (a, b) = (shape("x", &words(0, 40)), shape("y", &words(0, 40)));
        let pair = Pair {
            same_source: true,
            in_series: false,
        };
        assert_eq!(of(&a, &b, pair, Mode::Cluster), Err(Spoke::Footer));
        assert!(of(&a, &b, Pair::default(), Mode::Cluster).is_ok());
    }
}
