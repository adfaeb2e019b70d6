//! The last pass over what the HTML parser wrote: addresses, pixels, ids, control characters, and the limit of depth.
//!
//! The input is balanced HTML of allowed elements, written by a serialiser; nothing else is to be expected here.

use std::collections::HashSet;

use memchr::memmem;
use url::Url;

use super::clean::{Cleaned, DEPTH};
use super::element::is_void;
use super::scan::{Scanner, Token};
use super::writer::{Writer, decoded};

/// Rewrites a serialised fragment.
pub(super) fn finish(html: &str, base: Option<&Url>) -> Cleaned {
    let mut writer = Writer::new(html.len(), base, targets(html));
    let (mut depth, mut cut) = (0, false);
    for token in Scanner::new(html) {
        match token {
            Token::Text(text) if depth <= DEPTH => writer.text(text),
            Token::Start(tag) => {
                depth += usize::from(!is_void(tag.name));
                cut |= depth > DEPTH;
                if depth <= DEPTH {
                    writer.start(tag.name, tag);
                }
            }
            Token::End(name) => {
                if depth <= DEPTH {
                    writer.end(name);
                }
                depth = depth.saturating_sub(1);
            }
            Token::Text(_) | Token::Other(_) => {}
        }
    }
    writer.finish(cut)
}

/// The ids that links of the fragment lead to.
fn targets(html: &str) -> HashSet<String> {
    if memmem::find(html.as_bytes(), b"href=\"#").is_none() {
        return HashSet::new();
    }
    let (mut ids, mut links) = (HashSet::new(), HashSet::new());
    for token in Scanner::new(html) {
        let Token::Start(tag) = token else { continue };
        for (name, value) in tag.attributes() {
            match (name, value.strip_prefix('#')) {
                ("id", _) => ids.insert(decoded(value).into_owned()),
                ("href", Some(id)) => links.insert(decoded(id).into_owned()),
                _ => false,
            };
        }
    }
    ids.retain(|id| !id.is_empty() && links.contains(id));
    ids
}
