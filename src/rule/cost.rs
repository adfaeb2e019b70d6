//! What an expression costs at worst, reckoned before it is ever asked: how often each part of it runs, and how many bytes
//! it looks at or makes. Lists and texts have bounds, so every expression has one.

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use super::LOOKED_AT;
use super::facts::{ITEMS, LINE};

/// The dearest expression that is allowed, in steps of the interpreter: some twenty milliseconds.
const MOST: u64 = 200_000;
/// Bytes of the longest label.
const LABEL: usize = 1 << 10;
/// Bytes that are looked at or copied in the time of one step.
const BYTES: u64 = 64;
/// Macros within macros.
const DEEPEST: usize = 8;

/// Bounds of a value: elements of the longest list in it, bytes of the longest text.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    items: u64,
    bytes: u64,
}

impl Size {
    fn max(self, other: Self) -> Self {
        Self {
            items: self.items.max(other.items),
            bytes: self.bytes.max(other.bytes),
        }
    }
}

/// Refuses what could take too long.
pub(super) fn within_bounds(ast: &IdedExpr) -> Result<(), String> {
    let mut bill = Bill {
        steps: 0,
        names: Vec::new(),
        depth: 0,
    };
    bill.add(ast, 1);
    if bill.steps <= MOST && bill.depth <= DEEPEST {
        return Ok(());
    }
    Err(format!(
        "this could take {} times as long as an article may: a loop inside a loop, or a whole text looked at in one",
        (bill.steps / MOST).max(2)
    ))
}

struct Bill {
    steps: u64,
    /// Variables of macros with their bounds.
    names: Vec<(String, Size)>,
    depth: usize,
}

impl Bill {
    /// Adds what a node costs if it runs so many times, and gives the bounds of its value.
    fn add(&mut self, node: &IdedExpr, times: u64) -> Size {
        self.pay(1, times);
        match &node.expr {
            Expr::Unspecified => Size::default(),
            Expr::Literal(literal) => Size {
                items: 0,
                bytes: match literal {
                    LiteralValue::String(text) => text.inner().len() as u64,
                    LiteralValue::Bytes(bytes) => bytes.inner().len() as u64,
                    _ => 0,
                },
            },
            Expr::Ident(name) => self.name(name, times),
            Expr::Select(select) => self.add(&select.operand, times),
            Expr::List(list) => {
                let own = Size {
                    items: list.elements.len() as u64,
                    bytes: 0,
                };
                list.elements
                    .iter()
                    .fold(own, |size, one| size.max(self.add(one, times)))
            }
            Expr::Map(map) => {
                let own = Size {
                    items: map.entries.len() as u64,
                    bytes: 0,
                };
                map.entries.iter().fold(own, |size, one| match &one.expr {
                    EntryExpr::MapEntry(entry) => {
                        let key = self.add(&entry.key, times);
                        size.max(key).max(self.add(&entry.value, times))
                    }
                    EntryExpr::StructField(field) => size.max(self.add(&field.value, times)),
                })
            }
            Expr::Struct(_) => Size::default(),
            Expr::Call(call) => {
                let mut sizes: Vec<Size> = Vec::with_capacity(call.args.len() + 1);
                if let Some(target) = &call.target {
                    sizes.push(self.add(target, times));
                }
                for one in &call.args {
                    sizes.push(self.add(one, times));
                }
                self.call(&call.func_name, &sizes, times)
            }
            Expr::Comprehension(loops) => {
                let range = self.add(&loops.iter_range, times);
                let start = self.add(&loops.accu_init, times);
                let rounds = times.saturating_mul(range.items.max(1));
                let before = self.names.len();
                // What a list of ours holds is no list itself.
                let is_ours = matches!(&loops.iter_range.expr, Expr::Ident(name) if name == "tags" || name == "enclosures");
                let one = Size {
                    items: if is_ours { 0 } else { range.items },
                    bytes: range.bytes,
                };
                self.names.push((loops.iter_var.clone(), one));
                if let Some(name) = &loops.iter_var2 {
                    self.names.push((name.clone(), one));
                }
                let gathered = Size {
                    items: range.items,
                    bytes: start.bytes,
                };
                self.names.push((loops.accu_var.clone(), gathered));
                self.depth = self.depth.max(before / 2 + 1);
                self.add(&loops.loop_cond, rounds);
                let step = self.add(&loops.loop_step, rounds);
                let result = self.add(&loops.result, times);
                self.names.truncate(before);
                gathered.max(step).max(result)
            }
        }
    }

    fn name(&mut self, name: &str, times: u64) -> Size {
        if let Some((_, size)) = self.names.iter().rev().find(|(known, _)| known == name) {
            return *size;
        }
        let (items, bytes) = match name {
            "content" | "text" => (0, LOOKED_AT),
            // The first question counts them, the others remember.
            "words" => {
                self.pay(LOOKED_AT as u64 / BYTES, 1);
                (0, 0)
            }
            "tags" | "enclosures" => {
                self.pay(ITEMS as u64, times);
                (ITEMS, if name == "tags" { LABEL } else { LINE })
            }
            "score" | "published" => (0, 0),
            _ => (0, LINE),
        };
        Size {
            items: items as u64,
            bytes: bytes as u64,
        }
    }

    fn call(&mut self, function: &str, sizes: &[Size], times: u64) -> Size {
        let longest = sizes.iter().copied().fold(Size::default(), Size::max);
        match function {
            operators::ADD => {
                let sum = sizes.iter().fold(Size::default(), |sum, one| Size {
                    items: sum.items.saturating_add(one.items),
                    bytes: sum.bytes.saturating_add(one.bytes),
                });
                self.pay(sum.bytes / BYTES + sum.items, times);
                sum
            }
            operators::CONDITIONAL | operators::INDEX => longest,
            operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::NOT_STRICTLY_FALSE => Size::default(),
            operators::IN | operators::EQUALS | operators::NOT_EQUALS => {
                self.pay(longest.bytes / BYTES + longest.items, times);
                Size::default()
            }
            // A word against a text: folding the text is paid in full although it is mostly remembered.
            "mentions" | "includes" => {
                let words = sizes.get(1).map_or(1, |word| word.items.max(1));
                self.pay(longest.bytes / (BYTES / 4), times);
                self.pay((longest.bytes / BYTES).saturating_mul(words), times);
                Size::default()
            }
            "key" => {
                self.pay(longest.bytes / (BYTES / 4), times);
                // Compatibility forms can be longer than what they stand for.
                Size {
                    items: 0,
                    bytes: longest.bytes.saturating_mul(4),
                }
            }
            "matches" => {
                self.pay(longest.bytes / (BYTES / 8), times);
                Size::default()
            }
            "string" => longest,
            _ => {
                self.pay(longest.bytes / BYTES, times);
                Size::default()
            }
        }
    }

    fn pay(&mut self, steps: u64, times: u64) {
        self.steps = self.steps.saturating_add(steps.saturating_mul(times));
    }
}
