//! What stays on this machine: `[store]`, `[control]` and `[log]`.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::serving::tag_host;
use super::{Reading, Settings};
use crate::config::problem::Lines;
use crate::config::{Control, Log, LogFormat, typed};
use crate::{publish, store};

impl Reading<'_> {
    pub(super) fn store(
        &mut self,
        settings: &Settings<'_>,
        lines: &[Lines<'_>],
        base: &Path,
        site: &publish::Site,
    ) -> store::Options {
        let default = store::Options::default();
        let keep = store::Keep {
            age: settings.duration("store.keep.age", default.keep.age),
            min_per_feed: settings.whole("store.keep.min_per_feed", default.keep.min_per_feed),
            max_per_feed: settings.whole("store.keep.max_per_feed", default.keep.max_per_feed),
        };
        if keep.min_per_feed > keep.max_per_feed
            && let Some((leaf, file)) = settings
                .leaves
                .get("store.keep.min_per_feed")
                .or_else(|| settings.leaves.get("store.keep.max_per_feed"))
        {
            self.error(
                &lines[*file],
                leaf.at,
                format!(
                    "`min_per_feed` ({}) is more than `max_per_feed` ({})",
                    keep.min_per_feed, keep.max_per_feed
                ),
            );
        }
        let path = settings
            .text("store.path")
            .map_or_else(|| self.state_directory(), |path| base.join(path));
        store::Options {
            path,
            cache: settings.size("store.cache", default.cache),
            keep,
            tombstones: settings.duration("store.tombstones", default.tombstones),
            backup: settings
                .value("store.backup.every")
                .and_then(typed::duration)
                .map(|every| store::BackupPlan {
                    every,
                    keep: settings.whole("store.backup.keep", 7),
                }),
            host: tag_host(&site.public_url),
        }
    }

    fn state_directory(&self) -> PathBuf {
        let env = self.surroundings.env;
        // systemd lists several directories with colons between; the first is ours.
        let first = |list: String| list.split(':').next().map(PathBuf::from);
        env("STATE_DIRECTORY")
            .and_then(first)
            .or_else(|| env("XDG_STATE_HOME").map(|home| PathBuf::from(home).join("aggd")))
            .or_else(|| env("HOME").map(|home| PathBuf::from(home).join(".local/state/aggd")))
            .unwrap_or_else(|| store::Options::default().path)
    }

    pub(super) fn control(
        &self,
        settings: &Settings<'_>,
        base: &Path,
        store: &store::Options,
    ) -> Control {
        let env = self.surroundings.env;
        let socket = settings
            .text("control.socket")
            .map(|path| base.join(path))
            .or_else(|| {
                let list = env("RUNTIME_DIRECTORY")?;
                let first = list.split(':').next()?;
                Some(PathBuf::from(first).join("control.sock"))
            })
            .or_else(|| Some(PathBuf::from(env("XDG_RUNTIME_DIR")?).join("aggd/control.sock")))
            .unwrap_or_else(|| store.path.join("control.sock"));
        let mode = settings
            .value("control.mode")
            .and_then(DeValue::as_str)
            .and_then(typed::mode)
            .unwrap_or(0o660);
        Control { socket, mode }
    }

    pub(super) fn log(&mut self, settings: &Settings<'_>, lines: &[Lines<'_>]) -> Log {
        let level = settings
            .text("log.level")
            .unwrap_or_else(|| "info".to_owned());
        if !is_log_filter(&level)
            && let Some((leaf, file)) = settings.leaves.get("log.level")
        {
            self.error(
                &lines[*file],
                leaf.at,
                format!("`level` wants error, warn, info, debug, trace or a list such as \"info,aggd::fetch=debug\", not \"{level}\""),
            );
        }
        Log {
            format: settings.word(
                "log.format",
                &[
                    ("auto", LogFormat::Auto),
                    ("text", LogFormat::Text),
                    ("journal", LogFormat::Journal),
                    ("json", LogFormat::Json),
                ],
                LogFormat::Auto,
            ),
            level,
        }
    }
}

fn is_log_filter(level: &str) -> bool {
    level.split(',').all(|part| {
        let word = part.rsplit_once('=').map_or(part, |(_, word)| word).trim();
        ["error", "warn", "info", "debug", "trace", "off"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(word))
    })
}
