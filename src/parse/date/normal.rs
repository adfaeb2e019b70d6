//! Brings a date to lower case ASCII signs and digits, without accents and remarks, before anybody tries to understand it.

use unicode_normalization::UnicodeNormalization;

/// Words of China, Korea and Japan: weekdays go, halves of the day become what they are elsewhere.
const WORDS: [(&str, &str); 18] = [
    ("上午", " am "),
    ("午前", " am "),
    ("오전", " am "),
    ("凌晨", " am "),
    ("早上", " am "),
    ("清晨", " am "),
    ("早晨", " am "),
    ("下午", " pm "),
    ("午後", " pm "),
    ("오후", " pm "),
    ("晚上", " pm "),
    ("中午", " pm "),
    ("傍晚", " pm "),
    ("a.m", "am"),
    ("p.m", "pm"),
    ("a. m", "am"),
    ("p. m", "pm"),
    ("o'clock", " "),
];

/// In lower case, without accents, with the units of East Asian dates as signs, and without what stands in brackets.
pub(super) fn normalised(text: &str) -> String {
    let mut plain = folded(&without_remarks(text));
    for (word, meaning) in WORDS {
        if plain.contains(word) {
            plain = plain.replace(word, meaning);
        }
    }
    if plain.is_ascii() {
        plain
    } else {
        units(&without_weekdays(&plain))
    }
}

/// `(UTC)`, `（水）`: remarks say nothing that the rest does not say better.
fn without_remarks(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find(['(', '（']) {
        let Some(close) = rest[open..].find([')', '）']) else {
            break;
        };
        kept.push_str(&rest[..open]);
        kept.push(' ');
        rest = rest[open + close..].trim_start_matches([')', '）']);
    }
    kept.push_str(rest);
    kept
}

fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => out.push(c.to_ascii_lowercase()),
            // Hangul would fall apart into its letters.
            '\u{AC00}'..='\u{D7A3}' => out.push(c),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => out.push('-'),
            '、' | '，' => out.push(','),
            '\u{200B}'..='\u{200F}' | '\u{FEFF}' => {}
            c if c.is_whitespace() => out.push(' '),
            c => {
                let base = std::iter::once(c)
                    .nfkd()
                    .filter(|c| !matches!(c, '\u{300}'..='\u{36F}'));
                out.extend(base.flat_map(char::to_lowercase));
            }
        }
    }
    out
}

/// `星期三`, `周三`, `水曜日`, `수요일`.
fn without_weekdays(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '星' | '礼' | '禮' | '周' | '週' => {
                chars.next_if(|c| matches!(c, '期' | '拜'));
                chars.next_if(|c| "一二三四五六日天末".contains(*c));
                out.push(' ');
            }
            '曜' | '요' => {
                out.pop();
                chars.next_if(|c| matches!(c, '日' | '일'));
                out.push(' ');
            }
            c => out.push(c),
        }
    }
    out
}

/// `2026年3月4日 10时30分` becomes `2026-3-4 10:30:`.
fn units(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let sign = match c {
            '年' | '년' | '月' | '월' => '-',
            '日' | '号' | '號' | '일' | '秒' | '초' => ' ',
            '时' | '時' | '点' | '點' | '시' | '分' | '분' => ':',
            ' ' if out.ends_with(['-', ':']) => continue,
            c => c,
        };
        if sign != c {
            out.truncate(out.trim_end().len());
        }
        out.push(sign);
    }
    out
}
