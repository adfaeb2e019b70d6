//! What the index holds, as bytes: ordered sets of places in chunks, short records of articles, lists by name.
//!
//! An item of sled costs more than a hundred bytes of memory whatever is in it, so many small things share one.

use crate::model::label::Cursor;
use crate::model::time::Timestamp;

use super::codec::{In, Out};
use super::log::Loc;

/// A member of an ordered set: for lists (publication, number and spelling), for keys (hash, number).
pub(super) type Place = (u64, u64);

/// The place behind all others.
pub(super) const LAST: Place = (u64::MAX, u64::MAX);

/// How a set's members are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Neighbours are close to each other: written as differences.
    Dated,
    /// Hashes: written whole.
    Hashed,
}

impl Coding {
    /// How the set of this prefix is written.
    pub(super) fn of(prefix: &[u8]) -> Self {
        match prefix.first() {
            Some(b'g' | b'u' | b'h' | b'x') => Self::Hashed,
            _ => Self::Dated,
        }
    }

    /// Members of a full chunk.
    pub(super) const fn most(self) -> usize {
        match self {
            Self::Dated => 256,
            Self::Hashed => 64,
        }
    }
}

/// Writes a chunk; its members are in ascending order.
pub(super) fn write_chunk(coding: Coding, places: &[Place]) -> Vec<u8> {
    let mut out = Out(Vec::with_capacity(places.len() * 12 + 4));
    out.number(places.len() as u64);
    let mut before: Place = (0, 0);
    for &(a, b) in places {
        match coding {
            Coding::Hashed => {
                out.word(a);
                out.number(b);
            }
            Coding::Dated => {
                // Most dates are whole seconds.
                let step = a - before.0;
                if step.is_multiple_of(1_000_000) {
                    out.number(step / 1_000_000 * 2);
                } else {
                    out.number(1);
                    out.number(step);
                }
                out.signed(b.wrapping_sub(before.1).cast_signed());
            }
        }
        before = (a, b);
    }
    out.0
}

/// Reads a chunk; `None` if it is not one.
pub(super) fn read_chunk(coding: Coding, bytes: &[u8]) -> Option<Vec<Place>> {
    let mut input = In(bytes);
    let count = input.count()?;
    let mut places = Vec::with_capacity(count);
    let mut before: Place = (0, 0);
    for n in 0..count {
        let place = match coding {
            Coding::Hashed => (input.word()?, input.number()?),
            Coding::Dated => {
                let step = match input.number()? {
                    1 => input.number()?,
                    even if even % 2 == 0 => (even / 2).checked_mul(1_000_000)?,
                    _ => return None,
                };
                let b = before.1.wrapping_add(input.signed()?.cast_unsigned());
                (before.0.checked_add(step)?, b)
            }
        };
        if n > 0 && place <= before {
            return None;
        }
        places.push(place);
        before = place;
    }
    input.0.is_empty().then_some(places)
}

/// The key of a chunk: its set, and a place that is not behind its first member.
pub(super) fn chunk_key(prefix: &[u8], place: Place) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + 16);
    key.extend_from_slice(prefix);
    key.extend_from_slice(&place.0.to_be_bytes());
    key.extend_from_slice(&place.1.to_be_bytes());
    key
}

/// The place in a chunk's key.
pub(super) fn chunk_place(key: &[u8], prefix: &[u8]) -> Option<Place> {
    let mut input = In(key.strip_prefix(prefix)?);
    let place = (input.word()?, input.word()?);
    input.0.is_empty().then_some(place)
}

/// Spellings that are counted fit three bits beside the number.
const SPELLING_BITS: u32 = 3;
/// The spelling of labels that are not counted.
pub(super) const OTHER: u8 = 7;

/// An article's place in a list.
pub(super) fn place(published: Timestamp, seq: u64, spelling: u8) -> Place {
    let date = published.as_micros().cast_unsigned() ^ (1 << 63);
    (date, seq << SPELLING_BITS | u64::from(spelling & OTHER))
}

