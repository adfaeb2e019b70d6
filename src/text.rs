//! Text as people mean it: what makes two spellings the same. Pure, and the same for every language.

pub mod language;
pub mod tokens;

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// What makes two spellings of a label one: NFKC, lower case, no leading `#`, blanks collapsed, traditional characters as
/// simplified ones, and the last word in the singular if it is a Latin one. Empty if nothing is left.
#[must_use]
pub fn key(label: &str) -> String {
    if label.is_ascii() {
        let words: Vec<&str> = label.trim_start_matches('#').split_whitespace().collect();
        return singular(&words.join(" ").to_ascii_lowercase());
    }
    let lower: String = composed(label)
        .chars()
        .flat_map(char::to_lowercase)
        .collect();
    // Lower-casing can leave something to compose (İ becomes i and a dot above).
    let folded = composed(&lower);
    let words: Vec<&str> = folded.trim_start_matches('#').split_whitespace().collect();
    singular(&simplify(&words.join(" ")))
}

/// NFKC. Most texts are in it already, and finding that out is cheaper than making them anew.
fn composed(text: &str) -> Cow<'_, str> {
    match is_nfkc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        _ => Cow::Owned(text.nfkc().collect()),
    }
}

/// Words that end in `s` and would be another word without it, or mean only one thing.
const NO_PLURALS: &[&str] = &["arms", "news", "physics", "series", "species", "windows"];

/// A label in small letters with its last word in the singular, as English and most languages around it make their
/// plurals: `feeds`, `stories`, `boxes`. What comes out makes spellings equal and is never shown.
#[must_use]
pub fn singular(label: &str) -> String {
    let word = label.rsplit([' ', '-']).next().unwrap_or(label);
    let is_latin = |c: char| matches!(c, 'a'..='z' | '\u{df}'..='\u{24f}');
    let is_plural = word.chars().count() > 3
        && word.ends_with('s')
        && word.chars().all(is_latin)
        && !["ss", "us", "is", "ics"]
            .iter()
            .any(|end| word.ends_with(end))
        && !NO_PLURALS.contains(&word);
    if !is_plural {
        return label.to_owned();
    }
    let without = |end: usize| label[..label.len() - end].to_owned();
    // A short stem has its own `ie`: movies, cookies.
    if word.len() > 4 && word.ends_with("ies") && !["movies", "cookies", "zombies"].contains(&word)
    {
        return without(3) + "y";
    }
    let is_long = ["xes", "sses", "shes", "tches"]
        .iter()
        .any(|end| word.ends_with(end));
    without(if is_long { 2 } else { 1 })
}

/// Traditional Chinese characters as simplified ones, character by character; anything else stays.
#[must_use]
pub fn simplify(text: &str) -> String {
    if text.is_ascii() {
        text.to_owned()
    } else {
        fast2s::convert(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_label_meet() {
        for (a, b) in [
            ("Rust", "rust"),
            ("#Rust  lang ", "rust lang"),
            ("ＡＩ", "ai"),
            ("新聞", "新闻"),
            ("Straße", "straße"),
            ("RSS feed", "RSS Feeds"),
            ("story", "stories"),
            ("movie", "movies"),
            ("watch", "watches"),
            ("cache", "caches"),
            ("self-driving car", "self-driving cars"),
            ("élection", "Élections"),
        ] {
            assert_eq!(key(a), key(b), "{a} and {b}");
        }
        for (a, b) in [
            ("C++", "C"),
            ("C#", "C"),
            ("a/b", "a b"),
            ("node.js", "node"),
            ("node.js", "node.j"),
            ("news", "new"),
            ("Windows", "window"),
            ("iOS", "io"),
            ("UNIX", "UN"),
        ] {
            assert_ne!(key(a), key(b), "{a} and {b}");
        }
    }
}
