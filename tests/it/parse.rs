//! What `aggd parse` prints for each document of `tests/feeds`, and what survives when good feeds are damaged.
//!
//! `UPDATE_EXPECT=1` writes the expected side anew; the difference is for reading in review.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aggd::model::document::Document;
use aggd::model::entry::Feed;
use aggd::parse::{self, Options};
use serde_json::{Value, json};

fn feeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/feeds")
}

/// The answers of one `aggd parse --batch` to these requests.
fn batch(requests: &[Value]) -> Vec<Value> {
    let mut aggd = Command::new(env!("CARGO_BIN_EXE_aggd"))
        .args(["parse", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = aggd.stdin.take().unwrap();
    let mut lines = String::new();
    for request in requests {
        lines.push_str(&request.to_string());
        lines.push('\n');
    }
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = aggd.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
fn each_document_is_understood_as_expected() {
    let folder = feeds();
    let wanted: BTreeMap<String, Value> =
        serde_json::from_slice(&std::fs::read(folder.join("requests.json")).unwrap()).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".expected.json") && name != "requests.json")
        .collect();
    names.sort();
    assert!(names.len() >= 40, "only {} documents", names.len());
    let requests: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut request = wanted.get(name).cloned().unwrap_or_else(|| json!({}));
            request["path"] = folder.join(name).to_str().unwrap().into();
            request
        })
        .collect();
    let answers = batch(&requests);
    assert_eq!(answers.len(), names.len());
    let mut differing = Vec::new();
    for (name, answer) in names.iter().zip(answers) {
        let stem = name.rsplit_once('.').unwrap().0;
        let path = folder.join(format!("{stem}.expected.json"));
        let actual = serde_json::to_string_pretty(&answer).unwrap() + "\n";
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, actual).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != actual {
            differing.push(format!("{name} is now\n{actual}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn the_exit_code_tells_feeds_from_other_things() {
    let code = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_aggd"))
            .arg("parse")
            .args(args)
            .output()
            .unwrap();
        (output.status.code(), output.stdout.is_empty())
    };
    let path = |name: &str| feeds().join(name).to_str().unwrap().to_owned();
    assert_eq!(code(&[&path("rss-plain.xml")]), (Some(0), false));
    assert_eq!(code(&[&path("cut-off.xml")]), (Some(0), false));
    assert_eq!(code(&[&path("html-page.xml")]), (Some(1), false));
    assert_eq!(code(&["/nonexistent/feed.xml"]), (Some(2), true));
    assert_eq!(code(&["--nonsense"]), (Some(2), true));
    assert_eq!(code(&[]), (Some(2), true));
}

fn read(body: impl Into<Vec<u8>>) -> Feed {
    let document = Document {
        body: body.into().into(),
        ..Document::default()
    };
    parse::parse(&document, &Options::default()).unwrap().feed
}

/// A good feed of twelve items in RSS or Atom.
fn good(atom: bool) -> String {
    let item = |n: u32| {
        if atom {
            format!(
                "<entry><title>Story {n} – über &amp; co</title><link href=\"https://d.example/{n}?a=1&amp;b=2\"/><id>tag:d.example,{n}</id>\
                 <updated>2026-11-{n:02}T08:00:00Z</updated><category term=\"c\"/><summary>Short {n}</summary>\
                 <content type=\"html\"><![CDATA[<p>Long {n}</p>]]></content></entry>\n"
            )
        } else {
            format!(
                "<item><title>Story {n} – über &amp; co</title><link>https://d.example/{n}?a=1&amp;b=2</link><guid isPermaLink=\"false\">tag:d.example,{n}</guid>\
                 <pubDate>{n} Nov 2026 08:00:00 GMT</pubDate><category domain=\"c\">c</category><description>&lt;p&gt;Short {n}&lt;/p&gt;</description>\
                 <content:encoded><![CDATA[<p>Long {n}</p>]]></content:encoded><enclosure url=\"https://d.example/{n}.mp3\" length=\"9\" type=\"audio/mpeg\"/></item>\n"
            )
        }
    };
    let items: String = (1..=12).map(item).collect();
    if atom {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>D</title><id>d</id>\n{items}</feed>\n"
        )
    } else {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<rss version=\"2.0\" xmlns:content=\"http://purl.org/rss/1.0/modules/content/\"><channel><title>D</title>\n{items}</channel></rss>\n"
        )
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    /// A place where `part` occurs.
    fn place(&mut self, text: &str, part: &str) -> Option<usize> {
        let places: Vec<usize> = text.match_indices(part).map(|(at, _)| at).collect();
        (!places.is_empty()).then(|| places[self.below(places.len())])
    }
}

