//! Feeds and entries while they are read: candidates for each member, by rank, until it is known which of them counts.
//!
//! Nothing here touches the document; the finished [`Feed`](crate::model::entry::Feed) and
//! [`Entry`](crate::model::entry::Entry) come out of [`FeedDraft::finish`] and [`EntryDraft::finish`].

mod entry;
mod feed;

use super::construct::Construct;
use crate::model::entry::{Link, Person, PodcastPerson, Term};
use crate::model::time::Timestamp;

pub(super) use self::entry::{EntryDraft, identify, shared_ids};
pub(super) use self::feed::FeedDraft;

/// Lists longer than this (links, labels, people of one element) help nobody and cost everybody.
const MOST: usize = 2000;

/// A member that several elements may set: the lowest rank wins, and the first of that rank.
#[derive(Debug)]
pub(super) struct Slot<T>(Option<(u8, T)>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Slot<T> {
    /// Offers a value, if there is one.
    pub(super) fn offer(&mut self, rank: u8, value: Option<T>) {
        if let Some(value) = value
            && self.wants(rank)
        {
            self.0 = Some((rank, value));
        }
    }

    /// Would a value of this rank be taken?
    pub(super) fn wants(&self, rank: u8) -> bool {
        self.0.as_ref().is_none_or(|(held, _)| rank < *held)
    }

    /// What is held.
    pub(super) fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }

    /// The winner.
    pub(super) fn take(&mut self) -> Option<T> {
        self.0.take().map(|(_, value)| value)
    }
}

/// People of one role: all of those that the element of the lowest rank names.
#[derive(Debug, Default)]
pub(super) struct People {
    rank: u8,
    list: Vec<Person>,
}

impl People {
    /// Adds a person, if there is one.
    pub(super) fn offer(&mut self, rank: u8, person: Option<Person>) {
        let Some(person) = person else { return };
        if !self.list.is_empty() && rank > self.rank {
            return;
        }
        if rank < self.rank {
            self.list.clear();
        }
        self.rank = rank;
        if self.list.len() < MOST && !self.list.contains(&person) {
            self.list.push(person);
        }
    }

    fn take(&mut self) -> Vec<Person> {
        std::mem::take(&mut self.list)
    }
}

/// What feeds and entries have in common.
#[derive(Debug, Default)]
pub(super) struct Common<'a> {
    pub(super) id: Slot<String>,
    pub(super) title: Slot<Construct<'a>>,
    pub(super) rights: Slot<Construct<'a>>,
    pub(super) language: Slot<String>,
    pub(super) authors: People,
    pub(super) contributors: People,
    pub(super) publisher: Slot<Person>,
    pub(super) published: Slot<Timestamp>,
    pub(super) updated: Slot<Timestamp>,
    pub(super) image: Slot<String>,
    pub(super) license: Slot<String>,
    pub(super) block: Option<bool>,
    pub(super) explicit: Option<bool>,
    pub(super) links: Vec<Link>,
    pub(super) terms: Vec<Term>,
    pub(super) persons: Vec<PodcastPerson>,
}

impl Common<'_> {
    /// Adds a label, once.
    pub(super) fn term(&mut self, term: Term) {
        if term != Term::default() && self.terms.len() < MOST && !self.terms.contains(&term) {
            self.terms.push(term);
        }
    }

    /// Adds a link.
    pub(super) fn link(&mut self, link: Link) {
        if link.rel == "license" && !link.href.is_empty() {
            self.license.offer(1, Some(link.href.clone()));
        }
        if self.links.len() < MOST {
            self.links.push(link);
        }
    }

    /// The links that lead somewhere.
    fn leading(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| !link.href.is_empty())
    }

    /// The first link of a relation.
    fn linked(&self, rel: &str) -> Option<&str> {
        self.leading()
            .find(|link| link.rel == rel)
            .map(|link| link.href.as_str())
    }

    /// The page that this is about: `alternate` links to HTML first, then other `alternate` ones.
    fn alternate(&self) -> Option<&str> {
        let is_page = |link: &&Link| {
            link.media_type
                .as_deref()
                .is_none_or(|kind| kind.contains("html"))
        };
        let alternates = || self.leading().filter(|link| link.rel == "alternate");
        alternates()
            .find(is_page)
            .or_else(|| alternates().next())
            .map(|link| link.href.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_element_wins_and_the_first_of_its_kind() {
        let mut slot = Slot::default();
        slot.offer(2, Some("media"));
        slot.offer(0, None);
        slot.offer(0, Some("core"));
        slot.offer(0, Some("second"));
        slot.offer(1, Some("dc"));
        assert_eq!(slot.take(), Some("core"));
    }

    #[test]
    fn people_of_the_best_element_are_all_kept_once() {
        let person = |name: &str| {
            Some(Person {
                name: Some(name.to_owned()),
                ..Person::default()
            })
        };
        let mut people = People::default();
        people.offer(2, person("dc"));
        people.offer(0, person("a"));
        people.offer(0, person("b"));
        people.offer(0, person("a"));
        people.offer(1, person("late"));
        let names: Vec<_> = people.take().into_iter().filter_map(|p| p.name).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
