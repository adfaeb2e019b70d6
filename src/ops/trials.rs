//! `[[test]]`: made-up articles go the way of real ones, and what becomes of them is held against what is expected.

use super::labels::ingest_options;
use crate::config::{Config, Expected, Problem, Sample, Trial};
use crate::model::article::Article;
use crate::model::candidate::Mark;
use crate::model::entry::{Content, Entry, IdSource, Person, Term, Text};
use crate::model::source::{About, Source, SourceId};
use crate::model::time::Timestamp;
use crate::{dedup, enrich, ingest, label, text};

/// What is not as expected, with the place of each test. `now` stands for dates that the articles do not have.
#[must_use]
pub fn run(config: &Config, now: Timestamp) -> Vec<Problem> {
    let options = ingest_options(config);
    let trials = config.trials.iter();
    trials
        .flat_map(|trial| {
            let wrong = one(trial, config, &options, now);
            wrong.into_iter().map(|text| Problem {
                place: trial.place.clone(),
                text: format!("this test fails: {text}"),
            })
        })
        .collect()
}

fn one(trial: &Trial, config: &Config, options: &ingest::Options, now: Timestamp) -> Vec<String> {
    let source = match &trial.article.feed {
        Some(id) => match config.source(id) {
            Some(source) => source.clone(),
            None => return vec![format!("there is no feed `{id}`")],
        },
        None => {
            let id = SourceId::new("test").expect("this is an id");
            Source::new(id, "https://example.org/")
        }
    };
    let source = Source {
        category: trial.article.category.clone().or(source.category.clone()),
        ..source
    };
    let story = labelled(entry(&trial.article), &source, options, now);
    let mut wrong = Vec::new();
    let dropped = story.is_none();
    if dropped != trial.expect.drop.unwrap_or(false) {
        wrong.push(if dropped {
            "a rule drops the article".to_owned()
        } else {
            "no rule drops the article".to_owned()
        });
    }
    if let Some(story) = story {
        compare(&story, &trial.expect, &mut wrong);
    }
    wrong
}

/// An article as it would be kept; `None` if a rule drops it.
fn labelled(
    mut entry: Entry,
    source: &Source,
    options: &ingest::Options,
    now: Timestamp,
) -> Option<Article> {
    let options = &options.label;
    let verdict = label::rules::entry(&mut entry, source, now, options);
    if verdict.dropped {
        return None;
    }
    let about = About::default();
    let mut candidates =
        enrich::candidates(vec![(entry, Mark::default())], source, &about, None, now);
    let mut candidate = candidates.pop()?;
    candidate.sighting.labels = label::of_copy(&candidate, source, options);
    verdict.mark(&mut candidate.sighting, options);
    let mut story = dedup::story::found(candidate, &source.id, &about, now);
    let ruled = label::story(&mut story, options);
    (!ruled.dropped).then_some(story)
}

fn entry(sample: &Sample) -> Entry {
    let plain = |text: &String| Text {
        plain: text.clone(),
        html: None,
    };
    Entry {
        id: "test".to_owned(),
        id_source: IdSource::Guid,
        title: Some(plain(&sample.title)),
        url: sample.url.clone(),
        authors: sample
            .author
            .iter()
            .map(|name| Person {
                name: Some(name.clone()),
                ..Person::default()
            })
            .collect(),
        content: match (&sample.content, &sample.text) {
            (Some(html), _) => Some(Content::Html(html.clone())),
            (None, Some(text)) => Some(Content::Plain(text.clone())),
            (None, None) => None,
        },
        content_text: sample.text.clone(),
        terms: sample
            .tags
            .iter()
            .map(|tag| Term {
                term: Some(tag.clone()),
                ..Term::default()
            })
            .collect(),
        language: sample.lang.clone(),
        published: sample.published,
        ..Entry::default()
    }
}

fn compare(story: &Article, expect: &Expected, wrong: &mut Vec<String>) {
    let head = &story.head;
    let tags: Vec<&str> = head.tags.iter().map(|tag| tag.name.as_str()).collect();
    let has = |name: &String| head.tags.iter().any(|tag| tag.key == text::key(name));
    for name in expect.tags.iter().filter(|name| !has(name)) {
        wrong.push(format!("it has no tag `{name}`, but {}", listed(&tags)));
    }
    for name in expect.not_tags.iter().filter(|name| has(name)) {
        wrong.push(format!("it has the tag `{name}`"));
    }
    let outputs: Vec<&str> = head.outputs.iter().map(String::as_str).collect();
    let stands = |id: &String| match id.as_str() {
        "all" => !head.private,
        id => outputs.contains(&id),
    };
    for id in expect.outputs.iter().filter(|id| !stands(id)) {
        wrong.push(format!("it is not in `{id}`, but in {}", listed(&outputs)));
    }
    for id in expect.not_outputs.iter().filter(|id| stands(id)) {
        wrong.push(format!("it is in `{id}`"));
    }
    let category = head.categories.first();
    if expect.category.is_some() && expect.category.as_ref() != category {
        wrong.push(format!(
            "its category is {}",
            category.map_or("none".to_owned(), |name| format!("`{name}`"))
        ));
    }
    if let Some(title) = &expect.title
        && title != story.entry.title_text()
    {
        wrong.push(format!("its headline is `{}`", story.entry.title_text()));
    }
    if expect.url.is_some() && expect.url != story.entry.url {
        wrong.push(format!(
            "its address is `{}`",
            story.entry.url.as_deref().unwrap_or_default()
        ));
    }
    if let Some(score) = expect.score
        && score != head.score
    {
        wrong.push(format!("its score is {}", head.score));
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() {
        return "none at all".to_owned();
    }
    format!("`{}`", names.join("`, `"))
}
