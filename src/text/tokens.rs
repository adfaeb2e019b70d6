//! What texts are compared by: spellings folded, words and characters as tokens, numbers, the script.
//!
//! No language needs to be known for it: a Chinese, Japanese or Thai character is a token, and so is any other run of
//! letters and digits.

use unicode_normalization::UnicodeNormalization;
use xxhash_rust::xxh3::xxh3_64;

/// One token: its hash, and whether it is a character that is a token of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Equal for equal tokens.
    pub hash: u64,
    /// A Chinese, Japanese or Thai character.
    pub single: bool,
}

/// What a text is mostly written in: texts of different scripts are never the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Script {
    /// Latin, and whatever has no letters.
    Latin = 1,
    /// Chinese characters, simplified or traditional.
    Han,
    /// Japanese.
    Kana,
    /// Korean.
    Hangul,
    /// Cyrillic.
    Cyrillic,
    /// Greek.
    Greek,
    /// Arabic.
    Arabic,
    /// Any other.
    Other,
}

/// Folds spellings together: NFKC, lower case, no soft hyphens or zero-width characters, and traditional characters as
/// simplified ones where there are Chinese characters. Line ends stay.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut out = String::with_capacity(text.len());
    let mut has_han = false;
    for c in text.chars() {
        match c {
            '\0'..='\x7f' => out.push(c.to_ascii_lowercase()),
            // Soft hyphen, zero-width characters, marks of direction, variation selectors.
            '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'
            | '\u{feff}'
            | '\u{fe00}'..='\u{fe0f}' => {}
            '\u{4e00}'..='\u{9fff}' => {
                has_han = true;
                out.push(c);
            }
            // Full width, which is most punctuation in Chinese text.
            '\u{ff01}'..='\u{ff5e}' => {
                let narrow = char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c);
                out.push(narrow.to_ascii_lowercase());
            }
            '\u{3000}' | '\u{a0}' => out.push(' '),
            // Stable under NFKC and without case.
            '\u{2010}'
            | '\u{2013}'..='\u{2016}'
            | '\u{2018}'..='\u{201f}'
            | '\u{2022}'
            | '\u{3001}'..='\u{301c}'
            | '\u{3041}'..='\u{3096}'
            | '\u{30a1}'..='\u{30fe}'
            | '\u{ac00}'..='\u{d7a3}' => out.push(c),
            // Letters with a sign on them, as most publishers write them; none of these is made of others under NFKC.
            '\u{c0}'..='\u{130}'
            | '\u{134}'..='\u{13e}'
            | '\u{141}'..='\u{148}'
            | '\u{14a}'..='\u{17e}'
            | '\u{400}'..='\u{481}'
            | '\u{48a}'..='\u{52f}'
                if c != '\u{130}' =>
            {
                out.extend(c.to_lowercase());
            }
            _ => return fold_rare(text),
        }
    }
    if has_han { super::simplify(&out) } else { out }
}

/// The same by the book, for texts with characters that need it.
fn fold_rare(text: &str) -> String {
    let lower: String = text
        .nfkc()
        .filter(|c| {
            !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}'
                | '\u{fe00}'..='\u{fe0f}')
        })
        .flat_map(char::to_lowercase)
        .collect();
    // Lower-casing can leave something to compose.
    let folded: String = lower.nfkc().collect();
    if folded.chars().any(is_han) {
        super::simplify(&folded)
    } else {
        folded
    }
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3fffd}' | '\u{3005}' | '\u{3007}')
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{309f}' | '\u{30a0}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}')
        && c != '\u{30fb}'
}

/// A character that is a token of its own.
#[must_use]
pub fn is_single(c: char) -> bool {
    is_han(c) || is_kana(c) || matches!(c, '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}')
}

/// Adds the tokens of a folded text.
pub fn tokenize(folded: &str, to: &mut Vec<Token>) {
    let bytes = folded.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let begin = at;
        if byte.is_ascii() {
            at += 1;
            if !byte.is_ascii_alphanumeric() {
                continue;
            }
        } else {
            let c = char_at(folded, at);
            at += c.len_utf8();
            // Asked first: a vowel sign of Thai is no letter, and a token all the same.
            if is_single(c) {
                to.push(single(c));
                continue;
            }
            if !c.is_alphanumeric() {
                continue;
            }
        }
        at = word_end(folded, at);
        to.push(Token {
            hash: xxh3_64(&bytes[begin..at]),
            single: false,
        });
    }
}

/// The first place from this one on that no letter or digit of a word stands at.
fn word_end(text: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(&byte) = text.as_bytes().get(at) {
        let length = if byte.is_ascii() {
            usize::from(byte.is_ascii_alphanumeric())
        } else {
            let c = char_at(text, at);
            let goes_on = !is_single(c) && c.is_alphanumeric();
            if goes_on { c.len_utf8() } else { 0 }
        };
        if length == 0 {
            break;
        }
        at += length;
    }
    at
}

fn single(c: char) -> Token {
    Token {
        hash: xxh3_64(&u32::from(c).to_le_bytes()),
        single: true,
    }
}

/// The character at a place.
fn char_at(text: &str, at: usize) -> char {
    text[at..].chars().next().unwrap_or('\u{fffd}')
}

