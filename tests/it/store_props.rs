//! Random sequences of commits, visits, retention and restarts on the real engine and on the model in memory: whatever
//! happened, both show the same.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aggd::model::article::{Article, Key};
use aggd::model::label::{Scope, Selection};
use aggd::model::source::SourceState;
use aggd::model::time::Timestamp;
use aggd::store::memory::Memory;
use aggd::store::{Batch, Change, Error, Found, Keep, Options, Page, Store};
use proptest::prelude::*;

use crate::samples::{Sample, article_at, guid_key, id, noon, source};

const SOURCES: [&str; 3] = ["blog", "wire", "xinwen"];
const TAGS: [&str; 4] = ["Rust", "rust", "Web", "社会"];
/// Guids a source may use: few, so that they meet again.
const GUIDS: u8 = 12;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// A visit brings these; `lists` says which guids the document listed.
    Visit {
        at: usize,
        bring: Vec<Bring>,
        lists: Vec<u8>,
    },
    Remove(usize, u8),
    Merge(usize, u8, u8),
    Pass(u64),
    Forget,
    Purge(usize),
    Unbury(usize),
    Note(u8, u8),
    /// The store is closed and opened; perhaps its index is lost.
    Restart {
        lose_index: bool,
    },
}

#[derive(Debug, Clone)]
struct Bring {
    guid: u8,
    tags: Vec<usize>,
    private: bool,
    output: bool,
    copy: bool,
    published: u64,
    text: u8,
}

