//! One `[[feed]]` as a [`Source`]: its id, its address without credentials, its headers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::Check;
use super::secret::{self, Found, Secrets, Surroundings};
use super::typed;
use crate::model::source::{Every, Manner, Proxy, Secret, Source, SourceId, SourceKind};

/// What reading a feed may need beside its own table.
pub(super) struct Context<'a> {
    /// Directory of the file, where its paths start from.
    pub(super) base: &'a Path,
    /// Interval of `[poll]`, for the end of `every` that a feed leaves out.
    pub(super) every: Every,
    /// Environment and secrets.
    pub(super) surroundings: &'a Surroundings<'a>,
}

/// Reads one feed. Mistakes go to `errors`, oddities to `warnings`; `None` if there is no source to speak of.
pub(super) fn read<'a, 'e>(
    table: &'a DeTable<'a>,
    at: usize,
    context: &Context<'_>,
    errors: &mut Check<'e>,
    warnings: &mut Check<'e>,
) -> Option<Source> {
    let mut reading = Reading {
        table,
        at,
        context,
        errors,
        warnings,
    };
    let kind = reading.kind()?;
    let (url, authorization) = reading.url(&kind)?;
    let id = match reading.text("id") {
        Some(id) => SourceId::new(&id)?,
        None => default_id(&reading.name_giver(&url)),
    };
    let mut source = Source::new(id, &url);
    source.kind = kind;
    source.title = reading.text("title");
    source.category = reading.text("category").map(|name| name.trim().to_owned());
    source.tags = reading.value("tags").map_or_else(Vec::new, typed::texts);
    source.private = reading.flag("private");
    source.trust = reading
        .value("trust")
        .and_then(typed::whole)
        .and_then(|trust| u8::try_from(trust).ok())
        .unwrap_or(0);
    source.never_merge = reading.flag("never_merge");
    source.every = reading.every();
    let manner = Manner {
        headers: reading.headers(authorization),
        user_agent: reading.text("user_agent"),
        http1_only: reading.flag("http1_only"),
        proxy: reading.proxy(),
        max_body: reading.value("max_body").and_then(typed::size),
        total_timeout: reading.value("total_timeout").and_then(typed::duration),
        ca_file: reading.ca_file(),
        accept_invalid_certs: reading.flag("accept_invalid_certs"),
    };
    if manner != *source.manner {
        source.manner = Arc::new(manner);
    }
    Some(source)
}

struct Reading<'r, 'a, 'e, 'c> {
    table: &'a DeTable<'a>,
    at: usize,
    context: &'c Context<'c>,
    errors: &'r mut Check<'e>,
    warnings: &'r mut Check<'e>,
}

