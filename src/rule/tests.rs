//! What expressions see and say, what is refused, and what nobody can do to us with them.

use std::time::{Duration, Instant};

use super::*;
use crate::model::entry::{Content, Enclosure, Entry, Person, Text};
use crate::model::time::Timestamp;

fn entry(title: &str, text: &str) -> Entry {
    Entry {
        title: Some(Text {
            plain: title.to_owned(),
            html: None,
        }),
        url: Some("https://example.org/a?b=1".to_owned()),
        content: Some(Content::Html(format!("<p>{text}</p>"))),
        content_text: Some(text.to_owned()),
        authors: vec![Person {
            name: Some("Ada".to_owned()),
            ..Person::default()
        }],
        enclosures: vec![Enclosure {
            url: "https://example.org/a.mp3".to_owned(),
            mime_type: Some("audio/mpeg".to_owned()),
            length: Some(42),
            ..Enclosure::default()
        }],
        ..Entry::default()
    }
}

fn plain(entry: &Entry) -> String {
    entry.content_text.clone().unwrap_or_default()
}

fn ask(source: &str, entry: &Entry) -> Result<bool, String> {
    let body = Body::new(plain);
    let tags = ["rust".to_owned(), "新闻".to_owned()];
    let facts = Facts {
        entry,
        body: &body,
        feed: "blog",
        category: "tech",
        language: "en",
        tags: &tags,
        score: 3,
        published: Timestamp::from_civil(2026, 11, 24, 8, 0, 0).unwrap(),
    };
    Expression::compile(source)
        .unwrap_or_else(|mistake| panic!("{source}: {mistake:?}"))
        .holds(&facts)
}

#[test]
fn expressions_see_the_article() {
    let entry = entry(
        "Rust 1.95 Release: 新冠疫情 in C++",
        "One two, three 疫情。",
    );
    for source in [
        r#"title.matches("(?i)\\b(release|changelog)\\b") && category == "tech""#,
        r#""rust" in tags && "Rust" in tags && "新聞" in tags && !("ads" in tags)"#,
        r"score >= 3 && score < 4 && words == 5",
        r#"published > timestamp("2026-11-01T00:00:00Z") && published.getHours() == 8"#,
        r#"published - timestamp("2026-11-23T08:00:00Z") == duration("24h")"#,
        r#"enclosures.exists(e, e.type.startsWith("audio/") && e.length == 42)"#,
        r#"author == "Ada" && feed == "blog" && lang == "en""#,
        r#"url.contains("example.org") && content.startsWith("<p>") && !text.contains("<")"#,
        r#"title.mentions("疫情") && title.mentions("release") && title.mentions("c++")"#,
        r#"!title.mentions("eleas") && title.includes("eleas") && title.mentions("rUSt 1.95")"#,
        r#"title.mentions(["none", "新冠"]) && !title.mentions([])"#,
        r#"title.key().contains("疫情 in c++")"#,
        r"size(tags) == 2 && tags.all(t, size(t) > 0) && size(title) > 3",
    ] {
        assert_eq!(ask(source, &entry), Ok(true), "{source}");
    }
}

