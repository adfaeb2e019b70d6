//! Dublin Core: elements (`dc:`) and terms (`dcterms:`).

use std::borrow::Cow;

use crate::model::entry::Term;
use crate::parse::construct::Construct;
use crate::parse::draft::{Common, EntryDraft, FeedDraft};
use crate::parse::shared;
use crate::parse::xml::{Reader, Tag};

/// `dc:` in a feed.
pub(super) fn feed<'a>(r: &mut Reader<'a>, feed: &mut FeedDraft<'a>, tag: &Tag<'a>) {
    match &*tag.local {
        "description" => feed.description.offer(2, Construct::rss(r, tag.level)),
        "date" => feed.common.updated.offer(1, r.date_value(tag.level)),
        _ => both(r, &mut feed.common, tag),
    }
}

/// `dc:` in an entry.
pub(super) fn entry<'a>(r: &mut Reader<'a>, draft: &mut EntryDraft<'a>, tag: &Tag<'a>) {
    match &*tag.local {
        "description" => draft.summary.offer(2, Construct::rss(r, tag.level)),
        "date" => draft.dc_date = draft.dc_date.or(r.date_value(tag.level)),
        "identifier" => draft
            .common
            .id
            .offer(3, r.filled_value(tag.level).map(Cow::into_owned)),
        "source" if draft.dc_source.is_none() => draft.dc_source = r.words(tag.level),
        _ => both(r, &mut draft.common, tag),
    }
}

fn both<'a>(r: &mut Reader<'a>, common: &mut Common<'a>, tag: &Tag<'a>) {
    match &*tag.local {
        "title" => common.title.offer(2, Construct::rss(r, tag.level)),
        "creator" | "author" => common.authors.offer(2, shared::person(r, tag.level)),
        "contributor" => common.contributors.offer(1, shared::person(r, tag.level)),
        "publisher" => common.publisher.offer(1, shared::person(r, tag.level)),
        "rights" => common.rights.offer(2, Construct::rss(r, tag.level)),
        "language" => common.language.offer(1, r.words(tag.level)),
        "subject" => {
            let term = r.words(tag.level);
            common.term(Term {
                term,
                ..Term::default()
            });
        }
        _ => {}
    }
}

/// `dcterms:` in either.
pub(super) fn terms<'a>(r: &mut Reader<'a>, common: &mut Common<'a>, tag: &Tag<'a>) {
    match &*tag.local {
        "issued" => common.published.offer(4, r.date_value(tag.level)),
        "created" => common.published.offer(5, r.date_value(tag.level)),
        "modified" => common.updated.offer(2, r.date_value(tag.level)),
        _ => both(r, common, tag),
    }
}
