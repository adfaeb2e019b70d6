//! Any text as a date and as a duration: what is read lies within the years that feeds may name, and reads back the same.
#![no_main]

use aggd::parse::date;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(at) = date::parse(text) {
        // A zone may carry the first and the last day over the border.
        assert!((1899..=2200).contains(&at.year_month().0), "{at}");
        if (1900..=2199).contains(&at.year_month().0) {
            assert_eq!(date::parse(&at.to_rfc3339()), Some(at));
            assert_eq!(date::parse(&at.to_rfc822()), Some(at.whole_seconds()));
        }
    }
    let _ = date::duration(text);
});
