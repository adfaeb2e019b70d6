//! What stands around a text and is changed by every publisher: datelines, the line that names the source, the line that
//! names the editors, dates in headlines. All of it works on folded text, by pattern.

use crate::text::calendar;
use crate::text::tokens::{self, Token};

/// How a line begins that says whence the text is, who edited it, or what else to read.
const BEGINNINGS: &[&str] = &[
    // Chinese
    "来源:",
    "来源 ",
    "来源丨",
    "来源|",
    "文章来源",
    "本文来源",
    "稿件来源",
    "原标题",
    "责任编辑",
    "责编",
    "编辑:",
    "编辑/",
    "编辑 ",
    "编审",
    "校对",
    "审核",
    "作者:",
    "作者 ",
    "记者:",
    "记者 ",
    "通讯员",
    "文/",
    "图/",
    "文字:",
    "摄影",
    "监制",
    "值班编辑",
    "值班主任",
    "转自",
    "转载",
    "原文链接",
    "原文:",
    "阅读原文",
    "点击",
    "更多精彩",
    "更多新闻",
    "扫码",
    "扫描二维码",
    "关注我们",
    "版权",
    "声明:",
    "免责声明",
    "延伸阅读",
    "相关阅读",
    "相关新闻",
    // English
    "source:",
    "sources:",
    "via:",
    "originally published",
    "first published",
    "this article was",
    "this article originally",
    "this story was",
    "this story originally",
    "reporting by",
    "editing by",
    "edited by",
    "written by",
    "compiled by",
    "additional reporting",
    "read more",
    "read the full",
    "read also",
    "continue reading",
    "the post ",
    "copyright",
    "all rights reserved",
    "follow us",
    "subscribe to",
    "sign up",
    "related:",
    "editor's note",
    "editor: ",
    "editors: ",
    "author: ",
    "image credit",
    "photo:",
    "photo by",
    "credit:",
    // French
    "source :",
    "sources :",
    "avec afp",
    "avec l'afp",
    "lire aussi",
    "lire la suite",
    "à lire aussi",
    "la rédaction",
    "par la rédaction",
    "édité par",
    "publié par",
    "crédit photo",
    // Polish
    "źródło",
    "autor:",
    "redakcja",
    "opracowanie",
    "oprac.",
    "czytaj także",
    "czytaj też",
    "czytaj więcej",
    "zobacz także",
    "zobacz też",
    "fot.",
    // German
    "quelle:",
    "quellen:",
    "redaktion",
    "lesen sie auch",
    "mehr zum thema",
    "bearbeitet von",
    "foto:",
    // Spanish
    "fuente:",
    "redacción",
    "lea también",
    "lee también",
    "editado por",
];

/// The same, but only in a very short line: sentences begin like this too.
const BYLINES: &[&str] = &[
    "by ",
    "par ",
    "von ",
    "por ",
    "text: ",
    "©",
    "(c) ",
    "news desk",
    "staff writer",
];

/// A line of furniture has at most so many tokens.
const LONGEST: usize = 40;
const LONGEST_BYLINE: usize = 8;
/// A dateline ends within so many characters.
const DATELINE: usize = 48;

/// True if a line is not part of the text.
#[must_use]
pub(super) fn is_furniture(line: &str) -> bool {
    let inner = line.trim_start_matches([
        '(', '[', '【', '（', '-', '–', '—', '*', '|', '>', '▲', '■', ' ',
    ]);
    let starts = |all: &[&str]| all.iter().any(|beginning| inner.starts_with(beginning));
    if is_counter(inner) {
        return true;
    }
    // Most lines are long; counting is for those that begin like furniture.
    (starts(BEGINNINGS) && count(line) <= LONGEST)
        || (starts(BYLINES) && count(line) <= LONGEST_BYLINE)
}

