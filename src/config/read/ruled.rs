//! Rules, outputs and tests of all files, in the order of the files; ids of outputs are unique among them.

use super::{Reading, directory};
use crate::config::File;
use crate::config::check::{Check, Leaves};
use crate::config::problem::{Lines, Place};
use crate::config::rules::{Page, Trial};
use crate::label::rules::Rules;
use crate::publish;

/// What stands beside the rules.
#[derive(Default)]
pub(super) struct Ruled {
    pub(super) outputs: Vec<publish::Output>,
    pub(super) places: Vec<Place>,
    pub(super) trials: Vec<Trial>,
}

impl Reading<'_> {
    /// Adds the general rules and the outputs to `rules`.
    pub(super) fn ruled(
        &mut self,
        files: &[File],
        lines: &[Lines<'_>],
        all: &[Leaves<'_>],
        rules: &mut Rules,
    ) -> Ruled {
        let mut ruled = Ruled::default();
        for (file, leaves) in all.iter().enumerate() {
            let mut errors = Check::new(&lines[file]);
            let mut warnings = Check::new(&lines[file]);
            let base = directory(&files[file].path);
            let mut page = Page {
                text: &files[file].text,
                lines: &lines[file],
                errors: &mut errors,
                warnings: &mut warnings,
            };
            for (table, at) in &leaves.rules {
                rules.story.extend(page.rule(table, *at));
            }
            for (table, at) in &leaves.outputs {
                let read = page.output(table, *at, &base, self.surroundings);
                let Some((membership, output)) = read else {
                    continue;
                };
                let same = |other: &publish::Output| other.id == output.id;
                if let Some(other) = ruled.outputs.iter().position(same) {
                    page.errors.note(
                        *at,
                        format!("the id `{}` is taken by {}", output.id, ruled.places[other]),
                    );
                    continue;
                }
                rules.outputs.push(membership);
                ruled.outputs.push(output);
                ruled.places.push(lines[file].place(*at));
            }
            for (table, at) in &leaves.tests {
                ruled.trials.extend(page.trial(table, *at));
            }
            self.errors.extend(errors.into_problems());
            self.warnings.extend(warnings.into_problems());
        }
        ruled
    }
}
