//! What recognising copies costs: `cargo bench --bench dedup -- [--most N]`.
//!
//! Microseconds of one core per entry by stage, for texts of 3 KB that are made here, and look-ups among 10,000, 100,000
//! and 1,000,000 signatures with the memory that each takes. A figure is the median of its rounds.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench prints its table"
)]
#![allow(
    dead_code,
    reason = "the articles come from the tests, which use more of them"
)]

mod ratio;
#[path = "../tests/it/reprints.rs"]
mod reprints;

use std::hint::black_box;
use std::time::{Duration, Instant};

use aggd::dedup::Mode;
use aggd::dedup::compare::{self, Pair};
use aggd::dedup::shape::{Folded, Shape};
use aggd::model::article::ArticleId;
use aggd::model::boilerplate::Boilerplate;
use aggd::model::signature::{BODY, LEAD, Reach, Signature, Sketch};
use aggd::model::source::SourceId;
use aggd::model::time::Timestamp;
use aggd::store::lsh::{Lsh, Print, Range};
use reprints::{Press, TONGUES, Tongue};

const TEXT: usize = 3000;
const TEXTS: usize = 400;

fn main() {
    let mut most = 1_000_000;
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        if argument == "--most" {
            most = arguments
                .next()
                .and_then(|n| n.parse().ok())
                .unwrap_or(most);
        }
    }
    let source = SourceId::new("bench").expect("a name of the allowed form");
    let mut signatures = Vec::new();
    let mut shapes: Vec<Shape> = Vec::new();
    let mut dearest = 0.0_f64;
    println!("{:<44} {:>10}", "stage, texts of 3 KB", "us/entry");
    for tongue in TONGUES {
        let texts = texts(tongue);
        let none = Boilerplate::default();
        let fold = median(|| {
            for (title, text) in &texts {
                black_box(Folded::new(title, text));
            }
        });
        let folded: Vec<Folded> = texts
            .iter()
            .map(|(title, text)| Folded::new(title, text))
            .collect();
        let shape = median(|| {
            for text in &folded {
                black_box(text.shape(&none));
            }
        });
        let own: Vec<Shape> = folded.iter().map(|text| text.shape(&none)).collect();
        let sign = median(|| {
            for shape in &own {
                black_box(shape.signature(0, &source, None));
            }
        });
        let pair = median(|| {
            for two in own.windows(2) {
                let scores = compare::scores(&two[0], &two[1]);
                let _ = black_box(compare::verdict(
                    &two[0],
                    &two[1],
                    &scores,
                    Pair::default(),
                    Mode::Cluster,
                ));
            }
        });
        for (stage, took) in [
            ("normalised, in paragraphs", fold),
            ("tokens, shingles, numbers", shape),
            ("MinHash of 128 and 32", sign),
            ("one pair verified", pair),
        ] {
            println!(
                "{:<44} {:>10.1}",
                format!("{tongue:?}: {stage}"),
                per_entry(took)
            );
        }
        dearest = dearest.max(per_entry(fold + shape + sign));
        signatures.extend(own.iter().map(|shape| shape.signature(0, &source, None)));
        shapes.extend(own);
    }
    ratio::at_most(
        "dedup: ms an entry until it can be looked up, dearest language",
        dearest / 1e3,
        0.3,
    );
    println!(
        "\n{:>12} {:>12} {:>12} {:>12} {:>14} {:>12} {:>12}",
        "signatures",
        "us/look-up",
        "us/insert",
        "at most, ms",
        "rebuilt in s",
        "bytes each",
        "candidates"
    );
    for size in [10_000, 100_000, 200_000, 1_000_000] {
        if size <= most {
            index(size, &signatures);
        }
    }
}

fn index(size: usize, real: &[Signature]) {
    let mut dice = fastrand::Rng::with_seed(5);
    let prints: Vec<Print> = (0..size)
        .map(|n| Print {
            number: n as u64 + 1,
            at: Timestamp::from_secs(1_790_000_000 + i64::try_from(n).unwrap_or(0)),
            copy: ArticleId(n as u128),
            signature: if n % 20 == 0 {
                real[dice.usize(..real.len())].clone()
            } else {
                noise(&mut dice, &real[n % real.len()])
            },
        })
        .collect();
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    let mut lsh = Lsh::default();
    for print in &prints {
        let before = Instant::now();
        lsh.insert(print);
        longest = longest.max(before.elapsed());
    }
    let one_by_one = begun.elapsed();
    let begun = Instant::now();
    let mut lsh = Lsh::default();
    for print in &prints {
        lsh.push(print);
    }
    lsh.make_tables();
    let rebuilt = begun.elapsed();
    let range = Range {
        reach: Reach::All,
        since: Timestamp::EPOCH,
        numbers: (0, u64::MAX),
    };
    let mut candidates = 0;
    let looked = median(|| {
        candidates = real
            .iter()
            .map(|one| black_box(lsh.find(one, &range)).len())
            .sum();
    });
    println!(
        "{size:>12} {:>12.1} {:>12.2} {:>12.1} {:>14.2} {:>12} {:>12.1}",
        looked.as_secs_f64() * 1e6 / real.len() as f64,
        one_by_one.as_secs_f64() * 1e6 / size as f64,
        longest.as_secs_f64() * 1e3,
        rebuilt.as_secs_f64(),
        lsh.bytes() / lsh.len(),
        candidates as f64 / real.len() as f64,
    );
    if size == 200_000 {
        ratio::at_most(
            "dedup: s until 200,000 signatures are in memory",
            rebuilt.as_secs_f64(),
            2.0,
        );
        ratio::at_most(
            "dedup: bytes of a signature",
            (lsh.bytes() / lsh.len()) as f64,
            1024.0,
        );
    }
}

/// The signature of no text, where it may be taken for one.
fn noise(dice: &mut fastrand::Rng, real: &Signature) -> Signature {
    let mut hashes = [0; BODY + LEAD];
    dice.fill(&mut hashes);
    Signature {
        realm: real.realm,
        title: dice.u32(1..),
        series: dice.u32(1..),
        sketch: Sketch {
            hashes,
            shingles: dice.u16(100..900),
        },
        source: dice.u32(..),
        shelf: 0,
    }
}

fn texts(tongue: Tongue) -> Vec<(String, String)> {
    let mut press = Press::new(3);
    (0..TEXTS)
        .map(|_| {
            let (title, mut all) = press.article(tongue);
            while all.iter().map(String::len).sum::<usize>() < TEXT {
                all.extend(press.article(tongue).1);
            }
            let mut text = all.join("\n");
            let cut = (0..=TEXT)
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(0);
            text.truncate(cut);
            (title, text)
        })
        .collect()
}

fn per_entry(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6 / TEXTS as f64
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut rounds: Vec<Duration> = (0..9)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .collect();
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}