/// What a counter counts.
const COUNTED: &[&str] = &[
    "comment",
    "view",
    "like",
    "share",
    "read",
    "point",
    "vote",
    "repl",
    "阅读",
    "评论",
    "点赞",
    "浏览",
    "次",
    "人",
    "条",
    "分享",
    "转发",
    "收藏",
    "commentaire",
    "vue",
    "partage",
    "komentarz",
    "wyświetle",
    "kommentar",
    "aufruf",
];

/// `12 comments`, `阅读(1024) 评论(3)`: a line of a few words that counts something.
fn is_counter(line: &str) -> bool {
    line.len() <= 60
        && line.contains(|c: char| c.is_ascii_digit())
        && line.contains(char::is_alphabetic)
        && line
            .split(|c: char| !c.is_alphabetic())
            .filter(|word| !word.is_empty())
            .all(|word| COUNTED.iter().any(|counted| word.starts_with(counted)))
}

fn count(line: &str) -> usize {
    let mut all = Vec::new();
    tokens::tokenize(line, &mut all);
    all.len()
}

/// The line without the place, date and agency that it may begin with.
#[must_use]
pub(super) fn without_dateline(line: &str) -> &str {
    chinese_dateline(line)
        .or_else(|| western_dateline(line))
        .unwrap_or(line)
}

/// `新华社北京3月1日电(记者张三)`, `本报讯 记者李四报道`, `中新网3月1日电`.
fn chinese_dateline(line: &str) -> Option<&str> {
    let mut before = ' ';
    let mut has_agency = false;
    for (place, (at, c)) in line.char_indices().enumerate() {
        if place > 24 {
            return None;
        }
        has_agency |= matches!(c, '社' | '网' | '报' | '台');
        if matches!(c, '电' | '讯')
            && has_agency
            && (c == '讯' || matches!(before, '日' | '专' | '社' | '午' | '外'))
        {
            let rest = line[at + c.len_utf8()..].trim_start();
            return Some(
                without_bracket(rest)
                    .unwrap_or(rest)
                    .trim_start_matches([' ', ',', ':']),
            );
        }
        if matches!(c, '。' | '，' | ',' | '、') {
            return None;
        }
        before = c;
    }
    None
}

/// What follows a bracket that the text begins with.
fn without_bracket(text: &str) -> Option<&str> {
    let inner = text.strip_prefix(['(', '（'])?;
    let end = inner
        .char_indices()
        .take(40)
        .find(|(_, c)| matches!(c, ')' | '）'))?;
    Some(inner[end.0 + end.1.len_utf8()..].trim_start())
}

/// `london (reuters) - `, `paris, march 1 (afp) — `.
fn western_dateline(line: &str) -> Option<&str> {
    let mut bracket = false;
    for (place, (at, c)) in line.char_indices().enumerate() {
        if place > DATELINE {
            return None;
        }
        match c {
            ')' => bracket = true,
            '-' | '–' | '—' if bracket && line[..at].ends_with(' ') => {
                return Some(line[at + c.len_utf8()..].trim_start_matches(['-', ' ']));
            }
            // Nothing like this stands before a bracket with an agency in it.
            '-' | '–' | '—' => return None,
            '.' | '!' | '?' | '。' if place > 12 => return None,
            _ => {}
        }
    }
    None
}

/// The line without the editors in brackets that it may end with: `…。(责任编辑:李四)`.
#[must_use]
pub(super) fn without_tail(line: &str) -> &str {
    let Some(open) = line.rfind(['(', '【', '[']) else {
        return line;
    };
    let tail = &line[open..];
    if tail.len() < 160 && tail.ends_with([')', '】', ']']) && is_furniture(tail) {
        line[..open].trim_end()
    } else {
        line
    }
}

