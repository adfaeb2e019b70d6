//! How long keywords take, by language: milliseconds for an article of three thousand characters (Chinese, Japanese and
//! Korean: one thousand). With a data set, also how good they are.
//!
//! `AGGD_KEYWORDS=DIR:LANGUAGE` names a directory in the form of public collections, `docsutf8/ID.txt` with one text each,
//! headline first, and `keys/ID.key` with one keyword a line; several are separated by blanks. Printed are precision,
//! recall and F1 of the first five keywords, averaged over the texts, and the same once the collection's own frequencies
//! were learnt. Keywords count as equal if their last words are in the same number.

mod ratio;

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use aggd::label::keywords::{Found, extract};
use aggd::label::learnt::Learnt;
use aggd::text;

const TEXTS: &[(&str, &str, &str)] = &[
    (
        "en",
        "Council votes to restore the river meadows",
        "The city council voted on Tuesday to restore forty hectares of river meadows east of the old harbour. Engineers will \
         move the flood wall back and let the river spread in winter, as it did before the railway came. Farmers who rent the \
         land asked for compensation, and the council promised talks before spring. Biologists expect curlews and otters to \
         return within ten years. Critics say that the money would be better spent on the flood wall itself. ",
    ),
    (
        "fr",
        "La ville rouvre l'ancienne ligne de tramway",
        "Le conseil municipal a décidé de rouvrir l'ancienne ligne de tramway entre la gare et le port. Les travaux commenceront \
         au printemps et dureront deux ans. Les commerçants du centre craignent pour leurs recettes, mais la mairie promet des \
         indemnités. La ligne de tramway avait été fermée dans les années cinquante, quand les autobus semblaient plus modernes. ",
    ),
    (
        "de",
        "Stadtrat beschließt neue Radwege am Fluss",
        "Der Stadtrat hat am Dienstag neue Radwege am Flussufer beschlossen. Sie sollen den Bahnhof mit dem Hafen verbinden und in \
         drei Jahren fertig sein. Anwohner fürchten um ihre Parkplätze, Händler hoffen auf mehr Kundschaft. Die Radwege werden zur \
         Hälfte vom Land bezahlt. ",
    ),
    (
        "zh",
        "长江中游湿地恢复工程启动",
        "长江中游湿地恢复工程昨日启动，计划用五年时间恢复湿地三万亩。当地渔民转产上岸，成为湿地巡护员。专家介绍，湿地恢复以后，候鸟的栖息地将扩大一倍，江豚的食物来源也会增加。工程资金来自中央财政和地方配套，环保部门将每年公布监测结果。",
    ),
    (
        "ja",
        "市、古い水路を再生へ",
        "市は中心部の古い水路を再生する計画を発表した。工事は来年の春に始まり、三年で終わる予定だ。水路は江戸時代に作られ、戦後に暗渠となった。市民団体は観光への効果に期待し、商店街は駐車場が減ることを心配している。",
    ),
    (
        "ko",
        "시, 옛 수로 복원 계획 발표",
        "시는 도심의 옛 수로를 복원하는 계획을 발표했다. 공사는 내년 봄에 시작해 삼 년 뒤에 끝난다. 수로는 조선 시대에 만들어졌고 도로 아래에 묻혀 있었다. 시민 단체는 관광 효과를 기대하고 상인들은 주차장이 줄어드는 것을 걱정한다.",
    ),
];

fn main() {
    let mut slowest = 0.0_f64;
    for (language, headline, text) in TEXTS {
        let length = if text.len() == text.chars().count() || *language == "fr" || *language == "de"
        {
            3000
        } else {
            1000
        };
        let body: String = text.chars().cycle().take(length).collect();
        let learnt = Learnt::default();
        let first = Instant::now();
        let found = extract(headline, &body, language, &learnt);
        let first = first.elapsed();
        let times = 300;
        let begin = Instant::now();
        for _ in 0..times {
            std::hint::black_box(extract(headline, &body, language, &learnt));
        }
        let each = begin.elapsed().as_secs_f64() * 1000.0 / f64::from(times);
        slowest = slowest.max(each);
        say(&format!(
            "{language}: {each:.3} ms an article, the first {:.0} ms: {}",
            first.as_secs_f64() * 1000.0,
            found.keywords.join(", ")
        ));
    }
    say(&format!("resident: {} MiB", resident()));
    ratio::at_most("keywords: ms an article, slowest language", slowest, 1.0);
    let sets = std::env::var("AGGD_KEYWORDS").unwrap_or_default();
    for set in sets.split_whitespace() {
        let Some((dir, language)) = set.rsplit_once(':') else {
            say(&format!("`{set}` is not of the form DIR:LANGUAGE"));
            continue;
        };
        if let Err(error) = measure(Path::new(dir), language) {
            say(&format!("{dir}: {error}"));
        }
    }
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn say(line: &str) {
    println!("{line}");
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn measure(dir: &Path, language: &str) -> std::io::Result<()> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(dir.join("docsutf8"))? {
        let path = entry?.path();
        let key = dir
            .join("keys")
            .join(path.with_extension("key").file_name().unwrap_or_default());
        let whole = String::from_utf8_lossy(&std::fs::read(&path)?).replace('\r', "");
        let keys = String::from_utf8_lossy(&std::fs::read(key)?).into_owned();
        let whole = whole.trim();
        let (headline, body) = whole.split_once('\n').unwrap_or((whole, ""));
        let keys: HashSet<String> = keys
            .lines()
            .map(text::key)
            .filter(|key| !key.is_empty())
            .collect();
        texts.push((headline.to_owned(), body.to_owned(), keys));
    }
    let learnt = Learnt::default();
    for round in ["untaught", "taught"] {
        let (mut precision, mut recall, mut f1) = (0.0, 0.0, 0.0);
        // The tables of a language come into memory, or leave it, with the first text.
        if let Some((headline, body, _)) = texts.first() {
            let _ = extract(headline, body, language, &learnt);
        }
        let begin = Instant::now();
        let found: Vec<Found> = texts
            .iter()
            .map(|(headline, body, _)| extract(headline, body, language, &learnt))
            .collect();
        let each = begin.elapsed().as_secs_f64() * 1000.0 / count(texts.len());
        for (found, (_, _, keys)) in found.iter().zip(&texts) {
            let right = found
                .keywords
                .iter()
                .filter(|one| keys.contains(&text::key(one)))
                .count();
            let p = count(right) / count(found.keywords.len().max(1));
            let r = count(right) / count(keys.len().max(1));
            precision += p;
            recall += r;
            if right > 0 {
                f1 += 2.0 * p * r / (p + r);
            }
        }
        let texts_n = count(texts.len());
        say(&format!(
            "{} ({language}, {round}): P@5 {:.3} R@5 {:.3} F1@5 {:.3}, {each:.3} ms an article, {} texts",
            dir.display(),
            precision / texts_n,
            recall / texts_n,
            f1 / texts_n,
            texts.len()
        ));
        // A small collection is counted several times, so that it is enough to go by.
        while learnt
            .articles()
            .iter()
            .all(|(_, articles)| *articles < 500)
            && !found.is_empty()
        {
            for one in &found {
                learnt.article(&one.language, &one.terms);
            }
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn count(n: usize) -> f64 {
    n as f64
}
