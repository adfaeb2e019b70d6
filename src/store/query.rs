//! Pages of lists: sets of places are merged in the order of publication, so a page costs what it shows and not what the
//! store holds. The index is looked at for a stretch of places at once, then the texts are read without it. Each look may
//! wait for the writer, so most pages make do with one: names, places and whether there is more come from the same.

mod walk;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLockReadGuard;

use super::core::Core;
use super::index::Table;
use super::item::scope_parts;
use super::lists;
use super::packed::{self, LAST, OTHER, Place, Rec};
use super::{Error, Listing, Page};
use crate::model::article::Article;
use crate::model::label::{Cursor, Has, Scope, Selection};
use crate::model::source::SourceId;
use crate::model::time::Timestamp;

use walk::{OneOf, Walk, Way, above, below};

/// How often a page is read again because a commit came between its parts.
const ATTEMPTS: usize = 3;

/// One page of a list.
pub(super) fn select(core: &Core, selection: &Selection, page: Page) -> Result<Listing, Error> {
    for attempt in 1.. {
        let before = core.revision();
        let mut listing = Listing::default();
        let mut stretches = 0;
        if let Some(mut query) = Query::new(core, selection, &mut listing)? {
            fill(&mut listing, &mut query, page)?;
            stretches = query.stretches;
        }
        // A stretch is of one moment. Followers hear of what came after it, so what an older revision says of that does no
        // harm.
        if stretches <= 1 || core.revision() == before || attempt == ATTEMPTS {
            listing.as_of = before;
            return Ok(listing);
        }
    }
    unreachable!("the loop above returns")
}

fn fill(listing: &mut Listing, query: &mut Query<'_>, page: Page) -> Result<(), Error> {
    let beyond;
    match page {
        Page::First { most } => {
            (listing.articles, beyond) = query.older(LAST, most)?;
        }
        Page::After { cursor, most } => {
            (listing.articles, beyond) = query.older(below(first_at(cursor)), most)?;
            let newest = listing.articles.first().map_or(cursor, |(place, _)| *place);
            let from = if listing.articles.is_empty() {
                first_at(cursor)
            } else {
                above(last_at(newest))
            };
            listing.newer = query.any(from, Way::Newer)?;
        }
        Page::Before { cursor, most } => {
            (listing.articles, beyond) = query.newer(above(last_at(cursor)), most)?;
            listing.articles.reverse();
            let newest = listing.articles.first().map(|(place, _)| *place);
            listing.newer = match newest {
                Some(newest) => query.more(beyond, above(last_at(newest)), Way::Newer)?,
                None => false,
            };
            let oldest = listing.articles.last().map(|(place, _)| *place);
            let from = oldest.map_or(last_at(cursor), |oldest| below(first_at(oldest)));
            listing.older = query.any(from, Way::Older)?;
            return Ok(());
        }
    }
    let oldest = listing.articles.last().map(|(place, _)| *place);
    let from = match (oldest, page) {
        (Some(oldest), _) => below(first_at(oldest)),
        (None, Page::After { cursor, .. }) => below(first_at(cursor)),
        (None, _) => LAST,
    };
    listing.older = query.more(beyond, from, Way::Older)?;
    Ok(())
}

/// The first of an article's possible places, whatever its spelling.
fn first_at(cursor: Cursor) -> Place {
    packed::place(cursor.published, cursor.seq, 0)
}

/// The last of them.
fn last_at(cursor: Cursor) -> Place {
    packed::place(cursor.published, cursor.seq, OTHER)
}

/// What stands at the next place of a list.
enum Seen {
    /// Nothing, and nothing beyond.
    End,
    /// What does not fit, or is gone.
    Other(Place),
    Fitting(Place, Rec),
}

/// Places that fit, and where to look on; `None` behind the last one.
type Stretch = (Vec<(Place, Rec)>, Option<Place>);

/// Articles in the order of a walk, and what is beyond the last one.
type Walked = (Vec<(Cursor, Arc<Article>)>, Beyond);

/// What a walk saw behind the articles that it was to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beyond {
    Nothing,
    Another,
    /// It did not look that far.
    Unknown,
}

