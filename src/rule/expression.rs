//! An expression: compiled, checked and priced once, then asked as often as there are articles.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::common::types::{CelBool, CelString};
use cel::extractors::This;
use cel::{Context, Env, ExecutionError, ParseError, Program, Value};
use regex::{Regex, RegexBuilder};

use super::cost;
use super::facts::{Body, Facts, Memo, VARIABLES, clip};
use super::fold::mentions;
use crate::model::entry::Entry;
use crate::model::time::Timestamp;
use crate::text;

/// Bytes of an expression as written.
const LONGEST: usize = 4 << 10;
/// Operators, dots and brackets in an expression: each may make it one deeper, and the library goes down recursively.
const DEEPEST: usize = 300;
/// How deep one part may stand in another: the library answers recursively, with frames of up to 32 KiB, on whatever thread
/// asks.
const NESTED: usize = 40;
/// Stack of the thread that parses, whose frames are large; it is the system's memory only where it is used.
const STACK: usize = 64 << 20;
/// Bytes of a compiled pattern. Its worst case is this times [`super::LOOKED_AT`].
const PATTERN: usize = 64 << 10;

/// A condition on articles. Two are equal if they are written in the same way.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    source: String,
    ast: IdedExpr,
    patterns: Arc<HashMap<String, Regex>>,
    /// Functions of ours that it calls.
    calls: Vec<&'static str>,
}

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Byte offset in the expression.
    pub at: usize,
    /// In words.
    pub text: String,
}

/// Functions that are called on a value, with the number of their arguments: at least, at most.
const MEMBERS: &[(&str, usize, usize)] = &[
    ("size", 0, 0),
    ("contains", 1, 1),
    ("startsWith", 1, 1),
    ("endsWith", 1, 1),
    ("matches", 1, 1),
    ("mentions", 1, 1),
    ("includes", 1, 1),
    ("key", 0, 0),
    ("getFullYear", 0, 1),
    ("getMonth", 0, 1),
    ("getDate", 0, 1),
    ("getDayOfMonth", 0, 1),
    ("getDayOfWeek", 0, 1),
    ("getDayOfYear", 0, 1),
    ("getHours", 0, 1),
    ("getMinutes", 0, 1),
    ("getSeconds", 0, 1),
    ("getMilliseconds", 0, 1),
];
/// Functions that are called with one argument.
const GLOBALS: &[&str] = &[
    "size",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "timestamp",
    "duration",
];
/// Those that the library does not have.
const OURS: &[&str] = &["matches", "mentions", "includes", "key"];

/// The library's environment, without optional values: nothing here can be absent.
static ENV: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

impl Expression {
    /// Compiles an expression and makes sure that it can be asked of any article in bounded time.
    ///
    /// # Errors
    /// With its place, whatever keeps it from being asked: syntax, unknown names, a bad pattern, types that cannot
    /// meet, a cost without a sensible bound.
    pub fn compile(source: &str) -> Result<Self, Mistake> {
        if source.len() > LONGEST {
            return Err(Mistake {
                at: 0,
                text: format!("an expression has at most {LONGEST} bytes; make two rules of it"),
            });
        }
        if depth(source) > DEEPEST {
            return Err(Mistake {
                at: 0,
                text: format!(
                    "an expression has at most {DEEPEST} operators, dots and brackets; a list is shorter: title.mentions([…])"
                ),
            });
        }
        let program = parsed(source)?;
        let mut ast = program.expression().clone();
        let mut reading = Reading {
            source,
            info: program.source_info(),
            scopes: Vec::new(),
            nested: 0,
            patterns: HashMap::new(),
            calls: Vec::new(),
        };
        reading.look(&mut ast)?;
        let (patterns, calls) = (Arc::new(reading.patterns), reading.calls);
        cost::within_bounds(&ast).map_err(|text| Mistake { at: 0, text })?;
        let expression = Self(Arc::new(Compiled {
            source: source.to_owned(),
            ast,
            patterns,
            calls,
        }));
        expression.try_out()?;
        Ok(expression)
    }

