//! Feed readers that ask again and again with the validators they were given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::program::CATEGORIES;

/// Between two requests of one reader.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
struct Notes {
    /// Of this minute.
    latencies: Vec<Duration>,
    faults: HashMap<String, usize>,
    answers: HashMap<u16, usize>,
}

pub(crate) struct Readers {
    notes: Arc<Mutex<Notes>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Readers {
    pub(crate) fn start(base: &str, count: usize) -> Self {
        let readers = Self {
            notes: Arc::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        for number in 0..count {
            let (base, notes) = (base.to_owned(), Arc::clone(&readers.notes));
            let stop = readers.stop.clone();
            readers.tasks.spawn(async move {
                tokio::select! {
                    () = read(&base, number as u64, &notes) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        readers
    }

    /// Median and 99th percentile of this minute's latencies in milliseconds, and how many there were.
    pub(crate) fn minute(&self) -> (f64, f64, usize) {
        let mut latencies = std::mem::take(&mut self.notes.lock().unwrap().latencies);
        latencies.sort_unstable();
        let at = |share: usize| {
            latencies
                .get(latencies.len() * share / 100)
                .map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        (at(50), at(99), latencies.len())
    }

    /// What went wrong.
    pub(crate) async fn stop(self) -> Vec<String> {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let notes = self.notes.lock().unwrap();
        println!("answers by status: {:?}", notes.answers);
        notes
            .faults
            .iter()
            .map(|(fault, times)| format!("{fault} ({times} times)"))
            .collect()
    }
}

async fn read(base: &str, seed: u64, notes: &Mutex<Notes>) {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .no_proxy()
        .build()
        .unwrap();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut validators: HashMap<String, String> = HashMap::new();
    loop {
        let format = ["rss", "atom", "json"][rng.usize(..3)];
        let path = match rng.usize(..10) {
            0 => format!("/all.{format}"),
            1..=4 => format!("/categories/shelf%20{}.{format}", rng.usize(..CATEGORIES)),
            5..=8 => format!("/tags/t{}.{format}", rng.usize(..100)),
            _ => format!("/sources/source-{}.{format}", rng.usize(..100)),
        };
        let mut request = client.get(format!("{base}{path}"));
        if let Some(etag) = validators.get(&path) {
            request = request.header("If-None-Match", etag);
        }
        let begin = Instant::now();
        let fault = match request.send().await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                let etag = answer.headers().get("etag").cloned();
                let body = answer.bytes().await;
                let mut notes = notes.lock().unwrap();
                notes.latencies.push(begin.elapsed());
                *notes.answers.entry(status).or_default() += 1;
                drop(notes);
                if let Some(etag) = etag {
                    validators.insert(path.clone(), etag.to_str().unwrap().to_owned());
                }
                match (status, body) {
                    // Before the first articles came, a tag has never been seen.
                    (200 | 304 | 404, Ok(_)) => None,
                    (status, Ok(_)) => Some(format!("a reader got {status}")),
                    (_, Err(error)) => Some(format!("a reader's answer broke off: {error:?}")),
                }
            }
            Err(error) => Some(format!("a reader was refused: {error:?}")),
        };
        if let Some(fault) = fault {
            let mut notes = notes.lock().unwrap();
            *notes.faults.entry(fault).or_default() += 1;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
