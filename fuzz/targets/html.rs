//! Any text as HTML: both roads to clean HTML agree, and neither lets anything through.
#![no_main]

use aggd::html;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|fragment: &str| {
    let base = "https://example.org/a/b".parse().expect("an address");
    let (fast, slow) = html::both_roads(fragment, &base);
    if let Some(fast) = fast {
        assert_eq!(fast, slow);
    }
    if let Some(clean) = &slow.html {
        assert!(!clean.chars().any(html::is_illegal));
        // Neither text nor values hold a `<` or `>`, so these are the tags.
        for tag in clean.to_ascii_lowercase().split('<').skip(1) {
            let tag = tag.split('>').next().unwrap_or_default();
            for bad in [
                "script", "style", "iframe", "svg", "math", "form", "input", "textarea", "title",
            ] {
                assert!(
                    !tag.strip_prefix(bad)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')),
                    "{clean}"
                );
            }
            assert!(
                !tag.contains("href=\"javascript:") && !tag.contains("src=\"javascript:"),
                "{clean}"
            );
        }
    }
    let text = html::text(fragment);
    assert!(!text.chars().any(html::is_illegal) && text.trim() == text && !text.contains("  "));
    let _ = (html::has_markup(fragment), html::unescape(fragment));
});
