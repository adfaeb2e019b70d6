//! The publisher: answers requests from what is rendered, renders what is not, and follows the store's change log so
//! that what readers ask for is ready before they ask.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::address::{List, Request, Route, month_name};
use super::cache::{Cache, Depends, Dirty, Slot};
use super::document::{Coding, Document};
use super::gather::{self, Gathered};
use super::names::Names;
use super::render;
use super::right::{allowed, depends, respelt};
use super::{Error, Settings};
use crate::metrics::Metrics;
use crate::model::article::{ArticleId, Revision};
use crate::model::label::Scope;
use crate::model::source::{SourceId, SourceState};
use crate::model::time::Timestamp;
use crate::store::{Stats, Store};

/// Changes are gathered for so long before they are rendered: a poll commits in bursts.
const GATHER: Duration = Duration::from_millis(150);
/// Documents that readers ask for are brought up to date for so long after a change: with the time of gathering, and of the
/// last rendering, that is less than a second.
const REFRESH: Duration = Duration::from_millis(500);
/// The index of sources is rendered again after this time at the latest.
const STATES: Duration = Duration::from_secs(10);
/// Commits read from the change log at once.
const COMMITS: usize = 512;
/// A delta over more commits than this is not worth its search.
const DELTA_COMMITS: usize = 8192;

/// What a request leads to.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A document.
    Document(Arc<Document>),
    /// Another address, for good.
    Moved(String),
}

/// Figures for `/metrics`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// The store's.
    pub store: Stats,
    /// Bytes of rendered documents in memory.
    pub cache_bytes: usize,
    /// When the next source is due; in the past if it is overdue.
    pub next_due: Option<Timestamp>,
    /// The newest revision that the documents follow.
    pub followed: Revision,
}

/// Renders and remembers. One for the whole daemon.
pub struct Publisher {
    store: Arc<dyn Store>,
    metrics: Metrics,
    settings: ArcSwap<Settings>,
    cache: Cache,
    /// Renderings at once: as many as there are cores.
    renders: Semaphore,
    /// Searches at once: half of the cores, so that those who know what they want need not wait for those who look.
    searches: Semaphore,
    followed: watch::Sender<Revision>,
}

