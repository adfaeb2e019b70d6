//! What no linter knows: who may import whom, and a few manners of the tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms that everybody may import.
const FREE: &[&str] = &["model", "metrics"];

/// Beyond [`FREE`] and itself, a room imports only these. ARCHITECTURE.md draws the same picture.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "clock", "config", "control", "daemon", "nice", "ops", "parse",
        ],
    ),
    (
        "daemon",
        &[
            "clock", "config", "control", "fetch", "ingest", "nice", "ops", "poll", "publish",
            "rule", "serve", "store",
        ],
    ),
    (
        "config",
        &[
            "dedup", "fetch", "label", "poll", "publish", "rule", "serve", "store", "text",
        ],
    ),
    ("control", &["config", "ops"]),
    (
        "ops",
        &[
            "clock", "config", "dedup", "enrich", "fetch", "html", "ingest", "label", "parse",
            "poll", "publish", "rule", "store", "text",
        ],
    ),
    ("serve", &["nice", "publish"]),
    ("publish", &["html", "label", "rule", "store", "text"]),
    ("poll", &["clock", "fetch", "ingest", "store"]),
    ("ingest", &["dedup", "enrich", "label", "parse", "store"]),
    ("fetch", &[]),
    ("parse", &["html", "text"]),
    ("enrich", &["html", "text"]),
    ("dedup", &["text"]),
    ("label", &["html", "rule", "text"]),
    ("rule", &["text"]),
    ("store", &["text"]),
    ("html", &[]),
    ("text", &[]),
    ("clock", &[]),
    ("metrics", &[]),
    ("model", &[]),
    ("nice", &[]),
];

struct Source {
    path: PathBuf,
    room: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let inner = path.strip_prefix(&root).unwrap();
                let first = inner
                    .components()
                    .next()
                    .unwrap()
                    .as_os_str()
                    .to_string_lossy();
                let room = first.trim_end_matches(".rs").to_owned();
                found.push(Source {
                    text: fs::read_to_string(&path).unwrap(),
                    room,
                    path,
                });
            }
        }
    }
    assert!(found.len() > 20, "found only {} source files", found.len());
    found
}

/// Rooms named after `crate::` (or `aggd::` in main.rs), comments left out.
fn imports(source: &Source) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for line in source.text.lines() {
        let code = line.split("//").next().unwrap_or("");
        for root in ["crate::", "aggd::"] {
            for (at, _) in code.match_indices(root) {
                let rest = &code[at + root.len()..];
                rooms.extend(
                    rest.trim_start_matches('{')
                        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                        .next()
                        .filter(|room| !room.is_empty())
                        .map(str::to_owned),
                );
            }
        }
    }
    rooms
}

#[test]
fn imports_run_downward_only() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.room == "lib" {
            continue;
        }
        let allowed = MAY_IMPORT
            .iter()
            .find(|(room, _)| *room == source.room)
            .map(|(_, rooms)| *rooms);
        let Some(allowed) = allowed else {
            wrong.push(format!(
                "{}: room `{}` has no line in the import table",
                source.path.display(),
                source.room
            ));
            continue;
        };
        for room in imports(&source) {
            let own = room == source.room;
            if !own && !FREE.contains(&room.as_str()) && !allowed.contains(&room.as_str()) {
                wrong.push(format!(
                    "{}: `{}` may not import `{room}`",
                    source.path.display(),
                    source.room
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_import_table_has_no_circle() {
    fn reaches(from: &str, to: &str, seen: &mut BTreeSet<String>) -> bool {
        let rooms = MAY_IMPORT
            .iter()
            .find(|(room, _)| *room == from)
            .map_or(&[][..], |(_, rooms)| rooms);
        rooms
            .iter()
            .any(|room| *room == to || (seen.insert((*room).to_owned()) && reaches(room, to, seen)))
    }
    for (room, _) in MAY_IMPORT {
        assert!(
            !reaches(room, room, &mut BTreeSet::new()),
            "`{room}` imports itself by a detour"
        );
    }
}

#[test]
fn every_module_says_what_it_is() {
    for source in sources() {
        let is_unit_test =
            source.path.ends_with("tests.rs") || source.path.to_string_lossy().contains("/tests/");
        assert!(
            is_unit_test || source.text.starts_with("//!"),
            "{} opens without `//!`: what comes in, what goes out, what it never does",
            source.path.display()
        );
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("XX", "X"),
        concat!("unimplemented", "!("),
    ];
    for source in sources() {
        for mark in marks {
            assert!(
                !source.text.contains(mark),
                "{} says {mark}",
                source.path.display()
            );
        }
    }
}

#[test]
fn no_room_uses_mod_rs() {
    for source in sources() {
        assert!(
            !source.path.ends_with("mod.rs"),
            "{}: we write room.rs beside room/",
            source.path.display()
        );
    }
}
