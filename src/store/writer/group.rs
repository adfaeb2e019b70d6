//! One group of batches: what is accepted of it, how it goes to the log with one write, and how the index hears of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::{FLUSH_AT_LAST, Request, Writer};
use crate::model::article::Revision;
use crate::model::source::SourceId;
use crate::model::time::Timestamp;
use crate::store::apply::apply;
use crate::store::core::Core;
use crate::store::frame::{Draft, FrameHead};
use crate::store::index::{give_way, step_aside};
use crate::store::item::Item;
use crate::store::log::{Loc, Pos};
use crate::store::near;
use crate::store::prepare::{Packed, Pending, Preparing};
use crate::store::{Committed, Error, Lease};

/// A batch that is about to be written.
struct Accepted {
    head: FrameHead,
    /// With the length of its body; states keep theirs.
    items: Vec<(Item, Vec<u8>)>,
    places: Vec<(usize, usize)>,
    begin: usize,
    bytes: Vec<u8>,
    visit: Option<(SourceId, Timestamp, Lease)>,
    /// A state that the log does not have.
    light: Option<Vec<u8>>,
    now: Timestamp,
    reply: Option<oneshot::Sender<Result<Committed, Error>>>,
}

impl Writer {
    pub(super) fn group(&mut self, group: Vec<Request>) {
        let (mut pending, mut accepted) = (Pending::default(), Vec::new());
        let mut leases = HashSet::new();
        let (seq, number) = (self.next_seq, self.number);
        for request in group {
            let Request { packed, now, reply } = request;
            match self.accept(packed, now, &pending, &mut leases) {
                Ok((mut one, more)) => {
                    pending.absorb(more);
                    one.reply = Some(reply);
                    accepted.push(one);
                }
                Err(error) => {
                    self.broken |= matches!(error, Error::Damaged { .. });
                    let _ = reply.send(Err(error));
                }
            }
        }
        let result = self.write(&mut accepted);
        if let Err(error) = result {
            (self.next_seq, self.number) = (seq, number);
            for one in accepted {
                let again = refusal(&error, &self.core);
                // What needs no space is kept all the same: politeness towards origins does not wait for a disk.
                let answer = if one.bytes.is_empty() {
                    self.done(one.visit, one.light, one.now)
                } else {
                    Err(again)
                };
                if let Some(reply) = one.reply {
                    let _ = reply.send(answer);
                }
            }
            return;
        }
        let applied = self.apply(&accepted);
        if let Err(error) = applied {
            // The log has it, and the index will be made from the log: it is kept.
            tracing::error!(%error, "the index failed");
            self.broken = true;
            self.mend();
        }
        self.publish();
        for one in accepted {
            let answer = self.done(one.visit, one.light, one.now).map(|_| Committed {
                revision: Revision {
                    epoch: self.epoch,
                    number: one.head.number,
                },
            });
            if let Some(reply) = one.reply {
                let _ = reply.send(answer);
            }
        }
    }

    fn accept(
        &mut self,
        mut packed: Packed,
        now: Timestamp,
        pending: &Pending,
        leases: &mut HashSet<Lease>,
    ) -> Result<(Accepted, Pending), Error> {
        if let Some((source, _, lease)) = &packed.batch.visit
            && (leases.contains(lease) || !self.core.schedule().holds(source, *lease))
        {
            return Err(Error::LeaseLost(source.clone()));
        }
        let core = Arc::clone(&self.core);
        let mut preparing = Preparing::new(&core, pending, self.next_seq);
        preparing.check(&packed.batch)?;
        let changes = std::mem::take(&mut packed.batch.changes);
        let visible = !changes.is_empty();
        let bodies = std::mem::take(&mut packed.bodies);
        for (change, body) in changes.into_iter().zip(bodies) {
            step_aside();
            preparing.change(change, body)?;
        }
        if let Some(prints) = packed.batch.prints.take() {
            preparing.marks(&prints, self.next_print, now);
            near::announce(&core, self.next_print, &prints, now);
            self.next_print += prints.signatures.len() as u64;
            self.asked_since = Some(prints.among.since);
        }
        let logged = preparing.state(&mut packed)?;
        let visit = packed
            .batch
            .visit
            .map(|(source, state, lease)| (source, state.next_due, lease));
        leases.extend(visit.as_ref().map(|(_, _, lease)| *lease));
        self.next_seq = preparing.next_seq;
        self.number += u64::from(visible);
        let head = self.frame_head(visible, false, now);
        let (items, own) = (preparing.items, preparing.own);
        let accepted = Accepted {
            head,
            items,
            places: Vec::new(),
            begin: 0,
            bytes: Vec::new(),
            light: (visit.is_some() && !logged).then_some(packed.state),
            visit,
            now,
            reply: None,
        };
        Ok((accepted, own))
    }

