//! The shape of a text: what is left of it when everything is taken away that another publisher would change. Two
//! copies of one text have nearly the same shape.

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use super::furniture;
use crate::model::boilerplate::Boilerplate;
use crate::model::signature::{
    BANDS, BODY, BODY_BANDS, LEAD, LEAD_BANDS, SERIES, Signature, Sketch, TITLE,
};
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
        let mut body = Vec::new();
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
        let mut numbers = tokens::numbers(&self.title);
        for line in &kept {
            numbers.extend(tokens::numbers(line));
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
        let seed = xxh3_64_with_seed(&script.to_le_bytes(), namespace);
        let mut bands = [0; BANDS];
        let mut sketch = Sketch {
            hashes: [0; BODY + LEAD],
            shingles: u16::try_from(self.body.len()).unwrap_or(u16::MAX),
        };
        if self.is_text() {
            let body = min_hashes::<BODY>(&self.body);
            let lead = min_hashes::<LEAD>(&self.lead);
            for (at, rows) in body.chunks_exact(BODY / BODY_BANDS).enumerate() {
                bands[at] = band(rows, seed, at);
            }
            for (at, rows) in lead.chunks_exact(LEAD / LEAD_BANDS).enumerate() {
                bands[BODY_BANDS + at] = band(rows, seed, BODY_BANDS + at);
            }
            for (byte, hash) in sketch.hashes.iter_mut().zip(body.iter().chain(&lead)) {
                *byte = hash.to_le_bytes()[0];
            }
        }
        if self.title_speaks {
            bands[TITLE] = short(self.title, seed ^ 1);
        }
        if self.series != 0 {
            let at = xxh3_64_with_seed(source.as_str().as_bytes(), seed);
            bands[SERIES] = short(self.series, at ^ 2);
        }
        Signature {
            bands,
            sketch,
            source: place(source.as_str()),
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

fn band(rows: &[u32], seed: u64, number: usize) -> u32 {
    let mut bytes = [0u8; 4 * BODY / BODY_BANDS];
    for (place, row) in bytes.chunks_exact_mut(4).zip(rows) {
        place.copy_from_slice(&row.to_le_bytes());
    }
    let hash = xxh3_64_with_seed(&bytes[..rows.len() * 4], seed ^ (number as u64) << 32);
    short(hash, 4)
}

/// `MinHash` (Broder 1997): of each of `N` permutations the smallest value. The permutations are `ax + b` modulo 2³².
fn min_hashes<const N: usize>(shingles: &[u64]) -> [u32; N] {
    let (mut factors, mut offsets) = ([0u32; N], [0u32; N]);
    for (at, (factor, offset)) in factors.iter_mut().zip(&mut offsets).enumerate() {
        let [a, b] = permutation(at);
        (*factor, *offset) = (a, b);
    }
    let mut least = [u32::MAX; N];
    for shingle in shingles {
        let low = u32::try_from((shingle ^ shingle >> 32) & 0xffff_ffff).unwrap_or(0);
        for ((least, factor), offset) in least.iter_mut().zip(&factors).zip(&offsets) {
            *least = (*least).min(factor.wrapping_mul(low).wrapping_add(*offset));
        }
    }
    least
}

/// Factor and offset of a permutation: any fixed odd numbers will do, as long as they are always the same.
fn permutation(at: usize) -> [u32; 2] {
    // splitmix64 (Steele, Lea, Flood 2014).
    let mut z = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    let half = |part: u64| u32::try_from(part & 0xffff_ffff).unwrap_or(0);
    [half(z) | 1, half(z >> 32)]
}
