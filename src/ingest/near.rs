//! Layers 3 to 5 for one document: texts become shapes, the store names what may be the same, and each entry joins its
//! single best match.

mod texts;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Reading;
use crate::dedup::compare::Pair;
use crate::dedup::near::{self, Rival};
use crate::dedup::{self, Decision, shape};
use crate::model::article::{ArticleId, Joined, Key, Layer};
use crate::model::signature::Signature;
use crate::model::source::Source;
use crate::model::time::Timestamp;
use crate::store::{self, Among, Prints, Store};

use texts::Shelf;
pub(super) use texts::{Texts, leave_out_immaterial};

/// Earlier entries of the same document that one is compared with.
const IN_DOCUMENT: usize = 512;
/// Copies of one article that an equal text is looked for among.
const COPIES: usize = 8;

/// What comparing the texts of a document brought.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Why entries belong where they do, by their place in the document.
    pub(super) joined: HashMap<usize, Joined>,
    /// The keys of their texts.
    pub(super) content: HashMap<usize, Key>,
    /// Keys of texts that lead somewhere already.
    pub(super) held: HashSet<Key>,
    /// Stories that one of these entries shows to be one: the one that it joins, and one that stood alone.
    pub(super) strays: Vec<Stray>,
    /// For the store.
    pub(super) prints: Option<Prints>,
}

/// An article of one copy that came before everything it resembles, and the story to which it belongs.
#[derive(Debug)]
pub(super) struct Stray {
    pub(super) story: ArticleId,
    pub(super) lone: ArticleId,
    /// Why, to be kept with that copy.
    pub(super) joined: Joined,
}

/// What was decided on one entry.
#[derive(Debug)]
struct Decided {
    decision: Decision,
    joined: Joined,
    /// It is a copy of something that this source brought itself.
    again: bool,
    strays: Vec<Stray>,
}

/// What is asked, by whom.
pub(super) struct Ask<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) source: &'a Source,
    pub(super) reading: &'a Reading,
    pub(super) options: &'a dedup::Options,
    pub(super) now: Timestamp,
}

/// A kept text that may be the same.
struct Other {
    copy: ArticleId,
    article: ArticleId,
    pair: Pair,
    distance: Duration,
}

