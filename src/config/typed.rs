//! Values of feeds.toml as Rust values. Each reader gives `None` for what does not fit; the check has said so already.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::schema::Shape;
use super::value;
use crate::model::source::SourceId;
use crate::serve::Listen;

/// One value of a table.
pub(super) fn get<'a>(table: &'a DeTable<'a>, name: &str) -> Option<&'a DeValue<'a>> {
    table.get(name).map(toml::Spanned::get_ref)
}

pub(super) fn text(value: &DeValue<'_>) -> Option<String> {
    value.as_str().map(str::to_owned)
}

pub(super) fn texts(value: &DeValue<'_>) -> Vec<String> {
    value.as_array().map_or_else(Vec::new, |list| {
        let mut texts: Vec<String> = list.iter().filter_map(|one| text(one.get_ref())).collect();
        // There may be a hundred thousand of these lists, and they stay.
        texts.shrink_to_fit();
        texts
    })
}

pub(super) fn whole(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

pub(super) fn duration(value: &DeValue<'_>) -> Option<Duration> {
    value.as_str().and_then(value::duration)
}

pub(super) fn size(value: &DeValue<'_>) -> Option<u64> {
    value.as_str().and_then(value::size)
}

/// Reads `127.0.0.0/8`, and `192.168.1.7` as a network of one.
pub(super) fn network(text: &str) -> Option<ipnet::IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(ipnet::IpNet::from))
}

pub(super) fn networks(value: &DeValue<'_>) -> Vec<ipnet::IpNet> {
    texts(value).iter().filter_map(|one| network(one)).collect()
}

pub(super) fn listen(text: &str) -> Option<Listen> {
    if let Some(path) = text.strip_prefix("unix:") {
        return (!path.is_empty()).then(|| Listen::Unix(PathBuf::from(path)));
    }
    if let Some(name) = text.strip_prefix("fd:") {
        return (!name.is_empty()).then(|| Listen::Passed(name.to_owned()));
    }
    let address: Option<SocketAddr> = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}").parse().ok(),
        None => text.parse().ok(),
    };
    address.map(Listen::Tcp)
}

/// Reads `"0660"`.
pub(super) fn mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777 && text.len() >= 3)
}

/// `Some(None)` for `off`.
#[expect(
    clippy::option_option,
    reason = "not a rate, no limit, and a limit are three things"
)]
pub(super) fn rate(text: &str) -> Option<Option<u32>> {
    match text {
        "off" => Some(None),
        _ => value::rate(text).map(Some),
    }
}

/// An http or https address with a host.
pub(super) fn http(text: &str) -> Option<url::Url> {
    url::Url::parse(text.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn proxy(text: &str) -> bool {
    matches!(text, "none" | "env")
        || url::Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && url.has_host()
        })
}

/// Says what the shape wants, if the value does not fit it.
pub(super) fn fits(shape: Shape, value: &DeValue<'_>) -> Result<(), String> {
    let text = value.as_str();
    let (good, wants) = match shape {
        Shape::Text => (
            text.is_some_and(|text| !text.trim().is_empty()),
            "a text in quotes",
        ),
        Shape::Line => (
            text.is_some_and(|text| !text.trim().is_empty() && !text.contains(char::is_control)),
            "a text in quotes, on one line",
        ),
        Shape::Secret => (
            text.is_some(),
            "a text in quotes or one of { env }, { credential } and { file }",
        ),
        Shape::Flag => (value.is_bool(), "true or false"),
        Shape::Whole(min, max) => {
            return match whole(value) {
                Some(number) if (min..=max).contains(&number) => Ok(()),
                _ => Err(format!("a whole number from {min} to {max}")),
            };
        }
        Shape::Span => (
            duration(value).is_some_and(|span| !span.is_zero()),
            "a duration such as \"90s\", \"15m\", \"24h\" or \"30d\"",
        ),
        Shape::Days(min, max) => {
            let days = |n: u64| Duration::from_hours(24 * n);
            return match duration(value) {
                Some(span) if (days(min)..=days(max)).contains(&span) => Ok(()),
                _ => Err(format!("a duration from \"{min}d\" to \"{max}d\"")),
            };
        }
        Shape::SpanOrZero => (
            duration(value).is_some(),
            "a duration such as \"0s\", \"90s\", \"15m\" or \"24h\"",
        ),
        Shape::Every => (
            duration(value).is_some_and(|span| !span.is_zero()),
            "a duration such as \"1h\" or { min = \"15m\", max = \"24h\" }",
        ),
        Shape::Size => (
            size(value).is_some_and(|bytes| bytes > 0),
            "a size such as \"512KiB\", \"64MiB\" or \"1GiB\"",
        ),
        Shape::Id => (
            text.and_then(SourceId::new).is_some(),
            "1 to 64 of a-z, 0-9 and -, not beginning with -",
        ),
        Shape::Listen => (
            text.and_then(listen).is_some(),
            "\"IP:PORT\", \"unix:PATH\" or \"fd:NAME\"",
        ),
        Shape::Http => (
            text.and_then(http).is_some(),
            "an address that begins with https:// or http://",
        ),
        Shape::Network => (
            text.and_then(network).is_some(),
            "a network such as \"192.168.1.0/24\"",
        ),
        Shape::Rate => (
            text.and_then(rate).is_some(),
            "a rate such as \"600/min\", or \"off\"",
        ),
        Shape::Mode => (
            text.and_then(mode).is_some(),
            "permissions such as \"0660\"",
        ),
        Shape::Rewrite => (
            text.is_some_and(|text| !text.trim().is_empty()),
            "a template in quotes or { match, replace }",
        ),
        Shape::Proxy => (
            text.is_some_and(proxy),
            "\"none\", \"env\", or an address that begins with http://, https://, socks5:// or socks5h://",
        ),
        Shape::Choice(words) => {
            let all: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            return if text.is_some() {
                Ok(())
            } else {
                Err(format!("one of {}", all.join(", ")))
            };
        }
        Shape::List(_) => (false, "a list in [ ]"),
        Shape::OneOrMany(_) | Shape::Any => (true, ""),
        Shape::Table(_) | Shape::Map(_) => (false, "a table"),
        Shape::Tables(_) => (false, "tables in double brackets, [[ ]]"),
    };
    if good { Ok(()) } else { Err(wants.to_owned()) }
}

/// How messages call a value that does not fit.
pub(super) fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.trim().is_empty() => "an empty text".to_owned(),
        DeValue::String(text) => {
            let short: String = text.chars().take(60).collect();
            format!("\"{short}\"")
        }
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Integer(_) => "a number".to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
