//! What a clean fragment is, and that both roads lead to the same one.

use proptest::prelude::*;
use url::Url;

use super::clean::{at_once, normalised, parsed};
use super::{DEPTH, clean, clean_noting, direct, element};

const REL: &str = "rel=\"noopener noreferrer\"";

fn base() -> Url {
    Url::parse("https://example.org/blog/post").unwrap()
}

/// Cleans by both roads; they must agree where the fast one is open.
#[track_caller]
fn both(fragment: &str) -> Option<String> {
    let base = base();
    let slow = parsed(&normalised(fragment), Some(&base));
    if let Some(fast) = at_once(&normalised(fragment), Some(&base)) {
        assert_eq!(fast, slow, "{fragment:?}");
    }
    slow.html
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (fragment, expected) in cases {
        let expected = expected.replace("REL", REL);
        assert_eq!(both(fragment).unwrap_or_default(), expected, "{fragment:?}");
        assert_eq!(
            clean(fragment, Some(&base())).unwrap_or_default(),
            expected,
            "{fragment:?}"
        );
    }
}

#[test]
fn a_reference_to_a_control_character_in_a_host_makes_no_address_on_either_road() {
    check(&[
        ("<img src=https://a&#xc;b.example/c>d", "<img>d"),
        (
            "<a href=\"https://a.example/b&#1;c\">d</a> e&#x7f;f",
            "<a href=\"https://a.example/bc\" REL>d</a> ef",
        ),
    ]);
}

#[test]
fn what_readers_need_stays() {
    check(&[
        ("plain text", "plain text"),
        ("a > b", "a &gt; b"),
        ("<p>one<p>two", "<p>one</p><p>two</p>"),
        ("<b>b</b> &amp; <i>i", "<b>b</b> &amp; <i>i</i>"),
        ("<ul><li>1<li>2</ul>", "<ul><li>1</li><li>2</li></ul>"),
        (
            "<table><tr><td>1<td>2</table>",
            "<table><tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
        ),
        ("<b><p>x</b>y</p>", "<b></b><p><b>x</b>y</p>"),
        ("<pre>\n a\n  b</pre>", "<pre> a\n  b</pre>"),
        (
            "<img src='a.png' alt=\"x\" onerror=alert(1)>",
            "<img src=\"https://example.org/blog/a.png\" alt=\"x\">",
        ),
        (
            "<a href=https://a.example&nbsp;>y</a>",
            "<a href=\"https://a.example\" REL>y</a>",
        ),
        (
            "<a href=/x title=t class=c>y</a>",
            "<a href=\"https://example.org/x\" title=\"t\" REL>y</a>",
        ),
        (
            "<video src=v.mp4 controls poster=p.png></video>",
            "<video src=\"https://example.org/blog/v.mp4\" controls=\"\" poster=\"https://example.org/blog/p.png\"></video>",
        ),
        (
            "<time datetime=2026-01-01>x</time>",
            "<time datetime=\"2026-01-01\">x</time>",
        ),
        (
            "<ruby>漢<rp>(</rp><rt>kan</rt></ruby>",
            "<ruby>漢<rp>(</rp><rt>kan</rt></ruby>",
        ),
    ]);
}

