//! What near copies of a text are found by: a few hundred bytes that agree where texts agree.

/// Hashes of `MinHash` over the whole text.
pub const BODY: usize = 128;
/// And over its beginning.
pub const LEAD: usize = 32;
/// Bands of the body: 25 of 5 rows each.
pub const BODY_BANDS: usize = 25;
/// Bands of the lead: 16 of 2 rows each.
pub const LEAD_BANDS: usize = 16;
/// All bands, with one for the headline and one for the headline with its digits masked.
pub const BANDS: usize = BODY_BANDS + LEAD_BANDS + 2;
/// The band of the headline.
pub const TITLE: usize = BODY_BANDS + LEAD_BANDS;
/// The band of the headline with its digits masked, at one source: how a series is known.
pub const SERIES: usize = TITLE + 1;

/// The signature of one copy of a text. Namespace and script are in the bands: what must never meet does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// One hash for each band; 0: there is none.
    pub bands: [u32; BANDS],
    /// The low byte of each `MinHash`, body first: enough to estimate how alike two texts are.
    pub sketch: [u8; BODY + LEAD],
    /// Hash of the source's id.
    pub source: u32,
    /// Hash of the category's key.
    pub shelf: u32,
}

/// How alike two texts seem, by their signatures.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Estimate {
    /// Jaccard of the bodies.
    pub body: f32,
    /// Jaccard of the beginnings.
    pub lead: f32,
}

/// A pair that seems less alike than this in its bodies and in its beginnings is not looked at: three standard
/// deviations below what verification asks for.
const LEAST_BODY: f32 = 0.36;
const LEAST_LEAD: f32 = 0.20;

impl Estimate {
    /// The higher one of both.
    #[must_use]
    pub fn most(self) -> f32 {
        self.body.max(self.lead)
    }

    /// True if a look at the texts may find that they are copies.
    #[must_use]
    pub fn is_worth_a_look(self) -> bool {
        self.body >= LEAST_BODY || self.lead >= LEAST_LEAD
    }
}

impl Signature {
    /// True if it stands for a text, not for a headline alone.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.bands[..BODY_BANDS].iter().any(|band| *band != 0)
    }

    /// How alike this and another text seem.
    #[must_use]
    pub fn estimate(&self, other: &[u8; BODY + LEAD]) -> Estimate {
        Estimate {
            body: share(&self.sketch[..BODY], &other[..BODY]),
            lead: share(&self.sketch[BODY..], &other[BODY..]),
        }
    }
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
        let signature = |byte: u8| Signature {
            bands: [0; BANDS],
            sketch: [byte; BODY + LEAD],
            source: 0,
            shelf: 0,
        };
        let same = signature(7).estimate(&signature(7).sketch);
        assert!((same.body - 1.0).abs() < 0.001 && (same.lead - 1.0).abs() < 0.001);
        assert_eq!(
            signature(7).estimate(&signature(8).sketch),
            Estimate::default()
        );
        assert!(!Estimate::default().is_worth_a_look());
    }
}
