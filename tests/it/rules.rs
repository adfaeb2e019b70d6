//! Rules, outputs and tokens, as an administrator writes them and a reader meets them.

use std::path::Path;
use std::time::Duration;

use aggd::control::Client;
use aggd::ops::Request;
use serde_json::Value;

use crate::origin::{Origin, Reply, entry, rss, rss_with};
use crate::program::{Program, free_port, output};
use crate::town::{Town, feed};

async fn ask(town: &Town, request: Request) -> Value {
    let socket = town.dir.path().join("control.sock");
    let client = Client::connect(&socket).await.unwrap().unwrap();
    serde_json::from_str(&client.ask(&request).await.unwrap()).unwrap()
}

fn run(dir: &Path, args: &[&str]) -> (String, String, i32) {
    let output = output(dir, args);
    (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
        output.status.code().unwrap(),
    )
}

#[tokio::test]
async fn rules_tag_sort_rewrite_and_drop() {
    let origin = Origin::start().await;
    origin.feed(
        "/a",
        &[
            entry("1").title("Tokio 2 release").link("https://x.org/1"),
            entry("2").title("Sponsored: buy").link("https://x.org/2"),
            entry("3")
                .title("[AD] A headline")
                .link("https://out.org/?to=3"),
            entry("4").title("臺灣資訊").link("https://x.org/4"),
            entry("5").title("Nothing of note").link("https://x.org/5"),
        ],
    );
    let own = "category = \"tech\"\ntags = [\"rust\"]\n\
        [[feed.rule]]\nwhen = 'title.startsWith(\"Sponsored\")'\ndrop = true\n\
        [[feed.rule]]\nwhen = 'title.startsWith(\"[AD]\")'\ntitle = { match = '^\\[AD\\] ', replace = \"\" }\n\
        url = { match = '^https://out\\.org/\\?to=', replace = \"https://x.org/\" }\nuntag = [\"rust\"]\nscore = -1\n";
    let rules = "[[rule]]\nname = \"release\"\nwhen = 'title.matches(\"(?i)\\\\b(release|changelog)\\\\b\") && category == \"tech\"'\n\
        tag = [\"release\"]\nscore = 5\nstop = true\n\
        [[rule]]\nwhen = 'title.mentions(\"资讯\")'\ncategory = \"亚洲\"\ntitle = \"{title} ({feed})\"\n\
        [[rule]]\nwhen = 'title.contains(\"Nothing\")'\ndrop = true\n\
        [[rule]]\nwhen = '\"release\" in tags'\ntag = [\"never\"]\n";
    let town = Town::new(&format!("{}{rules}", feed("a", &origin.url("/a"), own))).await;
    let mut titles = town.get("/all.rss").await.titles();
    titles.sort();
    assert_eq!(titles, ["A headline", "Tokio 2 release", "臺灣資訊 (a)"]);
    assert_eq!(
        town.get("/tags/release.rss").await.titles(),
        ["Tokio 2 release"]
    );
    assert_eq!(town.get("/tags/never.rss").await.status, 404);
    assert_eq!(
        town.get("/all.rss?not=rust").await.links(),
        ["https://x.org/3"]
    );
    assert_eq!(
        town.get("/categories/亚洲.rss").await.titles(),
        ["臺灣資訊 (a)"]
    );

    // Polling again changes nothing: a rule runs on what the publisher wrote, not on what it made of that.
    let before = town.get("/all.json").await.text();
    town.pass(Duration::from_hours(48)).await;
    assert!(origin.count("/a") > 1);
    assert_eq!(town.get("/all.json").await.text(), before);

    // Without the rules the stories are as the publisher has them; what was dropped comes with the next visit.
    town.reload(&feed("a", &origin.url("/a"), "category = \"tech\"\n"))
        .await
        .unwrap();
    let titles = town.get("/all.rss").await.titles();
    assert!(titles.contains(&"臺灣資訊".to_owned()), "{titles:?}");
    assert!(town.get("/tags/release.rss").await.titles().is_empty());
}

fn scored(guid: &str, title: &str) -> crate::origin::Entry {
    entry(guid)
        .title(title)
        .link(&format!("https://x.org/{guid}"))
}