/// How many of the twelve are still there, and of these how many with their address, date and title.
fn survivors(feed: &Feed, whole: &Feed) -> (usize, usize) {
    let known = |id: &str| feed.entries.iter().find(|entry| entry.id == id);
    let found: Vec<_> = whole
        .entries
        .iter()
        .filter_map(|entry| known(&entry.id).map(|now| (entry, now)))
        .collect();
    let same = found.iter().filter(|(then, now)| {
        then.url == now.url
            && then.published == now.published
            && then.updated == now.updated
            && then.title == now.title
    });
    (found.len(), same.count())
}

/// Replaces one occurrence of `from`, wherever the dice fall.
fn check_replacing(from: &str, to: &str, at_least: (usize, usize)) {
    for atom in [false, true] {
        let text = good(atom);
        let whole = read(text.as_str());
        assert_eq!(whole.entries.len(), 12);
        let mut dice = Dice(7);
        for _ in 0..20 {
            let Some(at) = dice.place(&text, from) else {
                continue;
            };
            let damaged = format!("{}{to}{}", &text[..at], &text[at + from.len()..]);
            let feed = read(damaged.as_str());
            let (found, same) = survivors(&feed, &whole);
            assert!(
                found >= at_least.0 && same >= at_least.1,
                "`{from}` → `{to}` at {at}: {found} found, {same} the same, of\n{damaged}"
            );
        }
    }
}

#[test]
fn one_fault_costs_at_most_one_item_its_details() {
    for (from, to) in [
        ("&amp;", "&"),
        ("Story", "a < b"),
        ("Story", "I <3"),
        ("Story", "&nbsp;&madeup;"),
        ("Story", "&#xD83D;&#0;"),
        ("Story", "\u{1}\u{b}"),
        ("Story", "x ]]> y"),
        ("<p>", "<p><br><img src=x>"),
    ] {
        check_replacing(from, to, (12, 11));
    }
    for (from, to) in [
        ("</title>", ""),
        ("</title>", "</titel>"),
        ("]]>", ""),
        ("<![CDATA[", "<![CDATA[<![CDATA["),
        ("</title>", "</title><x:y>z</x:y>"),
        ("</title>", "</title><!-- a -- b -->"),
        ("</title>", "</title><!-- not closed >"),
        ("</title>", "</title><?php echo 1 >"),
        ("</title>", "</title></p></div>"),
        ("</item>", ""),
        ("</entry>", ""),
        (
            "</item>",
            "</item><br />\n<b>Notice</b>: in <b>/a.php</b> on line <b>3</b><br />",
        ),
        ("</item>", "</item></channel>"),
        ("<item>", "<item><item>"),
        ("\" type", " type"),
        ("\"c\"", "c"),
        ("\"c\"", "\"c\" domain=\"c\" term=\"c\""),
    ] {
        check_replacing(from, to, (12, 11));
    }
    for (from, to) in [
        ("<title>", "<title"),
        ("</id>", "</id"),
        ("<guid", "<gu�id"),
        ("<item>", "<itm>"),
        ("<entry>", "entry>"),
    ] {
        check_replacing(from, to, (11, 10));
    }
}

