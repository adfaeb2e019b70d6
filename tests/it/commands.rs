//! The commands as a person types them: what they print, what they say, how they end.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::program::{aggd, output};

fn folder(feeds_toml: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("feeds.toml"), feeds_toml).unwrap();
    dir
}

/// Stdout, stderr and exit code of a command.
fn said(output: &Output) -> (String, String, i32) {
    (
        String::from_utf8(output.stdout.clone()).unwrap(),
        String::from_utf8(output.stderr.clone()).unwrap(),
        output.status.code().expect("it ended by itself"),
    )
}

fn run(dir: &Path, args: &[&str]) -> (String, String, i32) {
    said(&output(dir, args))
}

const TWO: &str = "# mine\n[[feed]]\nid = \"a\"\nurl = \"https://a.org/\"\ncategory = \"tech\"\ntags = [\"x\"]\n\n# about b\n[[feed]]\nurl = \"https://b.org/feed.xml\" # b\n";

#[test]
fn check_names_every_mistake_with_its_place() {
    let dir = folder("[[feed]]\nurl = \"https://a.org/\"\nevry = \"1h\"\n[servr]\n");
    let (out, err, code) = run(dir.path(), &["check"]);
    assert_eq!(
        err,
        "feeds.toml:3:1: unknown key `evry` in [[feed]], did you mean `every`?\n\
         feeds.toml:4:2: unknown table `[servr]`, did you mean `[server]`?\n"
    );
    assert_eq!((out.as_str(), code), ("", 78));

    let (out, _, code) = run(dir.path(), &["check", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["errors"][1]["line"], 4);
    assert_eq!(code, 78);
}

#[test]
fn check_is_content_with_our_own_example() {
    for example in [
        concat!(env!("CARGO_MANIFEST_DIR"), "/feeds.toml"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/feeds.toml"),
    ] {
        let (out, err, code) = run(Path::new("/"), &["check", "--strict", example]);
        assert!(out.ends_with("no mistakes\n"), "{out}{err}");
        assert_eq!(code, 0);
    }
}

#[test]
fn warnings_are_mistakes_only_when_asked() {
    let dir = folder("[[feed]]\nurl = \"https://u:p@a.org/\"\n");
    let (_, err, code) = run(dir.path(), &["check"]);
    assert!(err.starts_with("feeds.toml:2:7: warning: "), "{err}");
    assert_eq!(code, 0);
    assert_eq!(run(dir.path(), &["check", "--strict"]).2, 78);
}

#[test]
fn no_configuration_is_said_in_words() {
    let dir = tempfile::tempdir().unwrap();
    for command in [
        &["check"][..],
        &["list-feeds"],
        &["run"],
        &["add-feed", "https://a.org/"],
    ] {
        let (out, err, code) = run(dir.path(), command);
        assert!(
            err.starts_with("aggd: no feeds.toml found; looked for feeds.toml, "),
            "{err}"
        );
        assert_eq!((out.as_str(), code), ("", 78), "{command:?}");
    }
    let (_, err, code) = run(dir.path(), &["check", "nowhere.toml"]);
    assert!(err.starts_with("aggd: cannot read nowhere.toml: "), "{err}");
    assert_eq!(code, 78);
}

#[test]
fn wrong_calls_end_with_two() {
    let dir = folder(TWO);
    for (args, words) in [
        (&["serve"][..], "aggd: there is no command `serve`"),
        (
            &["lst-feeds"],
            "aggd: there is no command `lst-feeds`, did you mean `list-feeds`?",
        ),
        (
            &["search", "x"],
            "aggd: `search` is not available in this version",
        ),
        (
            &["add-feed"],
            "aggd: the following required arguments were not provided",
        ),
        (&["add-feed", "word"], "aggd: `word` is not an address"),
        (
            &["add-feed", "--no-fetch", "--every", "soon", "c.org"],
            "aggd: `every` wants a duration",
        ),
        (
            &["add-feed", "--no-fetch", "--id", "Bad", "c.org"],
            "aggd: `id` wants 1 to 64 of a-z",
        ),
        (
            &["edit-feed", "a", "--set", "evry=1h"],
            "aggd: a feed has no key `evry`, did you mean `every`?",
        ),
        (
            &["edit-feed", "a", "--set", "trust=much"],
            "aggd: `trust` wants a whole number",
        ),
        (&["edit-feed", "a"], "aggd: say what to change"),
        (&["parse", "nowhere.xml"], "aggd: "),
    ] {
        let (out, err, code) = run(dir.path(), args);
        assert!(err.starts_with(words), "{args:?} said {err}");
        assert_eq!((out.as_str(), code), ("", 2), "{args:?}");
    }
    assert_eq!(
        std::fs::read_to_string(dir.path().join("feeds.toml")).unwrap(),
        TWO
    );
}

#[test]
fn every_command_has_help_with_an_example() {
    let dir = tempfile::tempdir().unwrap();
    let (help, _, code) = run(dir.path(), &["--help"]);
    assert_eq!(code, 0);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() > 15, "{commands:?}");
    for command in commands {
        let (help, _, code) = run(dir.path(), &[command, "--help"]);
        assert!(
            help.contains("\nExample"),
            "{command} --help has no example"
        );
        assert_eq!(code, 0, "{command}");
    }
}

#[test]
fn feeds_are_listed_with_tabs_in_a_pipe_and_as_json() {
    let dir = folder(TWO);
    let (out, _, code) = run(dir.path(), &["list-feeds"]);
    assert_eq!(out, "a\t\ttech\tx\tnew\t\t\nb-org\t\t\t\tnew\t\t\n");
    assert_eq!(code, 0);
    let (out, _, _) = run(dir.path(), &["list-feeds", "--category", "Tech", "--jsonl"]);
    let row: serde_json::Value = serde_json::from_str(out.trim_end()).unwrap();
    assert_eq!(row["id"], "a");
    assert_eq!(run(dir.path(), &["list-feeds", "--tag", "y"]).2, 3);
}

#[test]
fn what_does_not_exist_ends_with_three() {
    let dir = folder(TWO);
    for (args, words) in [
        (
            &["status", "a-org"][..],
            "aggd: there is no feed `a-org`, did you mean `b-org`?\n",
        ),
        (&["remove-feed", "c"], "aggd: there is no feed `c`"),
        (
            &["edit-feed", "c", "--unset", "title"],
            "aggd: there is no feed `c`",
        ),
    ] {
        let (_, err, code) = run(dir.path(), args);
        assert!(err.starts_with(words), "{args:?} said {err}");
        assert_eq!(code, 3, "{args:?}");
    }
}

#[test]
fn without_a_daemon_there_is_nothing_to_reload() {
    let dir = folder(TWO);
    let (_, err, code) = run(dir.path(), &["reload"]);
    assert_eq!(
        err,
        "aggd: no daemon is running here; start it with `aggd run`\n"
    );
    assert_eq!(code, 69);
    let (_, err, code) = run(dir.path(), &["status", "--socket", "nowhere.sock"]);
    assert_eq!(err, "aggd: no daemon answers at nowhere.sock\n");
    assert_eq!(code, 69);
}

#[test]
fn a_feed_is_taken_out_and_the_rest_stays() {
    let dir = folder(TWO);
    let (out, err, code) = run(dir.path(), &["remove-feed", "b-org"]);
    assert!(
        out.starts_with("removed b-org from feeds.toml\n"),
        "{out}{err}"
    );
    assert_eq!(code, 0);
    let text = std::fs::read_to_string(dir.path().join("feeds.toml")).unwrap();
    assert_eq!(
        text,
        "# mine\n[[feed]]\nid = \"a\"\nurl = \"https://a.org/\"\ncategory = \"tech\"\ntags = [\"x\"]\n\n"
    );
}

#[test]
fn a_changed_feed_keeps_its_name_and_comments() {
    let dir = folder(TWO);
    let (_, err, code) = run(
        dir.path(),
        &[
            "edit-feed",
            "b-org",
            "--set",
            "url=https://new.org/",
            "--set",
            "tags=x,y",
        ],
    );
    assert_eq!((err.as_str(), code), ("", 0));
    let text = std::fs::read_to_string(dir.path().join("feeds.toml")).unwrap();
    assert_eq!(
        text,
        TWO.replace(
            "url = \"https://b.org/feed.xml\" # b\n",
            "url = \"https://new.org/\" # b\nid = \"b-org\"\ntags = [\"x\", \"y\"]\n"
        )
    );
    let (_, err, code) = run(dir.path(), &["edit-feed", "a", "--set", "id=c"]);
    assert_eq!(code, 5, "{err}");
}

#[test]
fn a_read_only_file_is_left_alone_and_the_lines_are_shown() {
    let dir = folder(TWO);
    let file = dir.path().join("feeds.toml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
    let (out, err, code) = run(
        dir.path(),
        &["add-feed", "--no-fetch", "https://c.org/", "--tag", "新闻"],
    );
    assert_eq!(
        out,
        "[[feed]]\nid = \"c-org\"\nurl = \"https://c.org/\"\ntags = [\"新闻\"]\n"
    );
    assert!(
        err.contains("feeds.toml cannot be changed by this user"),
        "{err}"
    );
    assert_eq!(code, 77);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), TWO);
}

