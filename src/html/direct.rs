//! The fast road: markup that is already in order is verified token by token and written at once.
//!
//! In order means that the HTML parser would build exactly the tree that the tags spell: everything nested and closed,
//! or left open only where an end tag is implied (`p`, `li`, `dd`, `dt`, `tbody`). Whatever the parser would have to move,
//! repeat or invent ends this road, and the fragment goes to the parser from its beginning. A test holds both roads
//! against each other.

use std::collections::HashSet;

use url::Url;

use super::clean::{Cleaned, DEPTH};
use super::element::{Class, Element, element};
use super::scan::{Scanner, Tag, Token};
use super::writer::{Writer, decoded};

/// An element that is open.
#[derive(Debug, Clone, Copy)]
struct Open {
    element: Element,
    /// Whether a `p` is open here that a block would close.
    paragraph: bool,
    /// Whether an `a` is open here.
    anchor: bool,
}

/// The clean fragment, if this road is open for it all the way.
pub(super) fn clean(fragment: &str, base: Option<&Url>) -> Option<Cleaned> {
    let writer = Writer::new(fragment.len(), base, HashSet::new());
    let mut checker = Checker {
        writer,
        open: Vec::with_capacity(16),
    };
    let mut scanner = Scanner::new(fragment);
    while let Some(token) = scanner.next() {
        match token {
            Token::Text(text) => checker.text(text)?,
            Token::Start(tag) => checker.start(tag, &mut scanner)?,
            Token::End(name) => checker.end(element(name)?)?,
            Token::Other(plain) => plain.then_some(())?,
        }
    }
    // A tag that the end cuts off ends the text before it, and there is nothing to dispute about that.
    while !checker.open.is_empty() {
        checker.close();
    }
    Some(checker.writer.finish(false))
}

/// The stack of open elements; every method gives `None` where the road ends.
struct Checker<'a> {
    writer: Writer<'a>,
    open: Vec<Open>,
}

