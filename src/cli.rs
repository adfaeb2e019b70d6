//! The command line: which commands there are, and what each gets.
//!
//! Arguments come in, an exit code goes out, results on stdout and words about trouble on stderr. What a command does
//! lives in its own file; what it asks of the store or the daemon lives in `ops`.

mod access;
mod add_feed;
mod articles;
mod backup;
mod check;
mod config;
mod doctor;
mod edit;
mod exit;
mod export;
mod feeds;
pub mod log;
mod opml;
mod out;
mod parse;
mod retag;
mod run;
mod shell;
mod stories;
mod tags;
mod token;
mod units;
mod upkeep;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub use exit::{Exit, Failure};
use out::Out;

/// Polls feeds, keeps each story once, and republishes them per tag and per category.
#[derive(Debug, Parser)]
#[command(
    name = "aggd",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  aggd add-feed https://blog.rust-lang.org/ --category tech\n  aggd run\n  aggd status\n\nExit codes:\n  0 done, 1 failed, 2 called wrongly, 3 nothing found, 4 some feeds failed, 5 refused,\n  69 daemon needed and absent, 73 cannot write, 75 store busy, 77 not allowed,\n  78 configuration invalid"
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// The options of every command stand together in its help.
const GLOBAL: &str = "Global options";

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Global {
    #[arg(
        help = "The configuration [default: $AGGD_CONFIG, ./feeds.toml, ~/.config/aggd/feeds.toml, /etc/aggd/feeds.toml]",
        short, long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    config: Option<PathBuf>,
    /// The control socket of the daemon to ask
    #[arg(long, global = true, value_name = "PATH", help_heading = GLOBAL)]
    socket: Option<PathBuf>,
    /// One JSON document instead of a table
    #[arg(long, global = true, conflicts_with = "jsonl", help_heading = GLOBAL)]
    json: bool,
    /// One JSON object a line instead of a table
    #[arg(long, global = true, help_heading = GLOBAL)]
    jsonl: bool,
    /// Say less
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    quiet: bool,
    /// Say more (twice: still more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = GLOBAL)]
    verbose: u8,
    /// Colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = GLOBAL)]
    color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    fn wanted(self, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon, in the foreground
    #[command(after_help = "Examples:\n  aggd run\n  aggd run --once --config feeds.toml")]
    Run(run::Args),
    /// Look the configuration over: every mistake, with its place
    #[command(after_help = "Examples:\n  aggd check\n  aggd check --strict /etc/aggd/feeds.toml")]
    Check(check::Args),
    /// Add a feed, by its address or by the address of its site
    #[command(
        after_help = "Examples:\n  aggd add-feed https://blog.rust-lang.org/ --category tech --tag rust\n  aggd add-feed --dry-run lwn.net"
    )]
    AddFeed(add_feed::Args),
    /// Change the settings of a feed
    #[command(
        after_help = "Examples:\n  aggd edit-feed rust-blog --set every=1h --set tags=rust,official\n  aggd edit-feed rust-blog --unset title\n  aggd edit-feed rust-blog --accept-move"
    )]
    EditFeed(edit::EditArgs),
    /// Take feeds out of the configuration; their articles stay
    #[command(after_help = "Example:\n  aggd remove-feed rust-blog")]
    RemoveFeed(edit::RemoveArgs),
    /// List the feeds and how they are doing
    #[command(
        after_help = "Examples:\n  aggd list-feeds --failing\n  aggd list-feeds --category tech --json"
    )]
    ListFeeds(feeds::ListArgs),
    /// How the daemon is doing, or one feed with its last visits
    #[command(
        after_help = "Examples:\n  aggd status\n  aggd status rust-blog\n  aggd status --failing || mail -s 'feeds fail' root"
    )]
    Status(feeds::StatusArgs),
    /// Visit feeds now
    #[command(after_help = "Examples:\n  aggd fetch\n  aggd fetch rust-blog --wait")]
    Fetch(feeds::FetchArgs),
    /// List articles, or show one
    #[command(
        after_help = "Examples:\n  aggd articles --tag rust --since 7d\n  aggd articles show 0123456789abcdef0123456789abcdef\n  aggd articles --sightings --jsonl"
    )]
    Articles(articles::Args),
    /// List the tags with their counts
    #[command(
        after_help = "Examples:\n  aggd tags --limit 20\n  aggd tags suggest\n  aggd tags related rust\n  aggd tags merge rustlang rust"
    )]
    Tags(tags::Args),
    /// List the categories with their counts
    #[command(after_help = "Example:\n  aggd categories")]
    Categories(articles::LabelArgs),
    /// Why an article is as it is: where it was seen, who gave it which tag
    #[command(after_help = "Example:\n  aggd explain 0123456789abcdef0123456789abcdef")]
    Explain(articles::ExplainArgs),
    /// List the stories that were seen at several places, part them, or make them one
    #[command(
        after_help = "Examples:\n  aggd stories\n  aggd stories split 0123456789abcdef0123456789abcdef\n  aggd stories merge 0123456789abcdef0123456789abcdef fedcba9876543210fedcba9876543210"
    )]
    Stories(stories::Args),
    /// Read a feed and print what was understood, as JSON
    #[command(
        after_help = "Examples:\n  aggd parse feed.xml --url https://example.org/feed.xml\n  curl -s https://example.org/feed.xml | aggd parse -"
    )]
    Parse(parse::Args),
    /// Take over the feeds of another reader
    #[command(
        after_help = "Examples:\n  aggd import-opml subscriptions.opml\n  curl -s https://example.org/opml | aggd import-opml - --category friends\n  aggd import-opml --trusted from-my-other-machine.opml"
    )]
    ImportOpml(opml::ImportArgs),
    /// Write the feeds as OPML, for other readers and for another aggd
    #[command(after_help = "Example:\n  aggd export-opml feeds.opml")]
    ExportOpml(opml::ExportArgs),
    /// Show every setting in force, and where it was written
    #[command(after_help = "Examples:\n  aggd config\n  aggd config rust-blog")]
    Config(config::ShowArgs),
    /// Print the JSON Schema of the configuration, for editors
    #[command(after_help = "Example:\n  aggd schema > feeds.schema.json")]
    Schema,
    /// Look for what could keep the daemon from its work
    #[command(after_help = "Example:\n  aggd doctor")]
    Doctor,
    /// Print a published list, as a reader would get it
    #[command(
        after_help = "Examples:\n  aggd preview all\n  aggd preview tags/rust --format json --limit 5\n  aggd preview all --when 'title.mentions(\"rust\") && score >= 5'"
    )]
    Preview(articles::PreviewArgs),
    /// Apply the rules, outputs and tags of today to the stories that are kept
    #[command(after_help = "Examples:\n  aggd retag --dry-run\n  aggd retag --since 30d")]
    Retag(retag::Args),
    /// Say who may read an output that is not for everybody
    #[command(
        after_help = "Examples:\n  aggd token new morning phone\n  aggd token list\n  aggd token revoke morning phone"
    )]
    Token(token::Args),
    /// Write every public feed as a file, for a server of static files
    #[command(
        after_help = "Each file has the bytes and the time of change that aggd itself would serve, and is only written anew \
                      when it changed.\n\nExample:\n  aggd export /srv/www/feeds"
    )]
    Export(export::Args),
    /// Drop what is too old, now
    #[command(after_help = "Example:\n  aggd gc")]
    Gc,
    /// Write all that is kept to a file, while everything goes on
    #[command(
        after_help = "Examples:\n  aggd backup aggd.ndjson.zst\n  aggd backup - | ssh box 'cat > aggd.ndjson.zst'\n  aggd backup --since aggd.ndjson.zst more.ndjson.zst"
    )]
    Backup(backup::BackupArgs),
    /// Make a store from backups; there must be none yet
    #[command(
        after_help = "Examples:\n  aggd restore aggd.ndjson.zst\n  aggd restore aggd.ndjson.zst more.ndjson.zst"
    )]
    Restore(backup::RestoreArgs),
    /// Look the store over: every commit of the log, every entry of the index
    #[command(after_help = "Examples:\n  aggd verify\n  aggd verify --repair")]
    Verify(backup::VerifyArgs),
    /// Make the daemon read the configuration again
    #[command(after_help = "Example:\n  aggd reload")]
    Reload,
    /// Print completions for a shell
    #[command(after_help = "Example:\n  aggd completions bash > /etc/bash_completion.d/aggd")]
    Completions(shell::CompletionArgs),
    /// Print the manual page, or write one for each command
    #[command(
        after_help = "Examples:\n  aggd man | man -l -\n  aggd man --dir /usr/share/man/man1"
    )]
    Man(shell::ManArgs),
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// Commands of later versions: named, so that nobody wonders whether the word was misspelt.
const LATER: &[&str] = &["extract", "search", "select"];

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let mut out = Out::new(&cli.global);
    let result = dispatch(&cli.global, cli.command, &mut out).and_then(|exit| {
        out.flush()?;
        Ok(exit)
    });
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(),
    }
}

