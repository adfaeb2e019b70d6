//! Keywords of a text: what it speaks of again and again, early, and what other articles do not speak of.
//!
//! Candidates come by language: for Chinese the nouns that `jieba-rs` finds, for Japanese runs of kanji and katakana, for
//! Korean words without their particles, elsewhere up to three words that neither begin nor end with a stop word. All are
//! scored alike: `sqrt(tf) * idf * (1 + .35 (words - 1)) * (1 + 1 / (1 + position / 50))`, outside Chinese half as much again for
//! what stands in the headline; what is contained in a better one is left out.
//!
//! jieba's dictionary comes into memory with the first Chinese text, its table of frequencies too for as long as not
//! enough Chinese articles were seen: some tens of megabytes that nobody pays who does not publish keywords or ask for
//! suggestions.

mod worded;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jieba_rs::{Jieba, KeywordExtract, TfIdf};

use super::learnt::{self, Learnt};
use crate::text;
use crate::text::language::primary;

use worded::{stops, worded};

/// Keywords of an article.
pub const MOST: usize = 5;
/// Characters of a text that are read: what comes later has little weight.
const LONGEST: usize = 4000;
/// Words of a text from which something can be told.
const SHORTEST: usize = 8;
/// Weight of the headline.
const HEADLINE: f64 = 1.5;
/// Articles that are enough for jieba's own table to go.
const TABLE_UNTIL: u32 = 500;

/// What was found in a text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// The best keywords, as spelt in the text, best first.
    pub keywords: Vec<String>,
    /// The language whose counts the terms belong to.
    pub language: String,
    /// Every candidate, as [`Learnt::article`] takes it.
    pub terms: Vec<u64>,
}

/// Something that might be a keyword.
#[derive(Debug)]
struct Candidate {
    /// How it is spelt where it stands first.
    name: String,
    key: String,
    count: u32,
    /// Words before it.
    position: usize,
    words: u32,
    in_headline: bool,
}

/// Candidates by key, in order of appearance.
#[derive(Debug, Default)]
struct Candidates {
    all: Vec<Candidate>,
    places: HashMap<String, usize>,
}

impl Candidates {
    fn add(&mut self, key: String, name: &str, position: usize, words: u32, in_headline: bool) {
        match self.places.get(&key) {
            Some(place) => self.all[*place].count += 1,
            None => {
                self.places.insert(key.clone(), self.all.len());
                self.all.push(Candidate {
                    name: name.to_owned(),
                    key,
                    count: 1,
                    position,
                    words,
                    in_headline,
                });
            }
        }
    }
}

/// What a text has that might be keywords.
struct Gathered {
    all: Vec<Candidate>,
    terms: Vec<u64>,
    words: usize,
    language: String,
}

fn gather(headline: &str, body: &str, language: &str) -> Option<Gathered> {
    let language = primary(language);
    let mut text: String = headline.chars().take(LONGEST).collect();
    let headline = text.len();
    text.push('\n');
    text.extend(body.chars().take(LONGEST));
    let (candidates, words) = match language.as_str() {
        "zh" => chinese(&text, headline),
        "ja" => japanese(&text, headline),
        // Written without blanks, and nothing here cuts it into words.
        "th" | "lo" | "km" | "my" => return None,
        _ => worded(&text, headline, &language),
    };
    let mut all = candidates.all;
    all.retain(|candidate| candidate.words == 1 || candidate.count > 1);
    let terms = all.iter().map(|one| learnt::term(&one.key)).collect();
    Some(Gathered {
        all,
        terms,
        words,
        language,
    })
}

/// Counts a text among those of its language.
pub fn learn(headline: &str, body: &str, language: &str, learnt: &Learnt) {
    if let Some(gathered) = gather(headline, body, language) {
        learnt.article(&gathered.language, &gathered.terms);
    }
}

/// Finds the keywords of a text whose language is known.
#[must_use]
pub fn extract(headline: &str, body: &str, language: &str, learnt: &Learnt) -> Found {
    let Some(gathered) = gather(headline, body, language) else {
        return Found::default();
    };
    let Gathered {
        all,
        terms,
        words,
        language,
    } = gathered;
    let rarity = learnt.rarity(&language, &terms);
    let rarity = match rarity {
        Some(rarity) => rarity,
        None if language == "zh" => table_rarity(&all),
        None => vec![1.0; all.len()],
    };
    if language == "zh" && has_learnt(learnt, "zh") {
        drop_table();
    }
    let keywords = if words < SHORTEST {
        Vec::new()
    } else {
        best(&all, &rarity, language == "zh")
    };
    Found {
        keywords,
        language,
        terms,
    }
}

fn has_learnt(learnt: &Learnt, language: &str) -> bool {
    let counted = learnt.articles();
    counted
        .iter()
        .any(|(of, articles)| of == language && *articles >= TABLE_UNTIL)
}

