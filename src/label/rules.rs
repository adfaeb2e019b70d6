//! The administrator's rules on an entry as it arrives, and on a story once it is decided; and in which outputs it stands.
//!
//! A source's own rules run on its entries before anybody asks whether they are known: they may drop an entry, write its
//! headline or address anew, and mark its copy. The general rules run on the story, again whenever it is labelled: they
//! always begin with what the leading copy says, so that running them twice is running them once.

use std::collections::HashMap;
use std::sync::Arc;

use super::Options;
use super::tags::{add, tag};
use crate::html;
use crate::model::article::{Article, Sighting};
use crate::model::entry::{Content, Entry, Text};
use crate::model::label::Origin;
use crate::model::source::{Source, SourceId};
use crate::model::time::Timestamp;
use crate::rule::{Body, Expression, Facts, Rule, Trouble};
use crate::text;

/// `[[rule]]`, `[[feed.rule]]` and what `[[output]]` asks of an article.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// On stories, in their order.
    pub story: Vec<Rule>,
    /// On the entries of one source, in their order.
    pub feeds: HashMap<SourceId, Vec<Rule>>,
    /// Who stands in which output.
    pub outputs: Vec<Membership>,
}

/// What an `[[output]]` asks of an article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Id of the output.
    pub id: String,
    /// What must hold; without, every article stands in it.
    pub when: Option<Expression>,
    /// It has tokens: articles of private sources may stand in it.
    pub private: bool,
    /// What went wrong with it at run time.
    pub trouble: Arc<Trouble>,
}

impl Rules {
    /// True if no story is looked at.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.story.is_empty() && self.outputs.is_empty()
    }

    /// Everything that went wrong at run time: which rule or output, the first failure, and how many articles it cost
    /// a label.
    #[must_use]
    pub fn troubles(&self) -> Vec<(String, String, u64)> {
        let rules = self.story.iter().chain(self.feeds.values().flatten());
        let rules = rules.map(|rule| (format!("rule {}", rule.name), &rule.trouble));
        let outputs = self.outputs.iter();
        let outputs = outputs.map(|output| (format!("output {}", output.id), &output.trouble));
        let mut told: Vec<(String, String, u64)> = rules
            .chain(outputs)
            .filter_map(|(name, trouble)| {
                let (text, articles) = trouble.told()?;
                Some((name, text.to_owned(), articles))
            })
            .collect();
        told.sort();
        told
    }
}

/// What the rules of its source said of an entry, beside what they wrote into it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// It is not kept.
    pub dropped: bool,
    tag: Vec<String>,
    untag: Vec<String>,
    category: Option<String>,
    score: i32,
}

impl Verdict {
    /// Writes what was said into the copy that the entry became.
    pub fn mark(&self, copy: &mut Sighting, options: &Options) {
        copy.labels.retain(|tag| !self.untag.contains(&tag.key));
        for name in &self.tag {
            add(&mut copy.labels, tag(name, Origin::Rule, options));
        }
        if let Some(category) = &self.category {
            copy.category = Some(category.clone());
        }
        copy.score = self.score;
    }
}

/// Runs a source's own rules on one of its entries; `now` stands for a date that it does not have.
#[must_use]
pub fn entry(entry: &mut Entry, source: &Source, now: Timestamp, options: &Options) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(own) = options.rules.feeds.get(&source.id) else {
        return verdict;
    };
    let shelf = source.category.as_deref().map(text::key);
    let shelf = shelf.and_then(|key| options.categories.get(&key));
    let by_publisher = entry.terms.iter().filter_map(|term| {
        let name = term.label.as_deref().or(term.term.as_deref())?;
        Some(tag(name, Origin::Publisher, options)?.key)
    });
    let by_us = source
        .tags
        .iter()
        .chain(shelf.iter().flat_map(|shelf| &shelf.tags));
    let by_us = by_us.filter_map(|name| Some(tag(name, Origin::Source, options)?.key));
    let mut tags: Vec<String> = by_us.chain(by_publisher).collect();
    let published = entry.published.or(entry.updated).unwrap_or(now).min(now);
    let language = entry.language.clone().unwrap_or_default();
    let body = Body::new(plain);
    for rule in own {
        let category = verdict.category.as_ref().or(source.category.as_ref());
        let facts = Facts {
            entry,
            body: &body,
            feed: source.id.as_str(),
            category: category.map_or("", String::as_str),
            language: &language,
            tags: &tags,
            score: verdict.score,
            published,
        };
        if !holds(rule, &facts) {
            continue;
        }
        let (title, url) = rewritten(rule, &facts);
        rewrite(entry, title, url);
        for name in &rule.untag {
            let key = text::key(name);
            tags.retain(|tag| *tag != key);
            verdict.tag.retain(|tag| text::key(tag) != key);
            verdict.untag.push(key);
        }
        for name in &rule.tag {
            let key = text::key(name);
            verdict.untag.retain(|gone| *gone != key);
            verdict.tag.push(name.clone());
            tags.push(key);
        }
        if rule.category.is_some() {
            verdict.category.clone_from(&rule.category);
        }
        verdict.score = verdict.score.saturating_add(rule.score);
        verdict.dropped |= rule.drop;
        if rule.stop || rule.drop {
            break;
        }
    }
    verdict
}

