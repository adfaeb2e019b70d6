//! For markup that the HTML parser cannot bear: closes and cuts by simple rules, in one pass and bounded depth.
//!
//! What comes out is in such order that the fast road takes it. It is not what a browser would show, but nobody made
//! such markup to be seen.

use super::{attributes, escape};
use crate::html::clean::DEPTH;
use crate::html::element::{Class, Element, element};
use crate::html::scan::{Scanner, Tag, Token};
use crate::html::writer::decoded;

/// Room for the parts of a table that a cell brings with it.
const DEEPEST: usize = DEPTH - 4;

/// Nested and closed markup from tokens in any order. `html` has been tamed before.
pub(super) fn balanced(html: &str) -> String {
    let mut balance = Balance {
        html: String::with_capacity(html.len() + 1024),
        open: Vec::new(),
        skipped: 0,
    };
    for token in Scanner::new(html) {
        match token {
            Token::Text(text) => balance.text(text),
            Token::Start(tag) => {
                if let Some(element) = element(tag.name) {
                    balance.start(element, tag);
                }
            }
            Token::End(name) => {
                if let Some(element) = element(name) {
                    balance.end(element);
                }
            }
            Token::Other(_) => {}
        }
    }
    balance.close_to(0);
    balance.html
}

struct Balance {
    html: String,
    open: Vec<Element>,
    /// Elements open beyond the limit, of which nothing is written.
    skipped: usize,
}

impl Balance {
    fn class(&self) -> Option<Class> {
        self.open.last().map(|element| element.class)
    }

    fn text(&mut self, text: &str) {
        if self.skipped > 0 {
            return;
        }
        if !text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n')) {
            self.enter_cell();
        }
        escape(&mut self.html, text, b'<', "&lt;");
    }

    fn start(&mut self, element: Element, tag: Tag<'_>) {
        let is_void = matches!(element.class, Class::Void | Class::Rule | Class::Column);
        if self.skipped > 0 || self.open.len() >= DEEPEST {
            self.skipped += usize::from(!is_void);
            return;
        }
        match element.class {
            Class::Caption
            | Class::ColumnGroup
            | Class::Column
            | Class::RowGroup
            | Class::Row
            | Class::Cell => {
                if !self.frame(element.class) {
                    return;
                }
            }
            Class::Raw => return,
            class => {
                self.enter_cell();
                self.make_way(class);
            }
        }
        self.html.extend(["<", element.name]);
        // The fast road cannot tell where a link inside the fragment leads.
        attributes(&mut self.html, tag, |value| !decoded(value).contains('#'));
        self.html.push('>');
        if element.class == Class::Pre {
            self.html.push_str("<!---->");
        }
        if !is_void {
            self.open.push(element);
        }
    }

    /// Closes what may not stand around an element of this class.
    fn make_way(&mut self, class: Class) {
        let wall = self
            .open
            .iter()
            .rposition(|element| is_wall(element.class))
            .map_or(0, |at| at + 1);
        let closes: &[Class] = match class {
            Class::Block | Class::Paragraph | Class::Pre | Class::Rule | Class::Table => {
                &[Class::Paragraph]
            }
            Class::Heading => &[Class::Paragraph, Class::Heading],
            Class::Anchor => &[Class::Anchor],
            Class::Item | Class::Term => {
                let is_list =
                    |element: &Element| matches!(element.name, "ul" | "ol" | "dl" | "menu" | "dir");
                let list = self.open.iter().rposition(is_list).map_or(0, |at| at + 1);
                return self.close_to(wall.max(list));
            }
            _ => return,
        };
        // A link may not even stand in a table in a link.
        let from = if class == Class::Anchor { 0 } else { wall };
        if let Some(first) = self.open[from..]
            .iter()
            .position(|element| closes.contains(&element.class))
        {
            self.close_to(from + first);
        }
    }

    /// Opens the parts of a table that text and other elements need around them.
    fn enter_cell(&mut self) {
        if self.class() == Some(Class::ColumnGroup) {
            self.close_to(self.open.len() - 1);
        }
        for (class, part) in [
            (Class::Table, "tbody"),
            (Class::RowGroup, "tr"),
            (Class::Row, "td"),
        ] {
            if self.class() == Some(class) {
                self.implied(part);
            }
        }
    }

    fn implied(&mut self, name: &str) {
        if let Some(element) = element(name) {
            self.html.extend(["<", name, ">"]);
            self.open.push(element);
        }
    }

    /// Makes the place in the nearest table where a part of this class belongs; false if there is none.
    fn frame(&mut self, class: Class) -> bool {
        let Some(table) = self
            .open
            .iter()
            .rposition(|element| element.class == Class::Table)
        else {
            return false;
        };
        let inside: Vec<Class> = self.open[table + 1..]
            .iter()
            .map(|element| element.class)
            .collect();
        let keeps: &[Class] = match class {
            Class::Caption | Class::ColumnGroup | Class::RowGroup => &[],
            Class::Column => &[Class::ColumnGroup],
            Class::Row => &[Class::RowGroup],
            _ => &[Class::RowGroup, Class::Row],
        };
        let fits = inside
            .iter()
            .zip(keeps)
            .take_while(|(open, kept)| open == kept)
            .count();
        self.close_to(table + 1 + fits);
        for missing in &keeps[fits..] {
            self.implied(match missing {
                Class::ColumnGroup => "colgroup",
                Class::RowGroup => "tbody",
                _ => "tr",
            });
        }
        true
    }

    fn end(&mut self, element: Element) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        let framed = matches!(
            element.class,
            Class::Table
                | Class::RowGroup
                | Class::Row
                | Class::Cell
                | Class::Caption
                | Class::ColumnGroup
        );
        for at in (0..self.open.len()).rev() {
            let open = self.open[at];
            if open.name == element.name {
                self.close_to(at);
                return;
            }
            if open.class == Class::Table || (!framed && is_wall(open.class)) {
                return;
            }
        }
    }

    fn close_to(&mut self, length: usize) {
        while self.open.len() > length {
            if let Some(element) = self.open.pop() {
                self.html.extend(["</", element.name, ">"]);
            }
        }
    }
}

/// What keeps the outside from being closed from inside.
const fn is_wall(class: Class) -> bool {
    matches!(class, Class::Cell | Class::Caption | Class::Table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_comes_from_simple_rules() {
        for (html, expected) in [
            ("<p>a<p>b", "<p>a</p><p>b</p>"),
            ("<b><p>a</b>b</p>", "<b><p>a</p></b>b"),
            (
                "<ul><li>a<b>b<li>c</ul>d",
                "<ul><li>a<b>b</b></li><li>c</li></ul>d",
            ),
            (
                "<table>x<td>y</table>z",
                "<table><tbody><tr><td>x</td><td>y</td></tr></tbody></table>z",
            ),
            (
                "<a>1<table><td><a>2",
                "<a>1<table><tbody><tr><td></td></tr></tbody></table></a><a>2</a>",
            ),
            ("</p></b>a<foo>b", "ab"),
        ] {
            assert_eq!(balanced(html), expected, "{html}");
        }
    }
}