fn best(all: &[Candidate], rarity: &[f64], is_chinese: bool) -> Vec<String> {
    let score = |one: &Candidate, rarity: f64| {
        #[expect(clippy::cast_precision_loss, reason = "positions are small")]
        let early = 1.0 + 1.0 / (1.0 + one.position as f64 / 50.0);
        let long = 1.0 + 0.35 * f64::from(one.words - 1);
        let headline = if one.in_headline && !is_chinese {
            HEADLINE
        } else {
            1.0
        };
        f64::from(one.count).sqrt() * rarity * long * early * headline
    };
    let mut scored: Vec<(f64, &Candidate)> = all
        .iter()
        .zip(rarity)
        .map(|(one, rarity)| (score(one, *rarity), one))
        .collect();
    scored.sort_by(|a, b| {
        let earlier = a.1.position.cmp(&b.1.position);
        b.0.total_cmp(&a.0).then(earlier)
    });
    let mut chosen: Vec<&Candidate> = Vec::new();
    for (_, one) in scored {
        let contains = |better: &&Candidate| contains(&better.key, &one.key, is_chinese);
        if !chosen.iter().any(contains) {
            chosen.push(one);
        }
        if chosen.len() == MOST {
            break;
        }
    }
    chosen.into_iter().map(|one| one.name.clone()).collect()
}

/// True if a phrase contains another one, word by word.
fn contains(long: &str, short: &str, is_chinese: bool) -> bool {
    if is_chinese || short.is_empty() {
        return long.contains(short);
    }
    long.match_indices(short).any(|(at, _)| {
        let bytes = long.as_bytes();
        let end = at + short.len();
        (at == 0 || bytes[at - 1] == b' ') && (end == bytes.len() || bytes[end] == b' ')
    })
}

// Chinese.

static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);
static TABLE: Mutex<Option<Arc<TfIdf>>> = Mutex::new(None);

/// True for the parts of speech that keywords are.
fn is_noun(tag: &str) -> bool {
    tag.starts_with('n') || matches!(tag, "vn" | "j" | "l" | "eng")
}

fn chinese(text: &str, headline: usize) -> (Candidates, usize) {
    // The dictionary knows simplified characters only; what is found is spelt as the text spells it.
    let simple = text::simplify(text);
    let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let is_parallel = simple.chars().count() == offsets.len();
    let (stops, foreign) = (stops("zh"), stops("en"));
    let mut candidates = Candidates::default();
    let mut position = 0;
    for word in JIEBA.tag(&simple, true) {
        if !word.word.chars().any(char::is_alphanumeric) {
            continue;
        }
        position += 1;
        let length = word.end - word.start;
        let is_number = !word.word.chars().any(char::is_alphabetic);
        if !is_noun(word.tag)
            || !(2..=12).contains(&length)
            || is_number
            || stops.contains(word.word)
            || (word.tag == "eng" && foreign.contains(word.word.to_lowercase().as_str()))
        {
            continue;
        }
        let (start, spelt) = if is_parallel {
            let start = offsets[word.start];
            let end = offsets.get(word.end).copied().unwrap_or(text.len());
            (start, &text[start..end])
        } else {
            (word.byte_start, word.word)
        };
        let key = word.word.to_lowercase();
        candidates.add(key, spelt, position - 1, 1, start < headline);
    }
    (candidates, position)
}

/// How rare words are by jieba's table. It is asked for all of them in one breath, so that each stands once.
fn table_rarity(all: &[Candidate]) -> Vec<f64> {
    let table = {
        let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(table.get_or_insert_with(|| Arc::new(TfIdf::default())))
    };
    let words: Vec<&str> = all.iter().map(|one| one.key.as_str()).collect();
    let answers = table.extract_keywords(&JIEBA, &words.join("\n"), usize::MAX, Vec::new());
    #[expect(clippy::cast_precision_loss, reason = "a text has few words")]
    let asked = answers.len().max(1) as f64;
    let known: HashMap<String, f64> = answers
        .into_iter()
        .map(|answer| (answer.keyword, answer.weight * asked))
        .collect();
    // A name that the table does not have is rare.
    let rare = known.values().copied().fold(10.0, f64::max);
    let rarity = |word: &str| known.get(word).copied().unwrap_or(rare.min(12.0));
    words.into_iter().map(rarity).collect()
}

/// Lets go of jieba's table.
fn drop_table() {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner).take();
}

// Japanese.