/// A selection as sets to merge.
struct Query<'a> {
    core: &'a Core,
    /// The look at the index that the names were found in, for the first stretch.
    table: Option<RwLockReadGuard<'a, Table>>,
    all: Vec<OneOf>,
    none: Vec<OneOf>,
    filter: Filter,
    oldest: Place,
    newest: Place,
    /// Articles of the month asked for that a whole list has, if that is known.
    in_month: Option<u64>,
    /// Articles of one source on a page.
    per_source: Option<u32>,
    /// Looks at the index that a page was put together from.
    stretches: u32,
}

/// Articles that are looked at before the writer gets its turn.
const AT_ONCE: usize = 256;
/// Articles that are looked at for one page whose sources are limited.
const LIMITED: usize = 2000;

/// What only an article's own record can tell.
struct Filter {
    language: Option<String>,
    image: bool,
    enclosure: bool,
    month: Option<u32>,
    seen_after: Option<Timestamp>,
    sightings: u32,
    /// Numbers that articles of that month can have.
    numbers: (u64, u64),
}

impl Filter {
    fn is_open(&self) -> bool {
        self.language.is_none()
            && !self.image
            && !self.enclosure
            && self.month.is_none()
            && self.seen_after.is_none()
            && self.sightings == 0
    }

    fn lets(&self, rec: &Rec) -> bool {
        self.language
            .as_ref()
            .is_none_or(|language| *language == rec.language)
            && (!self.image || rec.has_image)
            && (!self.enclosure || rec.has_enclosure)
            && self
                .month
                .is_none_or(|month| packed::month_of(rec.first_seen) == month)
            && self.seen_after.is_none_or(|after| rec.first_seen > after)
            && rec.sightings >= self.sightings
    }
}

impl<'a> Query<'a> {
    /// `None` if nothing can be found. Says in the listing whether the list is known, and when it was touched.
    fn new(
        core: &'a Core,
        selection: &Selection,
        listing: &mut Listing,
    ) -> Result<Option<Self>, Error> {
        let table = core.index.read();
        let (kind, name) = scope_parts(&selection.scope);
        let named = table.name(kind, name)?;
        listing.known =
            selection.scope == Scope::All || named.as_ref().is_some_and(|rec| rec.known);
        let Some(named) = named.filter(|rec| rec.known) else {
            return Ok(None);
        };
        listing.touched = named.touched;
        let walk = Walk::new(kind, named.id, named.count);
        let mut all = vec![OneOf::new(vec![walk])];
        // Outputs may hold private articles, and these can be narrowed down apart from the public lists.
        let hidden = matches!(selection.scope, Scope::Output(_));
        let list = |scope: &Scope| lists_of(&table, scope, hidden);
        for tag in &selection.tags {
            all.push(list(&Scope::Tag(tag.clone()))?);
        }
        if !selection.any.is_empty() {
            let mut any = OneOf::new(Vec::new());
            for tag in &selection.any {
                any.walks.extend(list(&Scope::Tag(tag.clone()))?.walks);
            }
            all.push(any);
        }
        if let Some(key) = &selection.category {
            all.push(list(&Scope::Category(key.clone()))?);
        }
        if let Some(id) = &selection.source {
            all.push(list(&Scope::Source(SourceId::clone(id)))?);
        }
        if all.iter().any(|one| one.walks.is_empty()) {
            return Ok(None);
        }
        all.sort_by_key(OneOf::count);
        let mut none = Vec::new();
        for tag in &selection.not {
            none.push(list(&Scope::Tag(tag.clone()))?);
        }
        // The longest is the likeliest to have an article.
        none.sort_by_key(|one| std::cmp::Reverse(one.count()));
        let filter = filter(&table, selection);
        let Some(filter) = filter else {
            return Ok(None);
        };
        let whole = all.len() == 1 && none.is_empty() && filter.month.is_some();
        let in_month = filter.month.filter(|_| whole).map(|month| {
            let found = named.months.iter().find(|(of, _)| *of == month);
            found.map_or(0, |(_, count)| *count)
        });
        let (oldest, newest) = bounds(selection);
        Ok(Some(Self {
            core,
            table: Some(table),
            all,
            none,
            filter,
            oldest,
            newest,
            in_month,
            per_source: selection.per_source,
            stretches: 0,
        }))
    }