#[test]
fn what_nobody_needs_goes() {
    check(&[
        ("\u{FEFF}<p>mark</p>", "<p>mark</p>"),
        ("\u{1}\u{FEFF}\u{FEFF}a &amp; b", "a &amp; b"),
        ("\u{FEFF}", ""),
        (
            "<img srcset='x.png, a&#xb='>",
            "<img srcset=\"https://example.org/blog/x.png, https://example.org/blog/a=\">",
        ),
        ("a<script>alert('</b>')</script>b", "ab"),
        ("a<style>p{}</style><!-- c --><?php x ?>b", "ab"),
        ("<iframe src=x><p>y</p></iframe>z", "z"),
        (
            "<font color=red>x</font> <center>y</center>",
            "x <center>y</center>",
        ),
        ("<form action=x><p>y</p></form>", "<p>y</p>"),
        ("<object data=x>y<param name=z></object>", "y"),
        (
            "<p style='color:red' onclick=x id=q class=r>y</p>",
            "<p>y</p>",
        ),
        ("<o:p>x</o:p><my-tag>y</my-tag>", "xy"),
        ("<textarea>x</textarea><select><option>y</select>z", "z"),
        (
            "<svg><script>x</script><title/><path d='M1'/><text>y</text></svg>z",
            "yz",
        ),
        (
            "<math><mi>x</mi><mo>=</mo><mspace/><mn>1</mn></math><br/>z",
            "x=1<br>z",
        ),
        (
            "<img src=x width=1 height=1><img src=y height='0' width='1px'>z",
            "z",
        ),
        ("<a href='JaVa&#10;Script:x'>y</a>", "<a REL>y</a>"),
        (
            "<img src='data:text/html,x'><img src='data:image/png;base64,AA'>",
            "<img><img src=\"data:image/png;base64,AA\">",
        ),
        ("a\u{1}b&#1;c&#x7f;d", "abcd"),
        ("<", "&lt;"),
        ("x<a href='", "x"),
        (" <!-- x --> <script>y</script>\n", ""),
        ("<img width=0 height=0 src=x>", ""),
        ("<plaintext>x</p>", ""),
    ]);
}

#[test]
fn ids_stay_only_where_a_link_leads() {
    check(&[
        (
            "<a href='#n'>1</a><p id=n>note</p>",
            "<a href=\"#n\" REL>1</a><p id=\"n\">note</p>",
        ),
        (
            "<a href='#n'>1</a><p id=m>note</p>",
            "<a href=\"https://example.org/blog/post#n\" REL>1</a><p>note</p>",
        ),
        ("<p id=n>note</p>", "<p>note</p>"),
    ]);
}

#[test]
fn without_a_base_addresses_stay() {
    assert_eq!(
        clean("<img src='x y.png'>", None).as_deref(),
        Some("<img src=\"x%20y.png\">")
    );
}

#[test]
fn every_kept_element_survives() {
    for element in element::KEPT_ELEMENTS {
        let wrapped = match element {
            "caption" | "colgroup" | "tbody" | "thead" | "tfoot" => {
                format!("<table><{element}></{element}></table>x")
            }
            "tr" => "<table><tr></tr></table>x".to_owned(),
            "td" | "th" => format!("<table><tr><{element}>x</{element}></table>"),
            "col" => "<table><colgroup><col></table>x".to_owned(),
            void if element::is_void(void) => format!("<{void}>x"),
            _ => format!("<{element}>x</{element}>"),
        };
        let clean = both(&wrapped).unwrap_or_default();
        assert!(clean.contains(&format!("<{element}")), "{element}: {clean}");
    }
}

#[test]
fn depth_is_limited() {
    let deep = format!(
        "{}x{}y",
        "<div>".repeat(DEPTH + 10),
        "</div>".repeat(DEPTH + 10)
    );
    let cleaned = clean_noting(&deep, None);
    assert!(cleaned.cut);
    let html = cleaned.html.unwrap();
    assert!(html.ends_with('y') && !html.contains('x'));
    assert_eq!(html.matches("<div>").count(), DEPTH);
    let fits = format!("{}x{}", "<div>".repeat(DEPTH), "</div>".repeat(DEPTH));
    assert_eq!(
        clean_noting(&fits, None),
        super::Cleaned {
            html: Some(fits.clone()),
            shows: true,
            cut: false
        }
    );
}

#[test]
fn a_long_base_does_not_multiply() {
    let base = Url::parse(&format!("https://example.org/{}/", "x".repeat(100_000))).unwrap();
    for link in [
        "<a href=y>z</a>",
        "<img src=y>",
        "<img srcset='y 1x, y 2x'>",
    ] {
        let fragment = link.repeat(1000);
        let html = clean(&fragment, Some(&base)).unwrap();
        assert!(
            html.len() < 20 * fragment.len() + 2 * base.as_str().len(),
            "{link}: {}",
            html.len()
        );
    }
}

