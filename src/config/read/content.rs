//! What becomes of articles: `[dedup]`, `[tags]` and `[category.*]`.

use std::collections::BTreeMap;

use super::{Reading, Settings};
use crate::config::problem::Lines;
use crate::config::typed;
use crate::dedup::{Mode, Reach};
use crate::label::{Auto, Category, Publisher};
use crate::{dedup, label, text};

impl Reading<'_> {
    pub(super) fn label(&mut self, settings: &Settings<'_>, lines: &[Lines<'_>]) -> label::Options {
        let default = label::Options::default();
        let mut categories: BTreeMap<String, Category> = BTreeMap::new();
        for (leaf, file) in settings.items("category") {
            let name = leaf.item.unwrap_or_default().trim().to_owned();
            let Some(table) = leaf.value.as_table() else {
                continue;
            };
            let category = Category {
                title: typed::get(table, "title").and_then(typed::text),
                tags: typed::get(table, "tags").map_or_else(Vec::new, typed::texts),
                name: name.clone(),
            };
            if let Some(other) = categories.insert(text::key(&name), category)
                && other.name != name
            {
                self.error(
                    &lines[*file],
                    leaf.at,
                    format!("the category `{name}` is the same as `{}`", other.name),
                );
            }
        }
        let by_key = |path: &str| -> BTreeMap<String, String> {
            settings
                .items(path)
                .iter()
                .filter_map(|(leaf, _)| Some((text::key(leaf.item?), typed::text(leaf.value)?)))
                .collect()
        };
        label::Options {
            auto: settings.word(
                "tags.auto",
                &[
                    ("off", Auto::Off),
                    ("suggest", Auto::Suggest),
                    ("publish", Auto::Publish),
                ],
                default.auto,
            ),
            publish_min: settings.whole("tags.publish_min", default.publish_min),
            publisher: settings.word(
                "tags.publisher",
                &[
                    ("keep", Publisher::Keep),
                    ("known", Publisher::Known),
                    ("drop", Publisher::Drop),
                ],
                default.publisher,
            ),
            drop: settings
                .value("tags.drop")
                .map_or_else(Vec::new, typed::texts)
                .iter()
                .map(|label| text::key(label))
                .collect(),
            label: by_key("tags.label"),
            alias: by_key("tags.alias"),
            categories,
            ..default
        }
    }
}

pub(super) fn dedup(settings: &Settings<'_>) -> dedup::Options {
    let default = dedup::Options::default();
    dedup::Options {
        mode: settings.word(
            "dedup.mode",
            &[
                ("off", Mode::Off),
                ("strict", Mode::Strict),
                ("cluster", Mode::Cluster),
            ],
            default.mode,
        ),
        scope: settings.word(
            "dedup.scope",
            &[
                ("feed", Reach::Feed),
                ("category", Reach::Category),
                ("all", Reach::All),
            ],
            default.scope,
        ),
        window: settings.duration("dedup.window", default.window),
        bump_on_new_source: settings.flag("dedup.bump_on_new_source", default.bump_on_new_source),
    }
}