    /// As written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether it holds for an article.
    ///
    /// # Errors
    /// In words, if it cannot be said: an index that does not exist, a division by zero, a text that is no number.
    pub fn holds(&self, facts: &Facts<'_>) -> Result<bool, String> {
        self.ask(facts)
            .map_err(|error| words(&error))?
            .ok_or_else(|| "it is neither true nor false".to_owned())
    }

    /// `None`: it gave something else than a truth.
    fn ask(&self, facts: &Facts<'_>) -> Result<Option<bool>, ExecutionError> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.set_variable_resolver(facts);
        for name in &self.0.calls {
            let declared = match *name {
                "matches" => {
                    let patterns = Arc::clone(&self.0.patterns);
                    context.add_function(
                        name,
                        move |This(text): This<Arc<String>>, re: Arc<String>| {
                            let pattern = patterns.get(re.as_str());
                            pattern.is_some_and(|pattern| pattern.is_match(&text))
                        },
                    )
                }
                "key" => {
                    let memo = Arc::clone(&facts.body.memo);
                    context.add_function(name, move |This(text): This<Arc<String>>| {
                        memo.fold(&text).to_string()
                    })
                }
                "includes" => {
                    let memo = Arc::clone(&facts.body.memo);
                    context.add_function(name, move |This(text): This<Arc<String>>, part: Value| {
                        any(&memo, &text, &part, |text, part| {
                            !part.is_empty() && text.contains(part)
                        })
                    })
                }
                _ => {
                    let memo = Arc::clone(&facts.body.memo);
                    context.add_function(name, move |This(text): This<Arc<String>>, word: Value| {
                        any(&memo, &text, &word, mentions)
                    })
                }
            };
            declared.map_err(|error| ExecutionError::function_error(name, error))?;
        }
        let value = Value::resolve_val(&self.0.ast, &context)?;
        Ok(value.downcast_ref::<CelBool>().map(|truth| *truth.inner()))
    }

    /// Asks it of an article without anything in it: what can never work shows now, and not with the first article.
    fn try_out(&self) -> Result<(), Mistake> {
        let entry = Entry::default();
        let body = Body::new(|_| String::new());
        let facts = Facts {
            entry: &entry,
            body: &body,
            feed: "",
            category: "",
            language: "",
            tags: &[],
            score: 0,
            published: Timestamp::EPOCH,
        };
        let wrong = |text| Err(Mistake { at: 0, text });
        match self.ask(&facts) {
            Ok(None) => wrong("an expression must be true or false for each article".to_owned()),
            Err(
                error @ (ExecutionError::NoSuchOverload(_)
                | ExecutionError::UndeclaredReference(_)
                | ExecutionError::InvalidArgumentCount { .. }
                | ExecutionError::UnsupportedTargetType { .. }
                | ExecutionError::NotSupportedAsMethod { .. }
                | ExecutionError::UnexpectedType { .. }
                | ExecutionError::ValuesNotComparable(..)
                | ExecutionError::UnsupportedBinaryOperator(..)
                | ExecutionError::UnsupportedIndex(..)),
            ) => wrong(words(&error)),
            Ok(Some(_)) | Err(_) => Ok(()),
        }
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.source)
    }
}

/// Parses on a thread of its own.
fn parsed(source: &str) -> Result<Program, Mistake> {
    let failed = |text: String| Mistake { at: 0, text };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let parsing = thread
            .spawn_scoped(scope, || {
                let parsed = ENV.compile(source);
                parsed.map_err(|errors| syntax(source, errors.errors.first()))
            })
            .map_err(|error| failed(format!("there is no thread to read it: {error}")))?;
        parsing
            .join()
            .unwrap_or_else(|_| Err(failed("this cannot be read".to_owned())))
    })
}

