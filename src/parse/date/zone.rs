//! Time zones: offsets in digits, and the names that people use for them.

/// Larger offsets are mistakes (the largest on earth is 14 hours), as is a date with one.
pub(super) const LARGEST: i32 = 15 * 3600;

/// Minutes east of Greenwich by name. Where a name means several zones it is the one that feeds mean: `CST` and its
/// like are those of North America, as RFC 822 says, `IST` is India's, `BST` Britain's.
const NAMES: [(&str, i16); 102] = [
    ("a", -60),
    ("acdt", 630),
    ("acst", 570),
    ("adt", -180),
    ("aedt", 660),
    ("aest", 600),
    ("aft", 270),
    ("akdt", -480),
    ("akst", -540),
    ("almt", 300),
    ("amt", -240),
    ("art", -180),
    ("ast", -240),
    ("at", -240),
    ("awst", 480),
    ("azt", 240),
    ("bdt", 360),
    ("bnt", 480),
    ("bot", -240),
    ("brst", -120),
    ("brt", -180),
    ("bst", 60),
    ("cat", 120),
    ("cdt", -300),
    ("cest", 120),
    ("cet", 60),
    ("chst", 600),
    ("clst", -180),
    ("clt", -240),
    ("cot", -300),
    ("cst", -360),
    ("ct", -300),
    ("eat", 180),
    ("ect", -300),
    ("edt", -240),
    ("eest", 180),
    ("eet", 120),
    ("est", -300),
    ("et", -240),
    ("fjt", 720),
    ("gct", 0),
    ("gmt", 0),
    ("gst", 240),
    ("hast", -600),
    ("hdt", -540),
    ("hkt", 480),
    ("hst", -600),
    ("ict", 420),
    ("idt", 180),
    ("irdt", 270),
    ("irst", 210),
    ("ist", 330),
    ("jst", 540),
    ("kgt", 360),
    ("kst", 540),
    ("m", -720),
    ("mdt", -360),
    ("mest", 120),
    ("mesz", 120),
    ("met", 60),
    ("mez", 60),
    ("mmt", 390),
    ("msd", 240),
    ("msk", 180),
    ("mst", -420),
    ("mt", -420),
    ("myt", 480),
    ("n", 60),
    ("ndt", -150),
    ("npt", 345),
    ("nst", -210),
    ("nzdt", 780),
    ("nzst", 720),
    ("pdt", -420),
    ("pet", -300),
    ("pht", 480),
    ("pkt", 300),
    ("pst", -480),
    ("pt", -420),
    ("pyt", -240),
    ("sast", 120),
    ("sgt", 480),
    ("sst", -660),
    ("trt", 180),
    ("uct", 0),
    ("ut", 0),
    ("utc", 0),
    ("uyt", -180),
    ("uzt", 300),
    ("vet", -240),
    ("wast", 120),
    ("wat", 60),
    ("west", 60),
    ("wet", 0),
    ("wib", 420),
    ("wit", 540),
    ("wita", 480),
    ("x", 0),
    ("y", 720),
    ("yekt", 300),
    ("z", 0),
    ("zulu", 0),
];

/// Seconds east of Greenwich by the name of a zone in lower case.
pub(super) fn named(name: &str) -> Option<i32> {
    let at = NAMES.binary_search_by_key(&name, |&(name, _)| name).ok()?;
    Some(i32::from(NAMES[at].1) * 60)
}

/// `+0100`, `-5:30`, `+09`, `-700`; nothing else may follow.
pub(super) fn numeric(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes() {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [h] => ([b'0', *h], *b"00"),
        [h1, h2] | [h1, h2, b':'] => ([*h1, *h2], *b"00"),
        [h, m1, m2] | [h, b':', m1, m2] => ([b'0', *h], [*m1, *m2]),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => ([*h1, *h2], [*m1, *m2]),
        _ => return None,
    };
    let two = |digits: [u8; 2]| {
        let [tens, ones] = digits.map(|digit| char::from(digit).to_digit(10));
        Some(tens? * 10 + ones?)
    };
    let seconds = i32::try_from(two(hours)? * 3600 + two(minutes)? * 60).ok()?;
    (seconds <= LARGEST).then_some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_for_the_search() {
        assert!(NAMES.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn offsets() {
        for (text, seconds) in [
            ("+0100", Some(3600)),
            ("-05:30", Some(-19800)),
            ("+9", Some(32400)),
            ("-07", Some(-25200)),
            ("-700", Some(-25200)),
            ("+5:45", Some(20700)),
            ("0100", None),
            ("+99:00", None),
            ("+1x00", None),
        ] {
            assert_eq!(numeric(text), seconds, "{text}");
        }
    }
}
