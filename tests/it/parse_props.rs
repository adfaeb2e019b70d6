//! Whatever bytes arrive, reading them ends, stays in bounds and keeps what was whole.

use std::time::{Duration, Instant};

use aggd::html;
use aggd::model::document::Document;
use aggd::model::entry::{Content, Entry};
use aggd::parse::{self, Error, Options, Parsed};
use proptest::prelude::*;

use super::publish::{Desk, settings};
use super::samples::{Sample, article, hours};

fn read(body: impl Into<Vec<u8>>) -> Result<Parsed, Error> {
    let document = Document {
        body: body.into().into(),
        url: Some("https://example.org/feed".to_owned()),
        content_type: None,
    };
    parse::parse(&document, &Options::default())
}

/// Reads and holds the result against what is promised of any result.
#[track_caller]
fn check(body: &[u8]) {
    let Ok(parsed) = read(body) else { return };
    let said = serde_json::to_string(&parsed.feed).unwrap();
    // Every entry is written with all its fields, also those of which nothing is known.
    let most = body.len() * 10 + parsed.feed.entries.len() * 1024 + 65_536;
    assert!(
        said.len() <= most,
        "{} bytes became {}",
        body.len(),
        said.len()
    );
    assert!(
        !said.chars().any(|c| html::is_illegal(c) && c != '\n'),
        "control characters in {said:?}"
    );
    assert!(
        parsed
            .feed
            .entries
            .iter()
            .all(|entry| !entry.id.trim().is_empty())
    );
    assert!(
        parsed.feed.well_formed || !parsed.warnings.is_empty(),
        "repaired without a word"
    );
}

/// Pieces of feeds in any order.
fn piece() -> impl Strategy<Value = String> {
    let element = prop::sample::select(vec![
        "rss version='2.0'",
        "channel",
        "item",
        "title",
        "link",
        "guid",
        "pubDate",
        "description",
        "content:encoded",
        "enclosure url='a'",
        "category",
        "feed xmlns='http://www.w3.org/2005/Atom'",
        "entry",
        "id",
        "updated",
        "summary type='html'",
        "content type='xhtml'",
        "content type='html'",
        "author",
        "name",
        "link href='x'",
        "rdf:RDF",
        "itunes:image href='x'",
        "media:group",
        "media:content url='x'",
        "georss:point",
        "source",
        "xhtml:body",
        "div",
        "p",
        "image",
        "url",
        "content type='text/plain' mode='base64'",
        "dc:date",
        "x:y",
    ]);
    let text = prop::sample::select(vec![
        "text",
        "&amp;",
        "&",
        "&nbsp;",
        "&#0;",
        "&#xD800;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?x",
        "?>",
        "<!DOCTYPE x [<!ENTITY a 'b'>]>",
        "<",
        ">",
        "\"",
        "'",
        "=",
        "2026-03-04",
        "Tue, 24 Nov 2026 08:00:00 GMT",
        "https://a.example/ b",
        "\u{0}",
        "\u{1b}",
        "日本",
        "\n",
        "&lt;b>x&lt;/b>",
        "<b>y</b>",
        "{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[",
        "{\"id\":1}",
        ",",
        "]",
        "}",
        "45.2 -71.3",
    ]);
    prop_oneof![
        3 => element.clone().prop_map(|name| format!("<{name}>")),
        1 => element.clone().prop_map(|name| format!("<{name}/>")),
        3 => element.prop_map(|name| format!("</{}>", name.split(' ').next().unwrap_or(name))),
        3 => text.prop_map(str::to_owned),
    ]
}

/// A feed of some entries in one of the formats, and where in it each entry ends.
fn feed(format: usize, entries: usize) -> (String, Vec<usize>) {
    let (head, tail) = match format {
        0 => (
            "<?xml version=\"1.0\"?>\n<rss version=\"2.0\"><channel><title>All</title>\n",
            "</channel></rss>\n",
        ),
        1 => (
            "<?xml version=\"1.0\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>All</title>\n",
            "</feed>\n",
        ),
        _ => (
            "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns=\"http://purl.org/rss/1.0/\"><channel><title>All</title></channel>\n",
            "</rdf:RDF>\n",
        ),
    };
    let mut body = head.to_owned();
    let mut ends = Vec::new();
    for n in 0..entries {
        body += &match format {
            1 => format!(
                "<entry><title>Entry {n}</title><link href=\"https://example.org/{n}\"/><id>urn:x:{n}</id><updated>2026-11-24T08:00:00Z</updated>\
                 <content type=\"html\">&lt;p&gt;Text {n} &amp;amp; more&lt;/p&gt;</content></entry>\n"
            ),
            _ => format!(
                "<item rdf:about=\"urn:x:{n}\"><title>Entry {n}</title><link>https://example.org/{n}</link><guid isPermaLink=\"false\">urn:x:{n}</guid>\
                 <pubDate>Tue, 24 Nov 2026 08:00:00 GMT</pubDate><description><![CDATA[<p>Text {n} &amp; more</p>]]></description></item>\n"
            ),
        };
        ends.push(body.len());
    }
    (body + tail, ends)
}

