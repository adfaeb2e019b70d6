//! Lists of feeds as other readers know them (OPML 1.0 and 2.0), and as we write them: with all our settings in one
//! attribute of our own, which others pass over.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;

use encoding_rs::Encoding;

use super::markup::{self, escaped, tags};

/// Namespace of our attributes.
const NAMESPACE: &str = "urn:aggd:opml";
/// The folder of feeds without a category.
const NO_CATEGORY: &str = "Uncategorized";

/// A feed in an OPML file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// Address of the feed.
    pub url: String,
    /// Title.
    pub title: Option<String>,
    /// Address of its site.
    pub home: Option<String>,
    /// Names of the folders it stands in, the outermost first.
    pub folders: Vec<String>,
    /// Labels of OPML's own `category`.
    pub labels: Vec<String>,
    /// Another reader makes it of a page or a document that is no feed, by rules of its own.
    pub scraped: bool,
    /// Our settings: an inline table of TOML.
    pub settings: Option<String>,
}

/// A folder that stands for a category.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Folder {
    /// Name.
    pub name: String,
    /// Our settings: an inline table of TOML.
    pub settings: Option<String>,
}

/// What an OPML file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opml {
    /// Feeds, in their order.
    pub feeds: Vec<Outline>,
    /// Folders, in their order.
    pub folders: Vec<Folder>,
}

/// Reads a file; whatever is broken in it costs only itself. Nothing in it: then it was no OPML.
#[must_use]
pub fn read(bytes: &[u8]) -> Opml {
    let text = decode(bytes);
    let mut opml = Opml::default();
    // Each open outline; a folder has a name.
    let mut open: Vec<Option<String>> = Vec::new();
    for tag in tags(&text, &["outline"]) {
        if tag.is_end {
            open.pop();
            continue;
        }
        let title = ["title", "text"]
            .iter()
            .filter_map(|name| tag.get(name))
            .map(on_one_line)
            .find(|title| !title.is_empty());
        let url = tag.get("xmlurl").map(str::trim).unwrap_or_default();
        let settings = |name: &str| tag.get(name).map(str::to_owned);
        if url.is_empty() {
            if let Some(name) = &title {
                opml.folders.push(Folder {
                    name: name.clone(),
                    settings: settings("aggd:category"),
                });
            }
            if !tag.is_empty {
                open.push(title);
            }
            continue;
        }
        opml.feeds.push(Outline {
            url: url.to_owned(),
            title,
            home: tag.get("htmlurl").map(str::to_owned),
            folders: open
                .iter()
                .flatten()
                .filter(|name| !name.eq_ignore_ascii_case(NO_CATEGORY))
                .cloned()
                .collect(),
            labels: labels(tag.get("category").unwrap_or_default()),
            // FreshRSS: `HTML+XPath`, `JSON+DotNotation` and so on.
            scraped: tag.get("type").is_some_and(|kind| kind.contains('+')),
            settings: settings("aggd:feed"),
        });
        // Some writers close a feed's outline with an end tag of its own.
        if !tag.is_empty {
            open.push(None);
        }
    }
    all_shelves(&mut opml.feeds);
    opml
}

/// A feed that stands in several folders (Feedly, Thunderbird) keeps the first; the others become labels.
fn all_shelves(feeds: &mut [Outline]) {
    let mut first: HashMap<String, usize> = HashMap::new();
    for at in 0..feeds.len() {
        match first.entry(feeds[at].url.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert(at);
            }
            Entry::Occupied(there) => {
                let more = [feeds[at].folders.clone(), feeds[at].labels.clone()].concat();
                feeds[*there.get()].labels.extend(more);
            }
        }
    }
}

fn on_one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// OPML 2.0: comma-separated, each a path with slashes; the last step is the label.
fn labels(category: &str) -> Vec<String> {
    category
        .split(',')
        .filter_map(|path| path.trim().trim_end_matches('/').rsplit('/').next())
        .filter(|label| !label.is_empty())
        .map(str::to_owned)
        .collect()
}

fn decode(bytes: &[u8]) -> String {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding.decode(bytes).0.into_owned();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    let declared = head
        .split_once("encoding=")
        .and_then(|(_, rest)| rest.get(1..)?.split(['"', '\'']).next())
        .and_then(|label| Encoding::for_label(label.as_bytes()))
        .unwrap_or(encoding_rs::WINDOWS_1252);
    declared.decode(bytes).0.into_owned()
}

