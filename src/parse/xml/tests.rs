//! What the reader makes of documents in every state.

use super::*;
use crate::parse::Options;

/// The elements of a document as a bracket notation, with the text of the innermost ones.
fn outline(text: &str) -> (String, Vec<WarningCode>) {
    let cx = Context::new(text, 0, None, &Options::default());
    let mut r = Reader::new(&cx);
    let mut out = String::new();
    if let Some(root) = r.root() {
        r.speak(&root, false);
        r.enter_container(root.level);
        walk(&mut r, &root, &mut out);
        r.drain(root.level);
    }
    let codes = std::mem::take(&mut r.notes)
        .finish(text)
        .iter()
        .map(|warning| warning.code)
        .collect();
    (out, codes)
}

fn walk<'a>(r: &mut Reader<'a>, tag: &Tag<'a>, out: &mut String) {
    out.push_str(&tag.local);
    if tag.local == "item" {
        r.enter_item(tag.level);
    }
    if matches!(&*tag.local, "rss" | "channel" | "item" | "skip") {
        out.push('(');
        while let Some(child) = r.child(tag.level) {
            if child.local == "skip" {
                out.push_str("skip ");
                continue;
            }
            walk(r, &child, out);
            out.push(' ');
        }
        out.truncate(out.trim_end().len());
        out.push(')');
    } else {
        out.push('=');
        out.push_str(&r.inside(tag.level, Inner::Html).text);
    }
}

#[track_caller]
fn check(text: &str, expected: &str, codes: &[WarningCode]) {
    assert_eq!(
        outline(text),
        (expected.to_owned(), codes.to_vec()),
        "{text}"
    );
}

use WarningCode as W;

#[test]
fn a_proper_document_has_no_warnings() {
    check(
        "<?xml version='1.0'?><!-- c --><rss><item><a>x &amp; <![CDATA[<y>]]></a><b/></item></rss>\n<!-- end -->",
        "rss(item(a=x & <y> b=))",
        &[],
    );
    check(
        "<!DOCTYPE rss [<!ENTITY a '>'>]><rss><skip><a><b/></a></skip><a>1</a></rss>",
        "rss(skip a=1)",
        &[],
    );
}

#[test]
fn missing_and_wrong_ends_are_mended() {
    check(
        "<rss><item><a>1<b>2</a><c>3</c></item></rss>",
        "rss(item(a=1<b>2</b> c=3))",
        &[W::XmlError],
    );
    check(
        "<rss><item><a>1</x></a></item></rss>",
        "rss(item(a=1))",
        &[W::XmlError],
    );
    check(
        "<rss><item><a>1</a><item><a>2</a></item></rss>",
        "rss(item(a=1) item(a=2))",
        &[W::XmlError],
    );
    check(
        "<rss><item><title>1<pubDate>2</pubDate></item></rss>",
        "rss(item(title=1 pubdate=2))",
        &[W::XmlError],
    );
    check(
        "<rss><item><Title>1</title><a>2</a></item></rss>",
        "rss(item(title=1 a=2))",
        &[W::XmlError],
    );
    check(
        "<rss><item><a>1</ a ><b>2</></item></rss>",
        "rss(item(a=1 b=2))",
        &[],
    );
}

#[test]
fn a_lost_bracket_costs_one_element() {
    check(
        "<rss><a>1</a><b2</b><c>3</c></rss>",
        "rss(a=1 b=2 c=3)",
        &[W::XmlError],
    );
    check(
        "<rss><lost<item><a>1</a></item></rss>",
        "rss(lost= item(a=1))",
        &[W::XmlError; 2],
    );
}

#[test]
fn a_document_may_end_anywhere() {
    check(
        "<rss><item><a>1</a><b>2",
        "rss(item(a=1 b=2))",
        &[W::Truncated],
    );
    check(
        "<rss><item><a>1</a><b href='x",
        "rss(item(a=1))",
        &[W::Truncated, W::XmlError],
    );
    check(
        "<rss><item><a><![CDATA[1 <b>",
        "rss(item(a=1 <b>))",
        &[W::Truncated],
    );
    check("<rss><item><a><![CD", "rss(item(a=))", &[W::Truncated]);
    check("<rss><item><a>1</a", "rss(item(a=1))", &[W::Truncated]);
}

#[test]
fn characters_that_should_be_escaped_are_text() {
    check(
        "<rss><a>1 < 2 & 3 <4 ]]> <- </a></rss>",
        "rss(a=1 < 2 & 3 <4 ]]> <-)",
        &[W::XmlError; 5],
    );
    check(
        "<rss><a>&nbsp;&ours;</a></rss>",
        "rss(a=\u{a0}&ours;)",
        &[W::EntityUndefined; 2],
    );
}

#[test]
fn a_section_without_an_end_ends_with_its_element() {
    check(
        "<rss><item><a><![CDATA[1</a></item><item><a><![CDATA[2]]></a></item></rss>",
        "rss(item(a=1) item(a=2))",
        &[W::XmlError],
    );
    check(
        "<rss><a><![CDATA[1</a><b>2</b></rss>",
        "rss(a=1 b=2)",
        &[W::XmlError],
    );
    check(
        "<rss><a><![CDATA[<s>//<![CDATA[ x ]]></a></rss>",
        "rss(a=<s>//<![CDATA[ x)",
        &[],
    );
}

