//! Every key that feeds.toml may have, with the form of its value and a sentence about it. The only such table: the
//! checks, the JSON Schema for editors and `aggd config` are all made from it.

/// One key of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// As written.
    pub(super) name: &'static str,
    /// What its value looks like.
    pub(super) shape: Shape,
    /// One sentence for people.
    pub(super) about: &'static str,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A string that is not empty.
    Text,
    /// The same, on one line: what is sent as a header.
    Line,
    /// `true` or `false`.
    Flag,
    /// A whole number between two.
    Whole(i64, i64),
    /// A duration above zero.
    Span,
    /// A duration of so many days, both included.
    Days(u64, u64),
    /// A duration, zero allowed.
    SpanOrZero,
    /// A size.
    Size,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A duration, or `{ min, max }`.
    Every,
    /// An id: `[a-z0-9][a-z0-9-]{0,63}`.
    Id,
    /// `HOST:PORT`, `unix:PATH` or `fd:NAME`.
    Listen,
    /// An http or https address.
    Http,
    /// A network, as CIDR or a single address.
    Network,
    /// `600/min` or `off`.
    Rate,
    /// File permissions, `"0660"`.
    Mode,
    /// A string, or where to find one that must not stand here.
    Secret,
    /// `none`, `env`, an address, or where to find one that must not stand here.
    Proxy,
    /// A template, or `{ match, replace }`.
    Rewrite,
    /// A list.
    List(&'static Shape),
    /// One, or a list.
    OneOrMany(&'static Shape),
    /// A table with these keys.
    Table(&'static [Key]),
    /// A list of tables with these keys.
    Tables(&'static [Key]),
    /// A table with free keys.
    Map(&'static Shape),
    /// Anything: refused or read elsewhere.
    Any,
}

const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, about }
}

const COUNT: Shape = Shape::Whole(1, 1_000_000);
const POINTS: Shape = Shape::Whole(-1_000_000, 1_000_000);
const TEXTS: Shape = Shape::List(&Shape::Text);

/// The top of the file.
pub(super) static FILE: &[Key] = &[
    key(
        "include",
        TEXTS,
        "Further files, merged in name order: paths from this file's directory, `*` and `?` in the last part.",
    ),
    key(
        "server",
        Shape::Table(SERVER),
        "Where readers find the feeds.",
    ),
    key(
        "store",
        Shape::Table(STORE),
        "Where articles are kept, and for how long.",
    ),
    key("poll", Shape::Table(POLL), "When sources are visited."),
    key("fetch", Shape::Table(FETCH), "How sources are visited."),
    key("dedup", Shape::Table(DEDUP), "When two articles are one."),
    key("tags", Shape::Table(TAGS), "Which labels articles get."),
    key(
        "publish",
        Shape::Table(PUBLISH),
        "What a published feed looks like.",
    ),
    key(
        "control",
        Shape::Table(CONTROL),
        "The socket through which the commands reach the daemon.",
    ),
    key("log", Shape::Table(LOG), "What is written to the log."),
    key(
        "category",
        Shape::Map(&Shape::Table(CATEGORY)),
        "Settings of one category.",
    ),
    key("feed", Shape::Tables(FEED), "A source to poll."),
    key(
        "rule",
        Shape::Tables(RULE),
        "What to do with articles that match an expression.",
    ),
    key(
        "output",
        Shape::Tables(OUTPUT),
        "A feed of its own, chosen by an expression.",
    ),
    key(
        "test",
        Shape::Tables(TEST),
        "An article and what should become of it, tried by `aggd check`.",
    ),
];

static SERVER: &[Key] = &[
    key(
        "listen",
        Shape::OneOrMany(&Shape::Listen),
        "Where to listen: HOST:PORT, unix:PATH, or fd:NAME for a socket passed by systemd.",
    ),
    key(
        "public_url",
        Shape::Http,
        "The address readers use; the only origin of ids, self links and OPML.",
    ),
    key("title", Shape::Text, "Title of the whole."),
    key(
        "language",
        Shape::Choice(&["auto", "en", "zh"]),
        "Language of the pages; auto asks the browser.",
    ),
    key(
        "trusted_proxies",
        Shape::List(&Shape::Network),
        "Proxies that may name the client's address.",
    ),
    key("max_connections", COUNT, "Connections at once."),
    key(
        "per_client",
        Shape::Rate,
        "Requests that one client may make, such as 600/min, or off.",
    ),
];

static STORE: &[Key] = &[
    key("path", Shape::Text, "Directory of the store."),
    key(
        "cache",
        Shape::Size,
        "Memory that the store may use as a cache: half for its index, half for articles.",
    ),
    key(
        "keep",
        Shape::Table(KEEP),
        "What is kept; never drops what a source still lists.",
    ),
    key(
        "tombstones",
        Shape::Span,
        "How long the ids of dropped articles are remembered, so that they do not come back as new.",
    ),
    key(
        "backup",
        Shape::Table(BACKUP),
        "Scheduled backups; off by default.",
    ),
];

static KEEP: &[Key] = &[
    key("age", Shape::Span, "Older articles go."),
    key(
        "min_per_feed",
        Shape::Whole(0, 1_000_000),
        "The newest of each source that stay whatever their age.",
    ),
    key(
        "max_per_feed",
        COUNT,
        "More than these of one source go, oldest first.",
    ),
];

static BACKUP: &[Key] = &[
    key("every", Shape::Span, "How often."),
    key("keep", Shape::Whole(1, 10_000), "How many are kept."),
];

static POLL: &[Key] = &[
    key(
        "every",
        Shape::Every,
        "Interval: { min, max } adapts between the two, a single duration fixes it.",
    ),
    key(
        "hint_cap",
        Shape::Span,
        "How far a publisher's max-age, ttl and the like may stretch the interval.",
    ),
    key(
        "silent_after",
        Shape::Span,
        "Longer silence of a source is reported.",
    ),
    key(
        "move_after",
        Shape::SpanOrZero,
        "How long a permanent redirect must hold before it is followed for good.",
    ),
];

static FETCH: &[Key] = &[
    key(
        "user_agent",
        Shape::Line,
        "What aggd calls itself; {version} and {public_url} are filled in.",
    ),
    key(
        "in_flight",
        Shape::Whole(1, 65_536),
        "Visits under way at once.",
    ),
    key(
        "per_host",
        Shape::Table(PER_HOST),
        "Manners towards one host.",
    ),
    key("connect_timeout", Shape::Span, "Time to connect."),
    key(
        "total_timeout",
        Shape::Span,
        "Time for a whole exchange, redirects included.",
    ),
    key(
        "max_body",
        Shape::Size,
        "Largest body after decompression; half of it before.",
    ),
    key(
        "allow_private",
        Shape::List(&Shape::Network),
        "Private networks that may be visited.",
    ),
    key("proxy", Shape::Proxy, "Way out: none, env, or an address."),
    key(
        "site",
        Shape::Map(&Shape::Table(SITE)),
        "A registrable domain with its own manners.",
    ),
];

static SITE: &[Key] = &[key(
    "per_host",
    Shape::Table(PER_HOST),
    "Manners towards the hosts of this domain.",
)];

static PER_HOST: &[Key] = &[
    key("at_once", Shape::Whole(1, 1000), "Connections at a time."),
    key(
        "spacing",
        Shape::SpanOrZero,
        "Time between the starts of two requests.",
    ),
];

static DEDUP: &[Key] = &[
    key(
        "mode",
        Shape::Choice(&["off", "strict", "cluster"]),
        "off: by guid and address alone; strict: and by equal text; cluster: and by nearly equal text.",
    ),
    key(
        "scope",
        Shape::Choice(&["feed", "category", "all"]),
        "Among whom copies are looked for.",
    ),
    key(
        "window",
        Shape::Days(1, 60),
        "How far apart in time two copies of a text may be, between 1d and 60d.",
    ),
    key(
        "bump_on_new_source",
        Shape::Flag,
        "Whether a copy elsewhere counts as an update.",
    ),
    key(
        "url_rules",
        Shape::Text,
        "File with further tracking parameters.",
    ),
];

static TAGS: &[Key] = &[
    key(
        "auto",
        Shape::Choice(&["off", "suggest", "publish"]),
        "What becomes of keywords from the text.",
    ),
    key(
        "publish_min",
        Shape::Whole(0, 1_000_000),
        "A tag with fewer articles has a feed but stands in no index.",
    ),
    key(
        "publisher",
        Shape::Choice(&["keep", "known", "drop"]),
        "What becomes of the publisher's own labels.",
    ),
    key("drop", TEXTS, "Labels that are none."),
    key("label", Shape::Map(&Shape::Text), "How a tag is spelt."),
    key("alias", Shape::Map(&Shape::Text), "Another word for a tag."),
];

static PUBLISH: &[Key] = &[
    key("items", Shape::Whole(1, 500), "Articles in a feed."),
    key(
        "max_bytes",
        Shape::Size,
        "Size of a feed; what does not fit is on the next page.",
    ),
    key(
        "content",
        Shape::Choice(&["full", "summary", "title"]),
        "How much of the text a feed carries.",
    ),
    key("hub", Shape::Any, "WebSub hub: off, self, or addresses."),
];

static CONTROL: &[Key] = &[
    key("socket", Shape::Text, "Where the socket is."),
    key("mode", Shape::Mode, "Its permissions."),
];

static LOG: &[Key] = &[
    key(
        "format",
        Shape::Choice(&["auto", "text", "journal", "json"]),
        "auto: journal under systemd, text on a terminal, else json.",
    ),
    key(
        "level",
        Shape::Text,
        "error, warn, info, debug (visits that brought nothing, too), trace, or one for each part: info,aggd::fetch=debug.",
    ),
];

static CATEGORY: &[Key] = &[
    key("title", Shape::Text, "Title for people."),
    key("tags", TEXTS, "Tags for everything in it."),
];

/// `[[feed]]`.
pub(super) static FEED: &[Key] = &[
    key(
        "id",
        Shape::Id,
        "Lasting name; articles survive a changed address through it. Made from the address if absent.",
    ),
    key("url", Shape::Text, "Address of the feed."),
    key(
        "kind",
        Shape::Choice(&["feed", "page", "file", "exec"]),
        "How to read it.",
    ),
    key(
        "command",
        TEXTS,
        "With kind = \"exec\": the program and its arguments; it prints a feed.",
    ),
    key(
        "title",
        Shape::Text,
        "Title that overrides the publisher's.",
    ),
    key("category", Shape::Text, "The shelf it stands on."),
    key("tags", TEXTS, "Tags for every article from here."),
    key(
        "private",
        Shape::Flag,
        "Keep its articles out of every public list.",
    ),
    key(
        "trust",
        Shape::Whole(0, 100),
        "The higher one leads where copies of one story meet.",
    ),
    key(
        "never_merge",
        Shape::Flag,
        "Keep each article apart, whatever it resembles.",
    ),
    key(
        "every",
        Shape::Every,
        "Interval of its own: a duration fixes it, { min, max } adapts between the two.",
    ),
    key(
        "headers",
        Shape::Map(&Shape::Secret),
        "Request headers; a value may be { env }, { credential } or { file } with a prefix.",
    ),
    key("user_agent", Shape::Line, "User agent of its own."),
    key(
        "http1_only",
        Shape::Flag,
        "Never use HTTP/2; some origins break on it.",
    ),
    key(
        "proxy",
        Shape::Proxy,
        "Way out of its own: none, env, or an address.",
    ),
    key("max_body", Shape::Size, "Body limit of its own."),
    key("total_timeout", Shape::Span, "Time limit of its own."),
    key(
        "ca_file",
        Shape::Text,
        "PEM file with further certificate authorities.",
    ),
    key(
        "accept_invalid_certs",
        Shape::Flag,
        "Take any certificate: for a machine in one's own cellar.",
    ),
    key(
        "select",
        Shape::Any,
        "With kind = \"page\": where its articles stand.",
    ),
    key(
        "fulltext",
        Shape::Choice(&["never", "short", "always"]),
        "Whether to fetch the article's page for its text.",
    ),
    key("zone", Shape::Text, "Time zone of dates that name none."),
    key(
        "rule",
        Shape::Tables(RULE),
        "Rules for this source alone, before the others.",
    ),
];

static RULE: &[Key] = &[
    key(
        "name",
        Shape::Text,
        "What to call it in logs and explanations.",
    ),
    key(
        "when",
        Shape::Text,
        "Condition in CEL over title url author content text tags category feed lang score published words enclosures; without, always.",
    ),
    key("tag", TEXTS, "Tags to give."),
    key("untag", TEXTS, "Tags to take away."),
    key("category", Shape::Text, "Category to put it into."),
    key("score", POINTS, "To be added to the score."),
    key(
        "title",
        Shape::Rewrite,
        "Another headline: a template such as \"[{feed}] {title}\", or { match, replace }.",
    ),
    key(
        "url",
        Shape::Rewrite,
        "Another address: a template, or { match, replace }.",
    ),
    key("drop", Shape::Flag, "Do not keep the article."),
    key("stop", Shape::Flag, "Ask no further rule."),
];

/// `{ match, replace }`.
pub(super) static REWRITE: &[Key] = &[
    key("match", Shape::Text, "A pattern."),
    key(
        "replace",
        Shape::Any,
        "What stands in its place; $1 is what its first group caught.",
    ),
];

static OUTPUT: &[Key] = &[
    key("id", Shape::Id, "Its name in addresses: /outputs/ID.atom."),
    key("title", Shape::Text, "Title for people."),
    key("description", Shape::Text, "What it is, for people."),
    key(
        "when",
        Shape::Text,
        "Condition in CEL, as in [[rule]]; without, everything.",
    ),
    key("items", Shape::Whole(1, 500), "Articles in its feed."),
    key(
        "limit_per_feed",
        Shape::Whole(1, 500),
        "Articles of one source in one document.",
    ),
    key(
        "order",
        Shape::Choice(&["newest", "score"]),
        "score: the highest first, among the newest 500.",
    ),
    key(
        "content",
        Shape::Choice(&["full", "summary", "title"]),
        "How much of the text it carries.",
    ),
    key(
        "formats",
        Shape::List(&Shape::Choice(&["rss", "atom", "json"])),
        "In which formats it is served; all of them unless said otherwise.",
    ),
    key(
        "title_template",
        Shape::Text,
        "Headlines in it, such as \"{title} ({feed})\".",
    ),
    key(
        "tokens",
        Shape::List(&Shape::Table(TOKEN)),
        "Served under /p/TOKEN/ alone, to who has one of these; `aggd token new` makes them.",
    ),
];

static TOKEN: &[Key] = &[
    key("name", Shape::Text, "Who has it."),
    key("sha256", Shape::Text, "Hash of the secret."),
    key("env", Shape::Text, "Name of an environment variable."),
    key("credential", Shape::Text, "Name of a systemd credential."),
    key("file", Shape::Text, "Path of a file."),
];

static TEST: &[Key] = &[
    key("article", Shape::Table(SAMPLE), "An article."),
    key("expect", Shape::Table(EXPECT), "What should become of it."),
];

static SAMPLE: &[Key] = &[
    key("title", Shape::Text, "Headline."),
    key("url", Shape::Text, "Address."),
    key("author", Shape::Text, "Author."),
    key("content", Shape::Text, "Text as HTML."),
    key("text", Shape::Text, "Text without markup."),
    key("tags", TEXTS, "Labels of the publisher."),
    key("category", Shape::Text, "Category of its source."),
    key(
        "feed",
        Shape::Id,
        "Its source, whose own rules and tags count.",
    ),
    key("lang", Shape::Text, "Language."),
    key("published", Shape::Text, "Publication date (RFC 3339)."),
];

static EXPECT: &[Key] = &[
    key("tags", TEXTS, "Tags that it has, perhaps among others."),
    key("not_tags", TEXTS, "Tags that it has not."),
    key(
        "outputs",
        TEXTS,
        "Outputs it stands in, perhaps among others; all: everything public.",
    ),
    key("not_outputs", TEXTS, "Outputs it does not stand in."),
    key("category", Shape::Text, "Its category."),
    key("title", Shape::Text, "Its headline."),
    key("url", Shape::Text, "Its address."),
    key("score", POINTS, "Its score."),
    key("drop", Shape::Flag, "Whether a rule drops it."),
];

/// `{ env | credential | file, prefix }`.
pub(super) static SECRET: &[Key] = &[
    key("env", Shape::Text, "Name of an environment variable."),
    key("credential", Shape::Text, "Name of a systemd credential."),
    key("file", Shape::Text, "Path of a file."),
    key(
        "prefix",
        Shape::Text,
        "What stands before the secret, such as \"Bearer \".",
    ),
];

/// `{ min, max }`.
pub(super) static EVERY: &[Key] = &[
    key("min", Shape::Span, "Shortest wait."),
    key("max", Shape::Span, "Longest wait."),
];
