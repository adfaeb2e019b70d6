//! From the text of the files to a [`Config`], with every mistake at once. Pure but for what [`Surroundings`] gives.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{Check, Leaf, Leaves};
use super::problem::{Errors, Lines, Place, Problem};
use super::secret::Surroundings;
use super::source::{self, Context};
use super::{Config, Control, File, Language, Log, LogFormat, typed};
use crate::dedup::{Mode, Reach};
use crate::fetch::HostLimits;
use crate::label::{Auto, Category, Publisher};
use crate::model::source::{Every, Source, SourceId};
use crate::publish::Extent;
use crate::serve::Listen;
use crate::{dedup, fetch, label, poll, publish, serve, store, text};

/// Reads the configuration out of its files: the first is the one that was asked for, the others were included by it.
///
/// # Errors
/// [`Errors::Invalid`] with every mistake in the order in which they stand in the files.
pub fn read(files: &[File], surroundings: &Surroundings<'_>) -> Result<Config, Errors> {
    let lines: Vec<Lines<'_>> = files
        .iter()
        .map(|file| Lines::new(&file.path, &file.text))
        .collect();
    let parsed: Vec<(Spanned<DeTable<'_>>, Vec<toml::de::Error>)> = files
        .iter()
        .map(|file| DeTable::parse_recoverable(&file.text))
        .collect();

    let mut reading = Reading {
        errors: Vec::new(),
        warnings: Vec::new(),
        surroundings,
    };
    let mut all: Vec<Leaves<'_>> = Vec::new();
    for (index, (tree, syntax)) in parsed.iter().enumerate() {
        let mut check = Check::new(&lines[index]);
        let leaves = check.file(tree.get_ref());
        if index > 0
            && let Some(include) = tree.get_ref().get("include")
        {
            check.note(
                include.span().start,
                "only the first file may `include` others",
            );
        }
        reading
            .errors
            .extend(with_syntax(check, syntax, &lines[index]));
        all.push(leaves);
    }
    let broken = parsed.iter().any(|(_, syntax)| !syntax.is_empty());
    let config = reading.config(files, &lines, &all);
    if broken {
        // A table cut short by a slip of syntax has not lost its `url`: only what stands there is judged.
        reading
            .errors
            .retain(|problem| !problem.text.contains(" needs a "));
    }
    if reading.errors.is_empty() {
        return Ok(Config {
            warnings: reading.warnings,
            ..config
        });
    }
    let order = |place: &Place| {
        let file = files.iter().position(|file| file.path == place.file);
        (file, place.line, place.column)
    };
    reading.errors.sort_by_key(|problem| order(&problem.place));
    reading.errors.dedup();
    Err(Errors::Invalid(reading.errors))
}

/// `[control]` alone, whatever else is wrong in the file.
pub(super) fn control(file: &File, surroundings: &Surroundings<'_>) -> Control {
    let lines = [Lines::new(&file.path, &file.text)];
    let (tree, _) = DeTable::parse_recoverable(&file.text);
    let leaves = [Check::new(&lines[0]).file(tree.get_ref())];
    let mut reading = Reading {
        errors: Vec::new(),
        warnings: Vec::new(),
        surroundings,
    };
    reading
        .config(std::slice::from_ref(file), &lines, &leaves)
        .control
}

/// The check's findings and the parser's; where a line cannot even be parsed, what else seems wrong in it is noise.
fn with_syntax(check: Check<'_>, syntax: &[toml::de::Error], lines: &Lines<'_>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = syntax
        .iter()
        .map(|error| Problem {
            place: lines.place(error.span().map_or(0, |span| span.start)),
            text: error.message().to_owned(),
        })
        .collect();
    // One slip often upsets the rest of its line.
    problems.dedup_by_key(|problem| problem.place.line);
    let bad: Vec<usize> = problems.iter().map(|problem| problem.place.line).collect();
    problems.extend(
        check
            .into_problems()
            .into_iter()
            .filter(|problem| !bad.contains(&problem.place.line)),
    );
    problems
}

struct Reading<'s> {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    surroundings: &'s Surroundings<'s>,
}