/// How deep an expression can be at most: what stands in quotes does not count, nor do `&&` and `||`, of which the library
/// makes flat trees.
fn depth(source: &str) -> usize {
    let (mut deep, mut quote, mut escaped) = (0, None, false);
    for c in source.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None => deep += usize::from("+-*/%!?.[({<>=".contains(c)),
        }
    }
    deep
}

/// A pattern whose time is linear in the text and whose size is bounded.
pub(super) fn pattern(written: &str) -> Result<Regex, String> {
    RegexBuilder::new(written)
        .size_limit(PATTERN)
        .dfa_size_limit(1 << 20)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "the pattern is too large; shorten its repetitions, or use (?-u) where ASCII is enough"
                    .to_owned()
            }
            other => {
                // The library draws the place under the pattern; its last line says what is wrong.
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                format!("not a pattern: {}", last.trim_start_matches("error: "))
            }
        })
}

/// A word, or one of several, against a text, in the form in which both are compared.
fn any(
    memo: &Memo,
    text: &str,
    wanted: &Value,
    fits: impl Fn(&str, &str) -> bool,
) -> Result<bool, ExecutionError> {
    let text = memo.fold(text);
    let one = |wanted: &Value| match wanted {
        Value::String(word) => Ok(fits(&text, &super::fold::fold(word))),
        other => Err(ExecutionError::UnexpectedType {
            got: other.type_of().to_string(),
            want: "string".to_owned(),
        }),
    };
    match wanted {
        Value::List(words) => {
            for word in words.iter() {
                if one(word)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        word => one(word),
    }
}

/// What the library says, without the article's text in it.
fn words(error: &ExecutionError) -> String {
    let text = match error {
        ExecutionError::IndexOutOfBounds(_) => "there is no such element".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        ExecutionError::ValuesNotComparable(a, b) => {
            format!("{} cannot be compared with {}", a.type_of(), b.type_of())
        }
        other => other.to_string(),
    };
    clip(&text, 200).to_owned()
}

/// A mistake of syntax, with its place as an offset.
fn syntax(source: &str, error: Option<&ParseError>) -> Mistake {
    let Some(error) = error else {
        return Mistake {
            at: 0,
            text: "this is not an expression".to_owned(),
        };
    };
    let line = usize::try_from(error.pos.0).unwrap_or(1).max(1) - 1;
    let column = usize::try_from(error.pos.1).unwrap_or(1).max(1) - 1;
    let before: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let on_line = source.get(before..).unwrap_or_default();
    let within: usize = on_line.chars().take(column).map(char::len_utf8).sum();
    let text = error.msg.trim_start_matches("Syntax error: ");
    let text = text.lines().next().unwrap_or_default();
    Mistake {
        at: (before + within).min(source.len()),
        text: clip(text, 200).to_owned(),
    }
}

/// Goes through an expression before it may be asked.
struct Reading<'a> {
    source: &'a str,
    info: &'a SourceInfo,
    /// Variables of the macros around.
    scopes: Vec<String>,
    /// How deep we are.
    nested: usize,
    patterns: HashMap<String, Regex>,
    calls: Vec<&'static str>,
}

impl Reading<'_> {
    fn wrong(&self, node: u64, text: impl Into<String>) -> Mistake {
        let (start, _) = self.info.offset_for(node).unwrap_or((0, 0));
        let start = usize::try_from(start).unwrap_or(0);
        Mistake {
            at: self.source.floor_char_boundary(start),
            text: text.into(),
        }
    }

    fn look(&mut self, node: &mut IdedExpr) -> Result<(), Mistake> {
        self.nested += 1;
        if self.nested > NESTED {
            let text =
                format!("an expression is nested {NESTED} deep at most; make two rules of it");
            return Err(self.wrong(node.id, text));
        }
        let looked = self.look_into(node);
        self.nested -= 1;
        looked
    }

    fn look_into(&mut self, node: &mut IdedExpr) -> Result<(), Mistake> {
        let id = node.id;
        match &mut node.expr {
            Expr::Literal(_) | Expr::Unspecified => Ok(()),
            Expr::Ident(name) => {
                let known = VARIABLES.contains(&name.as_str()) || self.scopes.contains(name);
                if known {
                    return Ok(());
                }
                Err(self.wrong(
                    id,
                    format!(
                        "there is no variable `{name}`; there are {}",
                        VARIABLES.join(", ")
                    ),
                ))
            }
            Expr::Select(select) => self.look(&mut select.operand),
            Expr::List(list) => list.elements.iter_mut().try_for_each(|one| self.look(one)),
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|one| {
                if let cel::common::ast::EntryExpr::MapEntry(entry) = &mut one.expr {
                    self.look(&mut entry.key)?;
                    self.look(&mut entry.value)?;
                }
                Ok(())
            }),
            Expr::Struct(_) => Err(self.wrong(id, "there are no messages here")),
            Expr::Comprehension(loops) => {
                self.look(&mut loops.iter_range)?;
                self.look(&mut loops.accu_init)?;
                let before = self.scopes.len();
                self.scopes.push(loops.iter_var.clone());
                self.scopes.extend(loops.iter_var2.clone());
                self.scopes.push(loops.accu_var.clone());
                self.look(&mut loops.loop_cond)?;
                self.look(&mut loops.loop_step)?;
                self.look(&mut loops.result)?;
                self.scopes.truncate(before);
                Ok(())
            }
            Expr::Call(call) => self.call(id, call),
        }
    }

    fn call(&mut self, id: u64, call: &mut CallExpr) -> Result<(), Mistake> {
        let name = call.func_name.clone();
        let arguments = call.args.len();
        let is_operator = name.contains(|c: char| c != '_' && !c.is_alphanumeric());
        if !is_operator {
            let known = match &call.target {
                Some(_) => MEMBERS
                    .iter()
                    .find(|(known, ..)| *known == name)
                    .map(|(_, least, most)| (*least..=*most).contains(&arguments)),
                None => GLOBALS.contains(&name.as_str()).then_some(arguments == 1),
            };
            match known {
                Some(true) => {}
                Some(false) => {
                    return Err(self.wrong(id, format!("`{name}` has other arguments")));
                }
                None => return Err(self.wrong(id, unknown(&name, call.target.is_some()))),
            }
        }
        if let Some(target) = &mut call.target {
            self.look(target)?;
        }
        for argument in &mut call.args {
            self.look(argument)?;
        }
        if let Some(ours) = OURS.iter().find(|ours| **ours == name)
            && !self.calls.contains(ours)
        {
            self.calls.push(ours);
        }
        if name == "matches" {
            let Some(written) = literal(&call.args[0]).map(str::to_owned) else {
                return Err(self.wrong(
                    call.args[0].id,
                    "`matches` wants its pattern as a literal, so that it is compiled once",
                ));
            };
            let compiled = pattern(&written).map_err(|text| self.wrong(call.args[0].id, text))?;
            self.patterns.insert(written, compiled);
        }
        if name == operators::IN
            && matches!(&call.args[1].expr, Expr::Ident(list) if list == "tags")
            && let Some(tag) = literal(&call.args[0])
        {
            let key = text::key(tag);
            call.args[0].expr = Expr::Literal(LiteralValue::String(CelString::from(key)));
        }
        Ok(())
    }
}

fn literal(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn unknown(name: &str, on_value: bool) -> String {
    let members = MEMBERS.iter().map(|(known, ..)| *known);
    let there: Vec<&str> = if on_value {
        members.take(8).collect()
    } else {
        GLOBALS.to_vec()
    };
    if on_value {
        format!(
            "there is no function `{name}`; on a value there are {} and the parts of a time",
            there.join(", ")
        )
    } else if MEMBERS.iter().any(|(known, ..)| *known == name) {
        format!("`{name}` is called on a value: title.{name}(…)")
    } else {
        format!(
            "there is no function `{name}`; there are {}",
            there.join(", ")
        )
    }
}