    /// Looks at the nearest article at or beyond a place that stands in all lists.
    fn look(&mut self, table: &Table, from: Place, way: Way) -> Result<Seen, Error> {
        let from = match way {
            Way::Older => from.min(self.newest),
            Way::Newer => from.max(self.oldest),
        };
        let Some(place) = self.meet(table, from, way)? else {
            return Ok(Seen::End);
        };
        let out = match way {
            Way::Older => place < self.oldest,
            Way::Newer => place > self.newest,
        };
        if out {
            return Ok(Seen::End);
        }
        let cursor = packed::cursor(place);
        let (first, last) = self.filter.numbers;
        if cursor.seq < first || cursor.seq > last.min(table.newest()) {
            return Ok(Seen::Other(place));
        }
        for one in &mut self.none {
            if one.holds(table, place)? {
                return Ok(Seen::Other(place));
            }
        }
        let rec = table.article(cursor.seq)?;
        Ok(match rec {
            Some(rec) if self.filter.is_open() || self.filter.lets(&rec) => {
                Seen::Fitting(place, rec)
            }
            _ => Seen::Other(place),
        })
    }

    /// The next articles at or beyond a place that fit everything, at most so many, and where to look on; `None` behind the
    /// last one. There may be more even if none was found: nobody waits until all of a long list was looked at.
    fn stretch(&mut self, from: Place, most: usize, way: Way) -> Result<Stretch, Error> {
        let table = self.table.take().unwrap_or_else(|| self.core.index.read());
        let (mut found, mut from) = (Vec::with_capacity(most.min(AT_ONCE)), from);
        for _ in 0..AT_ONCE {
            if found.len() >= most {
                break;
            }
            let place = match self.look(&table, from, way)? {
                Seen::End => return Ok((found, None)),
                Seen::Other(place) => place,
                Seen::Fitting(place, rec) => {
                    found.push((place, rec));
                    place
                }
            };
            if way == Way::Older && packed::bare(place) == (0, 0) {
                return Ok((found, None));
            }
            from = behind(place, way);
        }
        Ok((found, Some(from)))
    }

    /// The nearest place at which all lists have the same article.
    fn meet(&mut self, table: &Table, from: Place, way: Way) -> Result<Option<Place>, Error> {
        let mut at = from;
        'again: loop {
            let mut agreed: Option<Place> = None;
            for one in &mut self.all {
                // Spellings differ from list to list: look from the edge of the article's places.
                let edge = match (agreed, way) {
                    (None, _) => at,
                    (Some(place), Way::Older) => (place.0, place.1 | u64::from(OTHER)),
                    (Some(place), Way::Newer) => packed::bare(place),
                };
                let Some(found) = one.seek(table, edge, way)? else {
                    return Ok(None);
                };
                match agreed {
                    None => agreed = Some(found),
                    Some(place) if packed::bare(place) == packed::bare(found) => {}
                    Some(_) => {
                        at = match way {
                            Way::Older => (found.0, found.1 | u64::from(OTHER)),
                            Way::Newer => packed::bare(found),
                        };
                        continue 'again;
                    }
                }
            }
            return Ok(agreed);
        }
    }

    /// True if there is an article at or beyond a place.
    fn more(&mut self, beyond: Beyond, from: Place, way: Way) -> Result<bool, Error> {
        match beyond {
            Beyond::Nothing => Ok(false),
            Beyond::Another => Ok(true),
            Beyond::Unknown => self.any(from, way),
        }
    }

    fn any(&mut self, from: Place, way: Way) -> Result<bool, Error> {
        let mut next = Some(from);
        while let Some(from) = next {
            let (found, beyond) = self.stretch(from, 1, way)?;
            if !found.is_empty() {
                return Ok(true);
            }
            next = beyond;
        }
        Ok(false)
    }

    fn older(&mut self, from: Place, most: usize) -> Result<Walked, Error> {
        self.collect(from, most, Way::Older)
    }

    fn newer(&mut self, from: Place, most: usize) -> Result<Walked, Error> {
        self.collect(from, most, Way::Newer)
    }

    fn collect(&mut self, from: Place, most: usize, way: Way) -> Result<Walked, Error> {
        let mut found = Vec::with_capacity(most.min(512));
        let mut of_source: HashMap<SourceId, u32> = HashMap::new();
        let (mut looked, mut next) = (0, Some(from));
        let mut another = false;
        while let Some(from) = next
            && found.len() < most
            && looked < LIMITED
        {
            // Whoever knows how many there are need not look behind the last one.
            let all = self.in_month.map_or(most, |all| {
                most.min(usize::try_from(all).unwrap_or(usize::MAX))
            });
            if found.len() >= all {
                break;
            }
            let missing = all - found.len();
            let one_more = usize::from(self.in_month.is_none());
            let (mut some, beyond) = self.stretch(from, missing + one_more, way)?;
            self.stretches += 1;
            next = beyond;
            another = some.len() > missing;
            if another {
                some.truncate(missing);
                // Should one of these be unreadable, it goes on behind them.
                next = some.last().map(|(place, _)| behind(*place, way));
            }
            for (place, rec) in some {
                let cursor = packed::cursor(place);
                let mut wanted = true;
                if let Some(limit) = self.per_source {
                    looked += 1;
                    if let Some(live) = self.core.sound(cursor.seq)? {
                        let source = live.stand.head.source.clone();
                        let count = of_source.entry(source).or_default();
                        *count += 1;
                        wanted = *count <= limit;
                    }
                }
                if wanted && let Some(article) = self.core.sound_article(cursor.seq, &rec)? {
                    found.push((cursor, article));
                }
            }
        }
        let beyond = match next {
            None => Beyond::Nothing,
            Some(_) if another => Beyond::Another,
            Some(_) => Beyond::Unknown,
        };
        Ok((found, beyond))
    }
}

