//! Step 3. Makes an entry ready to be recognised: its canonical URL, its keys, its dates in order. Pure.

pub mod fingerprint;
pub mod url;

use std::collections::{HashMap, HashSet};

use crate::html;
use crate::model::article::{Key, Sighting};
use crate::model::candidate::{Candidate, Mark};
use crate::model::entry::{Content, Entry, Feed, IdSource};
use crate::model::source::{About, Source};
use crate::model::time::Timestamp;
use crate::text::language;

/// What a feed says of itself, as its articles will repeat it. The operator's title counts before the publisher's;
/// `url` is where the document was found.
#[must_use]
pub fn about(feed: &Feed, source: &Source, url: &str) -> About {
    let title = source
        .title
        .clone()
        .or_else(|| {
            feed.title
                .as_ref()
                .map(|title| title.plain.clone())
                .filter(|title| !title.is_empty())
        })
        .unwrap_or_else(|| source.id.to_string());
    About {
        title,
        feed_id: feed.id.clone(),
        feed_url: url.to_owned(),
        home_url: feed.home_page_url.clone(),
        language: feed.language.clone(),
        updated: feed.updated.or(feed.published),
    }
}

/// Makes all entries of one document ready. `now` is the time of the visit: no date may be later; `mostly` is the language
/// of most of what the source had before.
#[must_use]
pub fn candidates(
    entries: Vec<(Entry, Mark)>,
    source: &Source,
    about: &About,
    mostly: Option<&str>,
    now: Timestamp,
) -> Vec<Candidate> {
    let (mut all, beginnings): (Vec<Candidate>, Vec<String>) = entries
        .into_iter()
        .map(|(entry, mark)| candidate(entry, mark, source, about, now))
        .unzip();
    tell_languages(&mut all, &beginnings, about.language.as_deref(), mostly);
    tell_guids_apart(&mut all, source);
    drop_shared_urls(&mut all);
    all
}

/// The language of each entry: what its publisher said, if its script agrees, else what its text says; where that does not
/// say enough, the language that most of the document is in. Where most of it was not read again, that is what it was.
fn tell_languages(
    all: &mut [Candidate],
    beginnings: &[String],
    of_feed: Option<&str>,
    mostly: Option<&str>,
) {
    let unread = all.iter().filter(|one| one.mark.unchanged).count();
    let tell = |candidate: &Candidate, beginning: &str, prior: Option<&str>| {
        let said = candidate.entry.language.as_deref().or(of_feed);
        language::language(said, prior, candidate.entry.title_text(), beginning)
    };
    let mut counts: HashMap<String, usize> = HashMap::new();
    if let Some(mostly) = mostly.filter(|_| unread > 0) {
        counts.insert(mostly.to_owned(), unread);
    }
    let read = |(candidate, _): &(&mut Candidate, &String)| !candidate.mark.unchanged;
    for (candidate, beginning) in all.iter_mut().zip(beginnings).filter(read) {
        candidate.language = tell(candidate, beginning, of_feed);
        if let Some(language) = &candidate.language {
            *counts.entry(language.clone()).or_default() += 1;
        }
    }
    let Some(prior) = commonest(counts) else {
        return;
    };
    for (candidate, beginning) in all.iter_mut().zip(beginnings).filter(read) {
        if candidate.language.as_ref() != Some(&prior) {
            candidate.language = tell(candidate, beginning, Some(&prior));
        }
    }
}

/// The language that most entries are in; `None` if not all of them were read.
#[must_use]
pub fn mostly(all: &[Candidate]) -> Option<String> {
    if all.iter().any(|one| one.mark.unchanged) {
        return None;
    }
    let mut counts = HashMap::new();
    for language in all.iter().filter_map(|one| one.language.clone()) {
        *counts.entry(language).or_default() += 1;
    }
    commonest(counts)
}

/// The language with most entries; of several the first by name, so that a document is always read alike.
fn commonest(counts: HashMap<String, usize>) -> Option<String> {
    let most = counts
        .into_iter()
        .max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)));
    most.map(|(language, _)| language)
}

/// A guid that one document gives to entries with different links names none of them: guid and link together do.
fn tell_guids_apart(all: &mut [Candidate], source: &Source) {
    let mut first_link: HashMap<Key, Option<String>> = HashMap::new();
    let mut repeated: HashSet<Key> = HashSet::new();
    for candidate in all.iter() {
        let link = first_link
            .entry(candidate.guid)
            .or_insert_with(|| candidate.entry.url.clone());
        if *link != candidate.entry.url {
            repeated.insert(candidate.guid);
        }
    }
    for candidate in all
        .iter_mut()
        .filter(|candidate| repeated.contains(&candidate.guid))
    {
        let sighting = &mut candidate.sighting;
        sighting.guid = format!(
            "{}|{}",
            sighting.guid,
            sighting.url.as_deref().unwrap_or_default()
        );
        sighting.guid_key = fingerprint::guid_key(&source.id, &sighting.guid);
        candidate.guid = Key::Guid(sighting.guid_key);
    }
}