/// The place as readers of lists see it.
pub(super) fn cursor(place: Place) -> Cursor {
    Cursor {
        published: Timestamp::from_micros((place.0 ^ (1 << 63)).cast_signed()),
        seq: place.1 >> SPELLING_BITS,
    }
}

/// The spelling under which an article stands at this place.
pub(super) fn spelling_at(place: Place) -> u8 {
    u8::try_from(place.1 & u64::from(OTHER)).unwrap_or(OTHER)
}

/// The same place whatever the spelling: the first of them.
pub(super) fn bare(place: Place) -> Place {
    (place.0, place.1 & !u64::from(OTHER))
}

/// What the index knows of an article: enough to filter it and to find its text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rec {
    pub(super) version: u32,
    pub(super) private: bool,
    pub(super) has_image: bool,
    pub(super) has_enclosure: bool,
    pub(super) first_seen: Timestamp,
    pub(super) published: Timestamp,
    /// When its source last listed it, once it no longer does.
    pub(super) listed_until: Timestamp,
    /// First subtag of its language, empty if there is none.
    pub(super) language: String,
    /// The item with its newest head.
    pub(super) head: Loc,
    /// The item with its text.
    pub(super) body: Loc,
    /// Items with sightings that came after the text.
    pub(super) amends: Vec<Loc>,
    pub(super) sightings: u32,
}

impl Rec {
    /// Bytes of the log that this article needs, by file.
    pub(super) fn places(&self) -> impl Iterator<Item = Loc> {
        let head =
            (self.head != self.body && !self.amends.contains(&self.head)).then_some(self.head);
        std::iter::once(self.body)
            .chain(head)
            .chain(self.amends.iter().copied())
    }
}

/// Articles that share an item.
pub(super) const PACK: u64 = 16;

/// The key of the item that holds this article.
pub(super) fn pack_key(seq: u64) -> Vec<u8> {
    let mut key = vec![b'a'];
    key.extend_from_slice(&(seq / PACK).to_be_bytes());
    key
}

/// The first number that a pack may hold.
pub(super) fn pack_begin(key: &[u8]) -> Option<u64> {
    let mut input = In(key.strip_prefix(b"a")?);
    input.word()?.checked_mul(PACK)
}

/// Writes records that share an item.
pub(super) fn write_pack(all: &[(u64, Rec)]) -> Vec<u8> {
    let mut out = Out(Vec::with_capacity(all.len() * 48));
    for (seq, rec) in all {
        out.byte(u8::try_from(seq % PACK).expect("a remainder of sixteen"));
        let mut inner = Out(Vec::with_capacity(48));
        write_rec(&mut inner, rec);
        out.bytes(&inner.0);
    }
    out.0
}

/// Reads records that share an item.
pub(super) fn read_pack(begin: u64, bytes: &[u8]) -> Option<Vec<(u64, Rec)>> {
    let mut input = In(bytes);
    let mut all: Vec<(u64, Rec)> = Vec::new();
    while !input.0.is_empty() {
        let seq = begin.checked_add(u64::from(input.byte()?))?;
        let rec = read_rec(input.bytes()?)?;
        if all.last().is_some_and(|(last, _)| *last >= seq) {
            return None;
        }
        all.push((seq, rec));
    }
    Some(all)
}

/// Reads one record alone; `None` if the item has none of that number.
///
/// # Errors
/// If the bytes are not what we wrote.
pub(super) fn read_one(begin: u64, bytes: &[u8], wanted: u64) -> Result<Option<Rec>, Unreadable> {
    let mut input = In(bytes);
    while !input.0.is_empty() {
        let offset = u64::from(input.byte().ok_or(Unreadable)?);
        let seq = begin.checked_add(offset).ok_or(Unreadable)?;
        let one = input.bytes().ok_or(Unreadable)?;
        if seq == wanted {
            return read_rec(one).map(Some).ok_or(Unreadable);
        }
    }
    Ok(None)
}

/// The bytes of an item are not what we wrote.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