/// Names of days and months, beside the English ones: a series carries them in its headlines.
const DATES: &[&str] = &[
    "lundi",
    "mardi",
    "mercredi",
    "jeudi",
    "vendredi",
    "samedi",
    "dimanche",
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
    "poniedziałek",
    "wtorek",
    "środa",
    "czwartek",
    "piątek",
    "sobota",
    "niedziela",
    "stycznia",
    "lutego",
    "marca",
    "kwietnia",
    "maja",
    "czerwca",
    "lipca",
    "sierpnia",
    "września",
    "października",
    "listopada",
    "grudnia",
    "montag",
    "dienstag",
    "mittwoch",
    "donnerstag",
    "freitag",
    "samstag",
    "sonntag",
    "januar",
    "februar",
    "märz",
    "juni",
    "juli",
    "oktober",
    "dezember",
];

/// The tokens of a folded headline without digits, days and months.
#[must_use]
pub(super) fn without_dates(title: &str) -> Vec<Token> {
    let mut masked = String::with_capacity(title.len());
    let mut word = String::new();
    let flush = |word: &mut String, masked: &mut String| {
        if calendar::is_name(word) || DATES.contains(&word.as_str()) {
            masked.push('0');
        } else {
            masked.push_str(word);
        }
        word.clear();
    };
    let mut weekday = false;
    for c in title.chars() {
        if c.is_ascii_digit() {
            flush(&mut word, &mut masked);
            // One zero for a whole number.
            if !masked.ends_with('0') {
                masked.push('0');
            }
        } else if weekday && "一二三四五六日天".contains(c) {
            flush(&mut word, &mut masked);
            masked.push('0');
        } else if c.is_alphanumeric() && !tokens::is_single(c) {
            word.push(c);
        } else {
            flush(&mut word, &mut masked);
            masked.push(c);
        }
        weekday = matches!(c, '周' | '期');
    }
    flush(&mut word, &mut masked);
    let mut all = Vec::new();
    tokens::tokenize(&masked, &mut all);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tokens::fold;

    #[test]
    fn lines_about_the_text_are_not_the_text() {
        for line in [
            "来源：新华社",
            "（责任编辑：李四）",
            "Source: AP",
            "By Jane Doe",
            "Lire aussi : le pont",
            "12 comments",
            "阅读(1024) 评论(3)",
            "Źródło: PAP",
        ] {
            assert!(is_furniture(&fold(line)), "{line}");
        }
        for line in [
            "By the end of the week the bridge had been closed to all traffic.",
            "来源地的居民说，大桥已经关闭三天",
            "The source of the river is in the hills.",
        ] {
            assert!(!is_furniture(&fold(line)), "{line}");
        }
    }

    #[test]
    fn datelines_go() {
        for (line, rest) in [
            ("新华社北京3月1日电（记者张三）大桥通车", "大桥通车"),
            ("本报讯 大桥通车", "大桥通车"),
            ("中新网3月1日电 大桥通车", "大桥通车"),
            ("London (Reuters) - The bridge", "the bridge"),
            ("PARIS, March 1 (AFP) — The bridge", "the bridge"),
            ("大桥通车后，电力恢复", "大桥通车后,电力恢复"),
            (
                "The bridge - old (1890) - fell",
                "the bridge - old (1890) - fell",
            ),
        ] {
            let folded = fold(line);
            let stripped = without_dateline(&folded);
            assert_eq!(stripped, rest, "{line}");
        }
        assert_eq!(without_tail("大桥通车。(责任编辑:李四)"), "大桥通车。");
        assert_eq!(without_tail("the bridge (1890)"), "the bridge (1890)");
    }

    #[test]
    fn headlines_of_a_series_are_one_without_their_dates() {
        let masked = |title: &str| without_dates(&fold(title));
        for (a, b) in [
            (
                "Weather for Monday, 2 March",
                "Weather for Tuesday, 13 April",
            ),
            ("3月1日天气预报", "3月12日天气预报"),
            ("周三收盘：沪指跌0.3%", "周四收盘：沪指跌1.25%"),
        ] {
            assert_eq!(masked(a), masked(b), "{a} and {b}");
        }
        assert_ne!(masked("Bridge opens"), masked("Bridge closes"));
    }
}
