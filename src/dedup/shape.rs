//! The shape of a text: what is left of it when everything is taken away that another publisher would change. Two
//! copies of one text have nearly the same shape.

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use super::furniture;
use crate::model::boilerplate::Boilerplate;
use crate::model::signature::{BODY, LEAD, Signature, Sketch};
use crate::model::source::SourceId;
use crate::text;
use crate::text::tokens::{self, Script, Token};

/// A text with fewer tokens is a teaser: it says too little to be compared.
pub const TEASER: usize = 24;
/// Tokens of a text's beginning.
const BEGINNING: usize = 60;
/// A headline with fewer words, or fewer characters where each is a token, says too little.
const TITLE_WORDS: usize = 6;
const TITLE_SINGLES: usize = 10;
/// Text of so many tokens in so many paragraphs is an article that a source has several times, not its footer.
const OVER_AND_OVER: (usize, usize) = (150, 4);
/// More of a text is not compared.
const MOST_TOKENS: usize = 20_000;

/// What is compared of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// Tokens of the text, without boilerplate.
    pub tokens: usize,
    /// Its shingles, each once, ascending.
    pub body: Vec<u64>,
    /// Those of its beginning.
    pub lead: Vec<u64>,
    /// Numbers of headline and text, each once, ascending.
    pub numbers: Vec<u64>,
    /// Hash of the whole text.
    pub whole: u128,
    /// The same, unless it is a teaser: what exact reprints are known by.
    pub content: Option<u128>,
    /// Hashes of the paragraphs, boilerplate included.
    pub paragraphs: Vec<u32>,
    /// Hash of the headline; 0 without one.
    pub title: u64,
    /// The headline is long enough to stand for the text.
    pub title_speaks: bool,
    /// Hash of the headline without digits, days and months; 0 without one.
    pub series: u64,
    /// What the text is written in.
    pub script: Option<Script>,
}

/// The paragraphs of a text, ready to be counted and compared.
#[derive(Debug, Clone, Default)]
pub struct Folded {
    title: String,
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    hash: u32,
    text: String,
    tokens: Vec<Token>,
}

impl Folded {
    /// Folds a headline and a text whose paragraphs are its lines. Datelines and the lines that name source and editors
    /// are left out.
    #[must_use]
    pub fn new(title: &str, text: &str) -> Self {
        let folded = tokens::fold(text);
        let mut lines = Vec::new();
        for (number, line) in folded.lines().map(str::trim).enumerate() {
            if line.is_empty() || furniture::is_furniture(line) {
                continue;
            }
            let line = if number < 3 {
                furniture::without_dateline(line)
            } else {
                line
            };
            let line = furniture::without_tail(line);
            let mut all = Vec::with_capacity(line.len() / 6);
            tokens::tokenize(line, &mut all);
            lines.push(Line {
                hash: short(hash_of(&all), 3),
                text: line.to_owned(),
                tokens: all,
            });
        }
        Self {
            title: tokens::fold(title),
            lines,
        }
    }

    /// Hashes of the paragraphs.
    #[must_use]
    pub fn paragraphs(&self) -> Vec<u32> {
        self.lines.iter().map(|line| line.hash).collect()
    }

    /// The shape, without what the source puts under everything.
    #[must_use]
    pub fn shape(&self, boilerplate: &Boilerplate) -> Shape {
        let all = self.lines.iter().map(|line| line.tokens.len()).sum();
        let mut body = Vec::with_capacity(all);
        let (mut left_out, mut paragraphs_out) = (0, 0);
        let mut kept: Vec<&str> = Vec::new();
        for line in &self.lines {
            if boilerplate.covers(line.hash) {
                left_out += line.tokens.len();
                paragraphs_out += 1;
            } else {
                body.extend_from_slice(&line.tokens);
                kept.push(&line.text);
            }
            if body.len() > MOST_TOKENS {
                break;
            }
        }
        if body.len() < TEASER && left_out >= OVER_AND_OVER.0 && paragraphs_out >= OVER_AND_OVER.1 {
            body.clear();
            kept.clear();
            for line in &self.lines {
                body.extend_from_slice(&line.tokens);
                kept.push(&line.text);
            }
        }
        let mut numbers = Vec::new();
        for line in kept.iter().copied().chain([self.title.as_str()]) {
            tokens::numbers(line, &mut numbers);
        }
        numbers.sort_unstable();
        numbers.dedup();
        let mut title = Vec::new();
        tokens::tokenize(&self.title, &mut title);
        let singles = title.iter().filter(|token| token.single).count();
        let sample = kept.iter().copied().chain([self.title.as_str()]);
        Shape {
            tokens: body.len(),
            body: unique(tokens::shingles(&body)),
            lead: unique(tokens::shingles(&body[..body.len().min(BEGINNING)])),
            numbers,
            whole: all_of(&body),
            content: (body.len() >= TEASER).then(|| all_of(&body)),
            paragraphs: self.paragraphs(),
            title: hash_of(&title),
            title_speaks: singles >= TITLE_SINGLES || title.len() - singles >= TITLE_WORDS,
            series: hash_of(&furniture::without_dates(&self.title)),
            script: Some(tokens::script(sample.flat_map(str::chars))),
        }
    }
}

