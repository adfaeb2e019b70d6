//! The elements of HTML that feeds use: which are kept, and how the HTML parser treats them.

/// Longer names are in no list.
const LONGEST: usize = 16;

/// The elements that are kept.
pub(super) const KEPT_ELEMENTS: [&str; 83] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "article",
    "aside",
    "b",
    "bdi",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "data",
    "dd",
    "del",
    "details",
    "dfn",
    "dir",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "i",
    "ins",
    "kbd",
    "li",
    "main",
    "mark",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
    "img",
    "picture",
    "source",
    "audio",
    "video",
    "track",
];

/// What the parser does about an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Closes an open `p`.
    Block,
    Paragraph,
    Heading,
    /// `pre`, which swallows a line end at its beginning.
    Pre,
    /// `li`, which closes the one before.
    Item,
    /// `dt` and `dd`, which close the one before.
    Term,
    /// Formatting that would be repeated if it were closed in the wrong place.
    Formatting,
    /// `a`, which may not stand in another one.
    Anchor,
    /// Anything without rules of its own.
    Ordinary,
    /// Elements without content.
    Void,
    /// `hr`: without content, closes an open `p`.
    Rule,
    Table,
    Caption,
    ColumnGroup,
    Column,
    /// `tbody`, `thead`, `tfoot`.
    RowGroup,
    Row,
    Cell,
    /// Raw characters up to the end tag; dropped.
    Raw,
}

/// An element by its name in the list above, or one that is left out while its content stays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element {
    pub(super) name: &'static str,
    pub(super) class: Class,
    pub(super) kept: bool,
}

/// Elements without content, among the kept ones.
pub(super) fn is_void(element: &str) -> bool {
    matches!(
        element,
        "br" | "col" | "hr" | "img" | "source" | "track" | "wbr"
    )
}

/// The element of a name in any case; `None` for those that need the parser.
pub(super) fn element(name: &str) -> Option<Element> {
    if name.len() > LONGEST {
        return None;
    }
    let key = key(name);
    let index = KEYS.binary_search(&key);
    index.map_or_else(|_| custom(name), |index| Some(ELEMENTS[index]))
}

/// A name of sixteen bytes or less as a number; numbers are in the order of the names.
const fn key(name: &str) -> u128 {
    let bytes = name.as_bytes();
    let (mut key, mut at) = (0, 0);
    while at < 16 {
        key = key << 8
            | if at < bytes.len() {
                bytes[at].to_ascii_lowercase() as u128
            } else {
                0
            };
        at += 1;
    }
    key
}

/// The keys of [`ELEMENTS`].
static KEYS: [u128; ELEMENTS.len()] = {
    let mut keys = [0; ELEMENTS.len()];
    let mut at = 0;
    while at < keys.len() {
        keys[at] = key(ELEMENTS[at].name);
        at += 1;
    }
    keys
};

/// Elements of other makers, such as `<o:p>` and `<g-emoji>`: they go, their content stays.
fn custom(name: &str) -> Option<Element> {
    // Telling them apart would need their names; a fragment that has several of them nested is rare enough.
    (name.eq_ignore_ascii_case("o:p")).then_some(Element {
        name: "o:p",
        class: Class::Ordinary,
        kept: false,
    })
}

const fn kept(name: &'static str, class: Class) -> Element {
    Element {
        name,
        class,
        kept: true,
    }
}

const fn dropped(name: &'static str, class: Class) -> Element {
    Element {
        name,
        class,
        kept: false,
    }
}

/// Sorted by name.
static ELEMENTS: [Element; 87] = [
    kept("a", Class::Anchor),
    kept("abbr", Class::Ordinary),
    kept("acronym", Class::Ordinary),
    kept("address", Class::Block),
    kept("article", Class::Block),
    kept("aside", Class::Block),
    kept("audio", Class::Ordinary),
    kept("b", Class::Formatting),
    kept("bdi", Class::Ordinary),
    kept("bdo", Class::Ordinary),
    kept("big", Class::Formatting),
    kept("blockquote", Class::Block),
    kept("br", Class::Void),
    kept("caption", Class::Caption),
    kept("center", Class::Block),
    kept("cite", Class::Ordinary),
    kept("code", Class::Formatting),
    kept("col", Class::Column),
    kept("colgroup", Class::ColumnGroup),
    kept("data", Class::Ordinary),
    kept("dd", Class::Term),
    kept("del", Class::Ordinary),
    kept("details", Class::Block),
    kept("dfn", Class::Ordinary),
    kept("dir", Class::Block),
    kept("div", Class::Block),
    kept("dl", Class::Block),
    kept("dt", Class::Term),
    kept("em", Class::Formatting),
    dropped("embed", Class::Void),
    kept("figcaption", Class::Block),
    kept("figure", Class::Block),
    dropped("font", Class::Formatting),
    kept("footer", Class::Block),
    kept("h1", Class::Heading),
    kept("h2", Class::Heading),
    kept("h3", Class::Heading),
    kept("h4", Class::Heading),
    kept("h5", Class::Heading),
    kept("h6", Class::Heading),
    kept("header", Class::Block),
    kept("hr", Class::Rule),
    kept("i", Class::Formatting),
    dropped("iframe", Class::Raw),
    kept("img", Class::Void),
    kept("ins", Class::Ordinary),
    kept("kbd", Class::Ordinary),
    dropped("label", Class::Ordinary),
    kept("li", Class::Item),
    kept("main", Class::Block),
    kept("mark", Class::Ordinary),
    kept("menu", Class::Block),
    kept("nav", Class::Block),
    kept("ol", Class::Block),
    kept("p", Class::Paragraph),
    dropped("param", Class::Void),
    kept("picture", Class::Ordinary),
    kept("pre", Class::Pre),
    kept("q", Class::Ordinary),
    kept("s", Class::Formatting),
    kept("samp", Class::Ordinary),
    dropped("script", Class::Raw),
    kept("section", Class::Block),
    kept("small", Class::Formatting),
    kept("source", Class::Void),
    kept("span", Class::Ordinary),
    kept("strike", Class::Formatting),
    kept("strong", Class::Formatting),
    dropped("style", Class::Raw),
    kept("sub", Class::Ordinary),
    kept("summary", Class::Block),
    kept("sup", Class::Ordinary),
    kept("table", Class::Table),
    kept("tbody", Class::RowGroup),
    kept("td", Class::Cell),
    kept("tfoot", Class::RowGroup),
    kept("th", Class::Cell),
    kept("thead", Class::RowGroup),
    kept("time", Class::Ordinary),
    kept("tr", Class::Row),
    kept("track", Class::Void),
    kept("tt", Class::Formatting),
    kept("u", Class::Formatting),
    kept("ul", Class::Block),
    kept("var", Class::Ordinary),
    kept("video", Class::Ordinary),
    kept("wbr", Class::Void),
];
