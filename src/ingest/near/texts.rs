//! Texts become shapes: those of the document that came, and kept ones that may be the same. On the blocking pool, and
//! once for a visit however often it is decided again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::{Ask, Other};
use crate::dedup::compare;
use crate::dedup::shape::{self, Folded, Shape};
use crate::dedup::{Decision, Reach, story};
use crate::enrich::{self, fingerprint};
use crate::ingest::Reading;
use crate::ingest::desk::Work;
use crate::model::article::{Article, ArticleId, Key};
use crate::model::boilerplate::Boilerplate;
use crate::model::entry::Entry;
use crate::model::signature::Signature;
use crate::model::source::{Source, SourceId};
use crate::store::{self, Found, Store};

/// Kept texts, compared with those that come.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) shapes: HashMap<ArticleId, Shape>,
    /// Articles of one copy.
    pub(super) lone: HashSet<ArticleId>,
}

/// The shapes of a document's texts, by place: made once, used by each try.
#[derive(Debug, Default)]
pub(in crate::ingest) struct Texts(pub(super) HashMap<usize, Arc<Text>>);

/// One text of the document.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) shape: Shape,
    pub(super) signature: Signature,
    /// The key of the text itself, if it is long enough to have one.
    pub(super) content: Option<Key>,
}

/// Edits that no reader would notice are none: white space, what the source puts under everything, counters, tracking.
pub(in crate::ingest) async fn leave_out_immaterial(
    store: &dyn Store,
    source: &Source,
    reading: &Reading,
    decisions: &mut [Decision],
    works: &BTreeMap<ArticleId, Work>,
) -> Result<(), store::Error> {
    let mut known = None;
    for (decision, candidate) in decisions.iter_mut().zip(&reading.candidates) {
        let Decision::Edited(id) = *decision else {
            continue;
        };
        let copy = ArticleId(candidate.sighting.guid_key);
        let Some(old) = works
            .get(&id)
            .and_then(|work| story::text_of(&work.article, copy))
        else {
            continue;
        };
        let boilerplate: &Boilerplate = match &known {
            Some(known) => known,
            None => known.insert(store.boilerplate(&source.id).await?),
        };
        let shape = |entry: &Entry| {
            Folded::new(entry.title_text(), &enrich::all_lines(entry)).shape(boilerplate)
        };
        if !compare::is_material(&shape(old), &shape(&candidate.entry)) {
            *decision = Decision::Known;
        }
    }
    Ok(())
}

impl Ask<'_> {
    /// Makes the shapes that are not there yet.
    pub(super) async fn shape(
        &self,
        fresh: &[usize],
        decisions: &[Decision],
        texts: &mut Texts,
    ) -> Result<(), store::Error> {
        let wanted: Vec<usize> = fresh
            .iter()
            .copied()
            .filter(|n| !texts.0.contains_key(n))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let mut boilerplate = self.store.boilerplate(&self.source.id).await?;
        let work: Vec<(usize, bool, String, String)> = wanted
            .into_iter()
            .map(|n| {
                let candidate = &self.reading.candidates[n];
                let title = candidate.entry.title_text().to_owned();
                let counts = !matches!(decisions[n], Decision::Edited(_));
                (n, counts, title, candidate.lines.clone())
            })
            .collect();
        let (id, category) = (self.source.id.clone(), self.source.category.clone());
        let namespace = shape::namespace(self.source.private.then_some(&id));
        let among = self.content_namespace();
        let made = blocking(move || {
            let folded: Vec<(usize, bool, Folded)> = work
                .into_iter()
                .map(|(n, counts, title, lines)| (n, counts, Folded::new(&title, &lines)))
                .collect();
            for (_, counts, text) in &folded {
                if *counts {
                    boilerplate.count(&text.paragraphs());
                }
            }
            folded
                .into_iter()
                .map(|(n, _, text)| {
                    let shape = text.shape(&boilerplate);
                    let text = Text {
                        signature: shape.signature(namespace, &id, category.as_deref()),
                        content: shape
                            .content
                            .map(|content| fingerprint::content_key(content, &among)),
                        shape,
                    };
                    (n, Arc::new(text))
                })
                .collect::<Vec<_>>()
        })
        .await?;
        texts.0.extend(made);
        Ok(())
    }

    /// Who may have the same text: a private source nobody but itself, others as `scope` says.
    fn content_namespace(&self) -> String {
        match self.options.scope {
            _ if self.source.private => format!("private {}", self.source.id),
            Reach::Feed => format!("feed {}", self.source.id),
            Reach::Category => {
                format!(
                    "category {}",
                    self.source.category.as_deref().unwrap_or_default()
                )
            }
            Reach::All => String::new(),
        }
    }

    /// The shapes of kept texts, made from what is stored.
    pub(super) async fn shapes_of(
        &self,
        others: &HashMap<usize, Vec<Other>>,
    ) -> Result<Shelf, store::Error> {
        let mut articles: HashMap<ArticleId, Box<Article>> = HashMap::new();
        let mut footers: HashMap<SourceId, Arc<Boilerplate>> = HashMap::new();
        let mut work: HashMap<ArticleId, (Entry, Arc<Boilerplate>)> = HashMap::new();
        for other in others.values().flatten() {
            if work.contains_key(&other.copy) {
                continue;
            }
            if !articles.contains_key(&other.article)
                && let Found::Article(article) = self.store.article(other.article).await?
            {
                articles.insert(other.article, article);
            }
            let article = articles
                .get(&other.article)
                .filter(|article| article.head.private == self.source.private);
            let Some(article) = article else { continue };
            let Some(entry) = story::text_of(article, other.copy) else {
                continue;
            };
            let at = article
                .sightings
                .iter()
                .find(|sighting| sighting.guid_key == other.copy.0)
                .and_then(|sighting| sighting.source.clone());
            let Some(at) = at else { continue };
            let boilerplate = match footers.get(&at) {
                Some(known) => Arc::clone(known),
                None => {
                    let known = Arc::new(self.store.boilerplate(&at).await?);
                    footers.insert(at, Arc::clone(&known));
                    known
                }
            };
            work.insert(other.copy, (entry.clone(), boilerplate));
        }
        if work.is_empty() {
            return Ok(Shelf::default());
        }
        let lone = articles
            .values()
            .filter(|article| article.sightings.len() == 1)
            .map(|article| article.head.id)
            .collect();
        let shapes = blocking(move || {
            work.into_iter()
                .map(|(copy, (entry, boilerplate))| {
                    let folded = Folded::new(entry.title_text(), &enrich::lines(&entry));
                    (copy, folded.shape(&boilerplate))
                })
                .collect()
        })
        .await?;
        Ok(Shelf { shapes, lone })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, store::Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| store::Error::Closed)
}
