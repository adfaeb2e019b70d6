//! The English names of months and days of the week, in lower case: for dates, and for headlines that carry one.

/// January to December.
pub const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Monday to Sunday.
pub const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// The month (1 to 12) of a name, full or cut to three letters or more, in any case.
#[must_use]
pub fn month(word: &str) -> Option<u32> {
    let bytes = word.as_bytes();
    let fits = |name: &&str| {
        name.len() >= bytes.len() && name.as_bytes()[..bytes.len()].eq_ignore_ascii_case(bytes)
    };
    let index = if bytes.len() < 3 {
        None
    } else {
        MONTHS.iter().position(fits)
    };
    index.and_then(|index| u32::try_from(index + 1).ok())
}

/// Whether a word in lower case is the name of a month or a day, full or cut to what people write: `sept`, `mon`.
#[must_use]
pub fn is_name(word: &str) -> bool {
    word == "sept"
        || MONTHS
            .iter()
            .chain(&DAYS)
            .any(|name| *name == word || &name[..3] == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_full_and_cut() {
        assert_eq!(month("SEPT"), Some(9));
        assert_eq!(month("March"), Some(3));
        assert_eq!(month("ma"), None);
        assert_eq!(month("mars"), None);
        for word in ["may", "dec", "sept", "thursday", "thu"] {
            assert!(is_name(word), "{word}");
        }
        for word in ["thurs", "ma", "decem", "", "été"] {
            assert!(!is_name(word), "{word}");
        }
    }
}
