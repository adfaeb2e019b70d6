//! Signatures as the log and the index keep them: those of one commit are an item of the log, and the index knows where it
//! stands.

use crate::model::article::ArticleId;
use crate::model::signature::{BODY, LEAD, Signature, Sketch};
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::store::apply::{read_state, write_state};
use crate::store::codec::{In, Out};
use crate::store::core::Core;
use crate::store::index::{Table, Value};
use crate::store::item::{self, Item};
use crate::store::log::Loc;
use crate::store::lsh::Print;
use crate::store::paragraphs;
use crate::store::{Error, Prints};

/// Runs read at a time.
pub(super) const AT_ONCE: usize = 512;

/// The signatures that one commit adds, and the paragraphs of the entries they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Marks {
    pub(in crate::store) source: SourceId,
    /// Number of the first signature; the others follow.
    pub(in crate::store) first: u64,
    pub(in crate::store) count: u32,
}

/// The signatures of one commit, as the index knows them: where they stand in the log. Kept in the index themselves they
/// would be in memory twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Run {
    /// Number of the first one.
    pub(super) first: u64,
    count: u32,
    /// The item of the log.
    pub(in crate::store) loc: Loc,
}

impl Run {
    /// The key of a run whose first signature has this number.
    fn key(first: u64) -> [u8; 9] {
        let mut key = [b'd'; 9];
        key[1..].copy_from_slice(&first.to_be_bytes());
        key
    }

    /// The run whose first signature has this number.
    pub(super) fn at(core: &Core, first: u64) -> Result<Option<Self>, Error> {
        let key = Self::key(first);
        let value = core.index.read().raw(&key)?;
        Ok(value.and_then(|value| Self::read(&key, &value)))
    }

    fn value(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.number(u64::from(self.loc.at));
        out.number(u64::from(self.loc.length));
        out.number(u64::from(self.count));
        write_state(self.loc.file, &out.0)
    }

    /// Reads an item of the index.
    pub(in crate::store) fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let first = u64::from_be_bytes(key.get(1..)?.try_into().ok()?);
        let (file, place) = read_state(value)?;
        let mut input = In(place);
        let (at, length) = (input.small()?, input.small()?);
        let count = input.small()?;
        let loc = Loc { file, at, length };
        input.0.is_empty().then_some(Self { first, count, loc })
    }

    /// Number of the last one.
    pub(in crate::store) fn last(&self) -> u64 {
        self.first + u64::from(self.count).saturating_sub(1)
    }

    /// The signatures; none if the log is damaged there, or was written by a build that laid them out otherwise.
    pub(in crate::store) fn prints(&self, core: &Core) -> Result<Vec<Print>, Error> {
        let bytes = match core.log.item(self.loc, usize::MAX) {
            Ok(bytes) => bytes,
            Err(Error::Damaged { .. }) => return Ok(Vec::new()),
            Err(error) => {
                // Cleaning may have carried it into another file meanwhile.
                return match Self::at(core, self.first)? {
                    Some(moved) if moved.loc != self.loc => moved.prints(core),
                    Some(_) => Err(error),
                    None => Ok(Vec::new()),
                };
            }
        };
        let laid = item::raw(&bytes).and_then(|raw| read_marks(raw.body));
        let prints = laid.map(|laid| laid.prints).unwrap_or_default();
        let numbered = (self.first..).zip(prints);
        Ok(numbered
            .filter_map(|(number, print)| read_print(&mut In(print), number))
            .collect())
    }

    /// The same item of the log once more (`None` if it cannot be read), without the paragraphs, which are counted already.
    pub(in crate::store) fn carried(&self, core: &Core) -> Result<Option<(Item, Vec<u8>)>, Error> {
        let bytes = match core.log.item(self.loc, usize::MAX) {
            Err(Error::Damaged { .. }) => return Ok(None),
            other => other?,
        };
        let Some(laid) = item::raw(&bytes).and_then(|raw| read_marks(raw.body)) else {
            return Ok(None);
        };
        let mut out = Out::default();
        out.number(laid.prints.len() as u64);
        for print in &laid.prints {
            out.0.extend_from_slice(print);
        }
        out.number(0);
        let marks = Marks {
            source: SourceId::new("carried").expect("a name of the allowed form"),
            first: self.first,
            count: self.count,
        };
        Ok(Some((Item::Marks(marks), out.0)))
    }
}

/// The key of an item of the index.
pub(in crate::store) type ItemKey = Vec<u8>;

/// The next runs behind a key, with their keys; `None` for what cannot be read.
pub(in crate::store) fn runs(
    core: &Core,
    after: Option<&[u8]>,
    most: usize,
) -> Result<Vec<(ItemKey, Option<Run>)>, Error> {
    let page = core.index.read().page(b"d", after, most)?;
    let read = page.into_iter().map(|(key, value)| {
        let run = match &value {
            Value::Raw(bytes) => Run::read(&key, bytes),
            _ => None,
        };
        (key, run)
    });
    Ok(read.collect())
}