/// All settings of all files by path.
struct Settings<'a> {
    leaves: HashMap<&'a str, (&'a Leaf<'a>, usize)>,
    items: HashMap<&'a str, Vec<(&'a Leaf<'a>, usize)>>,
}

impl<'a> Settings<'a> {
    fn value(&self, path: &str) -> Option<&'a DeValue<'a>> {
        self.leaves.get(path).map(|(leaf, _)| leaf.value)
    }

    fn text(&self, path: &str) -> Option<String> {
        self.value(path).and_then(typed::text)
    }

    fn duration(&self, path: &str, default: Duration) -> Duration {
        self.value(path)
            .and_then(typed::duration)
            .unwrap_or(default)
    }

    fn size(&self, path: &str, default: u64) -> u64 {
        self.value(path).and_then(typed::size).unwrap_or(default)
    }

    fn whole<T: TryFrom<i64>>(&self, path: &str, default: T) -> T {
        self.value(path)
            .and_then(typed::whole)
            .and_then(|number| T::try_from(number).ok())
            .unwrap_or(default)
    }

    fn flag(&self, path: &str, default: bool) -> bool {
        self.value(path)
            .and_then(DeValue::as_bool)
            .unwrap_or(default)
    }

    /// One of several words.
    fn word<T: Copy>(&self, path: &str, words: &[(&str, T)], default: T) -> T {
        self.value(path)
            .and_then(DeValue::as_str)
            .and_then(|word| words.iter().find(|(name, _)| *name == word))
            .map_or(default, |(_, value)| *value)
    }

    fn items(&self, path: &str) -> &[(&'a Leaf<'a>, usize)] {
        self.items.get(path).map_or(&[], Vec::as_slice)
    }
}

