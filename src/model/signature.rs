//! What near copies of a text are found by: two hundred bytes that agree where texts agree.

/// Hashes of `MinHash` over the whole text; a power of two, as that of its beginning.
pub const BODY: usize = 128;
/// And over its beginning.
pub const LEAD: usize = 32;
/// Bands of the body: 32 of 4 rows each. Two texts that are just alike enough (Jaccard .5) then meet seven times in
/// eight, and at .6 all but always; who misses its story when it comes stays alone, so that matters more than the few
/// candidates more.
pub const BODY_BANDS: usize = 32;
/// Bands of the lead: 16 of 2 rows each.
pub const LEAD_BANDS: usize = 16;
/// All bands, with one for the headline and one for the headline with its digits masked.
pub const BANDS: usize = BODY_BANDS + LEAD_BANDS + 2;
/// The band of the headline.
pub const TITLE: usize = BODY_BANDS + LEAD_BANDS;
/// The band of the headline with its digits masked, at one source: how a series is known.
pub const SERIES: usize = TITLE + 1;

/// The signature of one copy of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Namespace and script: what must never meet does not.
    pub realm: u64,
    /// Hash of the headline; 0: it says too little to stand for the text.
    pub title: u32,
    /// Hash of the headline with its digits masked, and of the source; 0: there is no headline.
    pub series: u32,
    /// What tells how alike two texts are, and where they meet.
    pub sketch: Sketch,
    /// Hash of the source's id.
    pub source: u32,
    /// Hash of the category's key.
    pub shelf: u32,
}

/// A text in so few bytes that two of them can be compared without the texts: a byte of each `MinHash` (b-bit minwise
/// hashing, Li and König 2010).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sketch {
    /// The low byte of each `MinHash`, body first.
    pub hashes: [u8; BODY + LEAD],
    /// Shingles of the body, each once; [`u16::MAX`] stands for more, too. 0: it says too little to be compared.
    pub shingles: u16,
}

/// How alike two texts seem, by their sketches.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Estimate {
    /// Jaccard of the bodies.
    pub body: f32,
    /// Jaccard of the beginnings.
    pub lead: f32,
    /// By their lengths, the shorter one may be the other one, cut off.
    pub may_be_cut_off: bool,
}

/// Two texts that seem less alike than this are no copies of the same length: three standard deviations below what
/// verification asks for.
const LEAST_BODY: f32 = 0.36;
/// A text that was cut off begins like the whole one; the same distance below.
const LEAST_LEAD: f32 = 0.20;
/// And the whole one has so much of it.
pub const CONTAINED: f32 = 0.75;

impl Estimate {
    /// The higher one of both.
    #[must_use]
    pub fn most(self) -> f32 {
        self.body.max(self.lead)
    }

    /// True if a look at the texts may find that they are copies.
    #[must_use]
    pub fn is_worth_a_look(self) -> bool {
        self.body >= LEAST_BODY || (self.may_be_cut_off && self.lead >= LEAST_LEAD)
    }
}

impl Signature {
    /// What signatures of one realm that meet in this band agree on, if this one is in it: the bytes of its rows, so that
    /// nobody need keep them twice.
    #[must_use]
    pub fn band(&self, band: usize) -> Option<u32> {
        match band {
            TITLE => (self.title != 0).then_some(self.title),
            SERIES => (self.series != 0).then_some(self.series),
            _ if self.sketch.shingles == 0 => None,
            _ if band < BODY_BANDS => Some(self.sketch.rows::<BODY_ROWS>(band * BODY_ROWS)),
            _ => {
                let at = BODY + (band - BODY_BANDS) * LEAD_ROWS;
                Some(self.sketch.rows::<LEAD_ROWS>(at))
            }
        }
    }

    /// True if both are in this band and agree.
    #[must_use]
    pub fn meets(&self, other: &Self, band: usize) -> bool {
        self.realm == other.realm
            && self
                .band(band)
                .is_some_and(|key| other.band(band) == Some(key))
    }
}