impl<'a> Reading<'_, 'a, '_, '_> {
    fn spanned(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(name)
    }

    fn value(&self, name: &str) -> Option<&'a DeValue<'a>> {
        typed::get(self.table, name)
    }

    fn place(&self, name: &str) -> usize {
        self.spanned(name)
            .map_or(self.at, |value| value.span().start)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.value(name).and_then(typed::text)
    }

    fn flag(&self, name: &str) -> bool {
        self.value(name).and_then(DeValue::as_bool).unwrap_or(false)
    }

    fn kind(&mut self) -> Option<SourceKind> {
        let command = self.value("command").map(typed::texts);
        match self.value("kind").map(DeValue::as_str) {
            None | Some(Some("feed")) if command.is_some() => {
                let at = self.place("command");
                self.errors.note(at, "`command` goes with kind = \"exec\"");
                None
            }
            None | Some(Some("feed")) => Some(SourceKind::Feed),
            Some(Some("file")) => Some(SourceKind::File),
            Some(Some("exec")) => match command {
                Some(command) if !command.is_empty() => Some(SourceKind::Exec(command)),
                _ => {
                    self.errors.note(
                        self.at,
                        "a [[feed]] with kind = \"exec\" needs a `command`: the program and its arguments",
                    );
                    None
                }
            },
            // Said by the check.
            Some(_) => None,
        }
    }

    /// The address without credentials, and the `Authorization` made of them.
    fn url(&mut self, kind: &SourceKind) -> Option<(String, Option<Secret>)> {
        let Some(written) = self.text("url") else {
            if let SourceKind::Exec(command) = kind {
                return Some((format!("exec:{}", command[0]), None));
            }
            // A value of another type has been reported; a missing one has not.
            if self.value("url").is_none() {
                self.errors.note(self.at, "a [[feed]] needs a `url`");
            }
            return None;
        };
        let written = written.trim();
        let at = self.place("url");
        match kind {
            SourceKind::Feed => self.http(written, at),
            SourceKind::Exec(_) => Some((written.to_owned(), None)),
            SourceKind::File => {
                let path = written.strip_prefix("file://").unwrap_or(written);
                let path = self.context.base.join(path);
                Some((path.display().to_string(), None))
            }
        }
    }

    fn http(&mut self, written: &str, at: usize) -> Option<(String, Option<Secret>)> {
        if written.is_empty() {
            return None;
        }
        let Some(url) = typed::http(written) else {
            // A name and password may stand in front of the host, also where the scheme was forgotten.
            let written = without_user_info(written);
            let written = match written.rsplit_once('@') {
                Some((_, host)) if !written.contains("://") => host,
                _ => &written,
            };
            let mend = if let Some(rest) = written.strip_prefix("feed:") {
                let rest = rest.trim_start_matches("//");
                let rest = rest.trim_start_matches("https://");
                format!(", such as \"https://{rest}\"")
            } else if written.starts_with("file:") || written.starts_with(['/', '.']) {
                "; for a file add kind = \"file\"".to_owned()
            } else if !written.contains(':') && written.contains('.') {
                format!(", such as \"https://{written}\"")
            } else {
                String::new()
            };
            let text = format!(
                "`url` wants an address that begins with https:// or http://{mend}; this is \"{written}\""
            );
            self.errors.note(at, text);
            return None;
        };
        if url.username().is_empty() && url.password().is_none() {
            return Some((written.to_owned(), None));
        }
        self.warnings.note(
            at,
            "the address carries a name or password; `headers.Authorization` with { credential }, { env } or { file } keeps it out of this file",
        );
        let plain = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned()
        };
        let pair = format!(
            "{}:{}",
            plain(url.username()),
            plain(url.password().unwrap_or_default())
        );
        let authorization = Secret::new(format!("Basic {}", base64(pair.as_bytes())));
        Some((without_user_info(written), Some(authorization)))
    }

    /// What an id is made from when there is none: what was written, not what became of it on this machine.
    fn name_giver(&self, url: &str) -> String {
        match self.text("url") {
            Some(written) => without_user_info(written.trim()),
            None => url.to_owned(),
        }
    }

    fn every(&mut self) -> Option<Every> {
        let value = self.value("every")?;
        let every = every(value, self.context.every)?;
        if every.min > every.max {
            let at = self.place("every");
            self.errors.note(
                at,
                "`min` of `every` is longer than its `max` (where one is left out, [poll] gives it)",
            );
        }
        Some(every)
    }

    fn headers(&mut self, authorization: Option<Secret>) -> Vec<(String, Secret)> {
        let mut headers: Vec<(String, Secret)> = Vec::new();
        if let Some(DeValue::Table(table)) = self.value("headers") {
            for (name, value) in table {
                let at = name.span().start;
                let name: &str = name.get_ref();
                if !is_token(name) {
                    self.errors
                        .note(at, format!("`{name}` cannot be the name of a header"));
                    continue;
                }
                if headers
                    .iter()
                    .any(|(other, _)| other.eq_ignore_ascii_case(name))
                {
                    self.errors
                        .note(at, format!("the header `{name}` stands here twice"));
                    continue;
                }
                if let Some(secret) = self.secret(name, value.get_ref(), at) {
                    if secret
                        .reveal()
                        .bytes()
                        .any(|b| b < b' ' && b != b'\t' || b == 0x7f)
                    {
                        self.errors.note(
                            at,
                            format!("the value of the header `{name}` has a line end or control character in it"),
                        );
                    } else {
                        headers.push((name.to_owned(), secret));
                    }
                }
            }
        }
        if let Some(secret) = authorization
            && !headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        {
            headers.push(("Authorization".to_owned(), secret));
        }
        headers
    }

    fn secret(&mut self, name: &str, value: &DeValue<'_>, at: usize) -> Option<Secret> {
        match secret::find(value, self.context.base, self.context.surroundings)? {
            Found::Inline(secret) => {
                if is_secret_header(name) {
                    self.warnings.note(
                        at,
                        format!("the secret for `{name}` stands in this file; {{ credential }}, {{ env }} or {{ file }} keeps it out"),
                    );
                }
                Some(secret)
            }
            Found::Elsewhere(secret) => Some(secret),
            Found::Missing(why) => {
                missing(
                    why,
                    at,
                    self.context.surroundings,
                    self.errors,
                    self.warnings,
                );
                None
            }
        }
    }

    /// It may come later, and costs only this source until then.
    fn ca_file(&mut self) -> Option<PathBuf> {
        let path = self.context.base.join(self.text("ca_file")?);
        if let Err(error) = (self.context.surroundings.file)(&path) {
            let at = self.place("ca_file");
            let text = format!("cannot read the `ca_file` {}: {error}", path.display());
            self.warnings.note(at, text);
        }
        Some(path)
    }

    fn proxy(&mut self) -> Option<Proxy> {
        let value = self.spanned("proxy")?;
        proxy(
            value,
            self.context.base,
            self.context.surroundings,
            self.errors,
            self.warnings,
        )
    }
}