const PRIVATE: u8 = 1;
const IMAGE: u8 = 2;
const ENCLOSURE: u8 = 4;
const APART: u8 = 8;
const DROPPED: u8 = 16;
const AMENDED: u8 = 32;

fn write_rec(out: &mut Out, rec: &Rec) {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.byte(
        flag(rec.private, PRIVATE)
            | flag(rec.has_image, IMAGE)
            | flag(rec.has_enclosure, ENCLOSURE)
            | flag(rec.head != rec.body, APART)
            | flag(rec.listed_until != Timestamp::EPOCH, DROPPED)
            | flag(!rec.amends.is_empty(), AMENDED),
    );
    out.number(u64::from(rec.version));
    let first = rec.first_seen.as_micros();
    out.signed(first);
    out.signed(rec.published.as_micros().wrapping_sub(first));
    if rec.listed_until != Timestamp::EPOCH {
        out.signed(rec.listed_until.as_micros().wrapping_sub(first));
    }
    out.text(&rec.language);
    write_loc(out, rec.body);
    if rec.head != rec.body {
        write_loc(out, rec.head);
    }
    if !rec.amends.is_empty() {
        out.number(rec.amends.len() as u64);
        for amend in &rec.amends {
            write_loc(out, *amend);
        }
    }
    out.number(u64::from(rec.sightings));
}

fn read_rec(bytes: &[u8]) -> Option<Rec> {
    let mut input = In(bytes);
    let flags = input.byte()?;
    let version = input.small()?;
    let first = input.signed()?;
    let published = first.wrapping_add(input.signed()?);
    let listed_until = if flags & DROPPED == 0 {
        0
    } else {
        first.wrapping_add(input.signed()?)
    };
    let language = input.text()?.to_owned();
    let body = read_loc(&mut input)?;
    let head = if flags & APART == 0 {
        body
    } else {
        read_loc(&mut input)?
    };
    let mut amends = Vec::new();
    if flags & AMENDED != 0 {
        for _ in 0..input.count()? {
            amends.push(read_loc(&mut input)?);
        }
    }
    Some(Rec {
        version,
        private: flags & PRIVATE != 0,
        has_image: flags & IMAGE != 0,
        has_enclosure: flags & ENCLOSURE != 0,
        first_seen: Timestamp::from_micros(first),
        published: Timestamp::from_micros(published),
        listed_until: Timestamp::from_micros(listed_until),
        language,
        head,
        body,
        amends,
        sightings: input.small()?,
    })
}

fn write_loc(out: &mut Out, loc: Loc) {
    out.number(u64::from(loc.file));
    out.number(u64::from(loc.at));
    out.number(u64::from(loc.length));
}

fn read_loc(input: &mut In<'_>) -> Option<Loc> {
    Some(Loc {
        file: input.small()?,
        at: input.small()?,
        length: input.small()?,
    })
}

/// A list by name: what is remembered of it whether or not anything stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct NameRec {
    /// Short form of the name, for the keys of its chunks.
    pub(super) id: u32,
    /// A public article stood in it once.
    pub(super) known: bool,
    pub(super) count: u64,
    pub(super) touched: Timestamp,
    /// Spellings with the number of articles that use them; an unused one gives its place to another.
    pub(super) spellings: Vec<(String, u64)>,
    /// Months of first sight, counted from year 0, with their articles.
    pub(super) months: Vec<(u32, u64)>,
    /// How it is spelt for readers, in URLs too: as most articles of the commit that first published it spell it. Empty for
    /// what has no spelling, and in the indexes of earlier days.
    pub(super) shown: String,
    /// The number of that commit, until a later one finds it decided; then 0.
    pub(super) fresh: u64,
}

