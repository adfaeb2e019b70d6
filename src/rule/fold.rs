//! Text as `mentions` and `includes` compare it: NFKC, lower case, traditional characters as simplified ones; and words
//! found in it, at boundaries where the script has them.

use unicode_normalization::UnicodeNormalization;

use crate::text;

/// The form in which texts are compared.
pub(super) fn fold(raw: &str) -> String {
    if raw.is_ascii() {
        return raw.to_ascii_lowercase();
    }
    let lower: String = raw.nfkc().flat_map(char::to_lowercase).collect();
    // Lower-casing can leave something to compose (İ becomes i and a dot above).
    let lower: String = lower.nfkc().collect();
    text::simplify(&lower)
}

/// True if a folded word occurs in a folded text. A word that begins or ends with a letter of a script that puts blanks
/// between words must not be part of a longer one there.
pub(super) fn mentions(text: &str, word: &str) -> bool {
    let (Some(first), Some(last)) = (word.chars().next(), word.chars().next_back()) else {
        return false;
    };
    let mut from = 0;
    while let Some(at) = text[from..].find(word).map(|at| from + at) {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let apart =
            |edge: char, next: Option<char>| !(is_spaced(edge) && next.is_some_and(is_spaced));
        if apart(first, before) && apart(last, after) {
            return true;
        }
        from = at + first.len_utf8();
    }
    false
}

/// True for letters and digits of scripts that put blanks between words.
fn is_spaced(c: char) -> bool {
    c.is_alphanumeric() && !is_unspaced(c)
}

/// True for letters of scripts that do not, and for Hangul, whose words carry their particles.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0e00..=0x0eff            // Thai, Lao
        | 0x1000..=0x109f          // Myanmar
        | 0x1100..=0x11ff          // Hangul letters
        | 0x1780..=0x17ff          // Khmer
        | 0x2e80..=0x31ff          // radicals, kana, bopomofo
        | 0x3400..=0x9fff          // ideographs
        | 0xac00..=0xd7ff          // Hangul
        | 0xf900..=0xfaff          // compatibility ideographs
        | 0x20000..=0x3ffff        // further ideographs
    )
}

/// Words of a text: runs of letters and digits; a letter of a script without blanks is one by itself.
pub(super) fn words(text: &str) -> i64 {
    let (mut count, mut inside) = (0, false);
    for c in text.chars() {
        if is_unspaced(c) {
            count += i64::from(c.is_alphanumeric());
            inside = false;
        } else if c.is_alphanumeric() {
            count += i64::from(!inside);
            inside = true;
        } else if c != '\'' && c != '\u{2019}' {
            inside = false;
        }
    }
    count
}