/// Markup that is short to write and long to read.
fn hostile() -> Vec<String> {
    let many = 20_000;
    let numbered = |tag: &str, n: usize| {
        (0..n)
            .map(|i| format!("<{tag} title={i}>"))
            .collect::<String>()
    };
    vec![
        "<div>".repeat(many),
        "<b>".repeat(many),
        "<p><b>".repeat(many),
        numbered("b", many),
        format!("{}{}", numbered("b", 300), "<p>x".repeat(many)),
        format!("<table>{}", "<br>".repeat(many)),
        format!("<table>{}", "<b>x".repeat(many)),
        "<b><p>x</b></p>".repeat(many),
        "<b><div></b>".repeat(many),
        "<a><div>".repeat(many),
        "<a>".repeat(many),
        "<table><td>".repeat(many),
        "<select><option>".repeat(many),
        "<svg><g>".repeat(many),
        "<math><mtext>".repeat(many),
        "<h1>".repeat(many),
        "<li>".repeat(many),
        "<ul><li>".repeat(many),
        "<object>".repeat(many),
        "<button>".repeat(many),
        "<ruby><rt>".repeat(many),
        "<template>".repeat(many),
        "<!--".repeat(many),
        "<!-->".repeat(many),
        "<script><!--".repeat(many),
        "<title>".repeat(many),
        "<q1>".repeat(many),
        "</p>".repeat(many),
        "</b>".repeat(many),
        "<".repeat(many),
        "<a ".repeat(many),
        "<a '\"".repeat(many),
        "&".repeat(many),
        "&#".repeat(many),
        "&CounterClockwiseContourIntegra".repeat(many / 8),
        format!(
            "<p {}>x",
            (0..many).map(|i| format!("a{i}=x ")).collect::<String>()
        ),
        format!("<p {}>x", "id=x ".repeat(many)),
        (0..many).map(|i| format!("<html a{i}>")).collect(),
        format!(
            "{}{}",
            "<a href=#x>".repeat(many / 2),
            "<p id=x>".repeat(many / 2)
        ),
        format!("<img src=x srcset='{}'>", "a 1x,".repeat(many)),
        format!("<img src='data:image/png;base64,{}'>", "A ".repeat(many)),
        format!("<img src='{}'>", "../".repeat(many)),
    ]
}

#[test]
fn hostile_markup_costs_no_more_than_other() {
    let base = base();
    for fragment in hostile() {
        let start = std::time::Instant::now();
        let cleaned = clean_noting(&fragment, Some(&base));
        let text = super::text(&fragment);
        let seconds = start.elapsed().as_secs_f64();
        let name = &fragment[..fragment.len().min(40)];
        // An order of magnitude above what it takes, for slow machines and unoptimised builds.
        assert!(seconds < 3.0, "{name}: {seconds} s");
        let written = cleaned.html.map_or(0, |html| html.len());
        assert!(
            written + text.len() <= fragment.len() * 12 + 10_000,
            "{name}: {written} bytes"
        );
    }
}

/// Pieces of markup that interact.
fn piece() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "p",
        "p",
        "div",
        "b",
        "i",
        "a",
        "em",
        "li",
        "ul",
        "ol",
        "dl",
        "dt",
        "dd",
        "h1",
        "h2",
        "span",
        "code",
        "pre",
        "blockquote",
        "br",
        "img",
        "hr",
        "table",
        "tr",
        "td",
        "th",
        "tbody",
        "thead",
        "caption",
        "colgroup",
        "col",
        "ruby",
        "rt",
        "font",
        "script",
        "style",
        "iframe",
        "video",
        "source",
        "sub",
        "center",
        "address",
        "section",
        "details",
        "summary",
        "o:p",
        "object",
        "form",
        "select",
        "option",
        "button",
        "textarea",
        "title",
        "svg",
        "math",
        "mi",
        "html",
        "body",
        "template",
        "P",
        "DIV",
    ]);
    let attributes = prop::sample::select(vec![
        "",
        "",
        "",
        " href=x",
        " href='http://a.example/?x=1&amp;y=2&copy=3'",
        " src=\"//h/i.png\"",
        " width=1 height=1",
        " title='a\"b&lt;'",
        " href=#n",
        " id=n",
        " HREF=https://B.example/%zz href=2",
        " href=' java\nscript:x'",
        "/",
        " /",
        " a=b c",
        " href=http://1.2.3.4.5/",
        " href=http://a..b/",
        " href=https://a.example:99999/x",
        " href=http://xn--a/",
        " src=http://a_b.example/",
        " href='http://a.b/ä|{}'",
        " href=\"http://[::1]/\"",
        " href=a:b",
        " srcset='a 1x, b 2x'",
        " colspan=2 style=x",
        " href=http://a.example./\u{a0}",
    ]);
    prop_oneof![
        4 => (names.clone(), attributes).prop_map(|(name, attributes)| format!("<{name}{attributes}>")),
        4 => names.prop_map(|name| format!("</{name}>")),
        3 => prop::sample::select(vec![
            "x", " ", "\n", "&amp;", "&nbsp;", "&rsquo;", "&copy", "<", ">", "a < b", "<!-- c -->", "<!-->", "<?x?>", "<![CDATA[y]]>", "\u{a0}",
            "&#1;", "&#0;", "&#128;", "&#13;", "\r\n", "\u{1}", "\u{c}", "日本", "&", "</>", "</ x>", "<!doctype html>", "&notit;", "\u{85}",
        ])
        .prop_map(str::to_owned),
    ]
}