#[test]
fn mode_and_links_survive_a_change() {
    let dir = folder(TWO);
    let real = dir.path().join("real.toml");
    std::fs::rename(dir.path().join("feeds.toml"), &real).unwrap();
    std::os::unix::fs::symlink("real.toml", dir.path().join("feeds.toml")).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(
        run(dir.path(), &["add-feed", "--no-fetch", "https://c.org/"]).2,
        0
    );
    let meta = std::fs::metadata(&real).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o640);
    assert!(
        std::fs::symlink_metadata(dir.path().join("feeds.toml"))
            .unwrap()
            .is_symlink()
    );
    assert!(
        std::fs::read_to_string(&real)
            .unwrap()
            .ends_with("url = \"https://c.org/\"\n")
    );
    let left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".new"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn many_at_once_lose_nothing() {
    let dir = folder("");
    let children: Vec<_> = (0..12)
        .map(|n| {
            aggd(
                dir.path(),
                &["add-feed", "--no-fetch", &format!("https://{n}.org/")],
            )
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let (out, err, _) = run(dir.path(), &["list-feeds"]);
    assert_eq!(out.lines().count(), 12, "{out}{err}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    use std::fmt::Write as _;

    let mut text = String::new();
    for n in 0..5000 {
        writeln!(text, "[[feed]]\nurl = \"https://{n}.example.org/\"").unwrap();
    }
    let dir = folder(&text);
    let mut child = aggd(dir.path(), &["list-feeds"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(said(&output), (String::new(), String::new(), 0));
}

#[test]
fn lists_of_other_readers_come_in_and_ours_go_out_and_in_again() {
    let dir = folder("[tags]\n");
    let opml = "<opml version=\"2.0\"><body><outline text=\"Tech\"><outline text=\"A &amp; B\" xmlUrl=\"https://a.org/\"/>\
        <outline title=\"Deep\"><outline text=\"社会\" xmlUrl=\"https://b.org/?a=1&amp;b=2\"/></outline></outline>\
        <outline text=\"again\" xmlUrl=\"https://a.org/\"/><outline text=\"bad\" xmlUrl=\"javascript:x\"/></body></opml>";
    std::fs::write(dir.path().join("in.opml"), opml).unwrap();
    let (out, err, code) = run(dir.path(), &["import-opml", "in.opml"]);
    assert!(
        out.starts_with("added 2 feeds; 1 were there already, 1 left out\n"),
        "{out}"
    );
    assert_eq!(
        err,
        "aggd: left out: `javascript:x` is not the address of a feed\n"
    );
    assert_eq!(code, 0);
    let (out, _, _) = run(dir.path(), &["list-feeds"]);
    assert_eq!(
        out,
        "a-org\tA & B\tTech\t\tnew\t\t\nb-org-a-1-b-2\t社会\tTech\tDeep\tnew\t\t\n"
    );
    // Nothing is new the second time.
    let before = std::fs::read_to_string(dir.path().join("feeds.toml")).unwrap();
    assert_eq!(run(dir.path(), &["import-opml", "in.opml"]).2, 0);
    assert_eq!(
        std::fs::read_to_string(dir.path().join("feeds.toml")).unwrap(),
        before
    );
    let (_, err, code) = run(dir.path(), &["import-opml", "feeds.toml"]);
    assert!(err.contains("names no feed"), "{err}");
    assert_eq!(code, 3);
}

#[test]
fn an_export_holds_every_setting_and_no_secret() {
    let settings = "[category.Tech]\ntitle = \"Technology\"\ntags = [\"t\"]\n\n[[feed]]\nid = \"a\"\nurl = \"https://u:p@a.org/\"\ntitle = \"A\"\ncategory = \"Tech\"\nevery = { min = \"1h\", max = \"2h\" }\nprivate = true\ntrust = 5\nheaders.Authorization = \"Bearer secret\"\nheaders.X-Token = { env = \"HOME\" }\n";
    let dir = folder(settings);
    let (opml, err, code) = run(dir.path(), &["export-opml"]);
    assert_eq!(code, 0, "{err}");
    assert!(!opml.contains("secret") && !opml.contains("u:p"), "{opml}");
    assert!(err.contains("1 header was left out"), "{err}");

    let other = folder("");
    std::fs::write(other.path().join("x.opml"), opml).unwrap();
    assert_eq!(run(other.path(), &["import-opml", "x.opml"]).2, 0);
    let text = std::fs::read_to_string(other.path().join("feeds.toml")).unwrap();
    assert_eq!(
        text,
        "[[feed]]\nid = \"a\"\nurl = \"https://a.org/\"\ntitle = \"A\"\ncategory = \"Tech\"\nevery = { min = \"1h\", max = \"2h\" }\nprivate = true\ntrust = 5\nheaders = { X-Token = { env = \"HOME\" } }\n\n[category.Tech]\ntitle = \"Technology\"\ntags = [\"t\"]\n"
    );
}

#[test]
fn settings_are_shown_with_where_they_were_written_and_secrets_are_not() {
    let dir = folder("[fetch]\nproxy = \"http://u:secret@127.0.0.1:1/\"\n[poll]\nevery = \"1h\"\n");
    let (out, _, code) = run(dir.path(), &["config"]);
    assert_eq!(code, 0);
    assert!(!out.contains("secret"), "{out}");
    assert!(
        out.contains("poll.every\t\"1h\"\tfeeds.toml:4:1\n"),
        "{out}"
    );
    assert!(out.contains("publish.items\t50\t\n"), "{out}");
}

#[test]
fn shells_editors_and_man_get_what_they_need() {
    let dir = folder("");
    for shell in ["bash", "zsh", "fish"] {
        let (out, _, code) = run(dir.path(), &["completions", shell]);
        assert!(out.contains("add-feed"), "{shell}");
        assert_eq!(code, 0);
    }
    let (schema, _, _) = run(dir.path(), &["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(
        schema["properties"]["feed"]["items"]["properties"]["url"]["type"],
        "string"
    );
    assert!(run(dir.path(), &["man"]).0.starts_with(".ie"));
    assert_eq!(run(dir.path(), &["man", "--dir", "man"]).2, 0);
    assert!(dir.path().join("man/aggd-add-feed.1").exists());
    let page = std::fs::read_to_string(dir.path().join("man/feeds.toml.5")).unwrap();
    assert!(page.contains(".B per_host\n"), "{page}");
}

#[test]
fn mistakes_of_included_files_come_together() {
    let dir = folder(
        "include = [\"d/*.toml\", \"gone.toml\"]\n[fetch]\nuser_agent = \"a\\nb\"\n[server]\nlisten = []\n",
    );
    std::fs::create_dir_all(dir.path().join("d/z.toml")).unwrap();
    std::fs::write(dir.path().join("d/a.toml"), b"[[feed]]\nevry = 1\n").unwrap();
    std::fs::write(dir.path().join("d/b.toml"), b"# \xff\n").unwrap();
    let (_, err, code) = run(dir.path(), &["check"]);
    for words in [
        "feeds.toml:1:24: cannot include \"gone.toml\"",
        "feeds.toml:1:12: cannot read d/z.toml: ",
        "d/b.toml:1:3: this is not UTF-8",
        "feeds.toml:3:14: `user_agent` wants a text in quotes, on one line",
        "feeds.toml:5:1: `listen` names no address",
        "d/a.toml:2:1: unknown key `evry`",
    ] {
        assert!(err.contains(words), "{words} is not in:\n{err}");
    }
    assert_eq!(code, 78);
}

#[test]
fn feeds_of_included_files_are_changed_where_they_stand() {
    let dir = folder("include = [\"d/*.toml\"]\n# mine\n");
    std::fs::create_dir(dir.path().join("d")).unwrap();
    let write = |name: &str, id: &str| {
        let text = format!("[[feed]]\nid = \"{id}\"\nurl = \"https://{id}.org/\"\n");
        std::fs::write(dir.path().join("d").join(name), text).unwrap();
    };
    write("1.toml", "a");
    write("2.toml", "b");
    let text = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let (_, err, code) = run(dir.path(), &["edit-feed", "a", "--set", "every=soon"]);
    assert!(err.starts_with("aggd: `every` wants a duration"), "{err}");
    assert_eq!(code, 2);
    assert!(!text("d/1.toml").contains("every"));
    assert_eq!(
        run(dir.path(), &["edit-feed", "a", "--set", "every=1h"]).2,
        0
    );
    assert!(text("d/1.toml").contains("every = \"1h\"\n"));
    let (out, err, code) = run(dir.path(), &["remove-feed", "a", "b"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("removed a from d/1.toml\nremoved b from d/2.toml\n"),
        "{out}"
    );
    assert_eq!(
        (text("d/1.toml"), text("d/2.toml")),
        (String::new(), String::new())
    );
    assert!(text("feeds.toml").ends_with("# mine\n"));
}

#[test]
fn a_full_disk_loses_nothing() {
    let long = format!("{TWO}# {}\n", "x".repeat(4000));
    let dir = folder(&long);
    // A limit for the size of files refuses the write as a full disk does.
    let output = std::process::Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 2; exec \"$0\" add-feed --no-fetch https://c.org/",
            env!("CARGO_BIN_EXE_aggd"),
        ])
        .current_dir(dir.path())
        .env("HOME", dir.path())
        .output()
        .unwrap();
    let (_, err, code) = said(&output);
    assert!(err.starts_with("aggd: cannot write feeds.toml: "), "{err}");
    assert_eq!(code, 73);
    let names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with(".feeds"))
        .collect();
    assert!(names.is_empty(), "{names:?}");
    assert_eq!(
        std::fs::read_to_string(dir.path().join("feeds.toml")).unwrap(),
        long
    );
}

#[test]
fn what_other_readers_write_comes_in() {
    let dir = folder("");
    let files = [
        // Feedly: a feed stands in each of its folders.
        (
            "feedly",
            "<opml version=\"1.0\"><body><outline text=\"Tech\" title=\"Tech\"><outline type=\"rss\" text=\"F\" title=\"F\" xmlUrl=\"https://f.org/rss\" htmlUrl=\"https://f.org\"/></outline><outline text=\"Daily\" title=\"Daily\"><outline type=\"rss\" text=\"F\" title=\"F\" xmlUrl=\"https://f.org/rss\"/></outline></body></opml>",
        ),
        // Miniflux: titles in both attributes, a description, the default category.
        (
            "miniflux",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<opml version=\"2.0\"><head><title>Miniflux</title></head><body><outline text=\"All\"><outline title=\"M\n &#38; co\" text=\"M &#38; co\" xmlUrl=\"https://m.org/feed\" htmlUrl=\"https://m.org/\" description=\"\" type=\"rss\"></outline></outline></body></opml>",
        ),
        // FreshRSS: settings of its own, and pages that it reads by XPath.
        (
            "freshrss",
            "<opml xmlns:frss=\"https://freshrss.org/opml\" version=\"2.0\"><body><outline text=\"新闻\"><outline text=\"R\" type=\"rss\" xmlUrl=\"https://r.org/feed\" frss:priority=\"important\"/><outline text=\"X\" type=\"HTML+XPath\" xmlUrl=\"https://x.org/page\" frss:xPathItem=\"//li\"/></outline></body></opml>",
        ),
        // Cut off in the middle of an attribute.
        (
            "broken",
            "<opml><body><outline text=\"B\"><outline text=\"b\" xmlUrl=\"https://b.org/\"/><outline text=\"c\" xmlUrl=\"https://c.or",
        ),
    ];
    for (name, opml) in files {
        let file = dir.path().join(name);
        std::fs::write(&file, opml).unwrap();
        let (_, err, code) = run(dir.path(), &["import-opml", name]);
        assert_eq!(code, 0, "{name}: {err}");
        assert_eq!(
            err.contains("https://x.org/page is no feed"),
            name == "freshrss",
            "{err}"
        );
    }
    let (rows, _, _) = run(dir.path(), &["list-feeds"]);
    let rows: Vec<&str> = rows.lines().collect();
    assert_eq!(
        rows[..4],
        [
            "f-org-rss\tF\tTech\tDaily\tnew\t\t",
            "m-org\tM & co\tAll\t\tnew\t\t",
            "r-org\tR\t新闻\t\tnew\t\t",
            "b-org\tb\tB\t\tnew\t\t",
        ]
    );
}

#[test]
fn what_is_in_force_for_one_feed_is_shown() {
    let dir = folder(
        "[poll]\nevery = \"2h\"\n[category.Tech]\ntags = [\"t\"]\n[tags.alias]\nRustLang = \"rust\"\n[[feed]]\nid = \"a\"\nurl = \"https://u:secret@a.org/\"\ncategory = \"tech\"\ntags = [\"x\"]\nheaders.X-Token = \"secret\"\n",
    );
    let (out, _, code) = run(dir.path(), &["config", "a"]);
    assert_eq!(code, 0);
    assert!(!out.contains("secret"), "{out}");
    for line in [
        "url\t\"https://a.org/\"\tfeeds.toml:7:1\n",
        "tags\t[\"x\", \"t\"]\tfeeds.toml:7:1\n",
        "every\t\"2h\"\t\n",
        "headers.X-Token\t\"***\"\tfeeds.toml:7:1\n",
    ] {
        assert!(out.contains(line), "{line:?} is not in:\n{out}");
    }
    let (out, _, _) = run(dir.path(), &["config"]);
    assert!(
        out.contains("tags.alias.rustlang\t\"rust\"\tfeeds.toml:6:1\n"),
        "{out}"
    );
    assert!(
        out.contains("category.tech.tags\t[\"t\"]\tfeeds.toml:3:11\n"),
        "{out}"
    );
    assert_eq!(run(dir.path(), &["config", "b"]).2, 3);
}

#[test]
fn the_doctor_names_what_is_wrong_and_the_mend() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let dir = folder(&format!(
        "[server]\nlisten = \"{address}\"\n[[feed]]\nurl = \"https://a.org/\"\nca_file = \"none.pem\"\n"
    ));
    let (out, err, code) = run(dir.path(), &["doctor"]);
    assert!(
        out.contains(&format!("!!\tlisten\t{address} cannot be had: ")),
        "{out}{err}"
    );
    assert!(
        out.contains("!!\tconfiguration\tfeeds.toml:5:11: cannot read the `ca_file` "),
        "{out}"
    );
    assert!(out.contains("ok\tdaemon\tnone is running\n"), "{out}");
    assert_eq!(code, 1);
    let (out, _, code) = run(dir.path(), &["-c", "nowhere.toml", "doctor"]);
    assert!(
        out.contains("!!\tconfiguration\tcannot read nowhere.toml: "),
        "{out}"
    );
    assert_eq!(code, 1);
}