fn bring() -> impl Strategy<Value = Bring> {
    (
        0..GUIDS,
        prop::collection::vec(0..TAGS.len(), 0..3),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        0..72u64,
        0..3u8,
    )
        .prop_map(
            |(guid, tags, private, output, copy, published, text)| Bring {
                guid,
                tags,
                private,
                output,
                copy,
                published,
                text,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..SOURCES.len();
    prop_oneof![
        8 => (at.clone(), prop::collection::vec(bring(), 0..5), prop::collection::vec(0..GUIDS, 0..5))
            .prop_map(|(at, bring, lists)| Step::Visit { at, bring, lists }),
        2 => (at.clone(), 0..GUIDS).prop_map(|(at, guid)| Step::Remove(at, guid)),
        1 => (at.clone(), 0..GUIDS, 0..GUIDS).prop_map(|(at, a, b)| Step::Merge(at, a, b)),
        3 => (1..200u64).prop_map(Step::Pass),
        2 => Just(Step::Forget),
        1 => at.clone().prop_map(Step::Purge),
        1 => at.prop_map(Step::Unbury),
        1 => (0..3u8, any::<u8>()).prop_map(|(name, value)| Step::Note(name, value)),
        2 => any::<bool>().prop_map(|lose_index| Step::Restart { lose_index }),
    ]
}

fn options(dir: &Path) -> Options {
    Options {
        path: dir.to_owned(),
        host: "news.example".to_owned(),
        keep: Keep {
            age: Duration::from_hours(24 * 7),
            min_per_feed: 2,
            max_per_feed: 9,
        },
        // Those that are too old go when retention next runs, which an index that is made anew waits for.
        tombstones: Duration::from_hours(24 * 365),
        ..Options::default()
    }
}

struct Pair {
    model: Arc<dyn Store>,
    real: Arc<dyn Store>,
    dir: tempfile::TempDir,
    now: Timestamp,
}

impl Pair {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = options(dir.path());
        let real = aggd::store::open(options.clone(), true).await.unwrap();
        let pair = Self {
            model: Arc::new(Memory::with(real.authority(), &options)),
            real,
            dir,
            now: noon(),
        };
        pair.adopt().await;
        pair
    }

    async fn adopt(&self) {
        for store in [&self.model, &self.real] {
            let all = SOURCES.map(|name| (source(name), noon()));
            store.adopt(all.to_vec()).await.unwrap();
        }
    }

    async fn article(&self, at: usize, guid: u8) -> Option<Article> {
        let id = id(SOURCES[at], &format!("g{guid}"));
        match self.model.article(id).await.unwrap() {
            Found::Article(article) if article.head.id == id => Some(*article),
            _ => None,
        }
    }

    /// What a visitor would make of what a document brought.
    async fn change(&self, at: usize, bring: &Bring) -> Change {
        let guid = format!("g{}", bring.guid);
        let old = self.article(at, bring.guid).await;
        let mut sample: Sample = article_at(SOURCES[at], &guid)
            .published(noon() + Duration::from_hours(bring.published))
            .first_seen(self.now)
            .title(&format!("Text {}", bring.text));
        for tag in &bring.tags {
            let known = sample.article.head.tags.iter();
            if known.clone().all(|t| t.key != aggd::text::key(TAGS[*tag])) {
                sample = sample.tag(TAGS[*tag]);
            }
        }
        if bring.private {
            sample = sample.private();
        }
        if bring.output {
            sample = sample.output("morning");
        }
        let Some(old) = old else {
            return sample.founded();
        };
        let head = &mut sample.article.head;
        head.version = old.head.version + 1;
        head.first_seen = old.head.first_seen;
        head.seen_at.clone_from(&old.head.seen_at);
        head.aliases.clone_from(&old.head.aliases);
        sample.article.sightings.clone_from(&old.sightings);
        if bring.copy {
            let other = SOURCES[(at + 1) % SOURCES.len()];
            let copy = format!("copy-of-{}", bring.guid);
            let key = guid_key(other, &copy);
            if sample
                .article
                .head
                .seen_at
                .iter()
                .all(|seen| seen.guid_key != key)
            {
                return sample.also_at(other, &copy).amended(1);
            }
        }
        if bring.text == 0 {
            // The labels alone.
            return sample.amended(0);
        }
        sample.revised()
    }

    async fn commit(&self, batch: impl AsyncFn(&Arc<dyn Store>) -> Batch) {
        let each = async |store: &Arc<dyn Store>| {
            let batch = batch(store).await;
            let lease = batch.visit.as_ref().map(|(_, _, lease)| *lease);
            let done = store.commit(batch, self.now).await;
            if let (Err(_), Some(lease)) = (&done, lease) {
                store.release(lease).await.unwrap();
            }
            done
        };
        match (each(&self.model).await, each(&self.real).await) {
            (Ok(model), Ok(real)) => assert_eq!(model.revision.number, real.revision.number),
            (Err(Error::Conflict), Err(Error::Conflict)) => {}
            (model, real) => panic!("the model says {model:?}, the store {real:?}"),
        }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Visit { at, bring, lists } => {
                let mut changes = Vec::new();
                let mut guids = Vec::new();
                for one in bring {
                    if !guids.contains(&one.guid) {
                        guids.push(one.guid);
                        changes.push(self.change(*at, one).await);
                    }
                }
                let name = SOURCES[*at];
                let state = SourceState {
                    listed: lists
                        .iter()
                        .map(|guid| (guid_key(name, &format!("g{guid}")) >> 64) as u64)
                        .collect(),
                    last_visit: Some(self.now),
                    ..SourceState::default()
                };
                self.commit(async |store| {
                    let due = store.lease(&source(name)).await.unwrap();
                    Batch {
                        visit: due.map(|due| (source(name), Box::new(state.clone()), due.lease)),
                        durable: true,
                        changes: changes.clone(),
                        ..Batch::default()
                    }
                })
                .await;
            }
            Step::Remove(at, guid) => {
                let gone = id(SOURCES[*at], &format!("g{guid}"));
                self.commit(async |_| crate::samples::batch([Change::Removed { id: gone }]))
                    .await;
            }
            Step::Merge(at, a, b) => {
                let (Some(into), Some(_)) =
                    (self.article(*at, *a).await, self.article(*at, *b).await)
                else {
                    return;
                };
                let gone = id(SOURCES[*at], &format!("g{b}"));
                if a == b {
                    return;
                }
                let mut head = into.head.clone();
                head.version += 1;
                head.aliases.push(gone);
                let merge = [
                    Change::Amended {
                        head: Box::new(head),
                        sightings: Vec::new(),
                        keys: Vec::new(),
                    },
                    Change::Removed { id: gone },
                ];
                self.commit(async |_| crate::samples::batch(merge.clone()))
                    .await;
            }
            Step::Pass(hours) => self.now = self.now + Duration::from_hours(*hours),
            Step::Forget => {
                let model = self.model.forget(self.now).await.unwrap();
                let real = self.real.forget(self.now).await.unwrap();
                assert_eq!(model, real, "dropped");
            }
            Step::Purge(at) => {
                let of = source(SOURCES[*at]);
                let model = self.model.purge(&of, self.now).await.unwrap();
                let real = self.real.purge(&of, self.now).await.unwrap();
                assert_eq!(model, real, "purged");
                self.adopt().await;
            }
            Step::Unbury(at) => {
                let of = source(SOURCES[*at]);
                let model = self.model.unbury(&of).await.unwrap();
                let real = self.real.unbury(&of).await.unwrap();
                assert_eq!(model, real, "unburied");
            }
            Step::Note(name, value) => {
                for store in [&self.model, &self.real] {
                    store
                        .set_note(&format!("n{name}"), &[*value])
                        .await
                        .unwrap();
                }
            }
            Step::Restart { lose_index } => {
                self.real.close().await.unwrap();
                if *lose_index {
                    std::fs::remove_dir_all(self.dir.path().join("index")).unwrap();
                }
                self.real = aggd::store::open(options(self.dir.path()), false)
                    .await
                    .unwrap();
                self.adopt().await;
            }
        }
    }

    /// Everything that can be asked.
    async fn seen(store: &Arc<dyn Store>) -> Vec<String> {
        let stats = store.stats().await.unwrap();
        let mut all = vec![format!(
            "articles {} sightings {} sources {} tombstones {} revision {}",
            stats.articles,
            stats.sightings,
            stats.sources,
            stats.tombstones,
            store.revision().number
        )];
        all.push(format!("{:?}", store.tags().await.unwrap()));
        let tags = TAGS.map(|tag| Scope::Tag(aggd::text::key(tag)));
        all.push(format!("{:?}", store.labels(&tags).await.unwrap()));
        let scopes = [Scope::All, Scope::Output("morning".to_owned())]
            .into_iter()
            .chain(TAGS.map(|tag| Scope::Tag(aggd::text::key(tag))))
            .chain(SOURCES.map(|name| Scope::Source(source(name))));
        for scope in scopes {
            all.push(format!("{:?}", store.months(&scope).await.unwrap()));
            let page = Page::First { most: 500 };
            let listing = store.select(&Selection::of(scope.clone()), page).await;
            let listing = listing.unwrap();
            all.push(format!("{scope:?} {} {}", listing.known, listing.touched));
            for (place, article) in listing.articles {
                all.push(format!("{place:?} {article:?}"));
            }
        }
        for (at, name) in SOURCES.iter().enumerate() {
            let other = SOURCES[(at + 1) % SOURCES.len()];
            for guid in 0..GUIDS {
                let of = id(name, &format!("g{guid}"));
                let keys = [
                    Key::Guid(of.0),
                    Key::Guid(guid_key(other, &format!("copy-of-{guid}"))),
                    Key::Url(guid_key("url", &format!("https://{name}.example/g{guid}"))),
                ];
                let known = store.known(&keys).await.unwrap();
                let hits: Vec<_> = known.hits.iter().map(|(k, h)| (k, h.id)).collect();
                all.push(format!("{name} g{guid} {hits:?} buried {:?}", known.buried));
                all.push(format!("{:?}", store.article(of).await.unwrap()));
            }
            all.push(format!("{:?}", store.state(&source(name)).await.unwrap()));
        }
        for name in 0..3 {
            let name = format!("n{name}");
            all.push(format!("{:?}", store.note(&name).await.unwrap()));
        }
        let rows = store.sightings(0, 1000).await.unwrap();
        // Numbers are the engine's own; their order is not.
        all.extend(
            rows.into_iter()
                .map(|(_, id, seen)| format!("{id} {seen:?}")),
        );
        all
    }

    async fn agree(&self, after: &Step) {
        let model = Self::seen(&self.model).await;
        let real = Self::seen(&self.real).await;
        for (model, real) in model.iter().zip(&real) {
            assert_eq!(real, model, "after {after:?}");
        }
        assert_eq!(real.len(), model.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("AGGD_STORE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(12),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_and_the_model_show_the_same(steps in prop::collection::vec(step(), 5..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new().await;
            for step in &steps {
                pair.step(step).await;
                pair.agree(step).await;
            }
            let verified = pair.real.verify(false).await.unwrap();
            assert!(verified.is_sound(), "{verified:?}");
            pair.real.close().await.unwrap();
        });
    }
}