impl Ask<'_> {
    /// Looks at the texts that are new here, and lets those that are copies join their stories.
    pub(super) async fn look(
        &self,
        decisions: &mut [Decision],
        texts: &mut Texts,
    ) -> Result<Findings, store::Error> {
        let fresh: Vec<usize> = (0..decisions.len())
            .filter(|n| {
                use Decision::{Edited, New, SameAs, Sighted};
                matches!(decisions[*n], New | SameAs(_) | Sighted(_) | Edited(_))
            })
            .collect();
        if fresh.is_empty() {
            return Ok(Findings::default());
        }
        self.shape(&fresh, decisions, texts).await?;
        let mut findings = Findings::default();
        for n in &fresh {
            if let Some(key) = texts.0[n].content {
                findings.content.insert(*n, key);
            }
        }
        let open: Vec<usize> = fresh
            .iter()
            .copied()
            .filter(|n| decisions[*n] == Decision::New)
            .collect();
        let among = Among {
            reach: self.options.scope,
            since: self.now - self.options.window,
        };
        let sought: Vec<Signature> = open.iter().map(|n| texts.0[n].signature.clone()).collect();
        let alike = self.store.alike(&sought, among).await?;
        let others = self
            .others(&open, &alike, among, texts, &mut findings)
            .await?;
        let shelf = self.shapes_of(&others).await?;
        let before: HashSet<usize> = fresh.iter().copied().collect();
        let mut repeated = HashSet::new();
        for n in 0..decisions.len() {
            match decisions[n] {
                Decision::New if before.contains(&n) => {
                    let none = Vec::new();
                    let kept = others.get(&n).unwrap_or(&none);
                    let found = self.decide(n, kept, &shelf, texts, &fresh, decisions);
                    if found.again {
                        repeated.insert(n);
                    }
                    decisions[n] = found.decision;
                    findings.joined.insert(n, found.joined);
                    findings.strays.extend(found.strays);
                }
                // Where the founder went, its copies go.
                Decision::SameAs(first) => decisions[n] = follow(decisions, first),
                _ => {}
            }
        }
        let prints = self.prints(&fresh, decisions, texts, &repeated);
        findings.prints = Some(Prints {
            as_of: alike.as_of,
            ..prints
        });
        Ok(findings)
    }

    /// For each open entry the kept texts that may be the same: those that the signatures found, and those with an equal
    /// text, however many there are in a bucket.
    async fn others(
        &self,
        open: &[usize],
        alike: &store::Alike,
        among: Among,
        texts: &Texts,
        findings: &mut Findings,
    ) -> Result<HashMap<usize, Vec<Other>>, store::Error> {
        let mut others: HashMap<usize, Vec<Other>> = HashMap::new();
        let here = shape::place(self.source.id.as_str());
        for (n, found) in open.iter().zip(&alike.found) {
            let found = found.iter().map(|near| Other {
                copy: near.copy,
                article: near.article,
                pair: Pair {
                    same_source: near.source == here,
                    in_series: near.in_series,
                },
                distance: self.now.since(near.seen),
            });
            others.insert(*n, found.collect());
        }
        let keys: Vec<Key> = findings.content.values().copied().collect();
        let known = self.store.known(&keys).await?;
        for (key, head) in &known.hits {
            // Whoever has the text already, be it the very story that this entry joins or edits: nobody can claim it.
            findings.held.insert(*key);
            if head.private != self.source.private || head.first_seen < among.since {
                continue;
            }
            for n in open.iter().filter(|n| texts.0[n].content == Some(*key)) {
                let listed = others.entry(*n).or_default();
                for at in head.seen_at.iter().take(COPIES) {
                    if listed.iter().all(|other| other.copy.0 != at.guid_key) {
                        listed.push(Other {
                            copy: ArticleId(at.guid_key),
                            article: head.id,
                            pair: Pair {
                                same_source: at.source == self.source.id,
                                in_series: false,
                            },
                            distance: self.now.since(head.first_seen),
                        });
                    }
                }
            }
        }
        Ok(others)
    }

    /// Decides on one open entry: against what is kept, and against what stands before it in the document.
    fn decide(
        &self,
        n: usize,
        kept: &[Other],
        shelf: &Shelf,
        texts: &Texts,
        fresh: &[usize],
        decisions: &[Decision],
    ) -> Decided {
        let text = &texts.0[&n];
        let mut rivals: Vec<Rival<'_>> = Vec::new();
        let mut homes: Vec<Decision> = Vec::new();
        for other in kept {
            if let Some(shape) = shelf.shapes.get(&other.copy) {
                rivals.push(Rival {
                    copy: other.copy,
                    article: other.article,
                    shape,
                    pair: other.pair,
                    distance: other.distance,
                });
                homes.push(Decision::Sighted(other.article));
            }
        }
        let earlier = fresh
            .iter()
            .rev()
            .skip_while(|m| **m >= n)
            .take(IN_DOCUMENT);
        for m in earlier {
            let other = &texts.0[m];
            let seems = text.signature.sketch.estimate(&other.signature.sketch);
            let home = follow(decisions, *m);
            let comparable = text.shape.is_text() && other.shape.is_text();
            if !comparable || !seems.is_worth_a_look() {
                continue;
            }
            let article = match home {
                Decision::SameAs(first) => self.reading.candidates[first].sighting.guid_key,
                Decision::Sighted(id) => id.0,
                _ => continue,
            };
            rivals.push(Rival {
                copy: ArticleId(self.reading.candidates[*m].sighting.guid_key),
                article: ArticleId(article),
                shape: &other.shape,
                pair: Pair {
                    same_source: true,
                    in_series: false,
                },
                distance: Duration::ZERO,
            });
            homes.push(home);
        }
        let found = near::best(&text.shape, &rivals, self.options.mode);
        let mut joined = found.joined;
        let Some(won) = found.won else {
            return Decided {
                decision: Decision::New,
                joined,
                again: false,
                strays: Vec::new(),
            };
        };
        if rivals[won].shape.content == text.shape.content {
            joined.layer = Layer::Content;
        }
        let mut strays = Vec::new();
        if let Decision::Sighted(story) = homes[won] {
            let here = ArticleId(self.reading.candidates[n].sighting.guid_key);
            let found = found.strays.into_iter();
            strays.extend(
                found
                    .filter(|(place, _)| shelf.lone.contains(&rivals[*place].article))
                    .map(|(place, scores)| Stray {
                        story,
                        lone: rivals[place].article,
                        joined: Joined {
                            layer: Layer::Near,
                            with: Some(here),
                            scores: Some(scores),
                            against: Vec::new(),
                        },
                    }),
            );
        }
        Decided {
            decision: homes[won],
            joined,
            again: rivals[won].pair.same_source,
            strays,
        }
    }

    fn prints(
        &self,
        fresh: &[usize],
        decisions: &[Decision],
        texts: &Texts,
        repeated: &HashSet<usize>,
    ) -> Prints {
        let copies = fresh.iter().rev();
        let signatures = copies.clone().map(|n| {
            let copy = ArticleId(self.reading.candidates[*n].sighting.guid_key);
            (copy, texts.0[n].signature.clone())
        });
        // A text that the source itself brought before tells nothing about what it puts under everything.
        let counted = copies.filter(|n| {
            let is_first = matches!(decisions[**n], Decision::New | Decision::Sighted(_));
            is_first && !repeated.contains(*n)
        });
        Prints {
            source: self.source.id.clone(),
            signatures: signatures.collect(),
            paragraphs: counted
                .map(|n| texts.0[n].shape.paragraphs.clone())
                .collect(),
            as_of: 0,
            among: Among {
                reach: self.options.scope,
                since: self.now - self.options.window,
            },
        }
    }
}

/// What joining the entry at this place of the document means.
fn follow(decisions: &[Decision], first: usize) -> Decision {
    match decisions[first] {
        Decision::New => Decision::SameAs(first),
        Decision::Edited(id) => Decision::Sighted(id),
        other => other,
    }
}