#[tokio::test]
async fn outputs_choose_order_and_shape() {
    let origin = Origin::start().await;
    let minutes = |n: u64| crate::town::NOON - Duration::from_mins(n);
    let entries: Vec<_> = (0..6)
        .map(|n| scored(&format!("a{n}"), &format!("rust a{n}")).published(minutes(10 + n)))
        .collect();
    origin.feed("/a", &entries);
    origin.feed(
        "/b",
        &[
            scored("b0", "rust b0, great").published(minutes(30)),
            scored("b1", "go b1").published(minutes(1)),
        ],
    );
    let feeds = format!(
        "{}{}",
        feed("a", &origin.url("/a"), ""),
        feed("b", &origin.url("/b"), "")
    );
    let town = Town::new(&feeds).await;
    assert_eq!(town.get("/outputs/best.rss").await.status, 404);

    // An output begins with what is there already, in the background.
    let outputs = "[[rule]]\nwhen = 'title.mentions(\"great\")'\nscore = 7\n\
        [[output]]\nid = \"best\"\ntitle = \"The best\"\ndescription = \"Hand-picked\"\nwhen = 'title.mentions(\"rust\")'\n\
        items = 4\nlimit_per_feed = 2\norder = \"score\"\ncontent = \"title\"\nformats = [\"atom\", \"json\"]\n\
        title_template = \"{title} [{feed}]\"\n\
        [[output]]\nid = \"new\"\nwhen = 'title.mentions(\"rust\")'\nlimit_per_feed = 2\n";
    town.reload(&format!("{feeds}{outputs}")).await.unwrap();
    let best = town.get("/outputs/best.atom").await;
    assert_eq!(
        best.titles(),
        ["rust b0, great [b]", "rust a0 [a]", "rust a1 [a]"]
    );
    let text = best.text();
    assert!(text.contains("The best") && text.contains("Hand-picked"));
    assert!(!text.contains("best.rss"), "{text}");
    assert_eq!(town.get("/outputs/best.rss").await.status, 404);
    assert!(
        town.get("/opml/own")
            .await
            .text()
            .contains("outputs/best.atom")
    );
    assert_eq!(
        town.get("/outputs/new.rss").await.titles(),
        ["rust a0", "rust a1", "rust b0, great"]
    );
    assert_eq!(
        town.get("/outputs/new.rss?not=nothing&n=2").await.titles(),
        ["rust a0", "rust a1"]
    );
    let preview = aggd::ops::lists::Preview {
        target: "/all.json".to_owned(),
        when: Some("title.mentions(\"go\") || score > 5".to_owned()),
    };
    let shown = ask(&town, Request::Preview(preview)).await;
    let shown: Value = serde_json::from_str(shown["text"].as_str().unwrap()).unwrap();
    let titles: Vec<&str> = shown["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles, ["go b1", "rust b0, great"]);

    // A reload that has nothing to do with labels leaves them alone; so does a restart.
    let before = ask(&town, Request::Status {}).await;
    assert!(before["relabel"].is_null());
    let revision = town.get("/all.atom").await.header("etag").to_owned();
    let town = town
        .restart(&format!("{feeds}{outputs}"), Duration::from_mins(1))
        .await;
    assert_eq!(town.get("/all.atom").await.header("etag"), revision);
}

#[tokio::test]
async fn a_rule_that_fails_costs_a_label_and_is_told_once() {
    let origin = Origin::start().await;
    let entries: Vec<_> = (0..20)
        .map(|n| scored(&format!("{n}"), &format!("{n}")))
        .collect();
    origin.feed("/a", &entries);
    let rules = "[[rule]]\nname = \"odd\"\nwhen = '100 / (int(title) - 7) < 0 || tags[0] == \"x\"'\ntag = [\"small\"]\n\
        [[rule]]\nwhen = 'int(title) < 3'\ntag = [\"first\"]\n";
    let town = Town::new(&format!("{}{rules}", feed("a", &origin.url("/a"), ""))).await;
    assert_eq!(town.get("/all.rss").await.titles().len(), 20);
    assert_eq!(town.get("/tags/small.rss").await.titles().len(), 7);
    assert_eq!(town.get("/tags/first.rss").await.titles().len(), 3);
    let status = ask(&town, Request::Status {}).await;
    let troubles = status["troubles"].as_array().unwrap();
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    let told = troubles[0].as_str().unwrap();
    assert!(
        told.starts_with("rule odd failed for 13 articles: "),
        "{told}"
    );
}

/// Every public address of a town, found by walking from the front page and from what the site says of itself.
async fn walk(town: &Town) -> Vec<(String, String)> {
    let mut waiting: Vec<String> = [
        "/",
        "/all.rss",
        "/all.atom",
        "/all.json",
        "/popular",
        "/popular.json",
        "/tags/",
        "/categories/",
        "/sources/",
        "/opml",
        "/opml/own",
        "/metrics",
        "/healthz",
        "/readyz",
        "/sources/inner",
        "/sources/inner.rss",
        "/categories/Keller.json",
        "/tags/Geheim.atom",
        "/outputs/morning",
        "/outputs/morning.atom",
        "/outputs/open.json",
        "/all.json?source=inner",
        "/all.json?tag=Geheim",
        "/all.json?category=Keller",
        "/all.json?any=Geheim&any=Geheimdienst",
        "/all.json?not=nothing",
        "/tags/Geheimdienst",
        "/sources/inner/2026-03.rss",
        "/popular.rss",
        "/popular.atom",
        "/all.rss?n=1",
        "/?n=1",
        "/outputs/open.json?tag=Geheim",
        "/search?q=Kellergeheimnis",
        "/search.json?q=Kellergeheimnis",
        "/opensearch.xml",
        "/p/x/outputs/morning.atom",
        "/all/2026-03.rss",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut seen: Vec<(String, String)> = Vec::new();
    while let Some(path) = waiting.pop() {
        if seen.iter().any(|(known, _)| *known == path) {
            continue;
        }
        let answer = town.get(&path).await;
        // What its headers say is public too.
        let said = ["link", "location"].map(|name| answer.header(name).to_owned());
        let body = format!(
            "{} {}",
            String::from_utf8_lossy(&answer.body),
            said.join(" ")
        );
        for piece in body.split(['"', '\'', '<', '>', ' ', '\n']) {
            let piece = piece.replace("&amp;", "&");
            let here = piece
                .strip_prefix("https://news.example.org")
                .or_else(|| piece.starts_with('/').then_some(piece.as_str()));
            if let Some(here) = here
                && here.starts_with('/')
                && !here.starts_with("//")
            {
                let here = here.split('#').next().unwrap_or_default();
                waiting.push(here.to_owned());
            }
        }
        seen.push((path, body));
        assert!(seen.len() < 2000, "the walk does not end");
    }
    seen
}

#[tokio::test]
async fn what_is_private_is_nowhere_public() {
    let origin = Origin::start().await;
    origin.feed(
        "/open",
        &[scored("o1", "Open news"), scored("o2", "More news")],
    );
    let item = "<item><guid>s1</guid><title>Kellergeheimnis</title><link>https://intra.example/s1</link>\
        <category>Geheim</category><description>streng vertraulich</description></item>\
        <item><guid>s2</guid><title>Open news</title><link>https://x.org/o1</link><description>streng vertraulich</description></item>";
    origin.serve("/inner", Reply::ok(rss_with("Kellerblatt", "", item)));
    let outputs = "[[output]]\nid = \"morning\"\nwhen = 'true'\ntokens = [{ name = \"phone\", sha256 = \"HASH\" }]\n\
        [[output]]\nid = \"open\"\n\
        [[output]]\nid = \"closed\"\ntokens = []\n";
    let lines = format!(
        "{}{}{}",
        feed("open", &origin.url("/open"), ""),
        feed(
            "inner",
            &origin.url("/inner"),
            "private = true\ncategory = \"Keller\"\ntags = [\"Geheimdienst\"]"
        ),
        outputs.replace("HASH", &sha256("let-me-in-let-me-in"))
    );
    let town = Town::new(&lines).await;
    let secret = town
        .get("/p/let-me-in-let-me-in/outputs/morning.json")
        .await;
    assert_eq!(secret.status, 200);
    assert!(secret.header("cache-control").starts_with("private"));
    let text = secret.text();
    for word in ["Kellergeheimnis", "streng vertraulich", "More news"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let inner: Value = serde_json::from_str(&text).unwrap();
    let hidden: Vec<String> = inner["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item.to_string().contains("vertraulich"))
        .map(|item| {
            let id = item["id"].as_str().unwrap();
            id.rsplit('/').next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(hidden.len(), 2);
    for id in &hidden {
        assert_eq!(town.get(&format!("/articles/{id}")).await.status, 404);
    }
    for path in [
        "/outputs/morning.json",
        "/outputs/closed.json",
        "/p/x/outputs/morning.json",
        "/p/let-me-in-let-me-in/outputs/closed.json",
        "/p/let-me-in-let-me-in/outputs/open.json",
        "/p/let-me-in-let-me-in/all.json",
    ] {
        assert_eq!(town.get(path).await.status, 404, "{path}");
    }
    let walked = walk(&town).await;
    assert!(walked.len() > 40, "{}", walked.len());
    for (path, body) in &walked {
        for word in [
            "Kellergeheimnis</",
            "\"Kellergeheimnis",
            "vertraulich",
            "Kellerblatt",
            "Geheimdienst",
            "intra.example",
            "let-me-in",
            "outputs/morning",
            "outputs/closed",
        ] {
            // What was asked for may be repeated; what was found there may not.
            let repeated = path.contains(word.trim_matches(['"', '<', '/']));
            assert!(repeated || !body.contains(word), "{word} at {path}: {body}");
        }
        for id in &hidden {
            assert!(!body.contains(id.as_str()), "{id} at {path}");
        }
    }
    let metrics = town.get("/metrics").await.text();
    assert!(!metrics.contains("inner"), "{metrics}");
    // Nor is it in what goes to a static server, whether or not anybody finds the way there.
    let targets = ask(&town, Request::Addresses {}).await;
    let targets: Vec<String> = serde_json::from_value(targets).unwrap();
    assert!(targets.len() > 10 && !targets.iter().any(|target| target.contains("inner")));
    let files = ask(&town, Request::Documents { targets }).await.to_string();
    assert!(files.contains("Open news"), "{files}");
    for word in [
        "Kellergeheimnis",
        "vertraulich",
        "Kellerblatt",
        "Geheimdienst",
        "outputs/closed",
    ] {
        assert!(!files.contains(word), "{word}");
    }

    // A private output stays closed when its last token goes.
    let revoked = lines.replace(
        &format!(
            "[{{ name = \"phone\", sha256 = \"{}\" }}]",
            sha256("let-me-in-let-me-in")
        ),
        "[]",
    );
    town.reload(&revoked).await.unwrap();
    for path in [
        "/outputs/morning.json",
        "/p/let-me-in-let-me-in/outputs/morning.json",
    ] {
        assert_eq!(town.get(path).await.status, 404, "{path}");
    }
}

fn sha256(secret: &str) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(secret);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn retag_says_what_it_would_do_and_does_it() {
    let origin = Origin::start().await;
    origin.feed("/a", &[scored("1", "An advert"), scored("2", "A story")]);
    let source = feed("a", &origin.url("/a"), "");
    let town = Town::new(&source).await;
    let drops = format!("{source}[[rule]]\nwhen = 'title.mentions(\"advert\")'\ndrop = true\n");
    town.reload(&drops).await.unwrap();
    // A slip in feeds.toml does not empty the store.
    assert_eq!(town.get("/all.rss").await.titles().len(), 2);
    let status = ask(&town, Request::Status {}).await;
    assert!(status["relabel"].as_str().unwrap().starts_with("1 stories"));
    let (out, err, code) = run(town.dir.path(), &["retag", "--dry-run"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("An advert\tdropped\n"), "{out}");
    assert_eq!(out.lines().count(), 2, "{out}");
    town.quiet().await;
    assert_eq!(town.get("/all.rss").await.titles().len(), 2);
    let (_, err, code) = run(town.dir.path(), &["retag"]);
    assert_eq!(code, 0, "{err}");
    town.quiet().await;
    assert_eq!(town.get("/all.rss").await.titles(), ["A story"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_feed_has_no_story_labelled_again_and_other_tags_those_of_their_feed_alone() {
    const DONE: &str = "labelled the stories again";
    let origin = Origin::start().await;
    origin.feed("/a", &[scored("1", "One"), scored("2", "Two")]);
    origin.feed("/b", &[scored("3", "Three")]);
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let settings = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\npath = \"store\"\n[control]\nsocket = \"control.sock\"\n\
         [fetch]\nallow_private = [\"127.0.0.0/8\"]\nper_host = {{ spacing = \"0s\" }}\n{}",
        feed("a", &origin.url("/a"), "tags = [\"old\"]")
    );
    std::fs::write(dir.path().join("feeds.toml"), settings).unwrap();
    let program = Program::start(dir.path(), port).await;
    let listed = async |tag: &str, count: usize| {
        let there = async || {
            let (_, body) = program.get(&format!("/tags/{tag}.rss")).await;
            String::from_utf8(body).unwrap().matches("<item>").count() == count
        };
        program.until(tag, there).await;
    };
    listed("old", 2).await;
    let url = origin.url("/b");
    let (_, err, code) = run(dir.path(), &["add-feed", &url, "--id", "b", "--tag", "own"]);
    assert_eq!(code, 0, "{err}");
    listed("own", 1).await;
    assert!(!program.log().contains(DONE), "{}", program.log());

    let (_, err, code) = run(dir.path(), &["edit-feed", "a", "--set", "tags=new"]);
    assert_eq!(code, 0, "{err}");
    listed("new", 2).await;
    program
        .until(DONE, async || program.log().contains(DONE))
        .await;
    assert!(
        program.log().contains(r#""changed":2"#),
        "{}",
        program.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_listed_and_revoked() {
    let origin = Origin::start().await;
    origin.serve("/a", Reply::ok(rss("A", &[scored("1", "One")])));
    let lines = format!(
        "{}# for two people\n[[output]]\nid = \"mine\" # not for all\n",
        feed("a", &origin.url("/a"), "private = true")
    );
    let town = Town::new(&lines).await;
    let dir = town.dir.path();
    assert!(town.get("/outputs/mine.rss").await.titles().is_empty());
    let (out, err, code) = run(dir, &["token", "new", "mine", "phone", "--json"]);
    assert_eq!(code, 0, "{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    let token = made["token"].as_str().unwrap();
    town.quiet().await;
    let path = format!("/p/{token}/outputs/mine.rss");
    assert_eq!(town.get(&path).await.titles(), ["One"]);
    assert_eq!(town.get("/outputs/mine.rss").await.status, 404);
    let text = std::fs::read_to_string(dir.join("feeds.toml")).unwrap();
    assert!(!text.contains(token) && text.contains(&sha256(token)));
    assert!(text.contains("# for two people\n[[output]]\nid = \"mine\" # not for all\n"));
    let (out, ..) = run(dir, &["token", "list"]);
    assert_eq!(out, "mine\tphone\n");
    assert_eq!(run(dir, &["token", "new", "mine", "phone"]).2, 5);
    assert_eq!(run(dir, &["token", "new", "other", "phone"]).2, 3);
    assert_eq!(run(dir, &["token", "revoke", "mine", "tablet"]).2, 3);
    assert_eq!(run(dir, &["token", "revoke", "mine", "phone"]).2, 0);
    town.quiet().await;
    assert_eq!(town.get(&path).await.status, 404);
    assert_eq!(town.get("/outputs/mine.rss").await.status, 404);
}

#[test]
fn check_tries_the_tests() {
    let dir = tempfile::tempdir().unwrap();
    let rules = "[category.tech]\ntags = [\"tech\"]\n\
        [[feed]]\nid = \"a\"\nurl = \"https://a.org/\"\ncategory = \"tech\"\n[[feed.rule]]\nwhen = 'title.includes(\"ad:\")'\ndrop = true\n\
        [[rule]]\nwhen = 'title.mentions(\"changelog\") && category == \"tech\"'\ntag = [\"release\"]\nscore = 5\n\
        [[output]]\nid = \"morning\"\nwhen = 'score >= 5'\n";
    let good = "[[test]]\narticle = { title = \"Tokio changelog\", category = \"tech\", lang = \"en\" }\n\
        expect = { tags = [\"release\", \"tech\"], outputs = [\"all\", \"morning\"], score = 5 }\n\
        [[test]]\narticle = { title = \"AD: buy\", feed = \"a\" }\nexpect = { drop = true }\n";
    std::fs::write(dir.path().join("feeds.toml"), format!("{rules}{good}")).unwrap();
    let (out, err, code) = run(dir.path(), &["check"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("2 tests passed"), "{out}");
    let bad = "[[test]]\narticle = { title = \"A changelog\" }\nexpect = { tags = [\"release\"], not_outputs = [\"all\"] }\n";
    std::fs::write(dir.path().join("feeds.toml"), format!("{rules}{good}{bad}")).unwrap();
    let (_, err, code) = run(dir.path(), &["check"]);
    assert_eq!(code, 78);
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines.len(), 2, "{err}");
    assert!(lines[0].ends_with("this test fails: it has no tag `release`, but none at all"));
    assert!(lines[1].ends_with("this test fails: it is in `all`"));
}
