//! A trial run of the HTML parser: the tree is counted, not built, and the run ends as soon as it gets out of hand.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{Attribute, ExpandedName, ParseOpts, QualName, local_name, ns, parse_fragment};

/// The parser is fed so many bytes at a time: what can go wrong in between is small.
const STEP: usize = 512;
/// A tree may be this deep, somewhat more than what is kept of it.
const DEEP: u32 = 400;
/// Elements that the parser may make of one start tag, on the whole, and those that any fragment may have.
const ELEMENTS_FOR_TAG: usize = 3;
const ELEMENTS_FOR_ALL: usize = 256;
/// Elements of any fragment: half a kilobyte of memory for each.
const MOST_ELEMENTS: usize = 100_000;
/// Elements looked at to move others, on the whole.
const MOST_MOVES: usize = 20_000_000;

/// Whether the parser can read the fragment at a cost in proportion to its size.
pub(super) fn is_bearable(html: &str, tags: usize) -> bool {
    let context = QualName::new(None, ns!(html), local_name!("div"));
    let mut parser = parse_fragment(
        Gauge::default(),
        ParseOpts::default(),
        context,
        Vec::new(),
        false,
    );
    let most = (tags * ELEMENTS_FOR_TAG + ELEMENTS_FOR_ALL).min(MOST_ELEMENTS);
    let mut rest = html;
    while !rest.is_empty() {
        let (step, after) = rest.split_at(rest.floor_char_boundary(STEP));
        parser.process(step.into());
        let gauge = &parser.tokenizer.sink.sink;
        if gauge.elements.get() > most || gauge.depth.get() > DEEP || gauge.moves.get() > MOST_MOVES
        {
            return false;
        }
        rest = after;
    }
    true
}

/// An element as far as the parser needs to know it. Nobody holds its children, so it goes when the parser lets it go.
struct Node {
    name: QualName,
    depth: Cell<u32>,
}

type Handle = Rc<Node>;

/// A sink that counts.
#[derive(Default)]
struct Gauge {
    elements: Cell<usize>,
    depth: Cell<u32>,
    moves: Cell<usize>,
}

impl Gauge {
    fn place(&self, parent: &Handle, child: &NodeOrText<Handle>) {
        if let NodeOrText::AppendNode(child) = child {
            let depth = parent.depth.get() + 1;
            child.depth.set(depth);
            self.depth.set(self.depth.get().max(depth));
        }
    }

    /// To move a node the parser's tree looks for it among its siblings, which at worst are all there is.
    fn moved(&self) {
        self.moves.set(self.moves.get() + self.elements.get());
    }

    fn node(name: QualName) -> Handle {
        Rc::new(Node {
            name,
            depth: Cell::new(0),
        })
    }

    fn nameless() -> Handle {
        Self::node(QualName::new(None, ns!(), local_name!("")))
    }
}

impl TreeSink for Gauge {
    type Handle = Handle;
    type Output = ();
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) {}

    fn parse_error(&self, _message: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Self::nameless()
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> ExpandedName<'a> {
        target.name.expanded()
    }

    fn create_element(
        &self,
        name: QualName,
        _attributes: Vec<Attribute>,
        _flags: ElementFlags,
    ) -> Handle {
        self.elements.set(self.elements.get() + 1);
        Self::node(name)
    }

    fn create_comment(&self, _text: StrTendril) -> Handle {
        Self::nameless()
    }

    fn create_pi(&self, _target: StrTendril, _data: StrTendril) -> Handle {
        Self::nameless()
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.place(parent, &child);
    }

    fn append_based_on_parent_node(
        &self,
        element: &Handle,
        _previous: &Handle,
        child: NodeOrText<Handle>,
    ) {
        self.moved();
        self.place(element, &child);
    }

    fn append_doctype_to_document(
        &self,
        _name: StrTendril,
        _public_id: StrTendril,
        _system_id: StrTendril,
    ) {
    }

    fn get_template_contents(&self, target: &Handle) -> Handle {
        Rc::clone(target)
    }

    fn same_node(&self, one: &Handle, other: &Handle) -> bool {
        Rc::ptr_eq(one, other)
    }

    fn set_quirks_mode(&self, _mode: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        self.moved();
        self.place(sibling, &child);
    }

    fn add_attrs_if_missing(&self, _target: &Handle, _attributes: Vec<Attribute>) {}

    fn remove_from_parent(&self, _target: &Handle) {
        self.moved();
    }

    fn reparent_children(&self, _node: &Handle, _parent: &Handle) {
        self.moved();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(html: &str) -> bool {
        is_bearable(html, html.matches('<').count())
    }

    #[test]
    fn ordinary_markup_is_bearable() {
        assert!(trial(
            &"<p>Some <b>bold</b> text, <a href=x>a link</a> and an end.</p>".repeat(2000)
        ));
        assert!(trial(&"<p><b>one<p>two</b>".repeat(500)));
        assert!(trial(&format!(
            "<table>{}</table>",
            "<tr><td>x<td>y".repeat(3000)
        )));
        assert!(trial(&"<div>".repeat(300)));
    }

    #[test]
    fn markup_that_explodes_is_not() {
        assert!(!trial(&"<div>".repeat(100_000)));
        assert!(!trial(&format!(
            "<p>{}</p>{}",
            (0..200).map(|n| format!("<b id={n}>")).collect::<String>(),
            "<p>x".repeat(20_000)
        )));
        assert!(!trial(&format!("<table>{}", "<br>".repeat(100_000))));
        assert!(!trial(&"<b><p>x</b></p>".repeat(100_000)));
        assert!(!trial(&"<b><div></b>".repeat(100_000)));
        assert!(!trial(&"<b>x<p>".repeat(100_000)));
    }
}