/// How many tokens make a shingle: five characters, or three words.
const SINGLES: usize = 5;
const WORDS: usize = 3;

/// The hashes of all shingles, in the order of the text: each stands for the tokens from its place on.
#[must_use]
pub fn shingles(tokens: &[Token]) -> Vec<u64> {
    let mut all = Vec::with_capacity(tokens.len());
    let mut bytes = [0u8; SINGLES * 8];
    for (at, first) in tokens.iter().enumerate() {
        let width = if first.single { SINGLES } else { WORDS };
        let Some(run) = tokens.get(at..at + width) else {
            continue;
        };
        for (place, token) in bytes.chunks_exact_mut(8).zip(run) {
            place.copy_from_slice(&token.hash.to_le_bytes());
        }
        all.push(xxh3_64(&bytes[..width * 8]));
    }
    all
}

/// Adds the runs of digits of a folded text, without leading zeros.
pub fn numbers(folded: &str, to: &mut Vec<u64>) {
    let runs = folded.as_bytes().split(|byte| !byte.is_ascii_digit());
    to.extend(runs.filter(|run| !run.is_empty()).map(|run| {
        let zeros = run.iter().take_while(|digit| **digit == b'0').count();
        let run = &run[zeros..];
        let number = std::str::from_utf8(run)
            .ok()
            .and_then(|run| run.parse().ok());
        number.unwrap_or_else(|| xxh3_64(run))
    }));
}

/// Letters that tell a script.
const SAMPLE: usize = 800;

/// The script that most letters of a text belong to; Japanese if a tenth of them is kana.
#[must_use]
pub fn script(text: impl Iterator<Item = char>) -> Script {
    let mut counts = [0usize; 9];
    let letters = text.filter_map(|c| {
        Some(match c {
            'a'..='z' | 'A'..='Z' => Script::Latin,
            '\u{4e00}'..='\u{9fff}' => Script::Han,
            '\0'..='\x7f' => return None,
            c if !c.is_alphabetic() => return None,
            '\0'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Script::Latin,
            '\u{370}'..='\u{3ff}' => Script::Greek,
            '\u{400}'..='\u{52f}' => Script::Cyrillic,
            '\u{600}'..='\u{6ff}' => Script::Arabic,
            '\u{ac00}'..='\u{d7a3}' => Script::Hangul,
            c if is_kana(c) => Script::Kana,
            c if is_han(c) => Script::Han,
            _ => Script::Other,
        })
    });
    for script in letters.take(SAMPLE) {
        counts[script as usize] += 1;
    }
    let (han, kana) = (counts[Script::Han as usize], counts[Script::Kana as usize]);
    if kana * 9 > han && kana > 0 {
        counts[Script::Kana as usize] += han;
        counts[Script::Han as usize] = 0;
    }
    [
        Script::Latin,
        Script::Han,
        Script::Kana,
        Script::Hangul,
        Script::Cyrillic,
        Script::Greek,
        Script::Arabic,
        Script::Other,
    ]
    .into_iter()
    .rev()
    .max_by_key(|script| counts[*script as usize])
    .unwrap_or(Script::Latin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Token> {
        let mut tokens = Vec::new();
        tokenize(&fold(text), &mut tokens);
        tokens
    }

    #[test]
    fn spellings_of_one_text_have_the_same_tokens() {
        for (a, b) in [
            ("The Bridge, opened.", "the bridge — OPENED"),
            ("臺灣颱風登陸，２００人受困", "台湾台风登陆,200人受困"),
            ("co\u{ad}operate\u{200b}d", "cooperated"),
            ("caf\u{e9} ﬁne", "cafe\u{301} fine"),
            ("ＡＢＣ１２３", "abc123"),
            ("Łódź Ärger", "łódź ärger"),
        ] {
            assert_eq!(of(a), of(b), "{a} and {b}");
        }
        assert_eq!(of("新华社 Beijing").len(), 4);
        assert_ne!(of("bridge"), of("bridges"));
    }

    #[test]
    fn the_fast_way_folds_like_the_book() {
        for code in 0..0x2_ffff {
            let Some(c) = char::from_u32(code) else {
                continue;
            };
            let text = format!("a{c}b");
            assert_eq!(fold(&text), fold_rare(&text), "{c:?} {code:x}");
        }
    }

    #[test]
    fn shingles_are_five_characters_or_three_words() {
        assert_eq!(shingles(&of("a b c d")).len(), 2);
        assert_eq!(shingles(&of("一二三四五六")).len(), 2);
        assert!(shingles(&of("a b")).is_empty());
        let mut found = Vec::new();
        numbers("on 07 march 2026, 00 of 12", &mut found);
        assert_eq!(found, [7, 2026, xxh3_64(b""), 12]);
    }

    #[test]
    fn scripts_are_told_apart() {
        for (text, of) in [
            ("The bridge 2026", Script::Latin),
            ("大桥 opened", Script::Latin),
            ("大桥通车仪式今天举行", Script::Han),
            ("橋が開通しました", Script::Kana),
            ("다리가 개통", Script::Hangul),
            ("мост открыт", Script::Cyrillic),
            ("12 34", Script::Latin),
        ] {
            assert_eq!(script(text.chars()), of, "{text}");
        }
    }
}