/// What the general rules said of a story.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruled {
    /// It is not to be kept.
    pub dropped: bool,
    /// Headline or address are others than before.
    pub text_changed: bool,
    /// The rules that held, by name.
    pub hits: Vec<String>,
}

/// Runs the general rules on a story that has the labels of its copies, and decides in which outputs it stands.
pub(super) fn story(article: &mut Article, options: &Options) -> Ruled {
    let rules = &options.rules;
    let before = (article.entry.title.clone(), article.entry.url.clone());
    restore(article);
    let mut ruled = Ruled::default();
    let scores = article.sightings.iter().map(|copy| copy.score);
    article.head.score = scores.fold(0, i32::saturating_add);
    let body = Body::new(plain);
    for rule in &rules.story {
        let tags = keys(article);
        let facts = facts(article, &body, &tags);
        if !holds(rule, &facts) {
            continue;
        }
        ruled.hits.push(rule.name.clone());
        let (title, url) = rewritten(rule, &facts);
        rewrite(&mut article.entry, title, url);
        let head = &mut article.head;
        for name in &rule.untag {
            let key = text::key(name);
            head.tags.retain(|tag| tag.key != key);
        }
        for name in &rule.tag {
            add(&mut head.tags, tag(name, Origin::Rule, options));
        }
        if let Some(category) = &rule.category {
            head.categories = vec![category.clone()];
        }
        head.score = head.score.saturating_add(rule.score);
        ruled.dropped |= rule.drop;
        if rule.stop || rule.drop {
            break;
        }
    }
    article.head.tags.sort_by_key(|tag| tag.origin);
    let tags = keys(article);
    let facts = facts(article, &body, &tags);
    let outputs = rules
        .outputs
        .iter()
        .filter(|output| (output.private || !article.head.private) && belongs(output, &facts));
    article.head.outputs = outputs.map(|output| output.id.clone()).collect();
    ruled.text_changed = before != (article.entry.title.clone(), article.entry.url.clone());
    ruled
}

/// True if an expression holds for an article as it is kept.
///
/// # Errors
/// As [`Expression::holds`].
pub fn fits(article: &Article, when: &Expression) -> Result<bool, String> {
    when.holds(&facts(article, &Body::new(plain), &keys(article)))
}

/// Fills a template with what is kept of an article.
#[must_use]
pub fn fill(article: &Article, template: &crate::rule::Template) -> String {
    template.fill(&facts(article, &Body::new(plain), &keys(article)))
}

fn keys(article: &Article) -> Vec<String> {
    let tags = article.head.tags.iter();
    tags.map(|tag| tag.key.clone()).collect()
}

fn facts<'a>(article: &'a Article, body: &'a Body, tags: &'a [String]) -> Facts<'a> {
    let head = &article.head;
    Facts {
        entry: &article.entry,
        body,
        feed: head.source.as_str(),
        category: head.categories.first().map_or("", String::as_str),
        language: head.language.as_deref().unwrap_or_default(),
        tags,
        score: head.score,
        published: head.published,
    }
}