/// Writes a file: feeds in folders by category, those without one last.
#[must_use]
pub fn write(title: &str, now: &str, opml: &Opml) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<opml version=\"2.0\" xmlns:aggd=\"{NAMESPACE}\">\n  <head>\n    <title>{}</title>\n    <dateCreated>{}</dateCreated>\n  </head>\n  <body>\n",
        escaped(title),
        escaped(now)
    );
    for shelf in shelves(opml) {
        let shown = escaped(shelf.name.unwrap_or(NO_CATEGORY));
        let _ = writeln!(
            text,
            "    <outline text=\"{shown}\" title=\"{shown}\"{}>",
            attribute("aggd:category", shelf.settings)
        );
        for outline in shelf.feeds {
            let title = escaped(outline.title.as_deref().unwrap_or(&outline.url));
            let _ = writeln!(
                text,
                "      <outline type=\"rss\" text=\"{title}\" title=\"{title}\" xmlUrl=\"{}\"{}{}/>",
                markup::escaped(&outline.url),
                attribute("htmlUrl", outline.home.as_deref()),
                attribute("aggd:feed", outline.settings.as_deref()),
            );
        }
        text.push_str("    </outline>\n");
    }
    text.push_str("  </body>\n</opml>\n");
    text
}

/// A folder on its way out.
struct Shelf<'a> {
    name: Option<&'a str>,
    settings: Option<&'a str>,
    feeds: Vec<&'a Outline>,
}

/// The folders with what stands in them; what stands in none comes last.
fn shelves(opml: &Opml) -> Vec<Shelf<'_>> {
    let mut shelves: Vec<Shelf<'_>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut loose = Vec::new();
    for folder in &opml.folders {
        places.entry(&folder.name).or_insert_with(|| {
            shelves.push(Shelf {
                name: Some(&folder.name),
                settings: folder.settings.as_deref(),
                feeds: Vec::new(),
            });
            shelves.len() - 1
        });
    }
    for outline in &opml.feeds {
        let Some(name) = outline.folders.first() else {
            loose.push(outline);
            continue;
        };
        let place = *places.entry(name).or_insert_with(|| {
            shelves.push(Shelf {
                name: Some(name),
                settings: None,
                feeds: Vec::new(),
            });
            shelves.len() - 1
        });
        shelves[place].feeds.push(outline);
    }
    if !loose.is_empty() {
        shelves.push(Shelf {
            name: None,
            settings: None,
            feeds: loose,
        });
    }
    shelves
}

fn attribute(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| {
        format!(" {name}=\"{}\"", escaped(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_may_be_nested_and_outlines_left_open() {
        let opml = read(
            br#"<?xml version="1.0"?><opml version="1.1"><body>
            <outline text="Tech"><outline title="Deep">
              <outline type="rss" text="A &amp; B" xmlUrl="https://a.org/f?x=1&amp;y=2" htmlUrl="https://a.org/" category="/x/rust,linux"/>
            </outline><outline text="B" XMLURL="https://b.org/"></outline></outline>
            <outline text="Uncategorized"><outline text="C" xmlUrl="https://c.org/"/></outline>
            <outline text="D" xmlUrl="https://d.org/"
            "#,
        );
        let shown: Vec<(&str, Vec<&str>)> = opml
            .feeds
            .iter()
            .map(|feed| {
                (
                    feed.url.as_str(),
                    feed.folders.iter().map(String::as_str).collect(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("https://a.org/f?x=1&y=2", vec!["Tech", "Deep"]),
                ("https://b.org/", vec!["Tech"]),
                ("https://c.org/", vec![]),
                ("https://d.org/", vec![]),
            ]
        );
        assert_eq!(opml.feeds[0].labels, ["rust", "linux"]);
        assert_eq!(opml.feeds[0].title.as_deref(), Some("A & B"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let opml = Opml {
            feeds: vec![Outline {
                url: "https://a.org/?a=1&b=2".to_owned(),
                title: Some("\"A\" <社会>".to_owned()),
                home: Some("https://a.org/".to_owned()),
                folders: vec!["社会新闻".to_owned()],
                labels: Vec::new(),
                scraped: false,
                settings: Some("{ id = \"a\", every = \"1h\" }".to_owned()),
            }],
            folders: vec![Folder {
                name: "社会新闻".to_owned(),
                settings: Some("{ tags = [\"x\"] }".to_owned()),
            }],
        };
        assert_eq!(read(write("T", "now", &opml).as_bytes()), opml);
    }

    #[test]
    fn older_encodings_are_read() {
        let text = "<?xml version=\"1.0\" encoding=\"gb2312\"?><opml><body><outline text=\"新闻\" xmlUrl=\"https://a.cn/\"/>";
        let (bytes, _, _) = encoding_rs::GBK.encode(text);
        assert_eq!(read(&bytes).feeds[0].title.as_deref(), Some("新闻"));
    }
}
