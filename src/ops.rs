//! What the commands do, the same over the control socket and without a daemon.
//!
//! A [`Request`] comes in, its answer goes out as JSON; each answer has its type beside the question, in the rooms
//! below. Nothing here prints, parses arguments or touches feeds.toml.

pub mod articles;
pub mod backups;
pub mod discover;
pub mod feeds;
pub mod labels;
pub mod lists;
pub mod local;
mod markup;
pub mod moves;
pub mod opml;
pub mod status;
pub mod stories;
pub mod suggest;
pub mod trials;
pub mod upkeep;
pub mod visits;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::config::Config;
use crate::ingest::relabel::Progress;
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;
use crate::poll::Poller;
use crate::store::{self, Store};

/// Changes when requests or answers change in a way that an older partner would misread.
pub const PROTOCOL: u32 = 1;

/// What a command asks. The variant's name is the path of the request: `POST /v1/list-feeds`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Who is there.
    Hello {},
    /// The sources, each with how it is doing: [`feeds::FeedRow`]s.
    ListFeeds(feeds::Filter),
    /// The whole: [`status::Status`].
    Status {},
    /// One source with its last visits: [`feeds::FeedStatus`].
    FeedStatus {
        /// Its id.
        id: String,
    },
    /// Permanent redirects that feeds.toml does not know yet: [`moves::Moved`]s.
    Moved {},
    /// Visits sources now: [`visits::Fetched`].
    Fetch(visits::Fetch),
    /// How far the visits since a moment have come: [`visits::Progress`].
    Progress(visits::Since),
    /// A list of articles: [`articles::ArticleRow`]s.
    Articles(articles::Query),
    /// One article: [`articles::ArticleView`].
    Article {
        /// Its id.
        id: String,
    },
    /// Who saw what, page by page: [`articles::Sightings`].
    Sightings {
        /// The last page's `next`.
        after: u64,
        /// How many articles at most.
        most: usize,
    },
    /// All tags: [`labels::LabelRow`]s.
    Tags {},
    /// What the texts suggest as tags: [`suggest::Suggestion`]s.
    Suggestions {
        /// Newest articles to look at.
        articles: usize,
    },
    /// Tags that stand beside one: [`labels::LabelRow`]s.
    Related {
        /// Which.
        tag: String,
    },
    /// All categories: [`labels::LabelRow`]s.
    Categories {},
    /// A published list, rendered: [`lists::Previewed`].
    Preview(lists::Preview),
    /// Labels a page of stories again, by the rules of today: [`labels::Retagged`].
    Retag(labels::Retag),
    /// Where everything public is published: targets of [`Request::Preview`].
    Addresses {},
    /// Several published lists, rendered: some [`lists::Previewed`], as many of the first as fit one answer.
    Documents {
        /// Addresses, as in [`lists::Preview`].
        targets: Vec<String>,
    },
    /// Why an article is as it is: [`articles::Explanation`].
    Explain {
        /// Its id.
        id: String,
    },
    /// The newest stories with more than one copy: [`stories::StoryRow`]s.
    Stories {
        /// How many at most.
        limit: usize,
    },
    /// Takes copies out of a story: [`stories::Settled`].
    SplitStory {
        /// Id of the copy, or of the story.
        id: String,
    },
    /// Makes two articles one: [`stories::Settled`].
    MergeStories {
        /// One of them.
        a: String,
        /// The other.
        b: String,
    },
    /// Drops the articles that were seen nowhere else: their number.
    Purge {
        /// Id of the source.
        id: String,
    },
    /// Drops what is too old, now: [`upkeep::Swept`].
    Gc {},
    /// Looks log and index over: [`upkeep::Verified`].
    Verify {
        /// Makes an index with faults anew.
        repair: bool,
    },
    /// Reads feeds.toml again: [`Reloaded`].
    Reload {},
}

