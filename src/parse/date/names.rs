//! Names of months and days of the week, in the languages that feeds are written in. All in lower case and without accents,
//! as [`super::normal`] leaves them.

/// How month names begin. The first that fits counts: what is longer stands before what is shorter.
const MONTHS: [(&str, u32); 92] = [
    // English, German, French, Spanish, Italian, Portuguese, Dutch, Hungarian, the North, Indonesian.
    ("jan", 1),
    ("gen", 1),
    ("ene", 1),
    ("feb", 2),
    ("fev", 2),
    ("mar", 3),
    ("maa", 3),
    ("mrt", 3),
    ("mrz", 3),
    ("maerz", 3),
    ("apr", 4),
    ("avr", 4),
    ("abr", 4),
    ("may", 5),
    ("mai", 5),
    ("mag", 5),
    ("maj", 5),
    ("mei", 5),
    ("juin", 6),
    ("jun", 6),
    ("giu", 6),
    ("juil", 7),
    ("jul", 7),
    ("lug", 7),
    ("jui", 6),
    ("aug", 8),
    ("aou", 8),
    ("ago", 8),
    ("agu", 8),
    ("sep", 9),
    ("szept", 9),
    ("set", 9),
    ("oct", 10),
    ("okt", 10),
    ("ott", 10),
    ("out", 10),
    ("nov", 11),
    ("noe", 11),
    ("dec", 12),
    ("dez", 12),
    ("dic", 12),
    ("des", 12),
    // Russian and Ukrainian.
    ("янв", 1),
    ("сiч", 1),
    ("фев", 2),
    ("лют", 2),
    ("мар", 3),
    ("бер", 3),
    ("апр", 4),
    ("квiт", 4),
    ("мая", 5),
    ("маи", 5),
    ("трав", 5),
    ("июн", 6),
    ("черв", 6),
    ("июл", 7),
    ("лип", 7),
    ("авг", 8),
    ("серп", 8),
    ("сен", 9),
    ("вер", 9),
    ("окт", 10),
    ("жовт", 10),
    ("ноя", 11),
    ("лист", 11),
    ("дек", 12),
    ("груд", 12),
    // Greek.
    ("ιαν", 1),
    ("φεβ", 2),
    ("μαρ", 3),
    ("μαω", 3),
    ("απρ", 4),
    ("μαι", 5),
    ("ιουν", 6),
    ("ιον", 6),
    ("ιουλ", 7),
    ("ιολ", 7),
    ("αυγ", 8),
    ("σεπ", 9),
    ("οκτ", 10),
    ("νοε", 11),
    ("δεκ", 12),
    // Polish and Turkish.
    ("sty", 1),
    ("lut", 2),
    ("kwi", 4),
    ("cze", 6),
    ("lip", 7),
    ("sie", 8),
    ("wrz", 9),
    ("paz", 10),
    ("lis", 11),
    ("gru", 12),
];

/// Weekdays that begin like a month, and abbreviations too short to be told by their beginning.
const DAYS: [&str; 43] = [
    "mardi", "martes", "martedi", "maandag", "mo", "tu", "we", "th", "fr", "sa", "su", "di", "mi",
    "do", "so", "lu", "ma", "me", "je", "ve", "gi", "lun", "mer", "jeu", "ven", "sam", "dim",
    "mie", "jue", "vie", "sab", "dom", "seg", "ter", "qua", "qui", "sex", "пн", "вт", "ср", "чт",
    "пт", "сб",
];

/// How other names of weekdays begin.
const DAY_BEGINNINGS: [&str; 63] = [
    "mon",
    "tue",
    "wed",
    "thu",
    "fri",
    "sat",
    "sun",
    "dien",
    "mitt",
    "donn",
    "frei",
    "sams",
    "sonn",
    "lund",
    "mercr",
    "mercol",
    "jeud",
    "vend",
    "vener",
    "same",
    "diman",
    "lunes",
    "mierc",
    "juev",
    "viern",
    "sabad",
    "sabat",
    "domin",
    "domen",
    "giov",
    "segun",
    "terc",
    "quar",
    "quin",
    "sexta",
    "dins",
    "woen",
    "dond",
    "vrij",
    "zate",
    "zond",
    "понед",
    "втор",
    "сред",
    "четв",
    "пятн",
    "субб",
    "воск",
    "вс",
    "κυρ",
    "δευ",
    "τρι",
    "τετ",
    "πεμ",
    "παρ",
    "σαβ",
    "hetf",
    "kedd",
    "szer",
    "csut",
    "pent",
    "szom",
    "vasar",
];

/// Words that say nothing: prepositions, articles, "o'clock".
const FILLERS: [&str; 33] = [
    "at", "de", "del", "di", "du", "um", "uhr", "le", "la", "las", "les", "der", "den", "the",
    "of", "on", "kl", "klo", "г", "года", "год", "в", "e", "alle", "ore", "om", "uur", "am", "das",
    "dos", "as", "h", "feira",
];

/// The month that a word begins to name.
pub(super) fn month(word: &str) -> Option<u32> {
    MONTHS
        .iter()
        .find(|(beginning, _)| word.starts_with(beginning))
        .map(|&(_, month)| month)
}

/// Whether a word names a day of the week.
pub(super) fn is_weekday(word: &str) -> bool {
    DAYS.contains(&word)
        || DAY_BEGINNINGS
            .iter()
            .any(|beginning| word.starts_with(beginning))
}

/// Whether a word may be overlooked.
pub(super) fn is_filler(word: &str) -> bool {
    FILLERS.contains(&word)
}
