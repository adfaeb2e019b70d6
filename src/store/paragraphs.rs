//! Counts of a source's paragraphs beyond the files that they were counted from: when a file of the log goes, the counts go
//! on in an item of their own.

use super::Error;
use super::index::Table;
use super::log::{Loc, Pos};
use super::near::{boilerplate_key, read_boilerplate, write_boilerplate};
use crate::model::source::SourceId;

/// The body of an item that has all counts of a source so far; `None` if there is nothing worth a line. What was seen once
/// is left out: most paragraphs are never seen again, and they would weigh as much as the texts.
pub(super) fn carried(table: &Table, source: &SourceId) -> Result<Option<Vec<u8>>, Error> {
    let known = table.raw(&boilerplate_key(source))?;
    let Some((_, mut boilerplate)) = known.as_deref().and_then(read_boilerplate) else {
        return Ok(None);
    };
    boilerplate.seen.retain(|_, (count, _)| *count > 1);
    // Positions mean nothing in another store: the item's own place says up to where it counts.
    let body = write_boilerplate(Pos::default(), &boilerplate);
    Ok((!boilerplate.seen.is_empty()).then_some(body))
}

/// Lets the index know of such an item: everything before it is in it.
pub(super) fn apply(
    table: &mut Table,
    source: &SourceId,
    loc: Loc,
    body: &[u8],
) -> Result<(), Error> {
    let here = Pos {
        file: loc.file,
        at: u64::from(loc.at),
    };
    let key = boilerplate_key(source);
    let known = table.raw(&key)?;
    if let Some((upto, _)) = known.as_deref().and_then(read_boilerplate)
        && upto >= here
    {
        return Ok(());
    }
    let Some((_, boilerplate)) = read_boilerplate(body) else {
        return Err(Error::Damaged {
            what: format!("the paragraphs of `{source}` at {}:{}", loc.file, loc.at),
        });
    };
    table.put_raw(&key, Some(&write_boilerplate(here, &boilerplate)))
}
