//! When and how sources are visited: `[poll]` and `[fetch]`.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use super::{Reading, Settings, directory};
use crate::config::check::Check;
use crate::config::problem::Lines;
use crate::config::{File, source, typed};
use crate::fetch::HostLimits;
use crate::{fetch, poll, publish};

impl Reading<'_> {
    pub(super) fn poll(&mut self, settings: &Settings<'_>, lines: &[Lines<'_>]) -> poll::Options {
        let default = poll::Options::default();
        let every = settings
            .value("poll.every")
            .and_then(|value| source::every(value, default.every))
            .unwrap_or(default.every);
        if every.min > every.max
            && let Some((leaf, file)) = settings.leaves.get("poll.every")
        {
            self.error(
                &lines[*file],
                leaf.at,
                "`min` of `every` is longer than its `max`",
            );
        }
        poll::Options {
            every,
            hint_cap: settings.duration("poll.hint_cap", default.hint_cap),
            silent_after: settings.duration("poll.silent_after", default.silent_after),
            move_after: settings.duration("poll.move_after", default.move_after),
        }
    }

    pub(super) fn fetch(
        &mut self,
        settings: &Settings<'_>,
        lines: &[Lines<'_>],
        files: &[File],
        site: &publish::Site,
    ) -> fetch::Options {
        let default = fetch::Options::default();
        let limits = HostLimits {
            at_once: settings.whole("fetch.per_host.at_once", default.per_host.at_once),
            spacing: settings.duration("fetch.per_host.spacing", default.per_host.spacing),
        };
        let mut sites = BTreeMap::new();
        for (leaf, file) in settings.items("fetch.site") {
            let Some(domain) = leaf.item.and_then(registrable) else {
                let name = leaf.item.unwrap_or_default();
                self.error(
                    &lines[*file],
                    leaf.at,
                    format!("`{name}` is not a registrable domain such as \"reddit.com\""),
                );
                continue;
            };
            sites.insert(domain, site_limits(leaf.value, limits));
        }
        let template = settings
            .text("fetch.user_agent")
            .unwrap_or_else(|| "aggd/{version} (+{public_url})".to_owned());
        fetch::Options {
            user_agent: template
                .replace("{version}", env!("CARGO_PKG_VERSION"))
                .replace("{public_url}", site.public_url.as_str()),
            in_flight: settings.whole("fetch.in_flight", default.in_flight),
            per_host: limits,
            site: sites,
            connect_timeout: settings.duration("fetch.connect_timeout", default.connect_timeout),
            total_timeout: settings.duration("fetch.total_timeout", default.total_timeout),
            max_body: settings.size("fetch.max_body", default.max_body),
            allow_private: settings
                .value("fetch.allow_private")
                .map_or_else(Vec::new, typed::networks),
            proxy: self.proxy(settings, lines, files).unwrap_or(default.proxy),
        }
    }

    fn proxy(
        &mut self,
        settings: &Settings<'_>,
        lines: &[Lines<'_>],
        files: &[File],
    ) -> Option<crate::model::source::Proxy> {
        let (leaf, file) = settings.leaves.get("fetch.proxy")?;
        let mut errors = Check::new(&lines[*file]);
        let mut warnings = Check::new(&lines[*file]);
        let value = Spanned::new(leaf.at..leaf.at, leaf.value.clone());
        let proxy = source::proxy(
            &value,
            &directory(&files[*file].path),
            self.surroundings,
            &mut errors,
            &mut warnings,
        );
        self.errors.extend(errors.into_problems());
        self.warnings.extend(warnings.into_problems());
        proxy
    }
}

fn site_limits(value: &DeValue<'_>, default: HostLimits) -> HostLimits {
    let limits = value
        .as_table()
        .and_then(|table| typed::get(table, "per_host"))
        .and_then(DeValue::as_table);
    let of = |name| limits.and_then(|table| typed::get(table, name));
    HostLimits {
        at_once: of("at_once")
            .and_then(typed::whole)
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(default.at_once),
        spacing: of("spacing")
            .and_then(typed::duration)
            .unwrap_or(default.spacing),
    }
}

/// A registrable domain in the form in which hosts are compared.
fn registrable(name: &str) -> Option<String> {
    let name = url::Host::parse(name.trim_end_matches('.')).ok()?;
    match name {
        url::Host::Domain(domain) => {
            let fits = match psl::domain_str(&domain) {
                Some(found) => found == domain,
                // A public suffix such as co.uk belongs to nobody; localhost is a name without one.
                None => !domain.contains('.'),
            };
            fits.then_some(domain)
        }
        address => Some(address.to_string()),
    }
}