fn dispatch(global: &Global, command: Command, out: &mut Out) -> Result<Exit, Failure> {
    match command {
        Command::Run(args) => run::run(global, &args, out),
        Command::Check(args) => check::run(global, &args, out),
        Command::AddFeed(args) => add_feed::run(global, &args, out),
        Command::EditFeed(args) => edit::edit(global, &args, out),
        Command::RemoveFeed(args) => edit::remove(global, &args, out),
        Command::ListFeeds(args) => feeds::list(global, args, out),
        Command::Status(args) => feeds::status(global, &args, out),
        Command::Fetch(args) => feeds::fetch(global, args, out),
        Command::Articles(args) => articles::run(global, args, out),
        Command::Tags(args) => tags::run(global, args, out),
        Command::Categories(args) => articles::categories(global, &args, out),
        Command::Explain(args) => articles::explain(global, args, out),
        Command::Stories(args) => stories::run(global, args, out),
        Command::Parse(args) => parse(&args),
        Command::ImportOpml(args) => opml::import(global, &args, out),
        Command::ExportOpml(args) => opml::export(global, &args, out),
        Command::Config(args) => config::show(global, &args, out),
        Command::Schema => config::schema(out),
        Command::Doctor => doctor::run(global, out),
        Command::Preview(args) => articles::preview(global, &args, out),
        Command::Retag(args) => retag::run(global, args, out),
        Command::Token(args) => token::run(global, &args, out),
        Command::Export(args) => export::run(global, &args, out),
        Command::Gc => upkeep::gc(global, out),
        Command::Backup(args) => backup::backup(global, &args, out),
        Command::Restore(args) => backup::restore(global, &args, out),
        Command::Verify(args) => backup::verify(global, &args, out),
        Command::Reload => upkeep::reload(global, out),
        Command::Completions(args) => shell::completions(&args, out),
        Command::Man(args) => shell::man(&args, out),
        Command::Other(words) => Err(unknown(&words)),
    }
}