#[test]
fn a_section_without_a_start_and_a_parted_end_tag() {
    check(
        "<rss><a>1]]></a><b>2< /b><c>3 < /d></c></rss>",
        "rss(a=1 b=2 c=3 < /d>)",
        &[W::XmlError; 3],
    );
}

#[test]
fn what_stands_behind_the_root_is_not_read() {
    check(
        "<rss><a>1</a></rss><rss><a>2</a></rss>",
        "rss(a=1)",
        &[W::XmlError],
    );
}

#[test]
fn comments_and_instructions_may_lack_their_end() {
    check(
        "<rss><!-- a -- b --><a>1</a></rss>",
        "rss(a=1)",
        &[W::XmlError],
    );
    check("<rss><!-- x><a>1</a></rss>", "rss(a=1)", &[W::XmlError]);
    check("<rss><?php x><a>1</a></rss>", "rss(a=1)", &[W::XmlError]);
}

#[test]
fn elements_too_deep_are_skipped_and_reading_goes_on() {
    let deep = "<d>".repeat(100_000);
    let (outline, codes) = outline(&format!(
        "<rss><item><skip>{deep}</skip><a>1</a></item><item><skip>{deep}<item><a>2</a></item></rss>"
    ));
    assert_eq!(outline, "rss(item(skip a=1) item(skip) item(a=2))");
    assert!(codes.contains(&W::Limit));
}

#[test]
fn markup_inside_a_value_is_written_out() {
    check(
        "<rss><a>x &lt;i> <b c='1&quot;'>&lt;</b><br/>y</a></rss>",
        "rss(a=x <i> <b c=\"1&quot;\">&lt;</b><br>y)",
        &[],
    );
}

#[test]
fn names_belong_to_namespaces_by_uri() {
    let text = "<rss xmlns:x='http://purl.org/dc/elements/1.1'><x:creator/><itunes:author/><foo:bar/><channel xmlns='http://purl.org/rss/1.0/'><title/></channel></rss>";
    let cx = Context::new(text, 0, None, &Options::default());
    let mut r = Reader::new(&cx);
    let root = r.root().unwrap();
    r.speak(&root, false);
    let mut seen = Vec::new();
    while let Some(tag) = r.child(root.level) {
        seen.push(tag.ns);
    }
    assert_eq!(seen, [Ns::Dc, Ns::Itunes, Ns::Other, Ns::Core]);
    let codes: Vec<_> = std::mem::take(&mut r.notes)
        .finish(text)
        .iter()
        .map(|w| w.code)
        .collect();
    assert_eq!(codes, [W::NamespaceUndeclared; 2]);
}

#[test]
fn bases_and_languages_hold_for_their_element() {
    let text = "<feed xml:base='http://x.org/a/' xml:lang='en'><e xml:base='b/' xml:lang='de'><f/></e><g xml:base='javascript:x'/></feed>";
    let cx = Context::new(text, 0, None, &Options::default());
    let mut r = Reader::new(&cx);
    let root = r.root().unwrap();
    let e = r.child(root.level).unwrap();
    assert_eq!(r.child(e.level).unwrap().local, "f");
    assert_eq!(r.base().unwrap().as_str(), "http://x.org/a/b/");
    assert_eq!(r.language_below_root(), Some("de"));
    assert_eq!(r.child(root.level).unwrap().local, "g");
    assert_eq!(r.base().unwrap().as_str(), "http://x.org/a/");
    assert_eq!(r.language_below_root(), None);
    assert_eq!(r.root_language(), Some("en"));
}

#[test]
fn hostile_documents_take_no_time() {
    let many = 200_000;
    for text in [
        "<a>".repeat(many),
        "</a>".repeat(many),
        "<a \"".repeat(many),
        "<a b='".repeat(many),
        "<![CDATA[</a>".repeat(many),
        format!("<a>{}]]>", "<![CDATA[ </a><a>".repeat(many)),
        "<!--".repeat(many),
        "<?x>".repeat(many) + "?>",
        format!("<a>{}?>", "<?x>".repeat(many)),
        "<!DOCTYPE [>".repeat(many),
        format!("<a {}>", "b='1' ".repeat(many)),
        format!("<a {}>", many_namespaces(many)),
        format!("<a b='{}'>", "x".repeat(10 * many)),
        format!("<a>{}</a>", "&x;".repeat(many)),
        format!("<a>{}</a>", "&".repeat(many)),
        format!("<a>{}</a>", "<b><c></b>".repeat(many)),
    ] {
        let before = std::time::Instant::now();
        outline(&text);
        let took = before.elapsed();
        assert!(took.as_secs() < 5, "{}… took {took:?}", &text[..20]);
    }
}

fn many_namespaces(many: usize) -> String {
    let mut text = String::new();
    for n in 0..many {
        text += "xmlns:n";
        text += &n.to_string();
        text += "='u' ";
    }
    text
}
