use super::url::{canonical, names_one_article};

#[track_caller]
fn same(urls: &[&str]) {
    let forms: Vec<_> = urls.iter().map(|url| canonical(url)).collect();
    assert!(
        forms[0].is_some() && forms.windows(2).all(|pair| pair[0] == pair[1]),
        "{urls:?} became {forms:?}"
    );
}

#[track_caller]
fn differ(a: &str, b: &str) {
    assert_ne!(canonical(a), canonical(b), "{a} and {b}");
}

#[test]
fn ways_to_one_article_meet() {
    same(&[
        "https://www.example.org/a/b?id=7",
        "http://example.org/a/b/?utm_source=x&id=7",
        "https://m.example.org:443/a//b?id=7&fbclid=abc#comments",
        "https://amp.example.org/a/b/amp?id=7",
        "https://example.org/a/./b?id=7&amp=1",
        "https://www.google.com/url?sa=t&url=https%3A%2F%2Fexample.org%2Fa%2Fb%3Fid%3D7",
        "https://example-org.cdn.ampproject.org/c/s/example.org/a/b?id=7",
        "https://l.facebook.com/l.php?u=https%3A%2F%2Fexample.org%2Fa%2Fb%3Fid%3D7&h=1",
        "https://link.zhihu.com/?target=https%3A//example.org/a/b%3Fid%3D7",
    ]);
    same(&[
        "https://example.org/%7Euser/%e6%96%b0",
        "https://example.org/~user/%E6%96%B0",
        "https://example.org/~user/新",
    ]);
    same(&[
        "https://example.org/x?b=2&a=1",
        "https://example.org/x?a=1&b=2&from=singlemessage",
    ]);
    same(&[
        "https://example.org/news/index.html",
        "https://example.org/news/",
    ]);
    same(&[
        "https://example.org/x.amp.html",
        "https://example.org/x.html?outputType=amp",
    ]);
}

#[test]
fn what_chooses_the_article_stays() {
    for (a, b) in [
        ("https://example.org/x?id=1", "https://example.org/x?id=2"),
        ("https://example.org/?p=1", "https://example.org/?p=2"),
        (
            "https://example.org/x?page=1",
            "https://example.org/x?page=2",
        ),
        (
            "https://example.org/x?from=2024-01-01",
            "https://example.org/x",
        ),
        (
            "https://example.org/x?source=reuters",
            "https://example.org/x",
        ),
        ("https://example.org/#!/a", "https://example.org/#!/b"),
        ("https://example.org/a%2Fb", "https://example.org/a/b"),
        ("https://news.example.org/x", "https://example.org/x"),
        ("https://example.org:8080/x", "https://example.org/x"),
    ] {
        differ(a, b);
    }
    assert_eq!(canonical("mailto:a@example.org"), None);
    assert_eq!(canonical("not a url"), None);
}

#[test]
fn a_front_page_is_no_article() {
    assert!(!names_one_article(
        &canonical("https://example.org/").unwrap()
    ));
    assert!(names_one_article(
        &canonical("https://example.org/?p=1").unwrap()
    ));
}
