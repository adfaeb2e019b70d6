//! Media RSS 1.5.1: contents, thumbnails, credits; groups are flattened.

use crate::model::entry::{Community, Credit, Enclosure, MediaContent, Player, Term, Thumbnail};
use crate::parse::construct::Construct;
use crate::parse::draft::{EntryDraft, FeedDraft};
use crate::parse::value::{filled, plain};
use crate::parse::xml::{Level, Ns, Reader, Tag};

/// More of one kind in one entry help nobody.
const MOST: usize = 500;

/// `media:` in a feed.
pub(super) fn feed<'a>(r: &mut Reader<'a>, feed: &mut FeedDraft<'a>, tag: &Tag<'a>) {
    match &*tag.local {
        "title" => feed.common.title.offer(3, Construct::rss(r, tag.level)),
        "description" => feed.description.offer(6, Construct::rss(r, tag.level)),
        "thumbnail" => feed.common.image.offer(4, r.url_attr("url")),
        "category" => {
            let term = category(r, tag.level);
            feed.common.term(term);
        }
        "keywords" => {
            let list = r.value(tag.level);
            crate::parse::shared::term_list(&mut feed.common, &list, None);
        }
        _ => {}
    }
}

/// `media:` in an entry; also what stands in `media:group` and `media:content`.
pub(super) fn entry<'a>(r: &mut Reader<'a>, draft: &mut EntryDraft<'a>, tag: &Tag<'a>) {
    let level = tag.level;
    let media = &mut draft.media;
    match &*tag.local {
        "group" => inside(r, draft, level),
        "content" => content(r, draft, level),
        "title" => {
            let title = Construct::rss(r, level);
            if media.title.is_none() {
                media.title = title.clone().and_then(Construct::into_plain);
            }
            draft.common.title.offer(3, title);
        }
        "description" => {
            let description = Construct::rss(r, level);
            if media.description.is_none() {
                media.description = description.clone().and_then(Construct::into_plain);
            }
            draft.summary.offer(4, description);
        }
        "thumbnail" => thumbnail(r, draft, level),
        "credit" if media.credits.len() < MOST => {
            let (role, scheme) = (r.text_attr("role"), r.text_attr("scheme"));
            let name = r.words(level);
            if name.is_some() {
                media.credits.push(Credit { role, scheme, name });
            }
        }
        "player" if media.player.is_none() => {
            let (width, height) = (r.number_attr("width"), r.number_attr("height"));
            let url = match r.url_attr("url") {
                Some(url) => Some(url),
                None => r.url_value(level),
            };
            media.player = url.map(|url| Player { url, width, height });
        }
        "rating" if media.rating.is_none() => media.rating = r.words(level),
        "keywords" => {
            let list = r.value(level);
            for word in list.split(',').filter_map(|word| filled(plain(word))) {
                if media.keywords.len() < MOST && !media.keywords.contains(&word) {
                    media.keywords.push(word);
                }
            }
        }
        "category" => {
            let term = category(r, level);
            draft.common.term(term);
        }
        "community" => community(r, draft, level),
        "statistics" | "starrating" => statistic(r, draft, tag),
        "license" => draft.common.license.offer(2, r.url_attr("href")),
        "copyright" => draft.common.rights.offer(3, Construct::rss(r, level)),
        _ => {}
    }
}

fn inside<'a>(r: &mut Reader<'a>, draft: &mut EntryDraft<'a>, level: Level) {
    while let Some(tag) = r.child(level) {
        if tag.ns == Ns::Media && tag.local != "group" {
            entry(r, draft, &tag);
        }
    }
}

fn content<'a>(r: &mut Reader<'a>, draft: &mut EntryDraft<'a>, level: Level) {
    let content = MediaContent {
        url: r.url_attr("url"),
        media_type: r.text_attr("type"),
        medium: r
            .text_attr("medium")
            .map(|medium| medium.to_ascii_lowercase()),
        length: r.number_attr("fileSize").filter(|length| *length > 0),
        width: pixels(r, "width"),
        height: pixels(r, "height"),
        duration: r
            .filled_attr("duration")
            .and_then(|value| r.duration(&value)),
        is_default: r
            .attr("isDefault")
            .map(|value| value.trim().eq_ignore_ascii_case("true")),
    };
    let title_before = draft.media.title.take();
    // Contents nested in contents are nobody's habit, but a level deeper costs nothing: the reader bounds the depth.
    while let Some(tag) = r.child(level) {
        if tag.ns == Ns::Media && tag.local != "group" && tag.local != "content" {
            entry(r, draft, &tag);
        }
    }
    let title = draft.media.title.clone();
    draft.media.title = title_before.or(draft.media.title.take());
    if let Some(url) = content.url.clone().filter(|_| !is_image(&content)) {
        draft.enclose(Enclosure {
            url,
            mime_type: content.media_type.clone(),
            title,
            length: content.length,
            duration: content.duration,
        });
    }
    draft.media_duration = draft.media_duration.or(content.duration);
    if content != MediaContent::default() && draft.media.contents.len() < MOST {
        draft.media.contents.push(content);
    }
}

fn is_image(content: &MediaContent) -> bool {
    content.medium.as_deref() == Some("image")
        || content
            .media_type
            .as_deref()
            .is_some_and(|kind| kind.starts_with("image/"))
}

fn thumbnail(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, level: Level) {
    let (width, height, time) = (pixels(r, "width"), pixels(r, "height"), r.text_attr("time"));
    let url = match r.url_attr("url") {
        Some(url) => Some(url),
        None => r.url_value(level),
    };
    if let Some(url) = url
        && draft.media.thumbnails.len() < MOST
    {
        draft.media.thumbnails.push(Thumbnail {
            url,
            width,
            height,
            time,
        });
    }
}

/// A size in pixels; `640px` and `640.0` are understood.
fn pixels(r: &mut Reader<'_>, name: &str) -> Option<u64> {
    let value = r.filled_attr(name)?;
    let digits = value.trim_end_matches("px").trim();
    let whole = digits.strip_suffix(".0").unwrap_or(digits).to_owned();
    r.number(&whole)
}

fn category(r: &mut Reader<'_>, level: Level) -> Term {
    let (scheme, label) = (r.text_attr("scheme"), r.text_attr("label"));
    let term = r.words(level);
    if term.is_none() && label.is_none() {
        return Term::default();
    }
    let scheme = scheme.or_else(|| Some("http://search.yahoo.com/mrss/category_schema".to_owned()));
    Term {
        term,
        scheme,
        label,
    }
}

fn community(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, level: Level) {
    while let Some(tag) = r.child(level) {
        statistic(r, draft, &tag);
    }
}

fn statistic(r: &mut Reader<'_>, draft: &mut EntryDraft<'_>, tag: &Tag<'_>) {
    let mut known = draft.media.community.take().unwrap_or_default();
    match &*tag.local {
        "statistics" => known.views = known.views.or_else(|| r.number_attr("views")),
        "starrating" => {
            let average = r
                .filled_attr("average")
                .and_then(|value| value.parse().ok())
                .filter(|stars: &f64| stars.is_finite());
            known.stars = known.stars.or(average);
            known.stars_count = known.stars_count.or_else(|| r.number_attr("count"));
        }
        _ => {}
    }
    draft.media.community = (known != Community::default()).then_some(known);
}
