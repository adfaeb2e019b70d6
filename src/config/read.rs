//! From the text of the files to a [`Config`], with every mistake at once. Pure but for what [`Surroundings`] gives.
//!
//! The files below read the tables by subject; [`Settings`] is where they find what was written.

mod content;
mod keeping;
mod ruled;
mod serving;
mod settings;
mod sources;
mod visits;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeTable;

use super::check::{Check, Leaves};
use super::problem::{Errors, Lines, Place, Problem};
use super::secret::Surroundings;
use super::{Config, Control, File};
use crate::label::{self, rules::Rules};
use settings::Settings;

/// Reads the configuration out of its files: the first is the one that was asked for, the others were included by it.
///
/// # Errors
/// [`Errors::Invalid`] with every mistake in the order in which they stand in the files.
pub fn read(files: &[File], surroundings: &Surroundings<'_>) -> Result<Config, Errors> {
    let lines: Vec<Lines<'_>> = files
        .iter()
        .map(|file| Lines::new(&file.path, &file.text))
        .collect();
    let parsed: Vec<(Spanned<DeTable<'_>>, Vec<toml::de::Error>)> = files
        .iter()
        .map(|file| DeTable::parse_recoverable(&file.text))
        .collect();

    let mut reading = Reading {
        errors: Vec::new(),
        warnings: Vec::new(),
        surroundings,
    };
    let mut all: Vec<Leaves<'_>> = Vec::new();
    for (index, (tree, syntax)) in parsed.iter().enumerate() {
        let mut check = Check::new(&lines[index]);
        let leaves = check.file(tree.get_ref());
        if index > 0
            && let Some(include) = tree.get_ref().get("include")
        {
            check.note(
                include.span().start,
                "only the first file may `include` others",
            );
        }
        reading
            .errors
            .extend(with_syntax(check, syntax, &lines[index]));
        all.push(leaves);
    }
    let broken = parsed.iter().any(|(_, syntax)| !syntax.is_empty());
    let config = reading.config(files, &lines, &all);
    if broken {
        // A table cut short by a slip of syntax has not lost its `url`: only what stands there is judged.
        reading
            .errors
            .retain(|problem| !problem.text.contains(" needs a "));
    }
    if reading.errors.is_empty() {
        return Ok(Config {
            warnings: reading.warnings,
            ..config
        });
    }
    let order = |place: &Place| {
        let file = files.iter().position(|file| file.path == *place.file);
        (file, place.line, place.column)
    };
    reading.errors.sort_by_key(|problem| order(&problem.place));
    reading.errors.dedup();
    Err(Errors::Invalid(reading.errors))
}

/// `[control]` alone, whatever else is wrong in the file.
pub(super) fn control(file: &File, surroundings: &Surroundings<'_>) -> Control {
    let lines = [Lines::new(&file.path, &file.text)];
    let (tree, _) = DeTable::parse_recoverable(&file.text);
    let leaves = [Check::new(&lines[0]).file(tree.get_ref())];
    let mut reading = Reading {
        errors: Vec::new(),
        warnings: Vec::new(),
        surroundings,
    };
    reading
        .config(std::slice::from_ref(file), &lines, &leaves)
        .control
}

/// The check's findings and the parser's; where a line cannot even be parsed, what else seems wrong in it is noise.
fn with_syntax(check: Check<'_>, syntax: &[toml::de::Error], lines: &Lines<'_>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = syntax
        .iter()
        .map(|error| Problem {
            place: lines.place(error.span().map_or(0, |span| span.start)),
            text: error.message().to_owned(),
        })
        .collect();
    // One slip often upsets the rest of its line.
    problems.dedup_by_key(|problem| problem.place.line);
    let bad: Vec<usize> = problems.iter().map(|problem| problem.place.line).collect();
    problems.extend(
        check
            .into_problems()
            .into_iter()
            .filter(|problem| !bad.contains(&problem.place.line)),
    );
    problems
}

struct Reading<'s> {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    surroundings: &'s Surroundings<'s>,
}

impl Reading<'_> {
    fn config(&mut self, files: &[File], lines: &[Lines<'_>], all: &[Leaves<'_>]) -> Config {
        let settings = self.gather(lines, all);
        let base = directory(&files[0].path);
        let server = self.server(&settings, lines);
        let site = self.site(&settings, lines, &server);
        let poll = self.poll(&settings, lines);
        let fetch = self.fetch(&settings, lines, files, &site);
        let store = self.store(&settings, lines, &base, &site);
        let control = self.control(&settings, &base, &store);
        let label = self.label(&settings, lines);
        let mut rules = Rules::default();
        let (sources, places) = self.sources(files, lines, all, poll.every, &mut rules);
        let ruled = self.ruled(files, lines, all, &mut rules);
        let label = label::Options {
            rules: Arc::new(rules),
            ..label
        };
        let origins = settings.origins(lines);
        Config {
            server,
            site,
            language: serving::language(&settings),
            store,
            poll,
            fetch,
            dedup: content::dedup(&settings),
            label,
            publish: serving::publish(&settings),
            control,
            log: self.log(&settings, lines),
            sources,
            places,
            outputs: ruled.outputs,
            output_places: ruled.places,
            trials: ruled.trials,
            files: files.iter().map(|file| file.path.clone()).collect(),
            warnings: Vec::new(),
            origins,
        }
    }

    fn error(&mut self, lines: &Lines<'_>, at: usize, text: impl Into<String>) {
        self.errors.push(Problem {
            place: lines.place(at),
            text: text.into(),
        });
    }

    /// Merges the files; what two of them set is a mistake.
    fn gather<'a>(&mut self, lines: &[Lines<'_>], all: &'a [Leaves<'a>]) -> Settings<'a> {
        let mut settings = Settings {
            leaves: HashMap::new(),
            items: HashMap::new(),
        };
        for (file, leaves) in all.iter().enumerate() {
            for leaf in &leaves.settings {
                let path = leaf.path.as_str();
                let first = if leaf.item.is_some() {
                    let items = settings.items.entry(path).or_default();
                    let first = items.iter().find(|(other, _)| other.item == leaf.item);
                    let first = first.copied();
                    items.push((leaf, file));
                    first
                } else {
                    settings.leaves.insert(path, (leaf, file))
                };
                if let Some((other, other_file)) = first {
                    let place = lines[other_file].place(other.at);
                    let name = leaf.item.unwrap_or(path);
                    self.error(
                        &lines[file],
                        leaf.at,
                        format!("`{name}` is already set at {place}"),
                    );
                }
            }
        }
        settings
    }
}

/// The directory that a file's relative paths start from.
pub(super) fn directory(file: &Path) -> PathBuf {
    let parent = file.parent().unwrap_or(Path::new(""));
    std::path::absolute(parent).unwrap_or_else(|_| parent.to_owned())
}
