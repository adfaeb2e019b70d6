//! What is counted beside the items of the index: by whoever changes an article, and once more at each opening.

use std::collections::{BTreeMap, HashMap};

use crate::model::source::SourceId;
use crate::store::codec::In;
use crate::store::near;
use crate::store::packed::{self, Rec};

/// Counts and bounds; made anew at each opening.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Figures {
    pub(in crate::store) articles: u64,
    pub(in crate::store) sightings: u64,
    pub(in crate::store) sources: u64,
    pub(in crate::store) tombstones: u64,
    /// Bytes of the log that articles need, by file.
    pub(in crate::store) live: BTreeMap<u32, u64>,
    /// First and last number of the articles that were first seen in a month.
    pub(in crate::store) months: BTreeMap<u32, (u64, u64)>,
    pub(in crate::store) last_seq: u64,
    pub(in crate::store) last_name: u32,
    /// Number of the newest signature.
    pub(in crate::store) last_print: u64,
    /// Sources by the short form of their name.
    pub(in crate::store) source_names: HashMap<u32, SourceId>,
}

impl Figures {
    /// Counts an article in.
    pub(super) fn add(&mut self, seq: u64, rec: &Rec) {
        self.articles += 1;
        self.sightings += u64::from(rec.sightings);
        for loc in rec.places() {
            *self.live.entry(loc.file).or_default() += u64::from(loc.length);
        }
        let (first, last) = self
            .months
            .entry(packed::month_of(rec.first_seen))
            .or_insert((seq, seq));
        *first = seq.min(*first);
        *last = seq.max(*last);
        self.last_seq = self.last_seq.max(seq);
    }

    /// Counts an article out.
    pub(super) fn take(&mut self, rec: &Rec) {
        self.articles = self.articles.saturating_sub(1);
        self.sightings = self.sightings.saturating_sub(u64::from(rec.sightings));
        for loc in rec.places() {
            let live = self.live.entry(loc.file).or_default();
            *live = live.saturating_sub(u64::from(loc.length));
        }
    }

    /// Counts an item of sled in; `None` if it is not what its key says.
    pub(super) fn read(&mut self, key: &[u8], bytes: &[u8]) -> Option<()> {
        match key.first()? {
            b'a' => {
                for (seq, rec) in packed::read_pack(packed::pack_begin(key)?, bytes)? {
                    self.add(seq, &rec);
                }
            }
            b'x' => self.tombstones += In(bytes).number()?,
            b's' => self.sources += 1,
            b'd' => self.last_print = self.last_print.max(near::Run::read(key, bytes)?.last()),
            b'n' => {
                let name = packed::read_name(bytes)?;
                self.last_name = self.last_name.max(name.id);
                if *key.get(1)? == b'f' {
                    let source = SourceId::new(std::str::from_utf8(&key[2..]).ok()?)?;
                    self.source_names.insert(name.id, source);
                }
            }
            _ => {}
        }
        Some(())
    }
}