/// Well-nested markup, for which the fast road should mostly be open.
fn nested() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "text",
        " a &amp; b ",
        "<br>",
        "<img src=a.png>",
        "<hr/>",
        "é&nbsp;",
        "<!-- c -->",
        "\n",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 6, |inner| {
        let names = prop::sample::select(vec![
            "p",
            "div",
            "b",
            "i",
            "a",
            "ul",
            "li",
            "span",
            "h2",
            "blockquote",
            "font",
            "dl",
            "dt",
            "dd",
            "figure",
            "pre",
            "code",
        ]);
        let ends = prop::bool::weighted(0.9);
        (names, prop::collection::vec(inner.clone(), 0..6), ends).prop_map(
            |(name, content, end)| {
                let end = if end {
                    format!("</{name}>")
                } else {
                    String::new()
                };
                format!("<{name}>{}{end}", content.concat())
            },
        )
    })
}

#[test]
fn a_byte_order_mark_means_nothing_wherever_it_stands() {
    check(&[
        ("\u{FEFF}<b>a</b>", "<b>a</b>"),
        ("<b>a\u{FEFF}b</b>", "<b>ab</b>"),
        ("<\0!>\u{FEFF}a &amp; b", "a &amp; b"),
    ]);
}

/// A table in order or nearly.
fn table() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "<tr>",
        "</tr>",
        "<td>x",
        "<td><p>y</p></td>",
        "<th>",
        "</th>",
        "</td>",
        "<tbody>",
        "</tbody>",
        "<thead>",
        "</thead>",
        " ",
        "\n",
        "<caption>c</caption>",
        "<colgroup><col></colgroup>",
        "<col>",
        "<table>",
        "</table>",
        "x",
        "<p>",
        "<a href=x>y</a>",
        "<b>",
    ]);
    prop::collection::vec(part, 0..14)
        .prop_map(|parts| format!("<table>{}</table>", parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_roads_lead_to_the_same_html(
        fragment in prop_oneof![
            prop::collection::vec(piece(), 0..12).prop_map(|pieces| pieces.concat()),
            prop::collection::vec(nested(), 0..4).prop_map(|pieces| pieces.concat()),
            table(),
        ]
    ) {
        both(&fragment);
    }

    #[test]
    fn the_simpler_rules_lead_to_order(pieces in prop::collection::vec(piece(), 0..30)) {
        let balanced = super::tame::balanced(&super::tame::tamed(&normalised(&pieces.concat())));
        prop_assert!(direct::clean(&balanced, None).is_some(), "{balanced}");
    }

    #[test]
    fn clean_html_is_clean_already(pieces in prop::collection::vec(piece(), 0..12)) {
        if let Some(once) = clean(&pieces.concat(), Some(&base())) {
            prop_assert!(!once.chars().any(super::is_illegal));
            prop_assert!(!once.contains("<script") && !once.contains("javascript:"));
        }
    }
}
