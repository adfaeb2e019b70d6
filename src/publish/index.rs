//! Indexes for people: tags and categories with their counts, sources with how they are.

use std::fmt::Write as _;

use super::address::{Format, List, segment};
use super::item::Context;
use super::page::{Head, frame};
use super::plain::{self, escape};
use crate::model::label::LabelCount;
use crate::model::source::{Health, SourceId, SourceState};
use crate::model::time::Timestamp;

/// The feeds of everything: an index has none of its own.
fn feeds(context: &Context<'_>) -> Vec<(Format, String)> {
    Format::ALL
        .into_iter()
        .map(|format| {
            (
                format,
                context.link(&format!("{}.{}", List::All.stem(), format.ending())),
            )
        })
        .collect()
}

/// The index of tags or of categories.
pub(super) fn labels(context: &Context<'_>, tags: bool, labels: &[LabelCount]) -> String {
    let settings = context.settings;
    let base = settings.site.public_url.path();
    let (kind, title) = if tags {
        ("tags", "Tags")
    } else {
        ("categories", "Categories")
    };
    let least = if tags { settings.label.publish_min } else { 0 };
    let mut main = String::from("<ul>\n");
    for label in labels.iter().filter(|label| label.articles >= least) {
        let name = if tags {
            context.names.tag(settings, &label.key)
        } else {
            context.names.category(settings, &label.key)
        };
        let name = name.unwrap_or(&label.name);
        let titled = settings.label.categories.get(&label.key).filter(|_| !tags);
        let shown = titled
            .and_then(|category| category.title.as_deref())
            .unwrap_or(name);
        let _ = writeln!(
            main,
            "<li><a href=\"{base}{kind}/{}\">{}</a> ({})</li>",
            escape(&segment(name)),
            escape(&plain::line(shown)),
            label.articles
        );
    }
    main.push_str("</ul>\n");
    let title = format!("{title} – {}", plain::line(&settings.site.title));
    frame(
        context,
        &Head {
            title: &title,
            feeds: feeds(context),
        },
        &main,
    )
}

/// The sources, their state in words, when something last went well and when they are next visited.
pub(super) fn sources(context: &Context<'_>, states: &[(SourceId, SourceState)]) -> String {
    let settings = context.settings;
    let base = settings.site.public_url.path();
    let mut main = String::from(
        "<table>\n<thead>\n<tr><th scope=\"col\">Source</th><th scope=\"col\">State</th><th scope=\"col\">Last success</th>\
         <th scope=\"col\">Last new article</th><th scope=\"col\">Next visit</th></tr>\n</thead>\n<tbody>\n",
    );
    for (id, state) in states {
        let facts = settings.source(id);
        let title = plain::some_line(facts.and_then(|facts| facts.title()))
            .or_else(|| plain::some_line(state.about.as_ref().map(|about| about.title.as_str())))
            .unwrap_or_else(|| id.to_string());
        let _ = writeln!(
            main,
            "<tr><th scope=\"row\"><a href=\"{base}sources/{id}\">{}</a></th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&title),
            escape(&health(state)),
            date(state.last_ok),
            date(state.last_new),
            date(Some(state.next_due)),
        );
    }
    main.push_str("</tbody>\n</table>\n");
    let title = format!("Sources – {}", plain::line(&settings.site.title));
    frame(
        context,
        &Head {
            title: &title,
            feeds: feeds(context),
        },
        &main,
    )
}

fn health(state: &SourceState) -> String {
    // The sentence about a fault may name an address with a secret in it; its kind is enough here.
    let fault = state
        .last_error
        .as_ref()
        .map_or(String::new(), |fault| match fault.status {
            Some(status) => format!(" ({}, HTTP {status})", fault.kind),
            None => format!(" ({})", fault.kind),
        });
    match state.health {
        Health::New => "not visited yet".to_owned(),
        Health::Ok => "well".to_owned(),
        Health::Failing => format!("failing since {} visits{fault}", state.fails),
        Health::Gone => "gone for good".to_owned(),
        Health::Paused => format!("asked us to wait{fault}"),
    }
}

fn date(at: Option<Timestamp>) -> String {
    match at.filter(|at| *at > Timestamp::EPOCH && *at < Timestamp::FAR_FUTURE) {
        Some(at) => {
            let full = at.whole_seconds().to_rfc3339();
            let short = full.get(..16).unwrap_or(&full).replace('T', " ");
            format!("<time datetime=\"{full}\">{short} UTC</time>")
        }
        None => "–".to_owned(),
    }
}
