//! Languages with blanks between their words.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::Candidates;
use crate::text;

/// A word of a text.
struct Word<'a> {
    text: &'a str,
    at: usize,
    key: String,
    /// Neither the first nor the last of a phrase.
    is_weak: bool,
    /// Something stands before it that no phrase goes across.
    is_first: bool,
}

/// Up to three words that neither begin nor end with a stop word, and the number of words.
pub(super) fn worded(text: &str, headline: usize, language: &str) -> (Candidates, usize) {
    let words = words(text, language);
    let mut candidates = Candidates::default();
    for (position, first) in words.iter().enumerate() {
        if first.is_weak {
            continue;
        }
        let mut key = String::new();
        for (more, last) in words[position..].iter().take(3).enumerate() {
            if more > 0 && last.is_first {
                break;
            }
            if more > 0 {
                key.push(' ');
            }
            key.push_str(&last.key);
            if last.is_weak {
                continue;
            }
            let name = &text[first.at..last.at + last.text.len()];
            let count = u32::try_from(more).unwrap_or(0) + 1;
            candidates.add(key.clone(), name, position, count, first.at < headline);
        }
    }
    (candidates, words.len())
}

fn words<'a>(text: &'a str, language: &str) -> Vec<Word<'a>> {
    let stops = stops(language);
    let mut words = Vec::new();
    let mut is_first = true;
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        if !c.is_alphanumeric() {
            // An apostrophe or a hyphen holds a phrase together; anything else ends it.
            is_first |= !matches!(c, ' ' | '\t' | '\u{a0}' | '\'' | '’' | '-' | '‐');
            continue;
        }
        let mut end = at + c.len_utf8();
        while let Some(&(next, c)) = rest.peek() {
            let follows = |text: &str| text.chars().next().is_some_and(char::is_alphanumeric);
            let goes_on = c.is_alphanumeric()
                || (c == '.' && follows(&text[next + 1..]))
                || (matches!(c, '+' | '#')
                    && !follows(text[next..].trim_start_matches(['+', '#'])));
            if !goes_on {
                break;
            }
            end = next + c.len_utf8();
            rest.next();
        }
        let written = &text[at..end];
        let (word, key, is_weak) = strength(written, language, &stops);
        words.push(Word {
            text: word,
            at,
            key,
            is_weak,
            is_first,
        });
        is_first = word.len() < written.len();
    }
    words
}

/// A word as it counts: itself without particles, its key, and whether it is too weak to begin or end a phrase.
fn strength<'a>(written: &'a str, language: &str, stops: &Stops) -> (&'a str, String, bool) {
    let word = if language == "ko" {
        without_particle(written)
    } else {
        written
    };
    let lower = word.to_lowercase();
    let letters = lower.chars().filter(|c| c.is_alphabetic()).count();
    let short = if language == "ko" { 2 } else { 3 };
    let is_sign = letters < short && !word.ends_with(['+', '#']) && !is_name(word);
    // Korean verbs end so, and no verb is a keyword.
    let is_verb = language == "ko" && (word.ends_with('다') || word.ends_with('고'));
    let is_weak = letters == 0 || is_sign || is_verb || stops.contains(lower.as_str());
    let key = if language == "ko" {
        lower
    } else {
        text::singular(&lower)
    };
    (word, key, is_weak)
}

/// Two capitals are an abbreviation: EU, AI.
fn is_name(word: &str) -> bool {
    word.chars().count() == 2 && word.chars().all(char::is_uppercase)
}

/// Endings of Korean nouns, the long ones first.
const PARTICLES: &[&str] = &[
    "에서는",
    "으로는",
    "에게서",
    "이라고",
    "이라는",
    "에서",
    "에게",
    "으로",
    "까지",
    "부터",
    "라고",
    "라는",
    "처럼",
    "보다",
    "이나",
    "하고",
    "에는",
    "들은",
    "들이",
    "들을",
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "의",
    "에",
    "로",
    "와",
    "과",
    "도",
    "만",
    "들",
];

fn without_particle(word: &str) -> &str {
    let stem = PARTICLES
        .iter()
        .find_map(|particle| word.strip_suffix(particle));
    stem.filter(|stem| stem.chars().count() >= 2)
        .unwrap_or(word)
}

pub(super) type Stops = HashSet<&'static str>;

/// Languages with a list of stop words.
pub(super) const STOPPED: &[&str] = &[
    "af", "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "eo", "es", "et", "eu", "fa", "fi",
    "fr", "ga", "gl", "he", "hi", "hr", "hu", "hy", "id", "it", "ja", "ko", "la", "lt", "lv", "mr",
    "ms", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "so", "sv", "sw", "th", "tl", "tr", "uk",
    "ur", "vi", "zh",
];

/// The stop words of a language; none if we have no list.
pub(super) fn stops(language: &str) -> Arc<Stops> {
    static LISTS: Mutex<Option<HashMap<&'static str, Arc<Stops>>>> = Mutex::new(None);
    let language = match language {
        "nb" | "nn" => "no",
        other => other,
    };
    let Some(language) = STOPPED.iter().copied().find(|known| *known == language) else {
        return Arc::default();
    };
    let mut lists = LISTS.lock().unwrap_or_else(PoisonError::into_inner);
    let list = lists
        .get_or_insert_default()
        .entry(language)
        .or_insert_with(|| Arc::new(stop_words::get(language).iter().copied().collect()));
    Arc::clone(list)
}
