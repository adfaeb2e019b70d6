//! Any bytes in any encoding: there is always a text, and valid UTF-8 without a label is that text.
#![no_main]

use aggd::parse::{decode, sniff};
use libfuzzer_sys::fuzz_target;

const LABELS: [&str; 12] = [
    "",
    "gb2312",
    "shift_jis",
    "utf-16",
    "utf-32",
    "iso-8859-1",
    "us-ascii",
    "iso-2022-jp",
    "big5",
    "nonsense",
    "utf-8",
    "windows-1251",
];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, body) = input;
    let label = LABELS[usize::from(choice) % LABELS.len()];
    let content_type = format!("text/xml; charset={label}");
    let decoded = decode::decode(body, (!label.is_empty()).then_some(content_type.as_str()));
    assert!(!decoded.encoding.is_empty());
    assert_eq!(decoded.repaired, !decoded.warnings.is_empty());
    assert!(decoded.text.len() <= body.len() * 3 + 3);
    if label.is_empty()
        && let Ok(text) = std::str::from_utf8(body)
        && !text.contains("<?xml")
        && !text.contains(['\0', '\u{FEFF}'])
    {
        assert_eq!(decoded.text, text);
    }
    let _ = sniff::kind(&decoded.text);
});
