//! The `[[feed]]` tables of all files; ids are unique among them.

use std::collections::HashMap;

use super::{Reading, directory};
use crate::config::File;
use crate::config::check::{Check, Leaves};
use crate::config::problem::{Lines, Place};
use crate::config::source::{self, Context};
use crate::model::source::{Every, Source, SourceId};

impl Reading<'_> {
    pub(super) fn sources(
        &mut self,
        files: &[File],
        lines: &[Lines<'_>],
        all: &[Leaves<'_>],
        every: Every,
    ) -> (Vec<Source>, Vec<Place>) {
        let mut sources: Vec<Source> = Vec::new();
        let mut places: Vec<Place> = Vec::new();
        let mut taken: HashMap<SourceId, usize> = HashMap::new();
        let mut urls: HashMap<String, usize> = HashMap::new();
        for (file, leaves) in all.iter().enumerate() {
            let context = Context {
                base: &directory(&files[file].path),
                every,
                surroundings: self.surroundings,
            };
            let mut errors = Check::new(&lines[file]);
            let mut warnings = Check::new(&lines[file]);
            for (table, at) in &leaves.feeds {
                let Some(source) = source::read(table, *at, &context, &mut errors, &mut warnings)
                else {
                    continue;
                };
                if let Some(other) = taken.get(&source.id) {
                    let mend = if table.contains_key("id") {
                        ""
                    } else {
                        "; give this feed an `id` of its own"
                    };
                    let at = table.get("id").map_or(*at, |id| id.span().start);
                    errors.note(
                        at,
                        format!(
                            "the id `{}` is taken by {}{mend}",
                            source.id, places[*other]
                        ),
                    );
                    continue;
                }
                if let Some(other) = urls.get(&source.url) {
                    warnings.note(
                        *at,
                        format!(
                            "the same address as `{}` at {}",
                            sources[*other].id, places[*other]
                        ),
                    );
                }
                taken.insert(source.id.clone(), sources.len());
                urls.insert(source.url.clone(), sources.len());
                places.push(lines[file].place(*at));
                sources.push(source);
            }
            self.errors.extend(errors.into_problems());
            self.warnings.extend(warnings.into_problems());
        }
        (sources, places)
    }
}