    fn frame_head(&self, visible: bool, carried: bool, at: Timestamp) -> FrameHead {
        FrameHead {
            visible,
            carried,
            number: self.number,
            at,
            next_seq: self.next_seq,
            count: 0,
        }
    }

    /// Adds the frames of a group to the log and waits for the disk.
    fn write(&mut self, accepted: &mut [Accepted]) -> Result<(), Error> {
        let mut begin = 0;
        for one in accepted.iter_mut().filter(|one| !one.items.is_empty()) {
            let mut draft = Draft::new();
            for (item, body) in &one.items {
                draft.push(item, body);
            }
            one.begin = begin;
            one.places.clone_from(&draft.places);
            if !Draft::fits(draft.length()) {
                return Err(Error::Io {
                    what: "writing the article log".to_owned(),
                    source: std::io::Error::new(
                        std::io::ErrorKind::InvalidInput,
                        "one visit brought more than a gigabyte",
                    ),
                });
            }
            begin += draft.length();
            one.bytes = draft.seal(one.head);
        }
        if begin == 0 {
            return Ok(());
        }
        if self.broken {
            return Err(Error::Damaged {
                what: "the index".to_owned(),
            });
        }
        self.make_room()?;
        let end = self.core.log.end();
        let base = usize::try_from(end.at).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(begin);
        for one in accepted.iter_mut() {
            one.begin += base;
            bytes.extend_from_slice(&one.bytes);
        }
        let written = self.core.log.append(&bytes);
        self.core.full.store(
            matches!(written, Err(Error::Full { .. })),
            Ordering::Relaxed,
        );
        written
    }

    /// Lets the index know what the log has.
    fn apply(&mut self, accepted: &[Accepted]) -> Result<(), Error> {
        let file = self.core.log.end().file;
        for one in accepted.iter().filter(|one| !one.items.is_empty()) {
            self.latest = self.latest.max(one.now);
            let items = one.items.iter().zip(&one.places);
            let mut table = self.core.index.write();
            for ((item, body), (at, length)) in items {
                give_way(&mut table);
                let loc = Loc {
                    file,
                    at: u32::try_from(one.begin + at).unwrap_or(u32::MAX),
                    length: u32::try_from(*length).unwrap_or(u32::MAX),
                };
                apply(&mut table, &one.head, item, loc, body)?;
            }
            table.reach(Pos {
                file,
                at: (one.begin + one.bytes.len()) as u64,
            });
        }
        let old = near::settle(&self.core, self.next_print - 1, self.asked_since)?;
        if !old.is_empty() {
            let mut table = self.core.index.write();
            for key in old {
                give_way(&mut table);
                table.put_raw(&key, None)?;
            }
        }
        Ok(())
    }

    /// Ends a visit: the lease goes back, and a state that the log does not have goes to the index.
    fn done(
        &mut self,
        visit: Option<(SourceId, Timestamp, Lease)>,
        light: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<Committed, Error> {
        if let Some((source, due, lease)) = visit {
            // What the index has now is newer.
            self.core.light.forget(&source);
            self.core.schedule().give_back(lease, Some(due));
            if let Some(body) = light {
                self.keep_state(&source, &body)?;
            }
        }
        self.latest = self.latest.max(now);
        Ok(Committed {
            revision: self.core.revision(),
        })
    }

    /// Writes one frame of things that are not a visit's, and lets the index know.
    pub(in crate::store) fn add(
        &mut self,
        items: Vec<(Item, Vec<u8>)>,
        visible: bool,
        carried: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        if items.is_empty() {
            return Ok(());
        }
        let number = self.number;
        self.number += u64::from(visible);
        let mut one = [Accepted {
            head: self.frame_head(visible, carried, now),
            items,
            places: Vec::new(),
            begin: 0,
            bytes: Vec::new(),
            visit: None,
            light: None,
            now,
            reply: None,
        }];
        if let Err(error) = self.write(&mut one) {
            self.number = number;
            return Err(error);
        }
        if let Err(error) = self.apply(&one) {
            self.broken = true;
            return Err(error);
        }
        self.publish();
        self.flush_if_due(FLUSH_AT_LAST);
        Ok(())
    }
}

/// The same refusal for each batch of a group.
fn refusal(error: &Error, core: &Core) -> Error {
    match error {
        Error::Full { .. } => Error::Full { path: core.path() },
        Error::Io { what, source } => Error::Io {
            what: what.clone(),
            source: std::io::Error::new(source.kind(), source.to_string()),
        },
        other => Error::Damaged {
            what: other.to_string(),
        },
    }
}
