//! Input and the exact lines that come of it.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::serve::Listen;

fn read_all(files: &[(&str, &str)], secrets: Secrets) -> Result<Config, Errors> {
    let files: Vec<File> = files
        .iter()
        .map(|(path, text)| File {
            path: PathBuf::from(path),
            text: (*text).to_owned(),
        })
        .collect();
    let env = |name: &str| match name {
        "STATE_DIRECTORY" => Some("/state".to_owned()),
        "RUNTIME_DIRECTORY" => Some("/runtime".to_owned()),
        "CREDENTIALS_DIRECTORY" => Some("/credentials".to_owned()),
        "TOKEN" => Some("from-env".to_owned()),
        _ => None,
    };
    let file = |path: &Path| match path.to_str() {
        Some("/credentials/intranet") => Ok("from-credential\n".to_owned()),
        Some("/secrets/token") => Ok("from-file\n".to_owned()),
        _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
    };
    read(
        &files,
        &Surroundings {
            env: &env,
            file: &file,
            secrets,
        },
    )
}

fn config(text: &str) -> Config {
    read_all(&[("feeds.toml", text)], Secrets::Required).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(text: &str) -> Vec<String> {
    read_all(&[("feeds.toml", text)], Secrets::Required)
        .expect_err("this should not be a configuration")
        .problems()
        .iter()
        .map(Problem::to_string)
        .collect()
}

#[test]
fn one_address_is_a_complete_configuration() {
    let config = config("[[feed]]\nurl = \"https://blog.rust-lang.org/feed.xml\"\n");
    assert_eq!(config.sources[0].id.as_str(), "blog-rust-lang-org");
    assert_eq!(config.store.path, Path::new("/state"));
    assert_eq!(config.control.socket, Path::new("/runtime/control.sock"));
    assert_eq!(config.site.public_url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(config.store.host, "127.0.0.1");
    assert_eq!(
        config.fetch.user_agent,
        format!(
            "aggd/{} (+http://127.0.0.1:8080/)",
            env!("CARGO_PKG_VERSION")
        )
    );
    assert!(config.warnings.is_empty());
}

#[test]
fn an_empty_file_is_one_too() {
    assert!(config("").sources.is_empty());
    assert!(config("\u{feff}# only a comment\r\n").sources.is_empty());
}

/// What somebody writes, and the line that comes of it.
const MISTAKES: &[(&str, &str)] = &[
    (
        "[[feed]]\nurl = \"https://a.org/\"\n  evry = \"1h\"\n",
        "feeds.toml:3:3: unknown key `evry` in [[feed]], did you mean `every`?",
    ),
    (
        "[servr]\n",
        "feeds.toml:1:2: unknown table `[servr]`, did you mean `[server]`?",
    ),
    (
        "[[feeds]]\nurl = \"https://a.org/\"\n",
        "feeds.toml:1:3: unknown table `[[feeds]]`, did you mean `[[feed]]`?",
    ),
    (
        "listen = \"127.0.0.1:1\"\n",
        "feeds.toml:1:1: unknown key `listen` at the top of the file; it belongs to [server]",
    ),
    (
        "[server]\nlisten = 8080\n",
        "feeds.toml:2:10: `listen` wants \"IP:PORT\", \"unix:PATH\" or \"fd:NAME\", not 8080",
    ),
    (
        "[store]\nkeep = { age = \"180d\", min_per_fed = 5 }\n",
        "feeds.toml:2:24: unknown key `min_per_fed` in `keep` of [store], did you mean `min_per_feed`?",
    ),
    (
        "[poll]\nevery = 60\n",
        "feeds.toml:2:9: `every` wants a duration such as \"1h\" or { min = \"15m\", max = \"24h\" }, not 60",
    ),
    (
        "[dedup]\nwindow = \"1h\"\n",
        "feeds.toml:2:10: `window` wants a duration from \"1d\" to \"60d\", not \"1h\"",
    ),
    (
        "[poll]\nevery = { min = \"2h\", max = \"1h\" }\n",
        "feeds.toml:2:1: `min` of `every` is longer than its `max`",
    ),
    (
        "[[feed]]\ntitle = \"x\"\n",
        "feeds.toml:1:1: a [[feed]] needs a `url`",
    ),
    (
        "[[feed]]\nurl = \"blog.example.org\"\n",
        "feeds.toml:2:7: `url` wants an address that begins with https:// or http://, such as \"https://blog.example.org\"; this is \"blog.example.org\"",
    ),
    (
        "[[feed]]\nid = \"Rust\"\nurl = \"https://a.org/\"\n",
        "feeds.toml:2:6: `id` wants 1 to 64 of a-z, 0-9 and -, not beginning with -, not \"Rust\"",
    ),
    (
        "[[feed]]\nurl = \"https://a.org/\"\n[[feed]]\nurl = \"http://a.org\"\n",
        "feeds.toml:3:1: the id `a-org` is taken by feeds.toml:1:1; give this feed an `id` of its own",
    ),
    (
        "[log]\nformat = \"jsn\"\n",
        "feeds.toml:2:10: `format` cannot be \"jsn\", did you mean `json`; it is one of \"auto\", \"text\", \"journal\", \"json\"",
    ),
    (
        "[[feed]]\nurl = \"https://a.org/\"\nkind = \"page\"\n",
        "feeds.toml:3:1: `kind = \"page\"` in [[feed]] is not available in this version",
    ),
    (
        "[[output]]\ntitle = \"Morning\"\n",
        "feeds.toml:1:1: an [[output]] needs an `id`",
    ),
    (
        "[[rule]]\nwhen = 'title == \"疫情\" && scor > 3'\ntag = [\"x\"]\n",
        "feeds.toml:2:26: in `when`: there is no variable `scor`; there are title, url, author, content, text, tags, category, feed, lang, score, published, words, enclosures",
    ),
    (
        "[[rule]]\nwhen = \"title.matches(\\\"\\\\\\\\b(\\\")\"\ntag = [\"x\"]\n",
        "feeds.toml:2:23: in `when`: not a pattern: unclosed group",
    ),
    (
        "[[rule]]\nwhen = \"\"\"\n  title.size() > 3 &&\n  nothing\"\"\"\ndrop = true\n",
        "feeds.toml:4:3: in `when`: there is no variable `nothing`; there are title, url, author, content, text, tags, category, feed, lang, score, published, words, enclosures",
    ),
    (
        "[[rule]]\nwhen = 'tags.exists(a, tags.exists(b, text.contains(a + b)))'\ndrop = true\n",
        "feeds.toml:2:9: in `when`: this could take 21 times as long as an article may: a loop inside a loop, or a whole text looked at in one",
    ),
    (
        "[[rule]]\nwhen = 'score > 3'\n",
        "feeds.toml:1:1: this rule does nothing; give it `tag`, `untag`, `category`, `score`, `title`, `url`, `drop` or `stop`",
    ),
    (
        "[[feed]]\nurl = \"https://a.org/\"\n  [[feed.rule]]\n  title = \"{titel}\"\n",
        "feeds.toml:4:12: `{titel` is none of {title}, {url}, {author}, {category}, {feed}, {lang}, {score}; a brace itself is written twice",
    ),
    (
        "[[output]]\nid = \"a\"\ntokens = [{ name = \"phone\" }]\n",
        "feeds.toml:3:11: a token needs one of `sha256` (`aggd token new` writes it), `credential`, `env` and `file`",
    ),
    (
        "[[output]]\nid = \"a\"\n[[output]]\nid = \"a\"\n",
        "feeds.toml:3:1: the id `a` is taken by feeds.toml:1:1",
    ),
    (
        "[publish]\nhub = [\"https://hub.example/\"]\n",
        "feeds.toml:2:1: this `hub` in [publish] is not available in this version",
    ),
    (
        "[[feed]]\nurl = \"https://a.org/\"\nheaders.Authorization = { credential = \"none\" }\n",
        "feeds.toml:3:9: there is no credential `none` (entity not found); see LoadCredential= in the unit",
    ),
    (
        "[[feed]]\nurl = \"https://a.org/\"\nheaders.X = { prefix = \"Bearer \" }\n",
        "feeds.toml:3:13: `X` of `headers` of [[feed]] needs one of `env`, `credential` and `file`",
    ),
    (
        "[category.Tech]\n[category.tech]\n",
        "feeds.toml:2:11: the category `tech` is the same as `Tech`",
    ),
    (
        "[server]\npublic_url = \"https://a.org/?x\"\n",
        "feeds.toml:2:1: `public_url` cannot have a query",
    ),
    (
        "[log]\nlevel = \"loud\"\n",
        "feeds.toml:2:1: `level` wants error, warn, info, debug, trace or a list such as \"info,aggd::fetch=debug\", not \"loud\"",
    ),
    (
        "[fetch.site.\"co.uk\"]\n",
        "feeds.toml:1:13: `co.uk` is not a registrable domain such as \"reddit.com\"",
    ),
    (
        "[[feed]]\nurl = \"https://a.org/\"\ncommand = [\"x\"]\n",
        "feeds.toml:3:11: `command` goes with kind = \"exec\"",
    ),
    (
        "[[feed]]\nurl = \"https://a.org/\"\ntrust = 101\n",
        "feeds.toml:3:9: `trust` wants a whole number from 0 to 100, not 101",
    ),
    (
        "[server]\ntitle = \"unclosed\n[log]\nlevel = \"info\"\n",
        "feeds.toml:2:18: invalid basic string, expected `\"`",
    ),
];

#[test]
fn every_mistake_comes_with_its_place_and_mend() {
    let mut wrong = Vec::new();
    for (text, wanted) in MISTAKES {
        let found = errors(text);
        if found != [*wanted] {
            wrong.push(format!("{text}\n  wanted {wanted:?}\n  found {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn all_mistakes_come_at_once_in_the_order_of_the_file() {
    let found = errors(
        "[server]\nlisten = 1\ntitel = \"x\"\n[[feed]]\nurl = \n[[feed]]\nurl = \"ftp://a.org/\"\n[poll]\nhint_cap = \"soon\"\n",
    );
    let lines: Vec<&str> = found
        .iter()
        .map(|line| line.split(':').nth(1).unwrap())
        .collect();
    assert_eq!(lines, ["2", "3", "5", "7", "9"], "{found:#?}");
}

#[test]
fn a_file_that_cannot_be_a_feed_list_is_no_cause_for_panic() {
    for text in [
        "[",
        "=",
        "\"",
        "a.b.c",
        "[[feed]]\nurl",
        "feed = 3",
        "[feed]\nurl = \"x\"",
        "\0",
        "category = 1",
    ] {
        assert!(!errors(text).is_empty(), "{text:?}");
    }
}

#[test]
fn secrets_come_from_where_the_file_says() {
    let config = config(
        r#"
[[feed]]
id = "a"
url = "https://user:p%40ss@a.org/feed?x=1"
[[feed]]
id = "b"
url = "https://b.org/"
headers.Authorization = { credential = "intranet", prefix = "Bearer " }
headers.X-Token = { env = "TOKEN" }
headers.Cookie = { file = "/secrets/token" }
headers.Accept-Language = "zh"
[[feed]]
id = "c"
url = "https://c.org/"
headers.Authorization = "Bearer inline"
"#,
    );
    let [a, b, _] = &config.sources[..] else {
        panic!("three feeds")
    };
    assert_eq!(a.url, "https://a.org/feed?x=1");
    assert_eq!(a.manner.headers[0].1.reveal(), "Basic dXNlcjpwQHNz");
    let of_b: Vec<(&str, &str)> = b
        .manner
        .headers
        .iter()
        .map(|(name, secret)| (name.as_str(), secret.reveal()))
        .collect();
    assert_eq!(
        of_b,
        [
            ("Accept-Language", "zh"),
            ("Authorization", "Bearer from-credential"),
            ("Cookie", "from-file"),
            ("X-Token", "from-env"),
        ]
    );
    let warned: Vec<usize> = config.warnings.iter().map(|one| one.place.line).collect();
    assert_eq!(warned, [4, 15]);
    let shown = format!("{config:?}");
    assert!(!shown.contains("from-") && !shown.contains("inline") && !shown.contains("dXNl"));
}

#[test]
fn a_missing_secret_is_only_a_warning_to_those_who_do_not_need_it() {
    let text =
        "[[feed]]\nurl = \"https://a.org/\"\nheaders.Authorization = { env = \"NOWHERE\" }\n";
    let config = read_all(&[("feeds.toml", text)], Secrets::Optional).unwrap();
    assert_eq!(
        config.warnings[0].to_string(),
        "feeds.toml:3:9: the environment has no `NOWHERE`"
    );
    assert_eq!(errors(text).len(), 1);
}

#[test]
fn several_files_are_one_configuration() {
    let files = [
        (
            "feeds.toml",
            "[server]\ntitle = \"A\"\n[tags.alias]\na = \"b\"\n[[feed]]\nurl = \"https://a.org/\"\n",
        ),
        (
            "feeds.d/b.toml",
            "[tags.alias]\nc = \"d\"\n[[feed]]\nurl = \"https://b.org/\"\n",
        ),
    ];
    let config = read_all(&files, Secrets::Required).unwrap();
    assert_eq!(config.sources.len(), 2);
    assert_eq!(config.label.alias.len(), 2);
    assert_eq!(config.places[1].to_string(), "feeds.d/b.toml:3:1");

    let twice = [
        files[0],
        (
            "feeds.d/b.toml",
            "include = [\"x\"]\n[server]\ntitle = \"B\"\n[[feed]]\nid = \"a-org\"\nurl = \"https://b.org/\"\n",
        ),
    ];
    let found: Vec<String> = read_all(&twice, Secrets::Required)
        .unwrap_err()
        .problems()
        .iter()
        .map(Problem::to_string)
        .collect();
    assert_eq!(
        found,
        [
            "feeds.d/b.toml:1:11: only the first file may `include` others",
            "feeds.d/b.toml:3:1: `server.title` is already set at feeds.toml:2:1",
            "feeds.d/b.toml:5:6: the id `a-org` is taken by feeds.toml:5:1",
        ]
    );
}

/// Every key that this version knows.
const EVERYTHING: &str = r#"
[server]
listen = ["0.0.0.0:8081", "unix:/run/aggd/http.sock", "fd:http"]
public_url = "https://news.example.org/planet"
title = "Example"
trusted_proxies = ["127.0.0.0/8", "10.0.0.1"]
max_connections = 10
per_client = "off"
[store]
path = "/data"
cache = "32MiB"
keep = { age = "90d", min_per_feed = 5, max_per_feed = 100 }
tombstones = "1y"
[poll]
every = "1h"
hint_cap = "2d"
silent_after = "10d"
move_after = "0s"
[fetch]
user_agent = "me/{version}"
in_flight = 3
per_host = { at_once = 1, spacing = "0s" }
connect_timeout = "1s"
total_timeout = "2s"
max_body = "1MiB"
allow_private = ["127.0.0.0/8"]
proxy = "socks5://127.0.0.1:1080"
[fetch.site."reddit.com"]
per_host = { spacing = "65s" }
[dedup]
mode = "off"
bump_on_new_source = true
[tags]
auto = "off"
publish_min = 1
publisher = "known"
drop = ["未分类"]
label = { ai = "AI" }
[tags.alias]
"人工智慧" = "ai"
[publish]
items = 10
max_bytes = "64KiB"
content = "summary"
hub = "off"
[control]
socket = "/tmp/s"
mode = "0600"
[log]
format = "json"
level = "warn,aggd::fetch=debug"
[category."社会新闻"]
title = "社会"
tags = ["社会"]
[[feed]]
id = "x"
url = "https://x.org/"
title = "X"
category = "社会新闻"
tags = ["a", "b"]
private = true
trust = 10
never_merge = true
every = { min = "5m", max = "1h" }
user_agent = "u"
http1_only = true
proxy = "none"
max_body = "2MiB"
total_timeout = "9s"
ca_file = "/ca.pem"
accept_invalid_certs = true
[[feed]]
kind = "exec"
command = ["/bin/echo", "x"]
[[feed]]
kind = "file"
url = "/srv/feed.xml"
"#;

#[test]
fn everything_that_can_be_set_is_set() {
    let config = config(EVERYTHING);
    assert_eq!(config.server.listen.len(), 3);
    assert_eq!(config.server.listen[2], Listen::Passed("http".to_owned()));
    assert_eq!(
        config.site.public_url.as_str(),
        "https://news.example.org/planet/"
    );
    assert_eq!(config.server.per_client, None);
    assert_eq!(config.store.cache, 32 << 20);
    assert_eq!(config.store.keep.max_per_feed, 100);
    assert_eq!(config.store.host, "news.example.org");
    assert_eq!(config.poll.every.min, config.poll.every.max);
    assert_eq!(config.fetch.site["reddit.com"].at_once, 1);
    assert_eq!(
        config.fetch.site["reddit.com"].spacing,
        Duration::from_secs(65)
    );
    assert_eq!(config.label.alias[&text_key("人工智慧")], "ai");
    assert_eq!(
        config.label.categories[&text_key("社会新闻")]
            .title
            .as_deref(),
        Some("社会")
    );
    assert_eq!(config.control.mode, 0o600);
    let source = &config.sources[0];
    assert_eq!(source.every.unwrap().min, Duration::from_mins(5));
    assert!(
        source.private
            && source.never_merge
            && source.manner.http1_only
            && source.manner.accept_invalid_certs
    );
    assert_eq!(config.sources[2].url, "/srv/feed.xml");
    assert_eq!(
        config.origins["store.keep.age"].to_string(),
        "feeds.toml:12:10"
    );
}

fn text_key(label: &str) -> String {
    crate::text::key(label)
}
