//! A whole aggd in this process: the real store on disk, real sockets, and a clock that the test winds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aggd::clock::Clock;
use aggd::config::{self, Config};
use aggd::daemon::Daemon;
use aggd::model::document::Document;
use aggd::model::entry::Feed;
use aggd::model::time::Timestamp;
use aggd::parse;
use async_trait::async_trait;
use tokio::sync::watch;

/// Where time stands when a town is founded: 2026-03-01T12:00:00Z.
pub(crate) const NOON: Timestamp = Timestamp::from_secs(1_772_366_400);

/// A clock that goes only when told to.
#[derive(Debug)]
pub(crate) struct Winder(watch::Sender<Timestamp>);

impl Winder {
    pub(crate) fn at(time: Timestamp) -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(time)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.send_modify(|time| *time = *time + by);
    }

    pub(crate) fn set_back(&self, by: Duration) {
        self.0.send_modify(|time| *time = *time - by);
    }
}

#[async_trait]
impl Clock for Winder {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn sleep_until(&self, until: Timestamp) {
        let mut time = self.0.subscribe();
        // The sender lives as long as `self`.
        let _ = time.wait_for(|now| *now >= until).await;
    }
}

/// An answer of the HTTP endpoint.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body, read as a feed by our own parser.
    pub(crate) fn feed(&self) -> Feed {
        let document = Document {
            body: self.body.clone().into(),
            url: None,
            content_type: Some(self.header("content-type").to_owned()),
        };
        let parsed = parse::parse(&document, &parse::Options::default());
        parsed
            .unwrap_or_else(|error| panic!("{error} in {} {}", self.status, self.text()))
            .feed
    }

    pub(crate) fn titles(&self) -> Vec<String> {
        self.feed()
            .entries
            .iter()
            .map(|entry| entry.title_text().to_owned())
            .collect()
    }

    pub(crate) fn links(&self) -> Vec<String> {
        self.feed()
            .entries
            .iter()
            .filter_map(|entry| entry.url.clone())
            .collect()
    }
}

/// A whole aggd.
pub(crate) struct Town {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<Winder>,
    pub(crate) daemon: Daemon,
    client: reqwest::Client,
}

impl Town {
    /// With these lines of feeds.toml beyond the settings that a test needs. The first round is over when this returns.
    pub(crate) async fn new(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::found(dir, lines, Winder::at(NOON)).await
    }

    /// In a directory that may hold the store of an earlier town.
    pub(crate) async fn found(dir: tempfile::TempDir, lines: &str, clock: Arc<Winder>) -> Self {
        std::fs::write(dir.path().join("feeds.toml"), feeds_toml(&dir, lines)).unwrap();
        let path = dir.path().join("feeds.toml");
        let daemon = Daemon::start(loader(path), clock.clone()).await.unwrap();
        let town = Self {
            dir,
            clock,
            daemon,
            client: crate::web::client(),
        };
        town.quiet().await;
        town
    }

    /// Returns once nothing is due, nothing is under way, and everything kept is published.
    pub(crate) async fn quiet(&self) {
        let settled = tokio::time::timeout(Duration::from_mins(5), self.daemon.settled()).await;
        settled.expect("the daemon comes to rest within five minutes");
    }

    /// Lets time pass, in steps, each until everything that came due is done.
    pub(crate) async fn pass(&self, time: Duration) {
        const STEPS: u32 = 4;
        for _ in 0..STEPS {
            self.clock.advance(time / STEPS);
            self.quiet().await;
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.daemon.addresses()[0])
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.client.get(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// Writes another feeds.toml and asks for a reload.
    pub(crate) async fn reload(&self, lines: &str) -> Result<aggd::ops::Reloaded, String> {
        std::fs::write(
            self.dir.path().join("feeds.toml"),
            feeds_toml(&self.dir, lines),
        )
        .unwrap();
        let answer = self.daemon.reload().await;
        self.quiet().await;
        answer
    }

    /// Ends this aggd and starts another one on the same store, later by `pause`.
    pub(crate) async fn restart(self, lines: &str, pause: Duration) -> Self {
        let Self {
            dir, clock, daemon, ..
        } = self;
        daemon.stop().await.unwrap();
        clock.advance(pause);
        Self::found(dir, lines, clock).await
    }
}

fn feeds_toml(dir: &tempfile::TempDir, lines: &str) -> String {
    let path = dir.path().display();
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://news.example.org/\"\ntitle = \"Town\"\n\
         [store]\npath = \"{path}/store\"\n[control]\nsocket = \"{path}/control.sock\"\n\
         [fetch]\nallow_private = [\"127.0.0.0/8\"]\nper_host = {{ at_once = 8, spacing = \"0s\" }}\n{lines}\n"
    )
}

fn loader(path: PathBuf) -> Arc<dyn Fn() -> Result<Config, config::Errors> + Send + Sync> {
    Arc::new(move || config::load(Some(&path)))
}

/// A `[[feed]]` table.
pub(crate) fn feed(id: &str, url: &str, more: &str) -> String {
    format!("[[feed]]\nid = \"{id}\"\nurl = \"{url}\"\n{more}\n")
}
