//! Answers to what is asked of the store beside lists: single articles, keys, labels, states.

use std::sync::Arc;

use super::apply::state_key;
use super::common::{by_count, commonest};
use super::core::{Core, unpack_state};
use super::index::Value;
use super::item::scope_parts;
use super::packed::{self, NameRec};
use super::{Error, Found, Known};
use crate::model::article::{ArticleId, Key, Sighting};
use crate::model::label::{LabelCount, Scope};
use crate::model::source::{SourceId, SourceState};

/// All lists of a kind that public articles stand in.
pub(super) fn labels(core: &Core, kind: u8) -> Result<Vec<LabelCount>, Error> {
    const AT_ONCE: usize = 512;
    let prefix = [b'n', kind];
    let (mut all, mut after) = (Vec::new(), None::<Vec<u8>>);
    loop {
        let some = core.index.read().page(&prefix, after.as_deref(), AT_ONCE)?;
        let Some((last, _)) = some.last() else { break };
        after = Some(last.clone());
        for (key, value) in some {
            if let (Value::Name(rec), Ok(key)) = (value, String::from_utf8(key[2..].to_vec()))
                && rec.count > 0
            {
                all.push(label(&rec, key));
            }
        }
    }
    by_count(&mut all);
    Ok(all)
}

fn label(rec: &NameRec, key: String) -> LabelCount {
    let decided = Some(rec.shown.as_str()).filter(|shown| !shown.is_empty());
    let name = decided
        .or_else(|| commonest(&rec.spellings))
        .unwrap_or(&key);
    LabelCount {
        name: name.to_owned(),
        key,
        articles: rec.count,
    }
}

/// What is known of some tags and categories.
pub(super) fn some_labels(core: &Core, scopes: &[Scope]) -> Result<Vec<Option<LabelCount>>, Error> {
    let one = |scope: &Scope| {
        let (kind, key) = scope_parts(scope);
        let known = core.index.read().name(kind, key)?.filter(|rec| rec.known);
        Ok(known.map(|rec| label(&rec, key.to_owned())))
    };
    scopes.iter().map(one).collect()
}

/// The articles that keys lead to, and which keys are buried.
pub(super) fn known(core: &Core, keys: &[Key]) -> Result<Known, Error> {
    let mut known = Known {
        as_of: core.revision(),
        ..Known::default()
    };
    for &key in keys {
        for live in core.holders(key)? {
            known.hits.push((key, Arc::new(live.stand.head.clone())));
        }
        if core.buried(key)? {
            known.buried.push(key);
        }
    }
    Ok(known)
}

/// What stands under an id.
pub(super) fn article(core: &Core, id: ArticleId) -> Result<Found, Error> {
    let key = Key::Guid(id.0);
    let mut holders = core.holders(key)?;
    let own = holders.iter().position(|live| live.stand.head.id == id);
    let live = match own {
        Some(at) => Some(holders.swap_remove(at)),
        None => holders.into_iter().next(),
    };
    Ok(match live {
        Some(live) if live.stand.head.aliases.contains(&id) => Found::Alias(live.stand.head.id),
        Some(live) => match core.article(live.stand.seq, &live.rec)? {
            Some(article) => Found::Article(Box::new(article.as_ref().clone())),
            None => Found::Gone,
        },
        None if core.buried(key)? => Found::Gone,
        None => Found::Never,
    })
}

/// Where articles were seen, in order of arrival.
pub(super) fn sightings(
    core: &Core,
    after: u64,
    most: usize,
) -> Result<Vec<(u64, ArticleId, Vec<Sighting>)>, Error> {
    let mut rows = Vec::new();
    let mut seq = after.saturating_add(1);
    while rows.len() < most {
        let (pack, newest) = {
            let table = core.index.read();
            (table.recs(seq)?, table.newest())
        };
        let Some((pack_end, recs)) = pack else {
            break;
        };
        let range = seq..=newest;
        for (number, rec) in recs
            .into_iter()
            .filter(|(number, _)| range.contains(number))
        {
            if rows.len() < most
                && let Some(article) = core.sound_article(number, &rec)?
            {
                rows.push((number, article.head.id, article.sightings.clone()));
            }
        }
        seq = pack_end;
    }
    Ok(rows)
}

/// Years and months, and how many articles each has.
type Months = Vec<((i32, u32), u64)>;

/// The months in which a list has articles, newest first, with their number.
pub(super) fn months(core: &Core, scope: &Scope) -> Result<Months, Error> {
    let (kind, name) = scope_parts(scope);
    let rec = core.index.read().name(kind, name)?;
    let months = rec.map(|rec| rec.months.clone()).unwrap_or_default();
    let newest_first = months.into_iter().rev();
    Ok(newest_first
        .map(|(month, count)| (packed::year_month(month), count))
        .collect())
}

/// States of sources, in the order of their names.
pub(super) fn states(
    core: &Core,
    after: Option<&SourceId>,
    most: usize,
) -> Result<Vec<(SourceId, SourceState)>, Error> {
    let after = after.map(state_key);
    let items = core.index.read().page(b"s", after.as_deref(), most)?;
    let mut all = Vec::with_capacity(items.len());
    for (key, value) in items {
        let id = std::str::from_utf8(&key[1..]).ok().and_then(SourceId::new);
        if let (Some(id), Value::Raw(bytes)) = (id, value) {
            let state = match core.light.get(&id) {
                Some(newer) => SourceState::clone(&newer),
                None => unpack_state(&id, &bytes)?,
            };
            all.push((id, state));
        }
    }
    Ok(all)
}