/// Its exit code is its own: 1 says that the document is no feed.
fn parse(args: &parse::Args) -> Result<Exit, Failure> {
    match parse::run(args) {
        Ok(exit) => Ok(exit),
        Err(error) => {
            let gone = error.chain().any(|cause| {
                let io = cause.downcast_ref::<std::io::Error>();
                io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
            });
            Err(if gone {
                Failure::new(Exit::Done, "")
            } else {
                Failure::usage(format!("{error:#}"))
            })
        }
    }
}

fn unknown(words: &[OsString]) -> Failure {
    let word = words
        .first()
        .map(|word| word.to_string_lossy())
        .unwrap_or_default();
    if LATER.contains(&&*word) {
        return Failure::usage(format!("`{word}` is not available in this version"));
    }
    let command = Cli::command();
    let known: Vec<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    let hint = crate::config::hint(&word, known);
    Failure::usage(format!(
        "there is no command `{word}`{hint}; `aggd --help` lists them"
    ))
}

/// Help and version are no errors; the rest is told in our own voice.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let text = error.render();
        let shown = if Color::Auto.wanted(std::io::stdout().is_terminal()) {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        let mut out = Out::plain();
        return match out.text(&shown).and_then(|()| out.flush()) {
            Ok(()) => Exit::Done.into(),
            Err(failure) => failure.report(),
        };
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    Failure::usage(text.trim_end()).report()
}
