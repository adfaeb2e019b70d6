//! What must be true at the end.

use std::collections::HashMap;
use std::path::Path;

use crate::program::{CATEGORIES, Program, Sample};
use crate::sources::Sources;

/// Every entry that a sound source lists stands in the store, once, after a last round.
pub(crate) fn present_once(program: &Program, sources: &Sources) -> Vec<String> {
    // Failing sources make this end with 4: they were made to fail.
    let fetched = program.command(&["fetch", "--wait", "--quiet"]);
    let code = fetched.status.code();
    let mut faults = Vec::new();
    if code != Some(0) && code != Some(4) {
        faults.push(format!("`aggd fetch --wait` ended with {code:?}"));
    }
    let told = program.command(&["articles", "--sightings", "--jsonl"]);
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    for line in String::from_utf8(told.stdout).unwrap().lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        *seen.entry((text("feed"), text("guid"))).or_default() += 1;
    }
    let (mut wanted, mut missing, mut doubled) = (0, Vec::new(), Vec::new());
    for (number, guids) in sources.listed() {
        for guid in guids {
            wanted += 1;
            let key = (format!("source-{number}"), guid);
            match seen.get(&key) {
                Some(1) => {}
                Some(_) => doubled.push(key),
                None => missing.push(key),
            }
        }
    }
    println!(
        "{wanted} entries are listed: {} missing, {} more than once; {} sightings in the store",
        missing.len(),
        doubled.len(),
        seen.len()
    );
    for (what, which) in [("missing", &missing), ("more than once", &doubled)] {
        if !which.is_empty() {
            let some = &which[..which.len().min(5)];
            faults.push(format!("{} entries are {what}: {some:?}", which.len()));
        }
    }
    faults
}

/// What is served at the end reads without a fault, and names each article once. The documents stay in the directory.
pub(crate) async fn valid(program: &Program, dir: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let mut paths = vec!["all".to_owned(), "tags/Soak".to_owned()];
    paths.extend((0..CATEGORIES).map(|n| format!("categories/shelf%20{n}")));
    paths.extend((0..100).map(|n| format!("tags/t{n}")));
    let out = dir.join("published");
    std::fs::create_dir_all(&out).unwrap();
    let mut documents = 0;
    for path in paths {
        for format in ["rss", "atom", "json"] {
            let address = program.url(&format!("/{path}.{format}"));
            let answer = reqwest::get(&address).await.unwrap();
            let status = answer.status();
            let body = answer.bytes().await.unwrap();
            let name = format!("{}.{format}", path.replace(['/', '%'], "-"));
            std::fs::write(out.join(name), &body).unwrap();
            documents += 1;
            match feed_rs::parser::parse(&body[..]) {
                _ if status != 200 => faults.push(format!("/{path}.{format} gave {status}")),
                Err(error) => faults.push(format!("/{path}.{format}: {error}")),
                Ok(feed) => {
                    let mut ids: Vec<_> = feed.entries.iter().map(|entry| &entry.id).collect();
                    ids.sort_unstable();
                    ids.dedup();
                    if ids.len() != feed.entries.len() || ids.is_empty() {
                        faults.push(format!("/{path}.{format} repeats itself or is empty"));
                    }
                    if String::from_utf8_lossy(&body).contains("alert(1)") {
                        faults.push(format!("/{path}.{format} has a script"));
                    }
                }
            }
        }
    }
    println!("{documents} documents read");
    faults
}

/// A figure by name, and how much larger it may be in the second half.
type Figure = (&'static str, fn(&Sample) -> f64, f64);

/// Memory, descriptors, disk and latencies of the second half are hardly more than those of the first.
pub(crate) fn flat(samples: &[Sample], warm: usize) -> Vec<String> {
    let Some(samples) = samples.get(warm..).filter(|samples| samples.len() >= 6) else {
        println!(
            "too short to judge flatness: {warm} minutes of warming up and six more are needed"
        );
        return Vec::new();
    };
    let (before, after) = samples.split_at(samples.len() / 2);
    let mean = |samples: &[Sample], figure: fn(&Sample) -> f64| {
        let sum: f64 = samples.iter().map(figure).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred minutes")]
        let count = samples.len() as f64;
        sum / count
    };
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let figures: [Figure; 4] = [
        ("resident memory", |sample| sample.resident as f64, 1.10),
        ("descriptors", |sample| sample.descriptors as f64, 1.10),
        ("disk", |sample| sample.disk as f64, 1.25),
        // Latencies depend on what else the machine does.
        ("99th percentile", |sample| sample.slowest, 2.0),
    ];
    let mut faults = Vec::new();
    for (name, figure, most) in figures {
        let ratio = mean(after, figure) / mean(before, figure);
        println!("{name}: second half / first half = {ratio:.2}");
        if ratio > most {
            faults.push(format!("{name} grew: {ratio:.2} of what it was"));
        }
    }
    faults
}