/// The first place on the way that cannot be this article's.
fn behind(place: Place, way: Way) -> Place {
    match way {
        Way::Older => below(packed::bare(place)),
        Way::Newer => above((place.0, place.1 | u64::from(OTHER))),
    }
}

/// The sets of a list: the public one, and the one for private articles if these may be shown.
fn lists_of(table: &Table, scope: &Scope, hidden: bool) -> Result<OneOf, Error> {
    let (kind, name) = scope_parts(scope);
    let Some(named) = table.name(kind, name)? else {
        return Ok(OneOf::new(Vec::new()));
    };
    let walk = |kind: u8, count: u64| Walk::new(kind, named.id, count);
    let mut walks = vec![walk(kind, named.count)];
    if hidden {
        walks.push(walk(kind.to_ascii_uppercase(), 1));
    }
    Ok(OneOf::new(walks))
}

/// `None` if no article can fit.
fn filter(table: &Table, selection: &Selection) -> Option<Filter> {
    let month = selection
        .month
        .map(|(year, month)| u32::try_from(year).unwrap_or(0) * 12 + month.saturating_sub(1));
    let numbers = match month {
        Some(month) => *table.figures.months.get(&month)?,
        None => (0, u64::MAX),
    };
    Some(Filter {
        language: selection.language.as_deref().map(lists::primary),
        image: selection.has.contains(&Has::Image),
        enclosure: selection.has.contains(&Has::Enclosure),
        month,
        seen_after: selection.seen_after,
        sightings: selection.sightings,
        numbers,
    })
}

/// The oldest and the newest place that a selection allows.
fn bounds(selection: &Selection) -> (Place, Place) {
    let oldest = selection.since.map_or((0, 0), |since| {
        above((packed::place(since, 0, 0).0, u64::MAX))
    });
    let newest = selection.before.map_or(LAST, |before| {
        let (date, _) = packed::place(before, 0, 0);
        if date == 0 {
            (0, 0)
        } else {
            (date - 1, u64::MAX)
        }
    });
    // Nothing is published after it was first seen.
    let newest = match selection.month {
        Some((year, month)) => {
            let (year, month) = if month >= 12 {
                (year + 1, 1)
            } else {
                (year, month + 1)
            };
            let end = Timestamp::from_civil(year, month, 1, 0, 0, 0);
            end.map_or(newest, |end| newest.min(packed::place(end, 0, 0)))
        }
        None => newest,
    };
    (oldest, newest)
}