/// Answer to [`Request::Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the program.
    pub version: String,
    /// [`PROTOCOL`] of the program.
    pub protocol: u32,
    /// Its process.
    pub pid: u32,
    /// Its feeds.toml.
    pub config: PathBuf,
    /// Its store.
    pub store: PathBuf,
}

/// What a reload changed, for people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reloaded {
    /// Ids of new sources.
    pub added: Vec<String>,
    /// Ids of sources that are gone.
    pub removed: Vec<String>,
    /// Ids of sources with other settings.
    pub changed: Vec<String>,
    /// Other settings that are in force now, by table: `[publish]`.
    pub settings: Vec<String>,
    /// Settings that need a restart, by table.
    pub restart: Vec<String>,
    /// What is odd in the file, with its place.
    pub warnings: Vec<String>,
}

/// Asks the daemon to read feeds.toml again; it answers with what changed, or with why nothing did.
pub type ReloadRequest = oneshot::Sender<Result<Reloaded, String>>;

/// Why it could not be done, by what one would do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The question makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It was refused: by the state of things, or because the answer would do harm.
    #[error("{0}")]
    Refused(String),
    /// This user may not.
    #[error("{0}")]
    NotAllowed(String),
    /// What a daemon answered, of a kind that has no variant of its own here.
    #[error("{}", .0.text)]
    Told(ErrorBody),
    /// Only a running daemon can do this.
    #[error("no daemon is running here; start it with `aggd run`")]
    NeedsDaemon,
    /// The configuration has mistakes.
    #[error("{0}")]
    Config(String),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Something else.
    #[error("{0}")]
    Failed(String),
}

/// An [`Error`] as it crosses the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// `not-found`, `invalid`, `refused`, `needs-daemon`, `config`, `full`, `busy`, `not-allowed` or `failed`.
    pub kind: String,
    /// In words.
    pub text: String,
}

impl Error {
    /// The form that crosses the socket.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        let kind = match self {
            Self::Told(body) => return body.clone(),
            Self::NotAllowed(_) => "not-allowed",
            Self::NotFound(_) => "not-found",
            Self::Invalid(_) => "invalid",
            Self::Refused(_) => "refused",
            Self::NeedsDaemon => "needs-daemon",
            Self::Config(_) => "config",
            Self::Store(error) => store_kind(error),
            Self::Failed(_) => "failed",
        };
        ErrorBody {
            kind: kind.to_owned(),
            text: with_causes(self),
        }
    }
}

/// The kind of [`ErrorBody`] that one cause in a chain of errors stands for, if it is one that we know.
#[must_use]
pub fn kind_of(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    cause.downcast_ref::<store::Error>().map(store_kind)
}

fn store_kind(error: &store::Error) -> &'static str {
    match error {
        store::Error::Missing { .. } => "not-found",
        store::Error::Full { .. } => "full",
        store::Error::Busy { .. } => "busy",
        store::Error::Io { source, .. } => match source.kind() {
            std::io::ErrorKind::PermissionDenied => "not-allowed",
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::ReadOnlyFilesystem => "full",
            _ => "failed",
        },
        _ => "failed",
    }
}

/// An error and what led to it, in one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Many messages already end with their cause.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// What the answers are made from.
pub struct Context {
    /// The configuration in force; the daemon puts another one in its place on reload.
    pub config: Arc<arc_swap::ArcSwap<Config>>,
    /// The store, if there is one.
    pub store: Option<Arc<dyn Store>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// When the daemon started; `None`: there is none.
    pub started: Option<Timestamp>,
    /// Where to ask for a reload; `None`: there is no daemon.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
    /// The last reload that failed, and why, until one goes well.
    pub reload_failed: Arc<arc_swap::ArcSwapOption<(Timestamp, String)>>,
    /// The daemon's poller; without one a command makes its own.
    pub poller: Option<Poller>,
    /// How far the daemon has come with labelling stories again.
    pub relabel: watch::Receiver<Progress>,
}