/// Headline and address as the leading copy has them, if a rule wrote others.
fn restore(article: &mut Article) {
    let copies = &article.sightings;
    let lead = || {
        copies
            .iter()
            .find(|copy| copy.source.as_ref() == Some(&article.head.source))
    };
    let title = article.entry.title_text();
    if !copies.iter().any(|copy| copy.title == title)
        && let Some(copy) = lead()
    {
        article.entry.title = Some(Text {
            plain: copy.title.clone(),
            html: None,
        });
    }
    if !copies.iter().any(|copy| copy.url == article.entry.url)
        && let Some(copy) = lead()
    {
        article.entry.url.clone_from(&copy.url);
    }
}

fn rewritten(rule: &Rule, facts: &Facts<'_>) -> (Option<String>, Option<String>) {
    let title = facts.entry.title_text();
    let url = facts.entry.url.as_deref().unwrap_or_default();
    let new_url = rule
        .url
        .as_ref()
        .and_then(|rewrite| rewrite.apply(url, facts));
    let good = |url: &String| {
        url::Url::parse(url)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    };
    if let Some(bad) = new_url.as_ref().filter(|url| !good(url)) {
        tell(
            "rule",
            &rule.name,
            &rule.trouble,
            &format!("`{bad}` is no http or https address"),
        );
    }
    (
        rule.title
            .as_ref()
            .and_then(|rewrite| rewrite.apply(title, facts)),
        new_url.filter(good),
    )
}

fn rewrite(entry: &mut Entry, title: Option<String>, url: Option<String>) {
    if let Some(plain) = title {
        entry.title = Some(Text { plain, html: None });
    }
    if url.is_some() {
        entry.url = url;
    }
}

/// A rule that cannot say costs this article what it would have done.
fn holds(rule: &Rule, facts: &Facts<'_>) -> bool {
    let answer = rule
        .when
        .as_ref()
        .map_or(Ok(true), |when| when.holds(facts));
    answer.unwrap_or_else(|error| {
        tell("rule", &rule.name, &rule.trouble, &error);
        false
    })
}

fn belongs(output: &Membership, facts: &Facts<'_>) -> bool {
    let answer = output
        .when
        .as_ref()
        .map_or(Ok(true), |when| when.holds(facts));
    answer.unwrap_or_else(|error| {
        tell("output", &output.id, &output.trouble, &error);
        false
    })
}

/// The first time goes to the log, the others are counted.
fn tell(what: &'static str, name: &str, trouble: &Trouble, error: &str) {
    if trouble.note(error) {
        tracing::warn!(
            what,
            name,
            error,
            "failed for an article, which goes without; further failures are counted by `aggd status`"
        );
    }
}

/// The text of an entry without markup.
fn plain(entry: &Entry) -> String {
    match (&entry.content, &entry.content_text, &entry.summary) {
        (_, Some(text), _) => text.clone(),
        (Some(Content::Html(fragment)), None, _) => html::text(fragment),
        (Some(Content::Plain(text)), None, _) => text.clone(),
        (None, None, Some(summary)) => summary.plain.clone(),
        (None, None, None) => String::new(),
    }
}

/// Brings the tags of a copy in line with the settings of today: those of its source and its category as they are now,
/// the others spelt and sorted out anew. What the source's rules said of it stays.
pub fn remark(copy: &mut Sighting, source: Option<&Source>, options: &Options) {
    let before = std::mem::take(&mut copy.labels);
    let shelf = copy.category.as_deref().map(text::key);
    let shelf = shelf.and_then(|key| options.categories.get(&key));
    if let Some(source) = source {
        let own = options.rules.feeds.get(&source.id).into_iter().flatten();
        let untagged: Vec<String> = own
            .flat_map(|rule| &rule.untag)
            .map(|name| text::key(name))
            .collect();
        let ours = source.tags.iter().map(|name| (name, Origin::Source));
        let shelf = shelf.iter().flat_map(|shelf| &shelf.tags);
        for (name, origin) in ours.chain(shelf.map(|name| (name, Origin::Category))) {
            let found = tag(name, origin, options).filter(|tag| {
                !untagged.contains(&tag.key) || before.iter().any(|old| old.key == tag.key)
            });
            add(&mut copy.labels, found);
        }
    }
    let configured = [Origin::Source, Origin::Category];
    for old in before {
        if source.is_none() || !configured.contains(&old.origin) {
            add(&mut copy.labels, tag(&old.name, old.origin, options));
        }
    }
}