/// The body of the log's item.
pub(in crate::store) fn write_marks(prints: &Prints, at: Timestamp) -> Vec<u8> {
    let mut out = Out(Vec::with_capacity(prints.signatures.len() * PRINT + 16));
    out.number(prints.signatures.len() as u64);
    for (copy, signature) in &prints.signatures {
        write_print(&mut out, at, *copy, signature);
    }
    out.number(prints.paragraphs.len() as u64);
    for entry in &prints.paragraphs {
        out.number(entry.len() as u64);
        for hash in entry {
            out.0.extend_from_slice(&hash.to_be_bytes());
        }
    }
    out.0
}

fn write_print(out: &mut Out, at: Timestamp, copy: ArticleId, signature: &Signature) {
    out.word(at.as_micros().cast_unsigned());
    out.hash(copy.0);
    out.word(signature.realm);
    for number in [
        signature.source,
        signature.shelf,
        signature.title,
        signature.series,
    ] {
        out.0.extend_from_slice(&number.to_be_bytes());
    }
    out.0
        .extend_from_slice(&signature.sketch.shingles.to_be_bytes());
    out.0.extend_from_slice(&signature.sketch.hashes);
}

/// Bytes of one signature.
const PRINT: usize = 8 + 16 + 8 + 4 * 4 + 2 + BODY + LEAD;

fn read_print(input: &mut In<'_>, number: u64) -> Option<Print> {
    let at = Timestamp::from_micros(input.word()?.cast_signed());
    let copy = ArticleId(input.hash()?);
    let realm = input.word()?;
    let (source, shelf) = (input.half()?, input.half()?);
    let (title, series) = (input.half()?, input.half()?);
    let sketch = Sketch {
        shingles: u16::from_be_bytes(input.take(2)?.try_into().ok()?),
        hashes: input.take(BODY + LEAD)?.try_into().ok()?,
    };
    Some(Print {
        number,
        at,
        copy,
        signature: Signature {
            realm,
            title,
            series,
            sketch,
            source,
            shelf,
        },
    })
}

/// The signatures of an item of the log, and the paragraphs of each entry.
struct Laid<'a> {
    prints: Vec<&'a [u8]>,
    paragraphs: Vec<Vec<u32>>,
}

/// Reads the body of an item of the log; `None` if it was written by a build that laid
/// them out otherwise.
fn read_marks(body: &[u8]) -> Option<Laid<'_>> {
    let mut input = In(body);
    let count = input.count()?;
    let prints = (0..count)
        .map(|_| input.take(PRINT))
        .collect::<Option<Vec<_>>>()?;
    let entries = input.count()?;
    let mut paragraphs = Vec::new();
    for _ in 0..entries {
        let count = input.count()?;
        let hashes = (0..count).map(|_| input.half());
        paragraphs.push(hashes.collect::<Option<Vec<_>>>()?);
    }
    let laid = Laid { prints, paragraphs };
    input.0.is_empty().then_some(laid)
}

/// Lets the index know of an item of the log.
pub(in crate::store) fn apply(
    table: &mut Table,
    marks: &Marks,
    loc: Loc,
    body: &[u8],
) -> Result<(), Error> {
    // The frame is sound, or nobody would ask. Texts are compared anew as they come again.
    let Some(Laid { prints, paragraphs }) = read_marks(body) else {
        tracing::debug!(
            file = loc.file,
            at = loc.at,
            "signatures of another layout are left out"
        );
        return Ok(());
    };
    if let Ok(count @ 1..) = u32::try_from(prints.len()) {
        let run = Run {
            first: marks.first,
            count,
            loc,
        };
        table.put_raw(&Run::key(run.first), Some(&run.value()))?;
        table.figures.last_print = table.figures.last_print.max(run.last());
    }
    paragraphs::count(table, &marks.source, loc, &paragraphs)
}

/// The runs that end with this number or before, with their keys.
pub(super) fn runs_up_to(core: &Core, upto: u64) -> Result<Vec<(ItemKey, Option<Run>)>, Error> {
    let mut all: Vec<(ItemKey, Option<Run>)> = Vec::new();
    loop {
        let before = all.len();
        let page = runs(core, all.last().map(|(key, _)| key.as_slice()), AT_ONCE)?;
        let old = page
            .into_iter()
            .take_while(|(_, run)| run.is_none_or(|run| run.last() <= upto));
        all.extend(old);
        if all.len() - before < AT_ONCE {
            return Ok(all);
        }
    }
}