impl Checker<'_> {
    fn class(&self) -> Option<Class> {
        self.open.last().map(|open| open.element.class)
    }

    fn name(&self) -> &'static str {
        self.open.last().map_or("", |open| open.element.name)
    }

    /// Whether what is not part of a table's frame would be moved out of it here.
    fn in_frame(&self) -> bool {
        matches!(
            self.class(),
            Some(Class::Table | Class::ColumnGroup | Class::RowGroup | Class::Row)
        )
    }

    fn text(&mut self, text: &str) -> Option<()> {
        if self.in_frame() && !text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n')) {
            return None;
        }
        self.writer.text(text);
        Some(())
    }

    fn start(&mut self, tag: Tag<'_>, scanner: &mut Scanner<'_>) -> Option<()> {
        let element = element(tag.name)?;
        if self.open.len() >= DEPTH {
            return None;
        }
        match element.class {
            Class::Caption
            | Class::ColumnGroup
            | Class::Column
            | Class::RowGroup
            | Class::Row
            | Class::Cell => self.frame(element)?,
            _ if self.in_frame() => return None,
            Class::Block | Class::Paragraph | Class::Pre | Class::Rule => self.end_paragraph()?,
            Class::Heading => {
                self.end_paragraph()?;
                (self.class() != Some(Class::Heading)).then_some(())?;
            }
            Class::Item | Class::Term => self.item(element)?,
            Class::Anchor => (!self.open.last().is_some_and(|open| open.anchor)).then_some(())?,
            // In quirks mode, which nobody asked for, a table stays in its paragraph.
            Class::Table => (!self.open.last().is_some_and(|open| open.paragraph)).then_some(())?,
            Class::Raw => return raw(element, scanner),
            Class::Ordinary | Class::Formatting | Class::Void => {}
        }
        if element.class == Class::Pre && scanner.rest().starts_with(['\n', '&']) {
            return None;
        }
        self.write(element, tag)
    }

    fn write(&mut self, element: Element, tag: Tag<'_>) -> Option<()> {
        if element.kept {
            // Links inside the fragment need to know its ids, which only the last pass over the whole does.
            let is_local = |(name, value): (&str, &str)| {
                name.eq_ignore_ascii_case("href") && decoded(value).trim_start().starts_with('#')
            };
            if tag.attributes.contains(['#', '&']) && tag.attributes().any(is_local) {
                return None;
            }
            self.writer.start(element.name, tag);
        }
        if !matches!(element.class, Class::Void | Class::Rule | Class::Column) {
            let outer = self.open.last();
            let walled = matches!(element.class, Class::Caption | Class::Cell | Class::Table);
            let paragraph = element.class == Class::Paragraph
                || (!walled && outer.is_some_and(|open| open.paragraph));
            let anchor = element.class == Class::Anchor || outer.is_some_and(|open| open.anchor);
            self.open.push(Open {
                element,
                paragraph,
                anchor,
            });
        }
        Some(())
    }

    /// Closes the current element.
    fn close(&mut self) {
        if let Some(open) = self.open.pop()
            && open.element.kept
        {
            self.writer.end(open.element.name);
        }
    }

    /// Closes an open `p` before a block, if nothing else is open in it.
    fn end_paragraph(&mut self) -> Option<()> {
        if self.open.last().is_some_and(|open| open.paragraph) {
            (self.class() == Some(Class::Paragraph)).then_some(())?;
            self.close();
            // A second one around it would need a second look.
            (!self.open.last().is_some_and(|open| open.paragraph)).then_some(())?;
        }
        Some(())
    }

    /// Closes the `li` (or `dt`, `dd`) before another one; everything between must be a `p`.
    fn item(&mut self, element: Element) -> Option<()> {
        let paragraph = usize::from(self.class() == Some(Class::Paragraph));
        let outer = self
            .open
            .len()
            .checked_sub(1 + paragraph)
            .map(|at| self.open[at].element);
        match outer {
            Some(outer) if outer.class == element.class => {
                for _ in 0..=paragraph {
                    self.close();
                }
                self.end_paragraph()
            }
            // Every block but these ends the search for one to close.
            Some(Element {
                name: "address" | "div",
                ..
            }) => None,
            Some(outer)
                if matches!(
                    outer.class,
                    Class::Block | Class::Cell | Class::Caption | Class::Item | Class::Term
                ) =>
            {
                self.end_paragraph()
            }
            None => self.end_paragraph(),
            Some(_) => None,
        }
    }

    /// The frame of a table: each part only where it belongs; `tbody` may be left out.
    fn frame(&mut self, element: Element) -> Option<()> {
        match (element.class, self.class()?) {
            (Class::Caption | Class::ColumnGroup | Class::RowGroup, Class::Table)
            | (Class::Column, Class::ColumnGroup)
            | (Class::Row, Class::RowGroup)
            | (Class::Cell, Class::Row) => {}
            (Class::RowGroup, Class::RowGroup) => self.close(),
            (Class::Cell, Class::Cell) | (Class::Row, Class::Row) => self.close(),
            (Class::Row, Class::Table) => {
                let tbody = Element {
                    name: "tbody",
                    class: Class::RowGroup,
                    kept: true,
                };
                self.writer.implied(tbody.name);
                self.open.push(Open {
                    element: tbody,
                    paragraph: false,
                    anchor: self.open.last().is_some_and(|open| open.anchor),
                });
            }
            _ => return None,
        }
        Some(())
    }

    fn end(&mut self, element: Element) -> Option<()> {
        match element.class {
            // `</br>` is a line break, `</img>` is nothing.
            Class::Void if element.name != "br" => return Some(()),
            Class::Void | Class::Rule | Class::Column | Class::Raw => return None,
            Class::Table => self.end_rows(&[Class::Cell, Class::Row, Class::RowGroup]),
            Class::RowGroup => self.end_rows(&[Class::Cell, Class::Row]),
            Class::Row => self.end_rows(&[Class::Cell]),
            Class::Ordinary
            | Class::Formatting
            | Class::Anchor
            | Class::Caption
            | Class::ColumnGroup => {}
            // Everything else brings the end of what may be left open.
            _ => {
                while matches!(
                    self.class(),
                    Some(Class::Paragraph | Class::Item | Class::Term)
                ) && self.name() != element.name
                {
                    self.close();
                }
            }
        }
        (self.name() == element.name).then_some(())?;
        self.close();
        Some(())
    }

    /// Closes the parts of a table that its end closes, as long as they are the current ones.
    fn end_rows(&mut self, classes: &[Class]) {
        for class in classes {
            if self.class() == Some(*class) {
                self.close();
            }
        }
    }
}

/// Skips an element with raw content. Scripts with comments in them have rules that nobody wants to know.
fn raw(element: Element, scanner: &mut Scanner<'_>) -> Option<()> {
    let content = scanner.skip_raw(element.name);
    if element.name == "script" && content.contains("<!--") {
        return None;
    }
    match scanner.next()? {
        Token::End(_) => Some(()),
        _ => None,
    }
}
