//! Tag lines that are the headline cut into words, as old Chinese portals make them.

use crate::text;

/// Tags of which something can be told.
const FEWEST: usize = 3;

/// True if at least four fifths of the labels are words of the headline, in its order, and together most of it: a
/// publisher who names the two or three things that a headline is about does not do that.
pub(super) fn is_cut_up(headline: &str, labels: &[&str]) -> bool {
    if labels.len() < FEWEST {
        return false;
    }
    let headline = text::simplify(&headline.to_lowercase());
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
    let (mut from, mut found, mut covered) = (0, 0, 0);
    for label in labels {
        let word = text::simplify(&label.trim().to_lowercase());
        if let Some(end) = word_after(&headline, from, &word) {
            from = end;
            found += 1;
            covered += letters(&word);
        }
    }
    // Latin headlines have articles and prepositions, and few names cover much of one.
    let most = if headline.contains(|c| c >= '\u{2e80}') {
        50
    } else {
        70
    };
    found * 5 >= labels.len() * 4 && covered * 100 >= letters(&headline) * most
}

/// Where the next occurrence of a word ends; a Latin one has no letter beside it.
fn word_after(headline: &str, from: usize, word: &str) -> Option<usize> {
    if word.is_empty() {
        return None;
    }
    let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphabetic() && c < '\u{2e80}');
    headline[from..].match_indices(word).find_map(|(at, _)| {
        let (start, end) = (from + at, from + at + word.len());
        let joins_before =
            is_letter(headline[..start].chars().next_back()) && is_letter(word.chars().next());
        let joins_after =
            is_letter(headline[end..].chars().next()) && is_letter(word.chars().next_back());
        (!joins_before && !joins_after).then_some(end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headline_cut_into_words_is_told_from_tags() {
        let portal = "市委召开会议强调继续做好防汛工作";
        for (headline, labels, is_cut) in [
            (
                portal,
                &["市委", "召开", "会议", "强调", "继续", "防汛", "工作"][..],
                true,
            ),
            (
                portal,
                &["市委", "会议", "强调", "做好", "防汛工作", "本地"],
                true,
            ),
            (
                "市委召開會議強調繼續做好防汛工作",
                &["市委", "召开", "会议", "强调", "继续", "防汛"],
                true,
            ),
            (portal, &["防汛", "市委"], false),
            (portal, &["防汛", "会议", "市委", "工作", "强调"], false),
            (portal, &["防汛", "社会", "本地新闻"], false),
            (
                "Apple and Google sue the European Commission over fines",
                &["Apple", "Google", "European Commission"],
                false,
            ),
            ("Rust 1.90 released", &["rust", "1.90", "released"], true),
            ("Rusty nails", &["rust", "nail", "s"], false),
            ("", &["a", "b", "c"], false),
        ] {
            assert_eq!(
                is_cut_up(headline, labels),
                is_cut,
                "{headline}: {labels:?}"
            );
        }
    }
}