#[test]
fn both_scripts_are_one() {
    let traditional = entry("臺灣資訊科技與ＡＩ疫情", "");
    for source in [
        r#"title.mentions("资讯")"#,
        r#"title.mentions("資訊")"#,
        r#"title.mentions("ai")"#,
        r#"title.key().matches("资讯.*疫情")"#,
    ] {
        assert_eq!(ask(source, &traditional), Ok(true), "{source}");
    }
    // Latin words end at boundaries, also where a CJK character stands beside them.
    assert_eq!(ask(r#"title.mentions("a")"#, &traditional), Ok(false));
}

#[test]
fn mistakes_have_their_place() {
    let mut wrong = Vec::new();
    for (source, at, words) in [
        ("title.", 6, "no viable alternative"),
        (r#"title == "疫情" && ("#, 22, ""),
        ("titel == \"x\"", 0, "no variable `titel`"),
        ("title == \"疫情\" && scor > 3", 21, "no variable `scor`"),
        ("title.foo()", 9, "no function `foo`"),
        ("foo(title)", 3, "no function `foo`"),
        ("matches(title, \"x\")", 7, "called on a value"),
        ("title.matches(\"(\")", 14, "not a pattern"),
        ("title.matches(url)", 14, "literal"),
        ("title.matches(\"\\\\w{900}\")", 14, "too large"),
        ("score", 0, "true or false"),
        ("title > 3", 0, "overload"),
        ("", 0, ""),
    ] {
        let mistake = Expression::compile(source).expect_err(source);
        if !mistake.text.contains(words) || mistake.at != at {
            wrong.push(format!("{source}: {mistake:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_cannot_be_said_of_one_article_is_an_error_and_no_more() {
    let entry = entry("x", "y");
    for source in [
        "tags[7] == \"x\"",
        "score / (score - 3) > 1",
        "int(title) > 3",
        "enclosures[0].nothing == \"\"",
        "timestamp(title) > published",
    ] {
        assert!(ask(source, &entry).is_err(), "{source}");
    }
}

#[test]
fn what_could_take_long_is_refused() {
    let long = format!("[{}]", vec!["1"; 1000].join(","));
    for source in [
        "tags.exists(a, tags.exists(b, tags.exists(c, a == b && b == c)))".to_owned(),
        "tags.exists(a, tags.exists(b, text.contains(a + b)))".to_owned(),
        format!("{long}.exists(a, {long}.exists(b, a == b))"),
        vec!["text"; 30].join(" + ") + " == title",
        "tags.map(a, text + text).map(b, b + b).map(c, c + c).map(d, d + d).exists(e, e == title)"
            .to_owned(),
        "(tags + tags + tags + tags).exists(a, (tags + tags + tags + tags).exists(b, a == b + title))"
            .to_owned(),
    ] {
        let mistake = Expression::compile(&source).expect_err(&source);
        assert!(mistake.text.contains("times as long"), "{source}: {mistake:?}");
    }
    for source in [
        "tags.exists(t, title.mentions(t))",
        "tags.exists(t, text.contains(t))",
        "tags.exists(a, tags.exists(b, a != b && a.startsWith(b)))",
    ] {
        let compiled = Expression::compile(source);
        assert!(compiled.is_ok(), "{source}: {compiled:?}");
    }
}

/// Whatever is written, an answer comes, and the stack of an ordinary thread is enough for it.
#[test]
fn nothing_that_is_written_can_break_the_compiler() {
    let deep = |open: &str, middle: &str, close: &str| {
        let most = 4000 / (open.len() + close.len()).max(1);
        format!("{}{middle}{}", open.repeat(most), close.repeat(most))
    };
    let chain = |part: &str| vec![part; 299].join("");
    for source in [
        format!("{}1 > 0", chain("1+")),
        format!("{}true", chain("!")),
        format!("{}score > 0", chain("-")),
        format!("size(tags{}) > 0", chain("[0]")),
        format!("title{} == ''", chain(".a")),
        format!("{}true", vec!["true ? true : "; 299].join("")),
        vec!["true"; 600].join("||"),
        deep("(", "true", ")"),
        deep("[", "1", "]"),
        deep("{1:", "1", "}"),
        deep("!", "true", ""),
        deep("-", "score", ""),
        deep("1+", "1", ""),
        deep("true||", "true", ""),
        deep("", "tags", "[0]"),
        deep("", "title", ".a"),
        deep("", "title", ".key()"),
        deep("size(", "title", ")"),
        deep("true?", "true", ":true"),
        deep("tags.all(x,", "true", ")"),
        "\0\u{feff}疫情 \"".to_owned(),
        "\"\\".to_owned(),
        "x".repeat(5000),
    ] {
        // An answer of either kind will do.
        let _ = Expression::compile(&source);
    }
}

/// The dearest patterns that are let in, against the longest text that they see.
#[test]
fn no_pattern_can_stall_us() {
    let text = "a".repeat(LOOKED_AT * 4) + "!";
    let entry = entry("x", &text);
    for written in [
        "(a+)+$",
        "(a|aa)+$",
        "(a*)*b",
        "(.*)*(.*)*(.*)*=",
        "(?:a?){200}a{200}$",
        "a{1,500}b",
        "(?:[ab]{0,30}){30}c",
    ] {
        let source = format!("text.matches({written:?})");
        let Ok(expression) = Expression::compile(&source) else {
            continue;
        };
        let body = Body::new(plain);
        let facts = Facts {
            entry: &entry,
            body: &body,
            feed: "",
            category: "",
            language: "",
            tags: &[],
            score: 0,
            published: Timestamp::EPOCH,
        };
        let begun = Instant::now();
        assert!(expression.holds(&facts).is_ok());
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "{written} took {took:?}");
    }
}

#[test]
fn templates_and_patterns_write_anew() {
    let entry = entry("Sponsored: News {1}", "");
    let body = Body::new(plain);
    let facts = Facts {
        entry: &entry,
        body: &body,
        feed: "blog",
        category: "tech",
        language: "en",
        tags: &[],
        score: -2,
        published: Timestamp::EPOCH,
    };
    let template = |written: &str| Template::parse(written).unwrap().fill(&facts);
    assert_eq!(template("[{feed}] {title}"), "[blog] Sponsored: News {1}");
    assert_eq!(template("{{{score}}} {author}"), "{-2} Ada");
    assert!(Template::parse("{titel}").is_err());
    assert!(Template::parse("{title").is_err());
    assert!(Template::parse("title}").is_err());
    let rewrite = Rewrite::pattern("^Sponsored: (.*)$", "$1").unwrap();
    let new = rewrite.apply("Sponsored: News", &facts);
    assert_eq!(new.as_deref(), Some("News"));
    assert_eq!(rewrite.apply("News", &facts), None);
    // Nothing grows without bound.
    let grow = Rewrite::pattern("", &"x".repeat(4000)).unwrap();
    assert!(grow.apply(&"y".repeat(4000), &facts).unwrap().len() <= 4096);
}