fn japanese(text: &str, headline: usize) -> (Candidates, usize) {
    #[derive(PartialEq, Clone, Copy)]
    enum Class {
        Term,
        Latin,
        Other,
    }
    let class = |c: char| match c {
        '\u{4e00}'..='\u{9fff}'
        | '\u{30a0}'..='\u{30fa}'
        | 'ー'
        | '々'
        | '\u{3400}'..='\u{4dbf}' => Class::Term,
        c if c.is_ascii_alphanumeric() => Class::Latin,
        _ => Class::Other,
    };
    let mut candidates = Candidates::default();
    let mut position = 0;
    let mut run: Option<(usize, Class)> = None;
    let ends = text.char_indices().map(|(at, c)| (at, class(c)));
    for (at, now) in ends.chain([(text.len(), Class::Other)]) {
        match run {
            Some((_, before)) if before == now => continue,
            Some((start, _)) => {
                let word = &text[start..at];
                let length = word.chars().count();
                position += 1;
                if (2..=12).contains(&length) && word.chars().any(char::is_alphabetic) {
                    let key = word.to_lowercase();
                    candidates.add(key, word, position - 1, 1, start < headline);
                }
            }
            None => {}
        }
        run = (now != Class::Other).then_some((at, now));
    }
    (candidates, position)
}

#[cfg(test)]
mod tests {
    use super::worded::STOPPED;
    use super::*;

    fn keywords(headline: &str, body: &str, language: &str) -> Vec<String> {
        extract(headline, body, language, &Learnt::default()).keywords
    }

    #[test]
    fn every_language_has_its_candidates() {
        let cases = [
            (
                "en",
                "Tokio 2.0 changes how tasks are scheduled",
                // Not "work stealing": no phrase begins with a stop word, and "work" is one.
                "The new release of Tokio moves the task stealing scheduler into its own crate. Task stealing was rewritten, \
                 and what blocks is now found by a watchdog. The scheduler is twice as fast.",
                &["Tokio", "scheduler", "task stealing"][..],
            ),
            (
                "fr",
                "Sécheresse : la préfecture limite l'usage de l'eau",
                "La préfecture du Gard a pris un arrêté contre la sécheresse. Les nappes phréatiques sont basses, et les \
                 nappes phréatiques du sud le sont plus encore. L'arrêté concerne l'arrosage.",
                &["Sécheresse", "nappes phréatiques"],
            ),
            (
                "zh-Hans",
                "长江禁渔满五年，江豚数量回升",
                "农业农村部公布调查结果，长江江豚数量比五年前增加。专家说，禁渔以后长江的鱼类资源逐渐恢复，江豚的食物多了。",
                &["江豚", "长江"],
            ),
            (
                "zh-Hant",
                "長江禁漁滿五年，江豚數量回升",
                "農業農村部公布調查結果，長江江豚數量比五年前增加。專家說，禁漁以後長江的魚類資源逐漸恢復，江豚的食物多了。",
                &["江豚", "長江"],
            ),
            (
                "ja",
                "トヨタ、全固体電池を量産へ",
                "トヨタは全固体電池の量産を始める。全固体電池は充電の時間が短い。新しい工場は愛知県に建つ。電池の材料は国内で作る。",
                &["全固体電池", "トヨタ"],
            ),
            (
                "ko",
                "삼성전자, 새 반도체 공장 착공",
                "삼성전자는 경기도에 반도체 공장을 짓는다. 반도체 수요가 늘었기 때문이다. 삼성전자의 공장은 내년에 문을 연다.",
                &["삼성전자", "반도체 공장"],
            ),
        ];
        for (language, headline, body, expected) in cases {
            let found = keywords(headline, body, language);
            for word in expected {
                let is_there = found
                    .iter()
                    .any(|one| one.to_lowercase() == word.to_lowercase());
                assert!(is_there, "{language}: {word} is not in {found:?}");
            }
        }
    }

    #[test]
    fn every_list_of_stop_words_is_there() {
        for language in STOPPED {
            assert!(!stops(language).is_empty(), "{language}");
        }
        assert!(stops("nb").contains("og"));
        assert!(stops("xx").is_empty());
    }

    #[test]
    fn what_is_contained_in_a_better_one_is_left_out() {
        let found = keywords(
            "Supreme Court hears the water rights case",
            "The Supreme Court heard arguments. The Supreme Court will decide in June. Water rights are old in the West, and \
             water rights are contested.",
            "en",
        );
        assert!(found.contains(&"Supreme Court".to_owned()), "{found:?}");
        assert!(!found.contains(&"Court".to_owned()), "{found:?}");
    }

    #[test]
    fn too_little_text_has_no_keywords_and_nothing_panics() {
        for language in ["en", "zh", "ja", "ko", "th", "xx", ""] {
            for text in ["", "1.90", "…", "C++ +# . '", "👍👍 👍", "İİ ßß ﷺ"] {
                assert_eq!(
                    keywords(text, text, language),
                    Vec::<String>::new(),
                    "{text}"
                );
            }
            let _ = keywords(&"长江 江豚 C++ a.b ".repeat(2000), "x", language);
        }
    }
}