impl Context {
    /// For a command that works on the store itself.
    #[must_use]
    pub fn alone(
        config: Arc<Config>,
        store: Option<Arc<dyn Store>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            config: Arc::new(arc_swap::ArcSwap::new(config)),
            store,
            clock,
            started: None,
            reload: None,
            reload_failed: Arc::default(),
            poller: None,
            relabel: watch::Sender::default().subscribe(),
        }
    }

    fn store(&self) -> Result<&Arc<dyn Store>, Error> {
        self.store.as_ref().ok_or_else(|| {
            let path = self.config.load().store.path.clone();
            Error::Store(store::Error::Missing { path })
        })
    }

    /// Goes through all that is remembered of the sources, one after the other, since all at once is much: nothing if
    /// there is no store.
    async fn each_state(&self, each: impl FnMut(SourceId, SourceState)) -> Result<(), Error> {
        if let Some(store) = &self.store {
            store::each_state(&**store, each).await?;
        }
        Ok(())
    }

    fn hello(&self) -> Hello {
        let config = self.config.load();
        let main = config.files.first().cloned().unwrap_or_default();
        Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL,
            pid: std::process::id(),
            config: std::path::absolute(&main).unwrap_or(main),
            store: config.store.path.clone(),
        }
    }
}

/// Answers a request, as the text of a JSON document: ten thousand rows are written once and read once.
///
/// # Errors
/// [`Error`], by what one would do about it.
pub async fn answer(context: &Context, request: Request) -> Result<String, Error> {
    match request {
        Request::Hello {} => json(&context.hello()),
        Request::ListFeeds(filter) => json(&feeds::list(context, &filter).await?),
        Request::Status {} => json(&status::status(context).await?),
        Request::FeedStatus { id } => json(&feeds::one(context, &id).await?),
        Request::Moved {} => json(&moves::moved(context).await?),
        Request::Fetch(fetch) => json(&visits::fetch(context, &fetch).await?),
        Request::Progress(since) => json(&visits::progress(context, &since).await?),
        Request::Articles(query) => json(&articles::list(context, &query).await?),
        Request::Article { id } => json(&articles::show(context, &id).await?),
        Request::Sightings { after, most } => {
            json(&articles::sightings(context, after, most).await?)
        }
        Request::Tags {} => json(&labels::tags(context).await?),
        Request::Suggestions { articles } => json(&suggest::suggestions(context, articles).await?),
        Request::Related { tag } => json(&suggest::related(context, &tag).await?),
        Request::Categories {} => json(&labels::categories(context).await?),
        Request::Preview(wanted) => json(&lists::preview(context, &wanted).await?),
        Request::Retag(wanted) => json(&labels::retag(context, &wanted).await?),
        Request::Addresses {} => json(&lists::addresses(context).await?),
        Request::Documents { targets } => json(&lists::documents(context, &targets).await?),
        Request::Explain { id } => json(&articles::explain(context, &id).await?),
        Request::Stories { limit } => json(&stories::list(context, limit).await?),
        Request::SplitStory { id } => json(&stories::split(context, &id).await?),
        Request::MergeStories { a, b } => json(&stories::merge(context, &a, &b).await?),
        Request::Purge { id } => json(&articles::purge(context, &id).await?),
        Request::Gc {} => json(&upkeep::sweep(context).await?),
        Request::Verify { repair } => json(&upkeep::verify(context, repair).await?),
        Request::Reload {} => json(&reload(context).await?),
    }
}

fn json(answer: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(answer).map_err(|error| Error::Failed(format!("no answer: {error}")))
}

async fn reload(context: &Context) -> Result<Reloaded, Error> {
    let asked = context.reload.as_ref().ok_or(Error::NeedsDaemon)?;
    let (answer, answered) = oneshot::channel();
    let ending = || Error::Failed("the daemon is ending".to_owned());
    asked.send(answer).await.map_err(|_| ending())?;
    answered.await.map_err(|_| ending())?.map_err(Error::Config)
}