/// Reports a missing secret as what it means here.
fn missing(
    why: String,
    at: usize,
    surroundings: &Surroundings<'_>,
    errors: &mut Check<'_>,
    warnings: &mut Check<'_>,
) {
    match surroundings.secrets {
        Secrets::Required => errors.note(at, why),
        Secrets::Optional => warnings.note(at, why),
    }
}

/// Reads a proxy of `[fetch]` or of a feed.
pub(super) fn proxy(
    value: &Spanned<DeValue<'_>>,
    base: &Path,
    surroundings: &Surroundings<'_>,
    errors: &mut Check<'_>,
    warnings: &mut Check<'_>,
) -> Option<Proxy> {
    let at = value.span().start;
    match value.get_ref().as_str() {
        Some("none") => return Some(Proxy::None),
        Some("env") => return Some(Proxy::Env),
        _ => {}
    }
    match secret::find(value.get_ref(), base, surroundings)? {
        Found::Inline(secret) => {
            if url::Url::parse(secret.reveal()).is_ok_and(|url| url.password().is_some()) {
                warnings.note(
                    at,
                    "the proxy's password stands in this file; { credential }, { env } or { file } keeps it out",
                );
            }
            Some(Proxy::Url(secret))
        }
        Found::Elsewhere(secret) => Some(Proxy::Url(secret)),
        Found::Missing(why) => {
            missing(why, at, surroundings, errors, warnings);
            None
        }
    }
}

/// Reads `"1h"` (fixed) or `{ min, max }` (what is left out comes from `default`).
pub(super) fn every(value: &DeValue<'_>, default: Every) -> Option<Every> {
    if let Some(fixed) = typed::duration(value) {
        return Some(Every {
            min: fixed,
            max: fixed,
        });
    }
    let table = value.as_table()?;
    let end = |name| typed::get(table, name).and_then(typed::duration);
    Some(Every {
        min: end("min").unwrap_or(default.min),
        max: end("max").unwrap_or(default.max),
    })
}

