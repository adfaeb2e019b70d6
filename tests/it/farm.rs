//! Two hundred made-up feeds of all formats, some of them broken, with the headlines that must come out of each.

use std::fmt::Write as _;

/// One feed of the farm.
pub(crate) struct Sown {
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    /// Headlines that must be published, each once.
    pub(crate) titles: Vec<String>,
    pub(crate) category: &'static str,
    pub(crate) tag: &'static str,
}

/// What may be odd about a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Oddity {
    None,
    /// Labelled gb2312, written in GBK.
    Gbk,
    /// A bare `&` and an undefined entity in every entry.
    BareAmpersand,
    /// The body ends in the middle of the last entry's end tags.
    CutOff,
    /// A warning of PHP stands in front of the XML declaration.
    PhpWarning,
    /// Says UTF-8, is windows-1252.
    WrongLabel,
    /// Two thousand entries.
    Huge,
}

const FORMATS: [&str; 7] = [
    "rss20", "rss091", "rdf10", "atom10", "atom03", "json11", "json10",
];

/// `count` feeds, the same for every call.
pub(crate) fn sow(count: usize) -> Vec<Sown> {
    (0..count).map(feed).collect()
}

fn feed(number: usize) -> Sown {
    let format = FORMATS[number % FORMATS.len()];
    let is_json = format.starts_with("json");
    let oddity = match number % 20 {
        3 => Oddity::Gbk,
        6 | 17 => Oddity::BareAmpersand,
        9 => Oddity::CutOff,
        12 => Oddity::PhpWarning,
        15 => Oddity::WrongLabel,
        18 if number == 18 || number == 38 => Oddity::Huge,
        _ => Oddity::None,
    };
    let oddity = if is_json && oddity != Oddity::Huge {
        Oddity::None
    } else {
        oddity
    };
    let entries = if oddity == Oddity::Huge { 2000 } else { 5 };
    let titles: Vec<String> = (0..entries)
        .map(|entry| title(number, entry, oddity))
        .collect();
    let text = match format {
        "json11" | "json10" => json(number, format, &titles),
        "atom10" | "atom03" => atom(number, format, &titles, oddity),
        _ => rss(number, format, &titles, oddity),
    };
    let (category, tag) = if number.is_multiple_of(2) {
        ("tech", "Rust")
    } else {
        ("社会新闻", "疫情")
    };
    Sown {
        path: format!("/feeds/{number}.{}", if is_json { "json" } else { "xml" }),
        content_type: if is_json {
            "application/feed+json"
        } else {
            "application/xml"
        },
        body: damage(text, oddity),
        titles,
        category,
        tag,
    }
}

fn title(number: usize, entry: usize, oddity: Oddity) -> String {
    match oddity {
        Oddity::Gbk => format!("第{number}号站点的第{entry}条新闻"),
        Oddity::WrongLabel => format!("Café no {number}, fenêtre {entry}"),
        Oddity::BareAmpersand => format!("Salt & pepper {number}/{entry}"),
        _ => format!("Story {entry} of site {number}"),
    }
}

fn written(title: &str, oddity: Oddity) -> String {
    if oddity == Oddity::BareAmpersand {
        title.to_owned()
    } else {
        title.replace('&', "&amp;")
    }
}

fn declaration(oddity: Oddity) -> &'static str {
    match oddity {
        Oddity::Gbk => "<?xml version=\"1.0\" encoding=\"gb2312\"?>\n",
        _ => "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
    }
}

fn link(number: usize, entry: usize) -> String {
    format!("https://site{number}.example/story/{entry}")
}

fn date(entry: usize) -> String {
    format!(
        "2026-01-{:02}T{:02}:{:02}:00",
        1 + entry / 1440 % 28,
        entry / 60 % 24,
        entry % 60
    )
}