impl Shape {
    /// True if it can be compared with others.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.tokens >= TEASER
    }

    /// The signature, in a namespace (0: that of all public sources).
    #[must_use]
    pub fn signature(
        &self,
        namespace: u64,
        source: &SourceId,
        category: Option<&str>,
    ) -> Signature {
        let script = self.script.unwrap_or(Script::Latin) as u64;
        let mut sketch = Sketch {
            hashes: [0; BODY + LEAD],
            shingles: 0,
        };
        if self.is_text() {
            let (body, lead) = sketch.hashes.split_at_mut(BODY);
            body.copy_from_slice(&min_hashes::<BODY>(&self.body));
            lead.copy_from_slice(&min_hashes::<LEAD>(&self.lead));
            sketch.shingles = u16::try_from(self.body.len()).unwrap_or(u16::MAX);
        }
        let here = place(source.as_str());
        Signature {
            realm: xxh3_64_with_seed(&script.to_le_bytes(), namespace),
            title: if self.title_speaks {
                short(self.title, 0)
            } else {
                0
            },
            series: match self.series {
                0 => 0,
                series => short(series, u64::from(here)),
            },
            sketch,
            source: here,
            shelf: category.map_or(0, |name| place(&text::key(name))),
        }
    }
}

/// How a source or a category stands in a signature.
#[must_use]
pub fn place(name: &str) -> u32 {
    short(xxh3_64(name.as_bytes()), 0)
}

/// The namespace of a private source.
#[must_use]
pub fn namespace(private: Option<&SourceId>) -> u64 {
    private.map_or(0, |source| xxh3_64(source.as_str().as_bytes()) | 1)
}

fn hash_of(all: &[Token]) -> u64 {
    if all.is_empty() {
        return 0;
    }
    let mut hash = Xxh3::new();
    for token in all {
        hash.update(&token.hash.to_le_bytes());
    }
    hash.digest()
}

fn all_of(all: &[Token]) -> u128 {
    let mut hash = Xxh3::new();
    for token in all {
        hash.update(&token.hash.to_le_bytes());
    }
    hash.digest128()
}

fn unique(mut all: Vec<u64>) -> Vec<u64> {
    all.sort_unstable();
    all.dedup();
    all
}

/// Cut to 32 bits, and never 0.
fn short(hash: u64, seed: u64) -> u32 {
    let mixed = xxh3_64_with_seed(&hash.to_le_bytes(), seed);
    u32::try_from(mixed & 0xffff_ffff).unwrap_or(1).max(1)
}

/// One permutation hashing (Li, Owen, Zhang 2012): shingles are dealt out over `N` bins, and of each bin the smallest one
/// counts; shingles are hashes already, so a byte of it tells one from another. An empty bin borrows from the next on a
/// way of its own that has something, the same way in every text (Shrivastava 2017): short texts are compared as well as
/// long ones.
///
/// `N` permutations of all shingles would say the same and cost a tenth of all that is done for an entry.
fn min_hashes<const N: usize>(shingles: &[u64]) -> [u8; N] {
    const { assert!(N.is_power_of_two()) };
    let mut least: [Option<u64>; N] = [None; N];
    for &shingle in shingles {
        let bin = &mut least[low(shingle >> 32) & (N - 1)];
        *bin = Some(bin.map_or(shingle, |least| least.min(shingle)));
    }
    std::array::from_fn(|at| {
        // An odd step comes through all bins, their number being a power of two.
        let way = xxh3_64(&(at as u64).to_le_bytes());
        let (first, step) = (low(way), low(way >> 32) | 1);
        let lenders = (0..N).map(|n| least[first.wrapping_add(n.wrapping_mul(step)) & (N - 1)]);
        let found = least[at].or_else(|| lenders.flatten().next());
        found.map_or(0, |shingle| shingle.to_le_bytes()[0])
    })
}

/// The low 32 bits.
fn low(hash: u64) -> usize {
    usize::try_from(hash & 0xffff_ffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Jaccard of two texts of so many shingles, of which so many are in both, as their hashes have it.
    fn estimate(random: &mut fastrand::Rng, shingles: usize, shared: usize) -> f32 {
        let both: Vec<u64> = (0..shared).map(|_| random.u64(..)).collect();
        let mut text = || {
            let own = (shared..shingles).map(|_| random.u64(..));
            let mut sketch = Sketch {
                hashes: [0; BODY + LEAD],
                shingles: 1,
            };
            let all: Vec<u64> = both.iter().copied().chain(own).collect();
            sketch.hashes[..BODY].copy_from_slice(&min_hashes::<BODY>(&all));
            sketch
        };
        let (one, other) = (text(), text());
        one.estimate(&other).body
    }

    #[test]
    fn hashes_tell_how_alike_texts_are_whether_they_are_short_or_long() {
        let mut random = fastrand::Rng::with_seed(8);
        for shingles in [20_u16, 60, 130, 400, 5000] {
            for tenths in [0, 5, 8, 10] {
                let shared = shingles / 10 * tenths;
                let is = f32::from(shared) / f32::from(2 * shingles - shared);
                let mut off = 0.0;
                for _ in 0..200 {
                    let seems = estimate(&mut random, shingles.into(), shared.into());
                    off += (seems - is) / 200.0;
                    // Four standard deviations of 128 hashes that know nothing of each other, and the bins that borrow one which
                    // agrees by chance.
                    let far = 4.0 * (is * (1.0 - is) / 128.0).sqrt();
                    assert!(
                        (seems - is).abs() <= far + 0.1,
                        "{shingles} shingles, {is} seems {seems}"
                    );
                }
                assert!(
                    off.abs() < 0.02,
                    "{shingles} shingles, {is} is off by {off}"
                );
            }
        }
    }
}