impl Reading<'_> {
    fn config(&mut self, files: &[File], lines: &[Lines<'_>], all: &[Leaves<'_>]) -> Config {
        let settings = self.gather(lines, all);
        let base = directory(&files[0].path);
        let server = server(&settings);
        let site = self.site(&settings, lines, &server);
        let poll = self.poll(&settings, lines);
        let fetch = self.fetch(&settings, lines, files, &site);
        let store = self.store(&settings, lines, &base, &site);
        let control = self.control(&settings, &base, &store);
        let label = self.label(&settings, lines);
        let (sources, places) = self.sources(files, lines, all, poll.every);
        let origins = settings
            .leaves
            .iter()
            .map(|(path, (leaf, file))| ((*path).to_owned(), lines[*file].place(leaf.at)))
            .collect();
        Config {
            server,
            site,
            language: settings.word(
                "server.language",
                &[
                    ("auto", Language::Auto),
                    ("en", Language::En),
                    ("zh", Language::Zh),
                ],
                Language::Auto,
            ),
            store,
            poll,
            fetch,
            dedup: dedup(&settings),
            label,
            publish: publish(&settings),
            control,
            log: self.log(&settings, lines),
            sources,
            places,
            files: files.iter().map(|file| file.path.clone()).collect(),
            warnings: Vec::new(),
            origins,
        }
    }

    fn error(&mut self, lines: &Lines<'_>, at: usize, text: impl Into<String>) {
        self.errors.push(Problem {
            place: lines.place(at),
            text: text.into(),
        });
    }

    /// Merges the files; what two of them set is a mistake.
    fn gather<'a>(&mut self, lines: &[Lines<'_>], all: &'a [Leaves<'a>]) -> Settings<'a> {
        let mut settings = Settings {
            leaves: HashMap::new(),
            items: HashMap::new(),
        };
        for (file, leaves) in all.iter().enumerate() {
            for leaf in &leaves.settings {
                let path = leaf.path.as_str();
                let first = if leaf.item.is_some() {
                    let items = settings.items.entry(path).or_default();
                    let first = items.iter().find(|(other, _)| other.item == leaf.item);
                    let first = first.copied();
                    items.push((leaf, file));
                    first
                } else {
                    settings.leaves.insert(path, (leaf, file))
                };
                if let Some((other, other_file)) = first {
                    let place = lines[other_file].place(other.at);
                    let name = leaf.item.unwrap_or(path);
                    self.error(
                        &lines[file],
                        leaf.at,
                        format!("`{name}` is already set at {place}"),
                    );
                }
            }
        }
        settings
    }

    fn site(
        &mut self,
        settings: &Settings<'_>,
        lines: &[Lines<'_>],
        server: &serve::Options,
    ) -> publish::Site {
        let written = settings
            .value("server.public_url")
            .and_then(DeValue::as_str)
            .and_then(typed::http);
        if let (Some(url), Some((leaf, file))) =
            (&written, settings.leaves.get("server.public_url"))
        {
            let extra = [
                (url.query().is_some(), "a query"),
                (url.fragment().is_some(), "a fragment"),
                (
                    !url.username().is_empty() || url.password().is_some(),
                    "a name or password",
                ),
            ];
            for (_, what) in extra.iter().filter(|(there, _)| *there) {
                self.error(
                    &lines[*file],
                    leaf.at,
                    format!("`public_url` cannot have {what}"),
                );
            }
        }
        let mut public_url = written.unwrap_or_else(|| default_url(&server.listen));
        if !public_url.path().ends_with('/') {
            let path = format!("{}/", public_url.path());
            public_url.set_path(&path);
        }
        publish::Site {
            public_url,
            title: settings
                .text("server.title")
                .unwrap_or_else(|| "aggd".to_owned()),
        }
    }

    fn poll(&mut self, settings: &Settings<'_>, lines: &[Lines<'_>]) -> poll::Options {
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

    fn fetch(
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

    fn store(
        &mut self,
        settings: &Settings<'_>,
        lines: &[Lines<'_>],
        base: &Path,
        site: &publish::Site,
    ) -> store::Options {
        let default = store::Options::default();
        let keep = store::Keep {
            age: settings.duration("store.keep.age", default.keep.age),
            min_per_feed: settings.whole("store.keep.min_per_feed", default.keep.min_per_feed),
            max_per_feed: settings.whole("store.keep.max_per_feed", default.keep.max_per_feed),
        };
        if keep.min_per_feed > keep.max_per_feed
            && let Some((leaf, file)) = settings
                .leaves
                .get("store.keep.min_per_feed")
                .or_else(|| settings.leaves.get("store.keep.max_per_feed"))
        {
            self.error(
                &lines[*file],
                leaf.at,
                format!(
                    "`min_per_feed` ({}) is more than `max_per_feed` ({})",
                    keep.min_per_feed, keep.max_per_feed
                ),
            );
        }
        let path = settings
            .text("store.path")
            .map_or_else(|| self.state_directory(), |path| base.join(path));
        store::Options {
            path,
            cache: settings.size("store.cache", default.cache),
            keep,
            tombstones: settings.duration("store.tombstones", default.tombstones),
            backup: settings
                .value("store.backup.every")
                .and_then(typed::duration)
                .map(|every| store::BackupPlan {
                    every,
                    keep: settings.whole("store.backup.keep", 7),
                }),
            host: tag_host(&site.public_url),
        }
    }

    fn state_directory(&self) -> PathBuf {
        let env = self.surroundings.env;
        // systemd lists several directories with colons between; the first is ours.
        let first = |list: String| list.split(':').next().map(PathBuf::from);
        env("STATE_DIRECTORY")
            .and_then(first)
            .or_else(|| env("XDG_STATE_HOME").map(|home| PathBuf::from(home).join("aggd")))
            .or_else(|| env("HOME").map(|home| PathBuf::from(home).join(".local/state/aggd")))
            .unwrap_or_else(|| store::Options::default().path)
    }

    fn control(&self, settings: &Settings<'_>, base: &Path, store: &store::Options) -> Control {
        let env = self.surroundings.env;
        let socket = settings
            .text("control.socket")
            .map(|path| base.join(path))
            .or_else(|| {
                let list = env("RUNTIME_DIRECTORY")?;
                let first = list.split(':').next()?;
                Some(PathBuf::from(first).join("control.sock"))
            })
            .or_else(|| Some(PathBuf::from(env("XDG_RUNTIME_DIR")?).join("aggd/control.sock")))
            .unwrap_or_else(|| store.path.join("control.sock"));
        let mode = settings
            .value("control.mode")
            .and_then(DeValue::as_str)
            .and_then(typed::mode)
            .unwrap_or(0o660);
        Control { socket, mode }
    }

    fn label(&mut self, settings: &Settings<'_>, lines: &[Lines<'_>]) -> label::Options {
        let default = label::Options::default();
        let mut categories: BTreeMap<String, Category> = BTreeMap::new();
        for (leaf, file) in settings.items("category") {
            let name = leaf.item.unwrap_or_default().trim().to_owned();
            let Some(table) = leaf.value.as_table() else {
                continue;
            };
            let category = Category {
                title: typed::get(table, "title").and_then(typed::text),
                tags: typed::get(table, "tags").map_or_else(Vec::new, typed::texts),
                name: name.clone(),
            };
            if let Some(other) = categories.insert(text::key(&name), category)
                && other.name != name
            {
                self.error(
                    &lines[*file],
                    leaf.at,
                    format!("the category `{name}` is the same as `{}`", other.name),
                );
            }
        }
        let by_key = |path: &str| -> BTreeMap<String, String> {
            settings
                .items(path)
                .iter()
                .filter_map(|(leaf, _)| Some((text::key(leaf.item?), typed::text(leaf.value)?)))
                .collect()
        };
        label::Options {
            auto: settings.word(
                "tags.auto",
                &[
                    ("off", Auto::Off),
                    ("suggest", Auto::Suggest),
                    ("publish", Auto::Publish),
                ],
                default.auto,
            ),
            publish_min: settings.whole("tags.publish_min", default.publish_min),
            publisher: settings.word(
                "tags.publisher",
                &[
                    ("keep", Publisher::Keep),
                    ("known", Publisher::Known),
                    ("drop", Publisher::Drop),
                ],
                default.publisher,
            ),
            drop: settings
                .value("tags.drop")
                .map_or_else(Vec::new, typed::texts)
                .iter()
                .map(|label| text::key(label))
                .collect(),
            label: by_key("tags.label"),
            alias: by_key("tags.alias"),
            categories,
        }
    }

    fn log(&mut self, settings: &Settings<'_>, lines: &[Lines<'_>]) -> Log {
        let level = settings
            .text("log.level")
            .unwrap_or_else(|| "info".to_owned());
        if !is_log_filter(&level)
            && let Some((leaf, file)) = settings.leaves.get("log.level")
        {
            self.error(
                &lines[*file],
                leaf.at,
                format!("`level` wants error, warn, info, debug, trace or a list such as \"info,aggd::fetch=debug\", not \"{level}\""),
            );
        }
        Log {
            format: settings.word(
                "log.format",
                &[
                    ("auto", LogFormat::Auto),
                    ("text", LogFormat::Text),
                    ("journal", LogFormat::Journal),
                    ("json", LogFormat::Json),
                ],
                LogFormat::Auto,
            ),
            level,
        }
    }

    fn sources(
        &mut self,
        files: &[File],
        lines: &[Lines<'_>],
        all: &[Leaves<'_>],
        every: Every,
    ) -> (Vec<Source>, Vec<Place>) {
        let mut sources: Vec<Source> = Vec::new();
        let mut places: Vec<Place> = Vec::new();
        let mut taken: HashMap<SourceId, usize> = HashMap::new();
        let mut urls: HashMap<String, usize> = HashMap::new();
        for (file, leaves) in all.iter().enumerate() {
            let context = Context {
                base: &directory(&files[file].path),
                every,
                surroundings: self.surroundings,
            };
            let mut errors = Check::new(&lines[file]);
            let mut warnings = Check::new(&lines[file]);
            for (table, at) in &leaves.feeds {
                let Some(source) = source::read(table, *at, &context, &mut errors, &mut warnings)
                else {
                    continue;
                };
                if let Some(other) = taken.get(&source.id) {
                    let mend = if table.contains_key("id") {
                        ""
                    } else {
                        "; give this feed an `id` of its own"
                    };
                    let at = table.get("id").map_or(*at, |id| id.span().start);
                    errors.note(
                        at,
                        format!(
                            "the id `{}` is taken by {}{mend}",
                            source.id, places[*other]
                        ),
                    );
                    continue;
                }
                if let Some(other) = urls.get(&source.url) {
                    warnings.note(
                        *at,
                        format!(
                            "the same address as `{}` at {}",
                            sources[*other].id, places[*other]
                        ),
                    );
                }
                taken.insert(source.id.clone(), sources.len());
                urls.insert(source.url.clone(), sources.len());
                places.push(lines[file].place(*at));
                sources.push(source);
            }
            self.errors.extend(errors.into_problems());
            self.warnings.extend(warnings.into_problems());
        }
        (sources, places)
    }
}

fn server(settings: &Settings<'_>) -> serve::Options {
    let default = serve::Options::default();
    let listen: Vec<Listen> = match settings.value("server.listen") {
        Some(DeValue::String(one)) => typed::listen(one).into_iter().collect(),
        Some(list) => typed::texts(list)
            .iter()
            .filter_map(|one| typed::listen(one))
            .collect(),
        None => default.listen,
    };
    serve::Options {
        listen,
        max_connections: settings.whole("server.max_connections", default.max_connections),
        per_client: settings
            .value("server.per_client")
            .and_then(DeValue::as_str)
            .and_then(typed::rate)
            .unwrap_or(default.per_client),
        trusted_proxies: settings
            .value("server.trusted_proxies")
            .map_or_else(Vec::new, typed::networks),
    }
}

fn dedup(settings: &Settings<'_>) -> dedup::Options {
    let default = dedup::Options::default();
    dedup::Options {
        mode: settings.word(
            "dedup.mode",
            &[
                ("off", Mode::Off),
                ("strict", Mode::Strict),
                ("cluster", Mode::Cluster),
            ],
            default.mode,
        ),
        scope: settings.word(
            "dedup.scope",
            &[
                ("feed", Reach::Feed),
                ("category", Reach::Category),
                ("all", Reach::All),
            ],
            default.scope,
        ),
        window: settings
            .duration("dedup.window", default.window)
            .clamp(Duration::from_hours(24), Duration::from_hours(60 * 24)),
        bump_on_new_source: settings.flag("dedup.bump_on_new_source", default.bump_on_new_source),
    }
}

fn publish(settings: &Settings<'_>) -> publish::Options {
    let default = publish::Options::default();
    publish::Options {
        items: settings.whole("publish.items", default.items),
        max_bytes: usize::try_from(settings.size("publish.max_bytes", 0))
            .ok()
            .filter(|bytes| *bytes > 0)
            .unwrap_or(default.max_bytes),
        content: settings.word(
            "publish.content",
            &[
                ("full", Extent::Full),
                ("summary", Extent::Summary),
                ("title", Extent::Title),
            ],
            default.content,
        ),
        cache: default.cache,
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

/// The address readers on this machine can use when nothing else is said.
fn default_url(listen: &[Listen]) -> url::Url {
    let address = listen.iter().find_map(|one| match one {
        Listen::Tcp(address) => Some(*address),
        Listen::Unix(_) | Listen::Passed(_) => None,
    });
    let text = match address {
        Some(address) if address.ip().is_unspecified() => {
            format!("http://localhost:{}/", address.port())
        }
        Some(address) => format!("http://{address}/"),
        None => "http://localhost/".to_owned(),
    };
    url::Url::parse(&text).expect("a socket address makes a URL")
}

/// The host under which ids are published: a DNS name or an IPv4 address (RFC 4151), else `localhost`.
fn tag_host(url: &url::Url) -> String {
    match url.host() {
        Some(url::Host::Domain(name)) => name.to_owned(),
        Some(url::Host::Ipv4(address)) => address.to_string(),
        Some(url::Host::Ipv6(_)) | None => "localhost".to_owned(),
    }
}

fn is_log_filter(level: &str) -> bool {
    level.split(',').all(|part| {
        let word = part.rsplit_once('=').map_or(part, |(_, word)| word).trim();
        ["error", "warn", "info", "debug", "trace", "off"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(word))
    })
}

/// The directory that a file's relative paths start from.
pub(super) fn directory(file: &Path) -> PathBuf {
    let parent = file.parent().unwrap_or(Path::new(""));
    std::path::absolute(parent).unwrap_or_else(|_| parent.to_owned())
}