impl Publisher {
    /// A publisher with nothing rendered yet. [`Publisher::run`] must run for documents to follow the store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, metrics: Metrics, settings: Settings) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            cache: Cache::new(settings.options.cache),
            followed: watch::Sender::new(store.revision()),
            store,
            metrics,
            settings: ArcSwap::from_pointee(settings),
            renders: Semaphore::new(cores),
            searches: Semaphore::new(cores.div_ceil(2)),
        }
    }

    /// Takes new settings; everything is rendered again when it is next asked for.
    pub fn reload(&self, settings: Settings) {
        let capacity = settings.options.cache;
        self.settings.store(Arc::new(settings));
        self.cache.reset(capacity);
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// The document at this address (path and query, without leading slash, as [`Request::asked`] spells it) if it is
    /// rendered. Private addresses never are found here: their secrets are compared first.
    #[must_use]
    pub fn cached(&self, asked: &str) -> Option<Arc<Document>> {
        if asked.starts_with("p/") {
            return None;
        }
        self.cache.hot(asked)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Gone`] or [`Error::BadRequest`] with a sentence for whoever asked; the others are
    /// ours.
    pub async fn get(&self, request: &Request) -> Result<Answer, Error> {
        let settings = self.settings.load_full();
        if let Some(moved) = self.moved(&settings, request).await? {
            return Ok(Answer::Moved(format!(
                "{}{moved}",
                settings.site.public_url
            )));
        }
        allowed(&settings, request)?;
        let slot = self.cache.slot(request, depends(&settings, request));
        let document = self.fill(&slot).await.inspect_err(|_| {
            self.cache.remove(&request.asked);
        })?;
        Ok(document)
    }

    /// Makes a coding of a document, away from the threads that answer.
    pub async fn encode(
        &self,
        request: &Request,
        document: Arc<Document>,
        coding: Coding,
    ) -> Arc<Document> {
        // The semaphore is never closed.
        let _permit = self.renders.acquire().await;
        let work = Arc::clone(&document);
        let made = tokio::task::spawn_blocking(move || {
            let _ = work.variant(coding);
        });
        // A panic would show itself again when the variant is read.
        let _ = made.await;
        self.weigh(request, &document);
        document
    }

    /// Notes that a document has grown, if it is still the one to be served.
    fn weigh(&self, request: &Request, document: &Arc<Document>) {
        if let Some(slot) = self.cache.find(&request.asked)
            && slot
                .document()
                .is_some_and(|current| Arc::ptr_eq(&current, document))
        {
            self.cache.weigh(&slot, document);
        }
    }

    /// Only what changed since the reader's copy, for one of whose validators (as in `If-None-Match`) we remember the
    /// time; `None` if the whole document must be sent.
    ///
    /// # Errors
    /// As [`Publisher::get`].
    pub async fn delta(
        &self,
        request: &Request,
        whole: &Arc<Document>,
        etags: &[&[u8]],
    ) -> Result<Option<Arc<Document>>, Error> {
        let (Some(slot), Route::Feed(_, None, _)) =
            (self.cache.find(&request.asked), &request.route)
        else {
            return Ok(None);
        };
        let Some(from) = slot.revision_of(etags) else {
            return Ok(None);
        };
        if let Some(delta) = whole.known_delta(from) {
            return Ok(Some(delta));
        }
        let Depends::Scope(scope) = &slot.depends else {
            return Ok(None);
        };
        let Some(changed) = self.changed_since(from, scope).await? else {
            return Ok(None);
        };
        let settings = self.settings.load_full();
        let gathered = self.gather(&settings, request).await?;
        let wanted: HashSet<ArticleId> = whole
            .shown
            .iter()
            .filter(|id| changed.contains(id))
            .copied()
            .collect();
        let here = |id: &ArticleId| gathered.shows(*id);
        if !wanted.iter().all(here) {
            // The list moved on while we looked.
            return Ok(None);
        }
        let whole_then = Arc::clone(whole);
        let asked = request.clone();
        let delta = self
            .work(move || {
                let body = render::part(&settings, &asked, &gathered, &wanted)?;
                Ok::<_, Error>(Arc::new(Document::delta(&whole_then, body)))
            })
            .await?;
        whole.keep_delta(from, &delta);
        self.weigh(request, whole);
        Ok(Some(delta))
    }

    /// Follows the change log until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut after = *self.followed.borrow();
        let mut states = tokio::time::interval(STATES);
        states.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.store.changed(after) => {}
                _ = states.tick() => {
                    self.cache.drop_states();
                    continue;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(GATHER) => {}
            }
            match self.follow(after).await {
                Ok(now) => after = now,
                Err(error) => {
                    tracing::warn!(%error, "the published feeds cannot follow the store");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Returns once every document shows at least this revision.
    pub async fn followed(&self, revision: Revision) {
        let mut followed = self.followed.subscribe();
        // The sender lives as long as we do.
        let _ = followed.wait_for(|now| *now >= revision).await;
    }

    /// Figures for `/metrics`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn figures(&self) -> Result<Figures, Error> {
        Ok(Figures {
            store: self.store.stats().await?,
            cache_bytes: self.cache.bytes(),
            next_due: self.store.next_due().await?,
            followed: *self.followed.borrow(),
        })
    }

    /// The state of each public source of the configuration, in order of id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn states(&self) -> Result<Vec<(SourceId, SourceState)>, Error> {
        let settings = self.settings.load_full();
        gather::states(&*self.store, &settings).await
    }

    /// True if the store answers.
    pub async fn is_ready(&self) -> bool {
        self.store.stats().await.is_ok()
    }

    /// Another address for the same thing, relative to `public_url`.
    async fn moved(&self, settings: &Settings, request: &Request) -> Result<Option<String>, Error> {
        let list = match &request.route {
            Route::Moved(to) => return Ok(Some(to.clone())),
            Route::Feed(list @ (List::Tag(_) | List::Category(_)), ..)
            | Route::Page(list @ (List::Tag(_) | List::Category(_))) => list,
            _ => return Ok(None),
        };
        let scopes = HashSet::from([gather::scope(settings, list)]);
        let names = Names::of(&*self.store, scopes).await?;
        Ok(respelt(settings, &names, request))
    }

    /// The slot's document, rendered once for all who wait for it.
    async fn fill(&self, slot: &Arc<Slot>) -> Result<Answer, Error> {
        if let Some(document) = slot.document() {
            return Ok(Answer::Document(document));
        }
        let _flight = slot.flight.lock().await;
        if let Some(document) = slot.document() {
            return Ok(Answer::Document(document));
        }
        self.draw(slot, false).await
    }

    /// Renders a slot's document anew and puts it in its place. With `ahead`, in the codings that readers asked for, and at
    /// once: that is for [`Self::refresh`], which has so many under way as there are cores.
    async fn draw(&self, slot: &Arc<Slot>, ahead: bool) -> Result<Answer, Error> {
        loop {
            let before = slot.document().filter(|_| ahead);
            let settings = self.settings.load_full();
            let gathered = self.gather(&settings, &slot.request).await?;
            if let Some(to) = gathered.moved() {
                return Ok(Answer::Moved(format!("{}{to}", settings.site.public_url)));
            }
            let request = slot.request.clone();
            let used = Arc::clone(&settings);
            let seconds = self.metrics.render_seconds.clone();
            let rendering = move || {
                let started = std::time::Instant::now();
                let document = render::document(&used, &request, &gathered)?;
                if let Some(before) = before {
                    document.follow(&before);
                }
                seconds.observe(started.elapsed().as_secs_f64());
                Ok::<_, Error>(Arc::new(document))
            };
            let document = if ahead {
                // As many at once as there are cores, and never behind a queue of those that nobody else asks for.
                apart(rendering).await?
            } else {
                self.work(rendering).await?
            };
            let outdated = slot.is_dirty(document.as_of)
                || !Arc::ptr_eq(&settings, &self.settings.load_full());
            if outdated {
                continue;
            }
            self.cache.put(slot, &document);
            return Ok(Answer::Document(document));
        }
    }

    async fn gather(&self, settings: &Arc<Settings>, request: &Request) -> Result<Gathered, Error> {
        // A search reads much.
        let _permit = match request.list() {
            Some(List::Search) => Some(self.searches.acquire().await),
            _ => None,
        };
        gather::gather(&*self.store, settings, request).await
    }

    /// Runs a rendering on a thread that may block, as many at once as there are cores.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        // The semaphore is never closed.
        let _permit = self.renders.acquire().await;
        apart(work).await
    }

    /// The articles of a list that changed after `from`; `None` if that is too long ago to know.
    async fn changed_since(
        &self,
        from: Revision,
        scope: &Scope,
    ) -> Result<Option<HashSet<ArticleId>>, Error> {
        let mut changed = HashSet::new();
        let mut after = from;
        let mut read = 0;
        loop {
            let commits = self.store.changes(after, COMMITS).await?;
            let Some(last) = commits.last() else {
                return Ok(Some(changed));
            };
            after = last.revision;
            read += commits.len();
            if read > DELTA_COMMITS || commits.iter().any(|commit| commit.reset) {
                return Ok(None);
            }
            let concerned = commits
                .iter()
                .flat_map(|commit| &commit.changes)
                .filter(|(_, scopes)| scopes.contains(scope));
            changed.extend(concerned.map(|(id, _)| *id));
        }
    }

    /// Brings the documents up to the newest revision.
    async fn follow(self: &Arc<Self>, mut after: Revision) -> Result<Revision, Error> {
        let mut dirty = Dirty::default();
        loop {
            let commits = self.store.changes(after, COMMITS).await?;
            let Some(last) = commits.last() else { break };
            after = last.revision;
            for commit in commits {
                dirty.all |= commit.reset;
                for (id, scopes) in commit.changes {
                    dirty.articles.insert(id);
                    dirty.scopes.extend(scopes);
                }
            }
        }
        self.refresh(self.cache.invalidate(&dirty, after)).await;
        self.followed.send_replace(after);
        Ok(after)
    }

    /// Renders again what readers ask for, the most wanted first. What is not done in time is dropped: whoever asks for it
    /// next waits for a rendering, and nobody gets what is long outdated.
    async fn refresh(self: &Arc<Self>, slots: Vec<Arc<Slot>>) {
        let width = std::thread::available_parallelism().map_or(1, usize::from);
        let late = tokio::time::Instant::now() + REFRESH;
        let mut running = JoinSet::new();
        for slot in slots {
            if running.len() >= width {
                running.join_next().await;
            }
            if tokio::time::Instant::now() >= late {
                self.cache.clear(&slot);
                continue;
            }
            let me = Arc::clone(self);
            running.spawn(async move { me.redraw(&slot).await });
        }
        running.join_all().await;
    }

    async fn redraw(&self, slot: &Arc<Slot>) {
        let _flight = slot.flight.lock().await;
        let dropped = match self.draw_in_place(slot).await {
            Ok(Answer::Document(_)) => return,
            Ok(Answer::Moved(to)) => format!("it is {to} now"),
            Err(error) => error.to_string(),
        };
        // An address with a secret in it is nothing for a log.
        if slot.request.token.is_none() {
            tracing::debug!(address = %slot.request.asked, why = dropped, "dropped a document");
        }
        self.cache.remove(&slot.request.asked);
    }

    /// Renders a slot's document anew, unless its address is another one since the last time: the first article of a
    /// category of feeds.toml, or of a tag that was asked for too early, decides how it is spelt.
    async fn draw_in_place(&self, slot: &Arc<Slot>) -> Result<Answer, Error> {
        match self.moved(&self.settings.load(), &slot.request).await? {
            Some(to) => Ok(Answer::Moved(to)),
            None => self.draw(slot, true).await,
        }
    }
}

/// Runs a rendering on a thread that may block.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|failure| {
        Err(Error::Render {
            format: "requested",
            reason: failure.to_string(),
        })
    })
}

/// Addresses of all feeds that are public: of each list and of its archives in its formats, and OPML; of labels with at
/// least `publish_min` articles.
///
/// # Errors
/// [`Error::Store`].
pub async fn addresses(store: &dyn Store, settings: &Settings) -> Result<Vec<String>, Error> {
    let mut addresses = vec!["/opml".to_owned(), "/opml/own".to_owned()];
    let lists = gather::lists(store, settings).await?;
    for list in lists
        .into_iter()
        .map(|(list, _)| list)
        .chain([List::Popular])
    {
        let stem = list.stem();
        let months = gather::months(store, settings, &list).await?;
        let archives = months
            .into_iter()
            .map(|month| format!("{stem}/{}", month_name(month)));
        for stem in std::iter::once(stem.clone()).chain(archives) {
            let formats = settings.formats(&list).iter();
            addresses.extend(formats.map(|format| format!("/{stem}.{}", format.ending())));
        }
    }
    Ok(addresses)
}

/// A document without being a reader: what stands at this address.
///
/// # Errors
/// As [`Publisher::get`]; [`Error::NotFound`] also for an address that only leads to another one.
pub async fn preview(publisher: &Publisher, target: &str) -> Result<Arc<Document>, Error> {
    let mut request = Request::parse(target)?;
    // A label in another spelling leads to the one that counts.
    for _ in 0..3 {
        match publisher.get(&request).await? {
            Answer::Document(document) => return Ok(document),
            Answer::Moved(to) => {
                let base = publisher.settings().site.public_url.to_string();
                let path = to.strip_prefix(&base).unwrap_or_default();
                request = Request::parse(&format!("/{path}"))?;
            }
        }
    }
    Err(Error::NotFound(
        "This address leads in a circle.".to_owned(),
    ))
}
