use super::*;

fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
    text.encode_utf16()
        .flat_map(|unit| {
            if big_endian {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        })
        .collect()
}

fn utf32(text: &str, big_endian: bool) -> Vec<u8> {
    text.chars()
        .flat_map(|c| {
            if big_endian {
                u32::from(c).to_be_bytes()
            } else {
                u32::from(c).to_le_bytes()
            }
        })
        .collect()
}

fn in_encoding(label: &str, text: &str) -> Vec<u8> {
    Encoding::for_label(label.as_bytes())
        .unwrap()
        .encode(text)
        .0
        .into_owned()
}

fn codes(decoded: &Decoded<'_>) -> String {
    decoded
        .warnings
        .iter()
        .map(|warning| warning.code.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

#[track_caller]
fn check(body: &[u8], content_type: Option<&str>, text: &str, encoding: &str, warnings: &str) {
    let decoded = decode(body, content_type);
    assert_eq!(decoded.encoding, encoding);
    assert_eq!(decoded.text, text);
    assert_eq!(codes(&decoded), warnings);
    assert_eq!(decoded.repaired, !warnings.is_empty());
}

#[test]
fn the_first_label_that_works_counts() {
    let declared = |label: &str, text: &str| {
        format!("<?xml version=\"1.0\" encoding='{label}'?><t>{text}</t>")
    };
    let chinese = declared("gb2312", "中文");
    check(&in_encoding("gbk", &chinese), None, &chinese, "gbk", "");
    check(
        &in_encoding("gbk", "<t>中文</t>"),
        Some("text/xml; charset=\"GB2312\""),
        "<t>中文</t>",
        "gbk",
        "",
    );
    let latin = declared("iso-8859-1", "é’");
    check(
        &in_encoding("windows-1252", &latin),
        None,
        &latin,
        "windows-1252",
        "",
    );
    let wrong = declared("gb2312", "naïve — ünïcödé text…");
    check(
        wrong.as_bytes(),
        Some("text/xml;charset=nonsense"),
        &wrong,
        "utf-8",
        "encoding-unknown encoding-mismatch",
    );
    let wide = declared("utf-16", "ü");
    check(
        wide.as_bytes(),
        Some("text/xml; charset=utf-32"),
        &wide,
        "utf-8",
        "encoding-mismatch encoding-mismatch",
    );
    let ascii = declared("us-ascii", "ü");
    check(ascii.as_bytes(), None, &ascii, "utf-8", "encoding-mismatch");
    check(
        &in_encoding("latin1", &ascii),
        None,
        &ascii,
        "windows-1252",
        "",
    );
    for label in ["iso-8859-1", "windows-1251", "gb2312", "shift_jis"] {
        let older = declared(label, "naïve — “ünïcödé”");
        check(older.as_bytes(), None, &older, "utf-8", "encoding-mismatch");
    }
    for label in ["gb2312", "shift_jis", "big5"] {
        let lone = declared(label, "capped at £2");
        check(lone.as_bytes(), None, &lone, "utf-8", "encoding-mismatch");
    }
    // Two characters of GBK that happen to be well-formed UTF-8 are still Chinese.
    let short = declared("gbk", "漏茅");
    check(&in_encoding("gbk", &short), None, &short, "gbk", "");
    let plain = declared("euc-jp", "plain");
    check(plain.as_bytes(), None, &plain, "euc-jp", "");
    check(
        b"<t>plain</t>",
        Some("text/xml;charset=us-ascii"),
        "<t>plain</t>",
        "windows-1252",
        "",
    );
}

#[test]
fn labels_of_other_libraries() {
    for (label, encoding) in [
        ("CP1251", "windows-1251"),
        ("utf_8", "utf-8"),
        ("latin-2", "iso-8859-2"),
        ("ms936", "gbk"),
        ("TIS620", "windows-874"),
    ] {
        let text = format!("<?xml version='1.0' encoding=\"{label}\"?><t/>");
        check(text.as_bytes(), None, &text, encoding, "");
    }
}

#[test]
fn wide_encodings_with_and_without_a_mark() {
    let text = "<?xml version='1.0' encoding='utf-16'?><t>ü中🦀</t>";
    for big_endian in [false, true] {
        let (short, long) = if big_endian {
            ("utf-16be", "utf-32be")
        } else {
            ("utf-16le", "utf-32le")
        };
        let marked = format!("\u{FEFF}{text}");
        check(&utf16(text, big_endian), None, text, short, "");
        check(
            &utf16(&marked, big_endian),
            Some("text/xml; charset=iso-8859-1"),
            text,
            short,
            "",
        );
        check(
            &utf16(text, big_endian),
            Some("text/xml; charset=utf-16"),
            text,
            short,
            "",
        );
        check(&utf32(text, big_endian), None, text, long, "");
        check(&utf32(&marked, big_endian), None, text, long, "");
        check(
            &utf32(text, big_endian),
            Some("text/xml; charset=ucs-4"),
            text,
            long,
            "",
        );
    }
}

#[test]
fn a_byte_order_mark_may_be_wrong() {
    let text = "<?xml version='1.0'?><t>ü中</t>";
    for mark in [b"\xFF\xFE", b"\xFE\xFF"] {
        let narrow = [mark.as_slice(), text.as_bytes()].concat();
        check(&narrow, None, text, "utf-8", "encoding-mismatch");
    }
    let swapped = [b"\xFE\xFF".as_slice(), &utf16(text, false)].concat();
    check(&swapped, None, text, "utf-16le", "encoding-mismatch");
}

#[test]
fn a_stray_zero_is_no_wide_encoding() {
    for text in [
        "<\0rss version='2.0'><channel/></rss>",
        "\0<rss version='2.0'/>",
    ] {
        for label in [None, Some("text/xml; charset=utf-16")] {
            let decoded = decode(text.as_bytes(), label);
            assert_eq!((decoded.encoding.as_str(), &*decoded.text), ("utf-8", text));
        }
    }
}

#[test]
fn utf8_is_borrowed() {
    let body = "\u{FEFF}<t>ü</t>".as_bytes();
    let decoded = decode(body, None);
    assert!(matches!(decoded.text, Cow::Borrowed("<t>ü</t>")));
    assert!(!decoded.repaired);
    check(
        "{\"ü\":1}".as_bytes(),
        Some("application/json; charset=latin1"),
        "{\"ü\":1}",
        "utf-8",
        "",
    );
    check(b"", None, "", "utf-8", "");
}

#[test]
fn accidents_do_not_change_the_encoding() {
    let text = "<t>übergroße Menge, ünïcödé</t>";
    check(&text.as_bytes()[..5], None, "<t>ü", "utf-8", "");
    check(
        &text.as_bytes()[..4],
        None,
        "<t>",
        "utf-8",
        "encoding-error",
    );
    let mut broken = text.as_bytes().to_vec();
    broken.insert(6, 0xFF);
    check(
        &broken,
        None,
        &text.replacen("üb", "üb\u{FFFD}", 1),
        "utf-8",
        "encoding-error",
    );
    let mut marked = b"\xEF\xBB\xBF".to_vec();
    marked.extend(&broken);
    check(
        &marked,
        None,
        &text.replacen("üb", "üb\u{FFFD}", 1),
        "utf-8",
        "encoding-mismatch encoding-error",
    );
    let chinese = "<?xml version='1.0' encoding='gbk'?><t>这是一个很长的中文句子，其中只有一个坏字节，其余都可以正常阅读。</t>";
    let mut gbk = in_encoding("gbk", chinese);
    let at = gbk.len() - 4;
    gbk.insert(at, 0xFF);
    let decoded = decode(&gbk, None);
    assert_eq!(
        (decoded.encoding.as_str(), codes(&decoded).as_str()),
        ("gbk", "encoding-mismatch encoding-error")
    );
}

#[test]
fn what_is_called_utf8_may_be_something_else() {
    for (label, text) in [
        (
            "gbk",
            "北京时间今天上午，国务院新闻办公室举行发布会，介绍了今年以来的经济运行情况。",
        ),
        (
            "shift_jis",
            "東京で開催された会議では、人工知能の将来について多くの専門家が意見を交換しました。",
        ),
        (
            "euc-jp",
            "東京で開催された会議では、人工知能の将来について多くの専門家が意見を交換しました。",
        ),
        (
            "euc-kr",
            "오늘 서울에서 열린 회의에서 여러 나라의 대표들이 경제 협력에 대해 논의했습니다.",
        ),
        (
            "windows-1251",
            "Сегодня в Москве прошла встреча министров иностранных дел, на которой обсуждались вопросы",
        ),
        (
            "windows-874",
            "วันนี้ที่กรุงเทพมีการประชุมรัฐมนตรีต่างประเทศเพื่อหารือเรื่องความมั่นคงและการค้า",
        ),
    ] {
        let text = format!("<?xml version='1.0' encoding='utf-8'?><t>{text}</t>");
        check(
            &in_encoding(label, &text),
            None,
            &text,
            label,
            "encoding-mismatch encoding-mismatch",
        );
    }
}

#[test]
fn one_long_sequence_outweighs_a_few_bad_bytes() {
    let body = b"<t>it\xE2\x80\x99s \xFF\xFE\xC3( x</t>";
    check(
        body,
        None,
        "<t>it’s \u{FFFD}\u{FFFD}\u{FFFD}( x</t>",
        "utf-8",
        "encoding-error",
    );
    let called = b"<?xml version='1.0' encoding='utf-8'?><t>\xC3\xA8 \xED\xA0\xBD\xED\xB8\x80</t>";
    let decoded = decode(called, None);
    assert_eq!(decoded.encoding, "utf-8");
    assert!(decoded.text.contains("<t>è \u{FFFD}"));
    // Nearly every letter is an error: the two that make a pair are an accident.
    check(
        b"<t>\xC9t\xE9 \xE0 la pla\xC7\xBB \xE9t\xE9</t>",
        None,
        "<t>Été à la plaÇ» été</t>",
        "windows-1252",
        "encoding-mismatch",
    );
}

#[test]
fn without_any_label_a_guess_is_made() {
    let russian = "<t>Съешь же ещё этих мягких французских булок, да выпей чаю. Широкая электрификация южных губерний</t>";
    check(
        &in_encoding("koi8-r", russian),
        None,
        russian,
        "koi8-u",
        "encoding-mismatch",
    );
    check(
        &in_encoding("windows-1251", russian),
        None,
        russian,
        "windows-1251",
        "encoding-mismatch",
    );
    check(
        b"<t>caf\xE9 \x96 na\xEFve</t>",
        None,
        "<t>café – naïve</t>",
        "windows-1252",
        "encoding-mismatch",
    );
}

#[test]
fn declarations_are_found_where_they_stand() {
    for (head, label) in [
        ("<?xml version='1.0' encoding='x'?>", Some("x")),
        ("<?xml version='1.0' encoding = \"x\" ?>", Some("x")),
        ("<?xml encoding=x?>", Some("x")),
        ("<?xml version=“1.0” encoding=“x”?>", Some("x")),
        (
            "<br /><b>Warning</b><?xml version='1.0' encoding='x'?>",
            Some("x"),
        ),
        ("<?xml version='1.0'?><a encoding='x'/>", None),
        ("<?xml version='1.0' encoding=''?>", None),
    ] {
        assert_eq!(declaration(head.as_bytes()), label, "{head}");
    }
}
