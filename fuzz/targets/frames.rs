//! Any bytes as a file of the article log, as its items, as values of the index and as a line of a backup: no panic, and
//! what is understood is understood the same once more.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = aggd::store::survey(bytes);
});