#[test]
fn a_cut_keeps_what_was_there() {
    for atom in [false, true] {
        let text = good(atom);
        let whole = read(text.as_str());
        let mut dice = Dice(11);
        for _ in 0..200 {
            let mut at = text.len() / 20 + dice.below(text.len() * 19 / 20);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let started = text[..at]
                .matches(if atom { "<entry>" } else { "<item>" })
                .count();
            let ended = text[..at]
                .matches(if atom { "</entry>" } else { "</item>" })
                .count();
            let feed = read(&text[..at]);
            assert_eq!(feed.entries.len(), started, "cut at {at}");
            assert!(survivors(&feed, &whole).1 >= ended, "cut at {at}");
            assert!(!feed.well_formed);
        }
    }
}

#[test]
fn flipped_bits_cost_little() {
    for atom in [false, true] {
        let text = good(atom);
        let whole = read(text.as_str());
        let mut dice = Dice(13);
        let (mut found, mut rounds) = (0, 0);
        for _ in 0..300 {
            let mut bytes = text.clone().into_bytes();
            let at = 160 + dice.below(bytes.len() - 160);
            bytes[at] ^= 1 << dice.below(8);
            found += survivors(&read(bytes), &whole).0;
            rounds += 12;
        }
        assert!(found * 100 >= rounds * 98, "{found} of {rounds} items");
    }
}

#[test]
fn wrong_labels_do_not_change_what_is_read() {
    for atom in [false, true] {
        let text = good(atom);
        let whole = read(text.as_str());
        for label in [
            "utf-16",
            "UTF-32",
            "x-unknown",
            "us-ascii",
            "utf8",
            "iso-8859-1",
            "gb2312",
            "koi8-r",
        ] {
            let feed = read(text.replacen("utf-8", label, 1));
            assert_eq!(survivors(&feed, &whole), (12, 12), "{label}");
        }
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(survivors(&read(utf16), &whole), (12, 12));
        let latin1: Vec<u8> = text
            .replace('–', "-")
            .chars()
            .map(|c| u8::try_from(c).unwrap())
            .collect();
        let feed = read(latin1);
        assert!(
            feed.entries
                .iter()
                .all(|entry| entry.title_text().contains("über"))
        );
    }
}

#[test]
fn what_was_read_before_is_only_named() {
    let read = |body: String, before: Option<&parse::Before>| {
        let document = Document {
            body: body.into_bytes().into(),
            ..Document::default()
        };
        parse::parse_after(&document, &Options::default(), before).unwrap()
    };
    for atom in [false, true] {
        assert!(
            read(good(atom), None)
                .marks
                .iter()
                .all(|mark| mark.fingerprint == 0)
        );
        let nothing = parse::Before::default();
        let first = read(good(atom), Some(&nothing));
        assert!(
            first
                .marks
                .iter()
                .all(|mark| mark.fingerprint != 0 && !mark.unchanged)
        );
        let before = parse::Before {
            seed: 0,
            read: first.marks.iter().map(|mark| mark.fingerprint).collect(),
        };
        let changed = good(atom).replacen("Story 3 ", "Tale 3 ", 1);
        assert_ne!(changed, good(atom));
        let again = read(changed, Some(&before));
        assert_eq!(again.feed.entries.len(), first.feed.entries.len());
        for ((mark, now), then) in again
            .marks
            .iter()
            .zip(&again.feed.entries)
            .zip(&first.feed.entries)
        {
            assert_eq!(mark.unchanged, now.title == then.title);
            assert_eq!(
                (&now.id, &now.url, now.published),
                (&then.id, &then.url, then.published)
            );
            assert_eq!(now.content.is_none(), mark.unchanged);
        }
        let other = parse::Before { seed: 1, ..before };
        let other = read(good(atom), Some(&other));
        assert!(other.marks.iter().all(|mark| !mark.unchanged));
    }
}
