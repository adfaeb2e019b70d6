use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::story::{self, Effect};
use super::*;
use crate::model::article::{Article, Sighting};
use crate::model::candidate::Mark;
use crate::model::entry::{Entry, Text};
use crate::model::source::{About, SourceId};
use crate::model::time::Timestamp;

const NOON: Timestamp = Timestamp::from_secs(1_790_000_000);

fn copy(source: &str, guid: u128, url: Option<u128>, text: u64) -> Candidate {
    Candidate {
        lines: String::new(),
        entry: Entry {
            title: Some(Text {
                plain: format!("text {text}"),
                html: None,
            }),
            ..Entry::default()
        },
        sighting: Sighting {
            source: SourceId::new(source),
            guid: guid.to_string(),
            guid_key: guid,
            text_hash: text,
            fullness: 100,
            ..Sighting::default()
        },
        guid: Key::Guid(guid),
        url: url.map(Key::Url),
        published: NOON,
        updated: NOON,
        language: None,
        mark: Mark::default(),
        private: false,
    }
}

fn stored(candidate: Candidate) -> Article {
    let source = candidate.sighting.source.clone().unwrap();
    story::found(candidate, &source, &About::default(), NOON)
}

fn against(known: &[(Key, &Article)], buried: &[Key], candidates: &[Candidate]) -> Vec<Decision> {
    let heads: HashMap<Key, Arc<Head>> = known
        .iter()
        .map(|(key, article)| (*key, Arc::new(article.head.clone())))
        .collect();
    decide(candidates, &|key| heads.get(&key).cloned(), &|key| {
        buried.contains(&key)
    })
}

#[test]
fn each_entry_of_a_document_is_decided_by_guid_then_url() {
    let article = stored(copy("a", 1, Some(10), 5));
    let known = [(Key::Guid(1), &article), (Key::Url(10), &article)];
    let id = article.head.id;
    for (candidate, decision) in [
        (copy("a", 1, Some(10), 5), Decision::Known),
        (copy("a", 1, Some(10), 6), Decision::Edited(id)),
        (copy("b", 2, Some(10), 9), Decision::Sighted(id)),
        (copy("b", 3, Some(11), 5), Decision::New),
        (copy("b", 4, None, 5), Decision::New),
    ] {
        assert_eq!(
            against(&known, &[], std::slice::from_ref(&candidate)),
            [decision],
            "{candidate:?}"
        );
    }
}

#[test]
fn a_purged_article_does_not_come_back_under_either_key() {
    let buried = [Key::Guid(1), Key::Url(10)];
    let candidates = [
        copy("a", 1, None, 5),
        copy("b", 2, Some(10), 5),
        copy("b", 3, Some(11), 5),
    ];
    assert_eq!(
        against(&[], &buried, &candidates),
        [Decision::Buried, Decision::Buried, Decision::New]
    );
}

#[test]
fn what_stood_there_before_is_not_looked_up() {
    let mut candidates = [copy("a", 1, Some(10), 5), copy("a", 2, Some(11), 6)];
    candidates[0].mark.unchanged = true;
    let asked = std::cell::RefCell::new(Vec::new());
    let ask = |key: Key| asked.borrow_mut().push(key);
    let holder = |key| {
        ask(key);
        None
    };
    let buried = |key| {
        ask(key);
        false
    };
    assert_eq!(
        decide(&candidates, &holder, &buried),
        [Decision::Known, Decision::New]
    );
    let of_the_other: Vec<Key> = candidates[1].keys().collect();
    let asked = asked.into_inner();
    assert!(asked.iter().all(|key| of_the_other.contains(key)));
    assert!(!asked.is_empty());
}

#[test]
fn one_document_may_repeat_itself() {
    let candidates = [
        copy("a", 1, Some(10), 5),
        copy("a", 1, Some(10), 5),
        copy("a", 2, Some(10), 5),
    ];
    assert_eq!(
        against(&[], &[], &candidates),
        [Decision::New, Decision::Repeated, Decision::SameAs(0)]
    );
}

#[test]
fn the_better_copy_leads_but_only_in_the_first_hour() {
    let fuller = |guid| {
        let mut candidate = copy("b", guid, Some(10), 7);
        candidate.sighting.fullness = 300;
        candidate
    };
    let mut article = stored(copy("a", 1, Some(10), 5));
    let soon = NOON + Duration::from_mins(59);
    assert_eq!(
        story::join(
            &mut article,
            fuller(2),
            &About::default(),
            soon,
            &Options::default()
        ),
        Effect::Text
    );
    assert_eq!(article.head.source.as_str(), "b");
    assert_eq!(
        (
            article.head.id.0,
            article.head.published,
            article.head.updated
        ),
        (1, NOON, NOON)
    );

    let mut article = stored(copy("a", 1, Some(10), 5));
    let late = NOON + Duration::from_mins(61);
    assert_eq!(
        story::join(
            &mut article,
            fuller(2),
            &About::default(),
            late,
            &Options::default()
        ),
        Effect::Head
    );
    assert_eq!(article.head.source.as_str(), "a");
    assert_eq!(article.sightings.len(), 2);
}

#[test]
fn an_edit_moves_updated_only_where_the_leader_was_edited() {
    let mut article = stored(copy("a", 1, Some(10), 5));
    let later = NOON + Duration::from_hours(5);
    story::join(
        &mut article,
        copy("b", 2, Some(10), 5),
        &About::default(),
        NOON,
        &Options::default(),
    );
    assert_eq!(
        story::edit(
            &mut article,
            copy("b", 2, Some(10), 6),
            &About::default(),
            later
        ),
        Effect::Head
    );
    assert_eq!(article.head.updated, NOON);
    assert_eq!(
        story::edit(
            &mut article,
            copy("a", 1, Some(10), 8),
            &About::default(),
            later
        ),
        Effect::Text
    );
    assert_eq!(
        (article.head.updated, article.head.published),
        (later, NOON)
    );
    assert_eq!(article.entry.title_text(), "text 8");
    assert_eq!(article.sightings.len(), 2);
}
