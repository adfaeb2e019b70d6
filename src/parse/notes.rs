//! Warnings while they are collected: cheap to add, bounded in number, placed in line and column at the very end.

use crate::model::warning::{Position, Warning, WarningCode};

/// Beyond these, more of the same helps nobody.
const PER_CODE: u8 = 20;
const IN_ALL: usize = 100;

/// Collects what was odd.
#[derive(Debug, Default)]
pub(super) struct Notes {
    list: Vec<(Option<usize>, Warning)>,
    counts: [u8; 16],
    repaired: bool,
}

impl Notes {
    /// Takes a warning; `at` is the byte of the text that it points to. The message is made only if it is kept.
    pub(super) fn add(
        &mut self,
        code: WarningCode,
        at: Option<usize>,
        message: impl FnOnce() -> String,
    ) {
        self.repaired |= is_repair(code);
        let count = &mut self.counts[code as usize];
        if *count < PER_CODE && self.list.len() < IN_ALL {
            *count += 1;
            self.list.push((
                at,
                Warning {
                    code,
                    message: message(),
                    position: None,
                },
            ));
        }
    }

    /// Takes warnings that already have their place, or have none.
    pub(super) fn adopt(&mut self, warnings: Vec<Warning>) {
        for warning in warnings {
            self.repaired |= is_repair(warning.code);
            self.list.push((None, warning));
        }
    }

    /// True once bytes or syntax had to be repaired.
    pub(super) const fn repaired(&self) -> bool {
        self.repaired
    }

    /// All warnings in document order, with line and column found in one walk over `text`.
    pub(super) fn finish(mut self, text: &str) -> Vec<Warning> {
        self.list.sort_by_key(|(at, _)| *at);
        let (mut from, mut line, mut column) = (0, 1_u32, 1_usize);
        for (at, warning) in &mut self.list {
            let Some(mut at) = at.filter(|&at| at <= text.len()) else {
                continue;
            };
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let walked = text.get(from..at).unwrap_or("");
            let newlines = memchr::memchr_iter(b'\n', walked.as_bytes()).count();
            if newlines > 0 {
                line = line.saturating_add(u32::try_from(newlines).unwrap_or(u32::MAX));
                column = 1;
            }
            column += walked
                .rsplit('\n')
                .next()
                .map_or(0, |rest| rest.chars().count());
            from = from.max(at);
            warning.position = Some(Position {
                line,
                column: u32::try_from(column).unwrap_or(u32::MAX),
            });
        }
        self.list.into_iter().map(|(_, warning)| warning).collect()
    }
}

/// Which warnings mean that the document was not well-formed.
const fn is_repair(code: WarningCode) -> bool {
    use WarningCode as W;
    matches!(
        code,
        W::EncodingMismatch
            | W::EncodingUnknown
            | W::EncodingError
            | W::XmlError
            | W::JsonError
            | W::EntityUndefined
            | W::NamespaceUndeclared
            | W::Truncated
            | W::Empty
            | W::NotAFeed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_columns_in_document_order() {
        let mut notes = Notes::default();
        notes.add(WarningCode::XmlError, Some(8), || "second".to_owned());
        notes.add(WarningCode::BadDate, Some(1), || "first".to_owned());
        assert!(notes.repaired());
        let list = notes.finish("äb\ncdé\nf");
        let places: Vec<_> = list
            .iter()
            .map(|w| (w.message.as_str(), w.position.unwrap()))
            .collect();
        assert_eq!(places[0], ("first", Position { line: 1, column: 1 }));
        assert_eq!(places[1], ("second", Position { line: 2, column: 4 }));
    }

    #[test]
    fn a_thousand_of_a_kind_become_twenty() {
        let mut notes = Notes::default();
        for at in 0..1000 {
            notes.add(WarningCode::BadUrl, Some(at), String::new);
        }
        assert!(!notes.repaired());
        assert_eq!(notes.finish("").len(), 20);
    }
}