/// The id of a feed that has none in feeds.toml, from its address alone so that it never depends on other feeds.
#[must_use]
#[expect(
    clippy::missing_panics_doc,
    reason = "whatever the address, what is made of it is an id"
)]
pub fn default_id(url: &str) -> SourceId {
    let address = url.split('#').next().unwrap_or(url);
    let rest = address
        .split_once("://")
        .map_or(address, |(_, rest)| rest)
        .trim_start_matches("www.");
    let mut rest = rest.trim_end_matches('/');
    // The one ending that says nothing: https://blog.rust-lang.org/feed.xml is blog-rust-lang-org.
    for tail in ["/feed.xml", "/feed", "/index.xml", ".xml"] {
        if let Some(shorter) = rest.strip_suffix(tail)
            && !shorter.is_empty()
        {
            rest = shorter;
            break;
        }
    }
    let decoded = percent_encoding::percent_decode_str(rest).decode_utf8_lossy();
    let mut name = String::new();
    let mut lossy = false;
    for c in decoded.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else {
            lossy |= !c.is_ascii();
            if !name.is_empty() && !name.ends_with('-') {
                name.push('-');
            }
        }
    }
    let name = name.trim_end_matches('-');
    let id = if lossy || name.is_empty() || name.len() > 64 {
        // What letters cannot say, a few digits of a hash tell apart.
        let hash = xxhash_rust::xxh3::xxh3_64(address.as_bytes()) & 0xffff_ffff;
        let short = name.get(..name.len().min(55)).unwrap_or_default();
        let short = short.trim_end_matches('-');
        if short.is_empty() {
            format!("feed-{hash:08x}")
        } else {
            format!("{short}-{hash:08x}")
        }
    } else {
        name.to_owned()
    };
    SourceId::new(&id).expect("made of a-z, 0-9 and - alone, at most 64 of them, none at the front")
}

/// The address as written, but for `user:password@`.
#[must_use]
pub fn without_user_info(written: &str) -> String {
    let Some((scheme, rest)) = written.split_once("://") else {
        return written.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{tail}")
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Headers of these names usually carry a secret.
pub(super) fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "cookie", "token", "key", "secret", "password"]
        .iter()
        .any(|word| name.contains(word))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk
            .iter()
            .chain(std::iter::repeat(&0))
            .take(3)
            .fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(char::from(LETTERS[number >> (18 - 6 * place) & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gives_a_lasting_name() {
        for (url, id) in [
            ("https://blog.rust-lang.org/feed.xml", "blog-rust-lang-org"),
            (
                "https://www.example.com/tags/C%2B%2B/rss",
                "example-com-tags-c-rss",
            ),
            ("http://127.0.0.1:8080/1.rss", "127-0-0-1-8080-1-rss"),
            ("http://127.0.0.1:8080/1.atom", "127-0-0-1-8080-1-atom"),
            (
                "https://example.com/?feed=rss2&cat=3",
                "example-com-feed-rss2-cat-3",
            ),
            ("https://feed.xml/", "feed"),
        ] {
            assert_eq!(default_id(url).as_str(), id, "{url}");
        }
        let (a, b) = (
            default_id("https://e.cn/社会"),
            default_id("https://e.cn/新闻"),
        );
        assert_ne!(a, b);
        assert!(a.as_str().starts_with("e-cn-"));
        assert!(
            default_id(&format!("https://e.cn/{}", "x".repeat(200)))
                .as_str()
                .len()
                <= 64
        );
    }

    #[test]
    fn user_info_leaves_the_address() {
        assert_eq!(
            without_user_info("https://a:b@c@example.org/p@q?x=@"),
            "https://example.org/p@q?x=@"
        );
        assert_eq!(
            base64(b"Aladdin:open sesame"),
            "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(base64(b"a:b"), "YTpi");
        assert_eq!(base64(b"ab:c"), "YWI6Yw==");
    }
}