/// Ways in which feeds break on their way.
#[derive(Debug, Clone, Copy)]
enum Damage {
    CutOff,
    Inserted(&'static [u8]),
    Deleted(usize),
    Repeated(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let inserted = prop::sample::select(vec![
        b"&".as_slice(),
        b"<",
        b">",
        b"&nbsp;",
        b"&bogus;",
        b"]]>",
        b"<b>",
        b"</b>",
        b"</x:y>",
        b"\x00\x08",
        b"\xFF",
        b"\xE4",
        b"<br />\n<b>Warning</b>: x",
        b"<!-- a -- b -->",
        b"<![CDATA[",
        b"\"",
        b"<?php",
        b"&#xD800;",
        b"</item></entry>",
        b"<item>",
        b"<x a=b c>",
    ]);
    prop_oneof![
        Just(Damage::CutOff),
        inserted.prop_map(Damage::Inserted),
        (1_usize..20).prop_map(Damage::Deleted),
        (1_usize..40).prop_map(Damage::Repeated),
    ]
}

fn damaged(body: &[u8], at: usize, damage: Damage) -> Vec<u8> {
    let (before, after) = body.split_at(at);
    match damage {
        Damage::CutOff => before.to_vec(),
        Damage::Inserted(bytes) => [before, bytes, after].concat(),
        Damage::Deleted(count) => [before, &after[count.min(after.len())..]].concat(),
        Damage::Repeated(count) => [before, &after[..count.min(after.len())], after].concat(),
    }
}

/// Text as it stands in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// An article of what was read; the first is the newest.
fn sample(index: u64, entry: &Entry) -> Sample {
    let mut sample =
        article(&format!("n{index}")).published(hours(24) - Duration::from_mins(index));
    let kept = &mut sample.article.entry;
    kept.title.clone_from(&entry.title);
    kept.content.clone_from(&entry.content);
    kept.summary.clone_from(&entry.summary);
    kept.url.clone_from(&entry.url);
    sample
}

/// Without what publishing changes on purpose: U+FFFD is written as `?`, plain text gets a space without width behind each
/// `<` and `&` that readers would take for markup, and characters that mean nothing vanish.
fn comparable(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\u{FFFD}' => Some('?'),
            '\n' | '\t' => Some(c),
            '\u{200B}' | '\u{FDD0}'..='\u{FDEF}' => None,
            c if c.is_control() || u32::from(c) & 0xFFFE == 0xFFFE => None,
            c => Some(c),
        })
        .collect()
}

/// The main text in [`comparable`] form; white space at its ends has no meaning, however it is written.
fn shown(entry: &Entry) -> Option<String> {
    entry.content.as_ref().map(|content| match content {
        Content::Html(text) | Content::Plain(text) => comparable(text)
            .replace("&nbsp;", "\u{a0}")
            .trim()
            .to_owned(),
    })
}