fn rss(number: usize, format: &str, titles: &[String], oddity: Oddity) -> String {
    let is_rdf = format == "rdf10";
    let mut out = declaration(oddity).to_owned();
    out.push_str(match format {
        "rdf10" => {
            "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns=\"http://purl.org/rss/1.0/\" \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\">"
        }
        "rss091" => "<rss version=\"0.91\"><channel>",
        _ => "<rss version=\"2.0\"><channel>",
    });
    if is_rdf {
        let _ = write!(out, "<channel rdf:about=\"https://site{number}.example/\">");
    }
    let _ = write!(
        out,
        "<title>Site {number}</title><link>https://site{number}.example/</link><description>d</description>"
    );
    if is_rdf {
        out.push_str("</channel>");
    }
    for (entry, title) in titles.iter().enumerate() {
        let (link, date) = (link(number, entry), date(entry));
        let title = written(title, oddity);
        let _ = match format {
            "rdf10" => writeln!(
                out,
                "<item rdf:about=\"{link}\"><title>{title}</title><link>{link}</link><dc:date>{date}Z</dc:date></item>"
            ),
            "rss091" => writeln!(
                out,
                "<item><title>{title}</title><link>{link}</link><description>text</description></item>"
            ),
            _ => writeln!(
                out,
                "<item><title>{title}</title><link>{link}</link><guid>{link}</guid><pubDate>{date}Z</pubDate>\
                 <description>&lt;p&gt;text {entry}&lt;/p&gt;</description></item>"
            ),
        };
    }
    out.push_str(if is_rdf {
        "</rdf:RDF>"
    } else {
        "</channel></rss>"
    });
    out
}

fn atom(number: usize, format: &str, titles: &[String], oddity: Oddity) -> String {
    let mut out = declaration(oddity).to_owned();
    let is_old = format == "atom03";
    out.push_str(if is_old {
        "<feed version=\"0.3\" xmlns=\"http://purl.org/atom/ns#\">"
    } else {
        "<feed xmlns=\"http://www.w3.org/2005/Atom\">"
    });
    let _ = write!(
        out,
        "<title>Site {number}</title><id>urn:site:{number}</id>"
    );
    for (entry, title) in titles.iter().enumerate() {
        let (link, date) = (link(number, entry), date(entry));
        let title = written(title, oddity);
        let (published, updated) = if is_old {
            ("issued", "modified")
        } else {
            ("published", "updated")
        };
        let _ = writeln!(
            out,
            "<entry><title>{title}</title><id>urn:site:{number}:{entry}</id><link rel=\"alternate\" href=\"{link}\"/>\
             <{published}>{date}Z</{published}><{updated}>{date}Z</{updated}><summary>text {entry}</summary></entry>"
        );
    }
    out.push_str("</feed>");
    out
}

fn json(number: usize, format: &str, titles: &[String]) -> String {
    let version = if format == "json11" { "1.1" } else { "1" };
    let items: Vec<_> = titles
        .iter()
        .enumerate()
        .map(|(entry, title)| {
            serde_json::json!({
                "id": format!("{number}-{entry}"),
                "url": link(number, entry),
                "title": title,
                "content_text": format!("text {entry}"),
                "date_published": format!("{}Z", date(entry)),
            })
        })
        .collect();
    serde_json::json!({
        "version": format!("https://jsonfeed.org/version/{version}"),
        "title": format!("Site {number}"),
        "items": items,
    })
    .to_string()
}

fn damage(text: String, oddity: Oddity) -> Vec<u8> {
    match oddity {
        Oddity::Gbk => encoding_rs::GBK.encode(&text).0.into_owned(),
        Oddity::WrongLabel => encoding_rs::WINDOWS_1252.encode(&text).0.into_owned(),
        Oddity::PhpWarning => {
            format!("<br />\n<b>Warning</b>: something on line <b>3</b><br />\n{text}").into_bytes()
        }
        Oddity::CutOff => text.as_bytes()[..text.trim_end().len() - 12].to_vec(),
        Oddity::None | Oddity::BareAmpersand | Oddity::Huge => text.into_bytes(),
    }
}
