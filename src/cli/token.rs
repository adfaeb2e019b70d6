//! `aggd token`: who may read an output that is not for everybody.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::edit::{reload, try_out, write_or_show};
use super::out::Out;
use super::{Exit, Failure, Global};
use crate::config::edit::{Locked, token};
use crate::config::{self, Config, File, Secrets};

/// Arguments of `aggd token`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a token and print it, once: feeds.toml keeps its hash only
    #[command(after_help = "Example:\n  aggd token new morning phone")]
    New {
        /// The output
        output: String,
        /// Who will have it
        name: String,
    },
    /// List who has a token
    #[command(after_help = "Example:\n  aggd token list morning")]
    List {
        /// The output [default: all of them]
        output: Option<String>,
    },
    /// Take a token away
    #[command(after_help = "Example:\n  aggd token revoke morning phone")]
    Revoke {
        /// The output
        output: String,
        /// Who has it
        name: String,
    },
}

#[derive(Serialize)]
struct Made {
    output: String,
    name: String,
    token: String,
    url: String,
}

#[derive(Serialize)]
struct Row {
    output: String,
    name: String,
}

pub(super) fn run(global: &Global, args: &Args, out: &mut Out) -> Result<Exit, Failure> {
    let path = config::locate(global.config.as_deref())?;
    let config = config::load_with(Some(&path), Secrets::Optional)?;
    match &args.what {
        What::New { output, name } => new(global, &config, output, name, out),
        What::List { output } => list(&config, output.as_deref(), out),
        What::Revoke { output, name } => {
            let file = file_of(&config, output)?;
            let locked = Locked::open(&file)?;
            let after = token::revoke(locked.text(), &file, output, name)?;
            let lines = format!(
                "take out of {}: the token `{name}` of `{output}`\n",
                file.display()
            );
            write(global, &config, locked, (file, after, &lines), out)?;
            out.note(&format!("`{name}` can no longer read `{output}`"))?;
            Ok(Exit::Done)
        }
    }
}

fn new(
    global: &Global,
    config: &Config,
    output: &str,
    name: &str,
    out: &mut Out,
) -> Result<Exit, Failure> {
    if name.trim().is_empty() {
        return Err(Failure::usage("a token needs a name"));
    }
    let file = file_of(config, output)?;
    let outputs = config.outputs.iter();
    if let Some(published) = outputs.clone().find(|one| one.id == *output) {
        if published.tokens.iter().any(|one| one.name == name) {
            return Err(Failure::new(
                Exit::Refused,
                format!("`{output}` has a token `{name}` already; revoke that one first"),
            ));
        }
        if !published.restricted {
            out.note(&format!(
                "`{output}` was public; from now on it is served under /p/TOKEN/ alone"
            ))?;
        }
    }
    let secret = secret()?;
    let sha256 = hex(&Sha256::digest(&secret));
    let locked = Locked::open(&file)?;
    let after = token::add(locked.text(), &file, output, name, &sha256)?;
    let lines = format!("tokens = [{{ name = {name:?}, sha256 = \"{sha256}\" }}]\n");
    write(global, config, locked, (file, after, &lines), out)?;
    let made = Made {
        url: format!("{}p/{secret}/outputs/{output}.atom", config.site.public_url),
        output: output.to_owned(),
        name: name.to_owned(),
        token: secret,
    };
    if out.is_json() {
        out.json(&made)?;
    } else {
        out.line(&made.token)?;
        out.note(&format!("the address: {}", made.url))?;
        out.note("it is not kept: whoever loses it needs a new one")?;
    }
    Ok(Exit::Done)
}

fn list(config: &Config, output: Option<&str>, out: &mut Out) -> Result<Exit, Failure> {
    if let Some(id) = output {
        file_of(config, id)?;
    }
    let outputs = config.outputs.iter();
    let rows: Vec<Row> = outputs
        .filter(|one| output.is_none_or(|id| one.id == id))
        .flat_map(|one| {
            one.tokens.iter().map(|token| Row {
                output: one.id.clone(),
                name: token.name.clone(),
            })
        })
        .collect();
    out.list(&["OUTPUT", "NAME"], &rows, |row| {
        vec![row.output.clone(), row.name.clone()]
    })?;
    Ok(Exit::Done)
}

/// Tries the new text out, writes it, and tells the daemon.
fn write(
    global: &Global,
    config: &Config,
    locked: Locked,
    (file, after, lines): (PathBuf, String, &str),
    out: &mut Out,
) -> Result<(), Failure> {
    let main = config.files.first().unwrap_or(&file).clone();
    let changed = [File {
        path: file,
        text: after,
    }];
    let mut held = [locked];
    try_out(&main, &changed)?;
    write_or_show(&mut held, &changed, lines, out)?;
    reload(global, config, &mut held, out)
}

fn file_of(config: &Config, output: &str) -> Result<PathBuf, Failure> {
    let mut both = config.outputs.iter().zip(&config.output_places);
    let found = both.find(|(one, _)| one.id == output);
    found
        .map(|(_, place)| place.file.to_path_buf())
        .ok_or_else(|| {
            let hint = config::hint(output, config.outputs.iter().map(|one| one.id.as_str()));
            Failure::new(
                Exit::NotFound,
                format!("there is no output `{output}`{hint}"),
            )
        })
}

/// 256 random bits, in letters that a URL takes as they are.
fn secret() -> Result<String, Failure> {
    use std::io::Read as _;

    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| Failure::failed(format!("there is no randomness: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