async fn published(entries: &[Entry]) -> Vec<(&'static str, Vec<Entry>)> {
    let samples = (0..)
        .zip(entries)
        .map(|(index, entry)| sample(index, entry));
    let desk = Desk::new(settings(), samples.collect()).await;
    let mut read = Vec::new();
    for name in ["/all.rss", "/all.atom", "/all.json"] {
        read.push((name, desk.feed(name).await.entries));
    }
    read
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn what_is_published_again_parses_the_same(values in prop::collection::vec(prop::collection::vec(piece(), 0..8), 12)) {
        let value = |index: usize| escaped(&values[index].concat());
        let items: String = (0..6)
            .map(|n| format!("<item><title>{n} {}</title><link>https://example.org/{n}?{}</link><description>d{}</description></item>", value(n), escaped("a=1&b=2"), value(n + 6)))
            .collect();
        let before = read(format!("<rss version='2.0'><channel>{items}</channel></rss>")).unwrap().feed.entries;
        prop_assert_eq!(before.len(), 6);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (name, after) in runtime.block_on(published(&before)) {
            prop_assert_eq!(after.len(), 6);
            for (then, now) in before.iter().zip(&after) {
                prop_assert_eq!(comparable(then.title_text()), comparable(now.title_text()), "{}", name);
                prop_assert_eq!(&then.url, &now.url, "{}", name);
                if then.content.is_some() {
                    prop_assert_eq!(shown(then), shown(now), "{}", name);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_can_be_read(body in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&body);
    }

    #[test]
    fn any_markup_can_be_read(pieces in prop::collection::vec(piece(), 0..60), root in 0_usize..4) {
        let roots = ["", "<rss version='2.0'><channel>", "<feed xmlns='http://www.w3.org/2005/Atom'>", "{\"version\":\"https://jsonfeed.org/version/1\","];
        check(format!("{}{}", roots[root], pieces.concat()).as_bytes());
    }

    #[test]
    fn what_stands_before_the_damage_is_kept(format in 0_usize..3, place in 0.0..1.0_f64, damage in damage()) {
        let (body, ends) = feed(format, 6);
        let whole = read(body.clone()).unwrap();
        prop_assert!(whole.feed.well_formed, "{:?}", whole.warnings);
        prop_assert_eq!(whole.feed.entries.len(), 6);
        // Damage after the first entry: before it there may be no feed left to recognise.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short text")]
        let at = ends[0] + ((body.len() - ends[0]) as f64 * place) as usize;
        let broken = damaged(body.as_bytes(), at, damage);
        check(&broken);
        let parsed = read(broken);
        prop_assert!(parsed.is_ok(), "{parsed:?}");
        let kept = ends.iter().filter(|end| **end <= at).count();
        let entries = parsed.unwrap().feed.entries;
        prop_assert!(entries.len() >= kept, "{} of {kept} entries", entries.len());
        prop_assert_eq!(&entries[..kept], &whole.feed.entries[..kept]);
    }
}

#[test]
fn documents_made_to_exhaust_are_read_in_time() {
    let many = 100_000;
    let inside = |what: &str| {
        format!("<rss version='2.0'><channel><item><title>{what}</title></item></channel></rss>")
    };
    let laughs: String = (1..60)
        .map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)))
        .collect();
    let bodies = [
        format!(
            "<!DOCTYPE rss [<!ENTITY l0 \"lol\">{laughs}]>{}",
            inside("&l59;")
        ),
        inside(&"<div>".repeat(many)),
        "<rss>".repeat(many),
        "<feed xmlns='http://www.w3.org/2005/Atom'><entry>".repeat(many / 10),
        inside(&"&lt;b title=1>&lt;p>".repeat(many)),
        inside(&format!(
            "<x {}>",
            (0..many).map(|n| format!("a{n}='' ")).collect::<String>()
        )),
        inside(&"<![CDATA[".repeat(many)),
        inside(&"<!--".repeat(many)),
        inside(&"&".repeat(many)),
        inside(&"<".repeat(many)),
        (0..many)
            .map(|n| format!("<a xmlns:n{n}='u'>"))
            .collect::<String>(),
        "<!".repeat(many),
        "<?".repeat(many),
        format!("<rss><channel>{}", "<item><guid>1</guid>".repeat(many)),
        format!(
            "{{\"version\":\"https://jsonfeed.org/version/1\",\"items\":{}",
            "[".repeat(many)
        ),
        format!("{{\"items\":[{}", "{\"id\":".repeat(many)),
    ];
    let undecodable = ["gb18030", "shift_jis", "iso-2022-jp", "utf-16"].map(|label| {
        let head = format!("<?xml version='1.0' encoding='{label}'?><rss><title>");
        [
            head.as_bytes(),
            [0xFF, 0xFE, 0x80, 0x1B].repeat(many * 2).as_slice(),
        ]
        .concat()
    });
    for body in undecodable {
        let start = Instant::now();
        check(&body);
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    for body in bodies {
        let start = Instant::now();
        check(body.as_bytes());
        let time = start.elapsed();
        // Without optimisation all of this is some ten times slower than it will ever run.
        assert!(
            time < Duration::from_secs(10),
            "{}… took {time:?}",
            &body[..body.len().min(80)]
        );
    }
}