/// A URL that one document gives to entries with different headlines (a status page, a change log) names none of them.
fn drop_shared_urls(all: &mut [Candidate]) {
    let mut first_title: HashMap<Key, String> = HashMap::new();
    let mut shared: HashSet<Key> = HashSet::new();
    for candidate in all.iter() {
        let Some(url) = candidate.url else { continue };
        let title = first_title
            .entry(url)
            .or_insert_with(|| candidate.sighting.title.clone());
        if *title != candidate.sighting.title {
            shared.insert(url);
        }
    }
    for candidate in all.iter_mut() {
        candidate.url = candidate.url.filter(|url| !shared.contains(url));
    }
}

/// A candidate whose language is still open, and the beginning of its text.
fn candidate(
    entry: Entry,
    mark: Mark,
    source: &Source,
    about: &About,
    now: Timestamp,
) -> (Candidate, String) {
    let lines = lines(&entry);
    // What is shown of a summary is not always what its markup says.
    let shown = match (&entry.content, &entry.summary) {
        (None, Some(summary)) => &summary.plain,
        _ => &lines,
    };
    let canonical = entry.url.as_deref().and_then(url::canonical);
    // A rule may have written another address; what the entry is named by stays.
    let given = match entry.id_source {
        IdSource::Url => url::canonical(&entry.id),
        IdSource::Guid | IdSource::Hash => None,
    };
    let guid = identity(&entry, given.as_deref());
    let guid_key = fingerprint::guid_key(&source.id, &guid);
    // Some feeds date entries in the future, some in the year 1900.
    let claimed = entry
        .published
        .or(entry.updated)
        .filter(|&date| date > Timestamp::EPOCH);
    let published = claimed.unwrap_or(now).min(now);
    let updated = entry.updated.unwrap_or(published).clamp(published, now);
    let beginning = shown.chars().take(language::BEGINNING);
    let beginning = beginning.map(|c| if c == '\n' { ' ' } else { c }).collect();
    let candidate = Candidate {
        sighting: Sighting {
            source: Some(source.id.clone()),
            guid,
            guid_key,
            text_hash: fingerprint::text_hash(&entry, canonical.as_deref(), shown),
            seen: now,
            published: entry.published,
            url: entry.url.clone(),
            title: entry.title_text().to_owned(),
            source_title: about.title.clone(),
            category: source.category.clone(),
            labels: Vec::new(),
            trust: source.trust,
            fullness: u32::try_from(shown.chars().count()).unwrap_or(u32::MAX),
            ..Sighting::default()
        },
        guid: Key::Guid(guid_key),
        url: canonical
            .filter(|canonical| !source.never_merge && url::names_one_article(canonical))
            .map(|canonical| {
                fingerprint::url_key(&canonical, source.private.then_some(&source.id))
            }),
        published,
        updated,
        language: None,
        private: source.private,
        mark,
        entry,
        lines,
    };
    (candidate, beginning)
}

/// What names the entry at its source: the publisher's guid, else its URL without tracking (`given`), else title and
/// date.
fn identity(entry: &Entry, given: Option<&str>) -> String {
    match (entry.id_source, given) {
        (IdSource::Url, Some(canonical)) => canonical.to_owned(),
        (IdSource::Guid, _) | (IdSource::Url, None) => entry.id.clone(),
        (IdSource::Hash, _) => {
            let date = entry
                .published
                .map(Timestamp::to_rfc3339)
                .unwrap_or_default();
            match entry.title_text() {
                "" => entry.id.clone(),
                title => format!("{title}\n{date}"),
            }
        }
    }
}

/// The text of an entry with one line for each paragraph: what texts are compared by.
#[must_use]
pub fn lines(entry: &Entry) -> String {
    match (&entry.content, &entry.summary) {
        (Some(Content::Html(fragment)), _) => html::lines(fragment),
        (Some(Content::Plain(text)), _) => text.clone(),
        (None, Some(summary)) => match &summary.html {
            Some(fragment) => html::lines(fragment),
            None => summary.plain.clone(),
        },
        (None, None) => String::new(),
    }
}

/// All that readers see of an entry beside its headline, line by line: text, summary, where it leads, what is attached.
/// Tracking and the queries of attachments do not count.
#[must_use]
pub fn all_lines(entry: &Entry) -> String {
    let mut all = lines(entry);
    let mut add = |line: &str| {
        all.push('\n');
        all.push_str(line);
    };
    if entry.content.is_some() {
        add(entry.summary.as_ref().map_or("", |summary| &summary.plain));
    }
    let url = entry.url.as_deref().unwrap_or_default();
    add(url::canonical(url).as_deref().unwrap_or(url));
    for enclosure in &entry.enclosures {
        add(enclosure.url.split(['?', '#']).next().unwrap_or_default());
    }
    all
}

/// The text that readers see, without markup.
#[must_use]
pub fn body_text(entry: &Entry) -> String {
    match (&entry.content, &entry.summary) {
        (Some(Content::Html(fragment)), _) => html::text(fragment),
        (Some(Content::Plain(text)), _) => text.clone(),
        (None, Some(summary)) => summary.plain.clone(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests;
