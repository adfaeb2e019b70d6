//! The published lists, for whoever wants to see one without being a reader.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Context, Error};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::model::source::Source;
use crate::model::time::Timestamp;
use crate::publish::document::Document;
use crate::publish::{self, Publisher, Shape};
use crate::rule::Expression;
use crate::store::{self, Store};

/// Which list, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Preview {
    /// Path and query of the list, as a reader would ask for it.
    pub target: String,
    /// Only articles for which this expression holds.
    #[serde(default)]
    pub when: Option<String>,
}

/// A document as readers get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previewed {
    /// Its text.
    pub text: String,
    /// When it last changed, in seconds since 1970.
    pub modified: i64,
}

/// Under this name the store remembers since when the published documents look as they do.
const SHAPE: &str = "published-shape";

/// What the published documents are made with, and since when they look like that: the store knows what they looked like
/// when this was last kept.
///
/// # Errors
/// Those of the store.
pub async fn settings(
    config: &Config,
    store: &dyn Store,
    now: Timestamp,
) -> Result<publish::Settings, store::Error> {
    let mut settings = bare(config);
    let noted = store.note(SHAPE).await?.unwrap_or_default();
    settings.shape = Shape::of_note(&noted).with(&settings, now.whole_seconds());
    Ok(settings)
}

/// Keeps the shape of documents that are going to be served, so that a restart gives none of them another date.
///
/// # Errors
/// Those of the store.
pub async fn keep_shape(
    settings: &publish::Settings,
    store: &dyn Store,
) -> Result<(), store::Error> {
    let note = settings.shape.note();
    if store.note(SHAPE).await?.as_ref() != Some(&note) {
        store.set_note(SHAPE, &note).await?;
    }
    Ok(())
}

fn bare(config: &Config) -> publish::Settings {
    publish::Settings {
        site: config.site.clone(),
        options: config.publish,
        label: config.label.without_rules(),
        sources: config
            .sources
            .iter()
            .map(|source| (source.id.clone(), facts(source, config)))
            .collect(),
        outputs: config.outputs.clone(),
        only: None,
        shape: Shape::default(),
    }
}

/// The public facts of a source.
fn facts(source: &Arc<Source>, config: &Config) -> publish::Facts {
    let every = source.every.unwrap_or(config.poll.every);
    publish::Facts::of(Arc::clone(source), every.min)
}

/// The path under which a list is published, from what somebody typed: `tags/rust`, `/tags/rust.atom`, `all`. The
/// format counts where the typed words name none.
#[must_use]
pub fn target(typed: &str, format: Option<&str>, most: Option<usize>) -> String {
    let typed = typed.trim().trim_start_matches('/');
    let (path, query) = typed.split_once('?').unwrap_or((typed, ""));
    let named = path
        .rsplit_once('.')
        .filter(|(_, ending)| matches!(*ending, "rss" | "atom" | "json"));
    let path = match (named, format) {
        (Some((stem, _)), Some(format)) => format!("{stem}.{format}"),
        (Some(_), None) => path.to_owned(),
        (None, format) => format!("{path}.{}", format.unwrap_or("atom")),
    };
    let mut target = format!("/{path}");
    let queries = [
        Some(query.to_owned()).filter(|query| !query.is_empty()),
        most.map(|most| format!("n={most}")),
    ];
    let queries: Vec<String> = queries.into_iter().flatten().collect();
    if !queries.is_empty() {
        target.push('?');
        target.push_str(&queries.join("&"));
    }
    target
}

/// Renders a list.
///
/// # Errors
/// If there is none of that name, or the store cannot be read.
pub async fn preview(context: &Context, wanted: &Preview) -> Result<Previewed, Error> {
    let config = context.config.load_full();
    let only = wanted.when.as_deref().map(|source| {
        Expression::compile(source).map_err(|mistake| {
            let at = source[..mistake.at].chars().count() + 1;
            Error::Invalid(format!("--when, character {at}: {}", mistake.text))
        })
    });
    let store = Arc::clone(context.store()?);
    let mut settings = settings(&config, &*store, context.clock.now()).await?;
    settings.only = only.transpose()?;
    let publisher = Publisher::new(store, Metrics::default(), settings);
    let document = publish::preview(&publisher, &wanted.target).await;
    document.map(|document| shown(&document)).map_err(refusal)
}

fn shown(document: &Document) -> Previewed {
    Previewed {
        text: String::from_utf8_lossy(document.plain()).into_owned(),
        modified: document.modified().as_secs(),
    }
}

/// Renders several lists at once: what all documents have in common is read once for them. There is at least one answer,
/// and fewer than were asked for if they are large; `None` stands for what is not there (any more).
///
/// # Errors
/// If the store cannot be read, or a document cannot be written.
pub async fn documents(
    context: &Context,
    targets: &[String],
) -> Result<Vec<Option<Previewed>>, Error> {
    /// Bytes after which an answer ends.
    const ENOUGH: usize = 8 << 20;
    let config = context.config.load_full();
    let store = Arc::clone(context.store()?);
    let settings = settings(&config, &*store, context.clock.now()).await?;
    let publisher = Publisher::new(store, Metrics::default(), settings);
    let (mut all, mut bytes) = (Vec::new(), 0);
    for target in targets {
        match publish::preview(&publisher, target).await.map_err(refusal) {
            Ok(document) => {
                bytes += document.plain().len();
                all.push(Some(shown(&document)));
            }
            Err(Error::NotFound(_)) => all.push(None),
            Err(error) => return Err(error),
        }
        if bytes > ENOUGH {
            break;
        }
    }
    Ok(all)
}

/// The addresses of all public feeds, as targets of [`Preview`].
///
/// # Errors
/// If the store cannot be read.
pub async fn addresses(context: &Context) -> Result<Vec<String>, Error> {
    let config = context.config.load_full();
    let store = context.store()?;
    let settings = settings(&config, &**store, context.clock.now()).await?;
    publish::addresses(&**store, &settings)
        .await
        .map_err(refusal)
}

fn refusal(error: publish::Error) -> Error {
    match error {
        publish::Error::BadRequest(text) => Error::Invalid(text),
        publish::Error::NotFound(text) | publish::Error::Gone(text) => Error::NotFound(text),
        publish::Error::Store(error) => Error::Store(error),
        error @ publish::Error::Render { .. } => Error::Failed(super::with_causes(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_named_in_several_ways() {
        for (typed, format, most, wanted) in [
            ("all", None, None, "/all.atom"),
            ("/tags/node.js", None, None, "/tags/node.js.atom"),
            ("tags/疫情", Some("rss"), Some(5), "/tags/疫情.rss?n=5"),
            ("/all.json?lang=zh", None, Some(5), "/all.json?lang=zh&n=5"),
            ("/all.json", Some("atom"), None, "/all.atom"),
        ] {
            assert_eq!(target(typed, format, most), wanted);
        }
    }
}