/// Writes a name.
pub(super) fn write_name(name: &NameRec) -> Vec<u8> {
    let mut out = Out(Vec::with_capacity(48));
    out.number(u64::from(name.id));
    out.byte(u8::from(name.known));
    out.number(name.count);
    out.signed(name.touched.as_micros());
    out.number(name.spellings.len() as u64);
    for (spelling, count) in &name.spellings {
        out.text(spelling);
        out.number(*count);
    }
    out.number(name.months.len() as u64);
    for (month, count) in &name.months {
        out.number(u64::from(*month));
        out.number(*count);
    }
    if !name.shown.is_empty() {
        out.text(&name.shown);
        out.number(name.fresh);
    }
    out.0
}

/// Reads a name.
pub(super) fn read_name(bytes: &[u8]) -> Option<NameRec> {
    let mut input = In(bytes);
    let mut name = NameRec {
        id: input.small()?,
        known: input.byte()? != 0,
        count: input.number()?,
        touched: Timestamp::from_micros(input.signed()?),
        ..NameRec::default()
    };
    for _ in 0..input.count()? {
        name.spellings
            .push((input.text()?.to_owned(), input.number()?));
    }
    for _ in 0..input.count()? {
        name.months.push((input.small()?, input.number()?));
    }
    if !input.0.is_empty() {
        input.text()?.clone_into(&mut name.shown);
        name.fresh = input.number()?;
    }
    Some(name)
}

/// A month as one number.
pub(super) fn month_of(at: Timestamp) -> u32 {
    let (year, month) = at.year_month();
    u32::try_from(year).unwrap_or(0) * 12 + month - 1
}

/// Year and month of [`month_of`].
pub(super) fn year_month(month: u32) -> (i32, u32) {
    (i32::try_from(month / 12).unwrap_or(0), month % 12 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_back() {
        let second = |n: i64| Timestamp::from_secs(1_700_000_000 + n);
        let places = vec![
            place(Timestamp::from_secs(-5), 3, 0),
            place(second(0), 9, 2),
            place(second(0), 10, 0),
            place(Timestamp::from_micros(1_700_000_000_000_001), 4, 7),
            place(second(90), 1, 1),
            place(Timestamp::FAR_FUTURE, u64::MAX >> 3, 7),
        ];
        for coding in [Coding::Dated, Coding::Hashed] {
            let bytes = write_chunk(coding, &places);
            assert_eq!(read_chunk(coding, &bytes), Some(places.clone()));
            assert_eq!(read_chunk(coding, &bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(cursor(places[3]).seq, 4);
        assert_eq!(spelling_at(places[3]), 7);
    }

    #[test]
    fn names_come_back_also_from_before_their_spelling_was_kept() {
        let name = NameRec {
            id: 3,
            known: true,
            count: 2,
            touched: Timestamp::from_secs(5),
            spellings: vec![("Rust".to_owned(), 2)],
            months: vec![(24_310, 2)],
            shown: "rust".to_owned(),
            fresh: 7,
        };
        assert_eq!(read_name(&write_name(&name)), Some(name.clone()));
        let old = NameRec {
            shown: String::new(),
            fresh: 0,
            ..name
        };
        assert_eq!(read_name(&write_name(&old)), Some(old));
    }

    #[test]
    fn records_come_back() {
        let loc = |at| Loc {
            file: 2,
            at,
            length: 99,
        };
        let full = Rec {
            version: 3,
            private: true,
            has_image: false,
            has_enclosure: true,
            first_seen: Timestamp::from_secs(1_700_000_000),
            published: Timestamp::from_secs(1_600_000_000),
            listed_until: Timestamp::from_secs(1_700_000_100),
            language: "zh".to_owned(),
            head: loc(70),
            body: loc(7),
            amends: vec![loc(60), loc(70)],
            sightings: 3,
        };
        let plain = Rec {
            head: loc(1),
            body: loc(1),
            ..Rec::default()
        };
        let all = vec![(32, full.clone()), (40, plain)];
        let bytes = write_pack(&all);
        assert_eq!(read_pack(32, &bytes), Some(all));
        assert_eq!(read_one(32, &bytes, 32), Ok(Some(full)));
        assert_eq!(read_one(32, &bytes, 33), Ok(None));
    }
}
