//! Text as people mean it: what makes two spellings the same. Pure, and the same for every language.

pub mod tokens;

use unicode_normalization::UnicodeNormalization;

/// What makes two spellings of a label one: NFKC, lower case, no leading `#`, blanks collapsed,
/// traditional characters as simplified ones. Empty if nothing is left.
#[must_use]
pub fn key(label: &str) -> String {
    let folded: String = label.nfkc().flat_map(char::to_lowercase).collect();
    // Lower-casing can leave something to compose (İ becomes i and a dot above).
    let folded: String = folded.nfkc().collect();
    let words: Vec<&str> = folded.trim_start_matches('#').split_whitespace().collect();
    simplify(&words.join(" "))
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
        ] {
            assert_eq!(key(a), key(b), "{a} and {b}");
        }
        for (a, b) in [
            ("C++", "C"),
            ("C#", "C"),
            ("a/b", "a b"),
            ("node.js", "node"),
        ] {
            assert_ne!(key(a), key(b), "{a} and {b}");
        }
    }
}