/// Rows of a band.
const BODY_ROWS: usize = BODY / BODY_BANDS;
const LEAD_ROWS: usize = LEAD / LEAD_BANDS;

impl Sketch {
    fn rows<const N: usize>(&self, from: usize) -> u32 {
        let rows = &self.hashes[from..from + N];
        rows.iter().fold(0, |all, row| all << 8 | u32::from(*row))
    }

    /// How alike this and another text seem.
    #[must_use]
    pub fn estimate(&self, other: &Self) -> Estimate {
        let body = share(&self.hashes[..BODY], &other.hashes[..BODY]);
        Estimate {
            body,
            lead: share(&self.hashes[BODY..], &other.hashes[BODY..]),
            may_be_cut_off: body >= least_of_contained(self.shingles, other.shingles),
        }
    }
}

/// The least that the Jaccard of two texts of these lengths seems to be if the longer one contains the shorter one as far
/// as verification asks for: three standard deviations below what it is then. Where one is far longer, that is nothing,
/// and only the beginnings speak.
fn least_of_contained(one: u16, other: u16) -> f32 {
    let shorter = f32::from(one.min(other));
    let longer = f32::from(one.max(other)).max(1.0);
    let is = CONTAINED * shorter / (longer + (1.0 - CONTAINED) * shorter);
    let hashes = 128.0;
    is - 3.0 * ((is * (1.0 - is) + 1.0 / 256.0) / hashes).sqrt()
}

/// The share of equal bytes, with what chance gives taken off: one byte in 256 agrees by itself.
fn share(a: &[u8], b: &[u8]) -> f32 {
    let equal: u8 = a.iter().zip(b).map(|(a, b)| u8::from(a == b)).sum();
    let all = f32::from(u8::try_from(a.len()).unwrap_or(u8::MAX));
    (f32::from(equal) / all - 1.0 / 256.0).max(0.0) * (256.0 / 255.0)
}

/// Among whom copies are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Within one source.
    Feed,
    /// Within one category.
    Category,
    /// Among all.
    #[default]
    All,
}

impl Reach {
    /// True if a copy there can be one of a text from here; `(source, shelf)` each.
    #[must_use]
    pub fn covers(self, here: (u32, u32), there: (u32, u32)) -> bool {
        match self {
            Self::Feed => here.0 == there.0,
            Self::Category => here.1 == there.1,
            Self::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_goes_from_nothing_to_all() {
        let sketch = |byte: u8| Sketch {
            hashes: [byte; BODY + LEAD],
            shingles: 100,
        };
        let same = sketch(7).estimate(&sketch(7));
        assert!((same.body - 1.0).abs() < 0.001 && (same.lead - 1.0).abs() < 0.001);
        assert!(same.is_worth_a_look());
        assert_eq!(sketch(7).estimate(&sketch(8)), Estimate::default());
        assert!(!Estimate::default().is_worth_a_look());
    }

    /// The sketch of a text that has so many of its 128 hashes and the whole beginning in common with one of zeros.
    fn common(hashes: usize, shingles: u16) -> Sketch {
        let mut sketch = Sketch {
            hashes: [0; BODY + LEAD],
            shingles,
        };
        sketch.hashes[hashes..BODY].fill(1);
        sketch
    }

    #[test]
    fn an_equal_beginning_counts_where_the_lengths_can_be_those_of_a_part_and_its_whole() {
        let whole = common(128, 400);
        let is_worth =
            |hashes, shingles| whole.estimate(&common(hashes, shingles)).is_worth_a_look();
        // A quarter of the text: a quarter of the hashes agree, or a few less by chance.
        assert!(is_worth(32, 100) && is_worth(14, 100));
        assert!(!is_worth(5, 100), "it has too much of its own");
        assert!(is_worth(1, 10), "so short a part says nothing");
        assert!(!is_worth(32, 400), "as long, and mostly something else");
    }
}
