//! How articles join lists and leave them, how a list's label is spelt, and when it was last touched.

use crate::model::article::Head;
use crate::model::label::Scope;
use crate::model::time::Timestamp;
use crate::store::Error;
use crate::store::common::{SPELLINGS, commonest};
use crate::store::index::Table;
use crate::store::item::{Left, scope_parts};
use crate::store::lists::{self, SHOWN};
use crate::store::packed::{self, LAST, OTHER};

/// The short form of a list's name; it is given one if it has none.
pub(super) fn number(table: &mut Table, kind: u8, name: &str) -> Result<u32, Error> {
    match table.name(kind, name)? {
        Some(rec) => Ok(rec.id),
        None => Ok(table.name_mut(kind, name)?.id),
    }
}

/// The prefix of a list's chunks, which may be new.
fn prefix(table: &mut Table, scope: &Scope) -> Result<[u8; 5], Error> {
    let (kind, name) = scope_parts(scope);
    Ok(list_prefix(kind, number(table, kind, name)?))
}

/// The prefix of a list's chunks.
pub(in crate::store) fn list_prefix(kind: u8, id: u32) -> [u8; 5] {
    let id = id.to_be_bytes();
    [kind, id[0], id[1], id[2], id[3]]
}

/// Private articles can be narrowed down too, but apart from the lists that everybody sees.
pub(super) fn hidden_prefix(table: &mut Table, scope: &Scope) -> Result<[u8; 5], Error> {
    let mut prefix = prefix(table, scope)?;
    prefix[0] = prefix[0].to_ascii_uppercase();
    Ok(prefix)
}

/// Has an article stand in a list, where and as its head says, and moves the list's `touched` if that is among its newest.
pub(super) fn join(
    table: &mut Table,
    number: u64,
    touched: Option<Timestamp>,
    scope: &Scope,
    seq: u64,
    head: &Head,
) -> Result<(), Error> {
    let (kind, name) = scope_parts(scope);
    let list = list_prefix(kind, table.name_mut(kind, name)?.id);
    let bare = packed::place(head.published, seq, 0);
    let before = standing(table, &list, bare)?;
    let rec = table.name_mut(kind, name)?;
    rec.known = true;
    if let Some(old) = before {
        count_spelling(rec, packed::spelling_at(old), false);
    } else {
        rec.count += 1;
        count_month(rec, head.first_seen, true);
    }
    let spelling = lists::spelling(head, scope).map_or(OTHER, |text| spelling_of(rec, text));
    count_spelling(rec, spelling, true);
    spell(rec, number);
    let (count, before_touched) = (rec.count, rec.touched);
    let place = packed::place(head.published, seq, spelling);
    if before != Some(place) {
        if let Some(old) = before {
            table.remove(&list, old)?;
        }
        table.insert(&list, place)?;
    }
    if let Some(at) = touched.filter(|at| before_touched < *at)
        && is_shown(table, &list, bare, count)?
    {
        table.name_mut(kind, name)?.touched = at;
    }
    Ok(())
}

/// Takes an article out of a list.
pub(super) fn leave(
    table: &mut Table,
    number: u64,
    scope: &Scope,
    seq: u64,
    left: &Left,
) -> Result<(), Error> {
    let list = prefix(table, scope)?;
    let bare = packed::place(left.published, seq, 0);
    let Some(place) = standing(table, &list, bare)? else {
        return Ok(());
    };
    table.remove(&list, place)?;
    let (kind, name) = scope_parts(scope);
    let rec = table.name_mut(kind, name)?;
    rec.count = rec.count.saturating_sub(1);
    count_month(rec, left.first_seen, false);
    count_spelling(rec, packed::spelling_at(place), false);
    if rec.fresh == number {
        spell(rec, number);
    }
    Ok(())
}

/// Decides how a label is spelt: by the commit of this number, if it is the first one to publish it.
fn spell(rec: &mut packed::NameRec, number: u64) {
    if rec.shown.is_empty() {
        rec.fresh = number;
    } else if rec.fresh != number {
        rec.fresh = 0;
        return;
    }
    let commonest = commonest(&rec.spellings).unwrap_or_default();
    rec.shown = commonest.to_owned();
}

/// The place at which an article stands in a list, under whatever spelling.
pub(in crate::store) fn standing(
    table: &Table,
    list: &[u8],
    bare: packed::Place,
) -> Result<Option<packed::Place>, Error> {
    let mut found = None;
    table.walk(list, bare, |place| {
        found = (packed::bare(place) == bare).then_some(place);
        false
    })?;
    Ok(found)
}

/// The short form of a spelling; a new one takes the place of one that nobody uses.
fn spelling_of(rec: &mut packed::NameRec, text: &str) -> u8 {
    let spellings = &mut rec.spellings;
    let at = spellings
        .iter()
        .position(|(spelling, count)| spelling == text && *count > 0)
        .or_else(|| {
            let free = spellings.iter().position(|(_, count)| *count == 0)?;
            text.clone_into(&mut spellings[free].0);
            Some(free)
        })
        .or_else(|| {
            (spellings.len() < SPELLINGS).then(|| {
                spellings.push((text.to_owned(), 0));
                spellings.len() - 1
            })
        });
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(OTHER)
}

fn count_spelling(rec: &mut packed::NameRec, spelling: u8, more: bool) {
    if let Some((_, count)) = rec.spellings.get_mut(usize::from(spelling)) {
        *count = if more {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
    }
}

fn count_month(rec: &mut packed::NameRec, first_seen: Timestamp, more: bool) {
    let month = packed::month_of(first_seen);
    match rec.months.binary_search_by_key(&month, |(month, _)| *month) {
        Ok(at) if more => rec.months[at].1 += 1,
        Ok(at) => {
            rec.months[at].1 = rec.months[at].1.saturating_sub(1);
            if rec.months[at].1 == 0 {
                rec.months.remove(at);
            }
        }
        Err(at) if more => rec.months.insert(at, (month, 1)),
        Err(_) => {}
    }
}

/// Moves a list's `touched` if this place is among its newest.
pub(super) fn touch(
    table: &mut Table,
    scope: &Scope,
    published: Timestamp,
    seq: u64,
    at: Timestamp,
) -> Result<(), Error> {
    let (kind, name) = scope_parts(scope);
    let Some(rec) = table.name(kind, name)? else {
        return Ok(());
    };
    if rec.touched >= at {
        return Ok(());
    }
    let list = list_prefix(kind, rec.id);
    if is_shown(table, &list, packed::place(published, seq, 0), rec.count)? {
        table.name_mut(kind, name)?.touched = at;
    }
    Ok(())
}

/// True if a place is among the newest of a list that has so many.
fn is_shown(table: &Table, list: &[u8], bare: packed::Place, count: u64) -> Result<bool, Error> {
    let behind = (bare.0, bare.1 | u64::from(OTHER));
    Ok(count <= SHOWN || newer_than(table, list, behind, SHOWN)? < SHOWN)
}

/// How many members stand behind a place, counted up to `most`.
fn newer_than(table: &Table, list: &[u8], behind: packed::Place, most: u64) -> Result<u64, Error> {
    let (mut from, mut count) = (behind, 0);
    while let Some((_, chunk)) = table.chunk(list, from)? {
        let below = chunk.places.partition_point(|place| *place <= behind);
        count += (chunk.places.len() - below) as u64;
        if count >= most || chunk.upper == LAST {
            break;
        }
        from = chunk.upper;
    }
    Ok(count)
}
