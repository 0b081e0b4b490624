//! `sealcast import`: the configuration of another server as one of ours.
//!
//! Each other server is a table (`from`): its names, our settings, what becomes of them, and the
//! function that translates a value. The listing and the tables in docs/migrating.md are made of the
//! same rows.

mod apps;
#[cfg(test)]
mod documented;
mod draft;
mod finish;
mod from;
mod input;
mod next_steps;
#[cfg(test)]
mod numbers;
mod origins;
mod output;
mod redis;
mod report;
mod row;
mod self_check;
mod settle;
mod take;
mod toml;
mod translate;

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{CliResult, CommandError, help, output::OutputArgs};
use crate::{crypto::key::read_secret_file, platform::text_file};
use draft::{Draft, WebhookDraft};
use from::{ForeignServer, laravel_websockets, pusher, reverb, sockudo, soketi};
use input::{ForeignName, ForeignSetting, InputFormat, dotenv, tree};
use report::NameLine;
use row::RowMark;
use translate::{ForeignInput, translate};

#[derive(clap::Subcommand)]
pub enum ImportCommand {
    /// From soketi 1.x: an .env, or its JSON
    #[command(after_help = help::after("migrating.md", [
        "sealcast import soketi .env",
        "sealcast import soketi .env --out sealcast.toml",
    ]))]
    Soketi(DatabaseArgs),
    /// From Laravel Reverb: an .env, or config("reverb") as JSON
    #[command(after_help = help::after("migrating.md", [
        "sealcast import reverb .env",
        "sealcast import reverb reverb.json --out sealcast.toml",
    ]))]
    Reverb(ImportArgs),
    /// From Pusher: an .env with the credentials; the dashboard's switches are flags
    #[command(after_help = help::after("migrating.md", [
        "sealcast import pusher .env",
        "sealcast import pusher .env --client-events --webhook https://example.com/hooks",
    ]))]
    Pusher(PusherArgs),
    /// From laravel-websockets: an .env, or config("websockets") as JSON
    #[command(after_help = help::after("migrating.md", [
        "sealcast import laravel-websockets .env",
        "sealcast import laravel-websockets .env --out sealcast.toml",
    ]))]
    LaravelWebsockets(DatabaseArgs),
    /// From Sockudo 5.x: an .env, or its config.toml or config.json
    #[command(after_help = help::after("migrating.md", [
        "sealcast import sockudo config.toml",
        "sealcast import sockudo .env --out sealcast.toml",
    ]))]
    Sockudo(DatabaseArgs),
}

#[derive(clap::Args)]
pub struct ImportArgs {
    /// File to read; - is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Write the configuration to this file, and secrets to files beside it, with mode 0600
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Accept names without a counterpart
    #[arg(long)]
    force: bool,
    /// Replace files that are there; a cluster key that is there is kept
    #[arg(long, requires = "out")]
    overwrite: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(clap::Args)]
pub struct DatabaseArgs {
    #[command(flatten)]
    common: ImportArgs,
    /// Apps of a database, as JSON; the command that exports them is printed without it
    #[arg(long, value_name = "FILE")]
    apps: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct PusherArgs {
    #[command(flatten)]
    common: ImportArgs,
    /// URL of a webhook; may be repeated
    #[arg(long, value_name = "URL")]
    webhook: Vec<String>,
    /// The app has client events
    #[arg(long)]
    client_events: bool,
    /// The app has authorized connections
    #[arg(long)]
    authorized_connections: bool,
    /// The app has subscription counting
    #[arg(long)]
    subscription_count: bool,
    /// File with the master key of encrypted channels
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<PathBuf>,
}

pub fn run(command: &ImportCommand) -> CliResult<()> {
    match command {
        ImportCommand::Soketi(args) => with_database(&soketi::SOKETI, args, SOKETI_APPS),
        ImportCommand::Reverb(args) => one(&reverb::REVERB, args, None, |_| Ok(())),
        ImportCommand::Pusher(args) => {
            one(&pusher::PUSHER, &args.common, None, |draft| with_flags(draft, args))
        }
        ImportCommand::LaravelWebsockets(args) => {
            with_database(&laravel_websockets::LARAVEL_WEBSOCKETS, args, &["apps"])
        }
        ImportCommand::Sockudo(args) => with_database(&sockudo::SOCKUDO, args, SOKETI_LIKE_APPS),
    }
}

/// The way to the list of apps in their file.
const SOKETI_APPS: &[&str] = &["appManager", "array", "apps"];
const SOKETI_LIKE_APPS: &[&str] = &["app_manager", "array", "apps"];

fn with_database(
    origin: &'static ForeignServer,
    args: &DatabaseArgs,
    list: &[&str],
) -> CliResult<()> {
    let apps = args.apps.as_deref().map(|file| (file, list));
    one(origin, &args.common, apps, |_| Ok(()))
}

fn one(
    origin: &'static ForeignServer,
    args: &ImportArgs,
    apps: Option<(&Path, &[&str])>,
    add: impl FnOnce(&mut Draft) -> CliResult<()>,
) -> CliResult<()> {
    if is_stdin(&args.file) && apps.is_some_and(|(file, _)| is_stdin(file)) {
        return Err(CommandError::usage(
            "standard input is one file: name the settings or --apps by a path",
        ));
    }
    output::check_name(args.out.as_deref())?;
    let mut input = read(origin, &args.file)?;
    let has_apps_file = apps.is_some();
    let mut replaced = Vec::new();
    if let Some((file, list)) = apps {
        replaced = replace_apps(origin, &mut input, file, list)?;
    }
    let mut translation = translate(origin, input, has_apps_file, add)?;
    translation.lines.extend(replaced);
    self_check::check(&mut translation);
    report::give(origin, args, &translation)
}

fn read(origin: &'static ForeignServer, file: &Path) -> CliResult<ForeignInput> {
    let text = text_of(file)?;
    let start = text.trim_start();
    if start.is_empty() {
        return Err(CommandError::failed(format_args!(
            "{} is empty: there is nothing to import",
            shown(file)
        )));
    }
    let unread = |reason: String| {
        CommandError::failed(format_args!("cannot read {}: {reason}", shown(file)))
    };
    let is_json = start.starts_with(['{', '[']) && serde_json::from_str::<Value>(start).is_ok();
    let wants_toml = origin.name == "Sockudo"
        && (file.extension().is_some_and(|ending| ending == "toml") || has_sections(&text));
    let value = match (is_json || start.starts_with('{'), wants_toml) {
        (_, true) => tree::of_toml(&text),
        (true, false) => tree::of_json(&text),
        (false, false) => return of_variables(origin, &text).map_err(unread),
    };
    let value = value.map_err(unread)?;
    Ok(ForeignInput {
        entries: of_tree(origin, value),
        problems: Vec::new(),
        format: InputFormat::Tree,
    })
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// For messages.
fn shown(file: &Path) -> String {
    match is_stdin(file) {
        true => "standard input".into(),
        false => file.display().to_string(),
    }
}

fn text_of(file: &Path) -> CliResult<Zeroizing<String>> {
    if !is_stdin(file) {
        let read = text_file::read(file);
        return read
            .map_err(|e| CommandError::failed(format_args!("cannot read {}: {e}", shown(file))));
    }
    if io::stdin().is_terminal() {
        return Err(CommandError::usage("name a file to import, such as .env, or pipe one in"));
    }
    text_file::read_from(io::stdin().lock(), text_file::MAX_BYTES)
        .map_err(|e| CommandError::failed(format_args!("cannot read {}: {e}", shown(file))))
}

fn has_sections(text: &str) -> bool {
    text.lines().any(|line| line.starts_with('[') && line.trim_end().ends_with(']'))
}

fn of_variables(origin: &ForeignServer, text: &str) -> Result<ForeignInput, String> {
    let (variables, problems) = dotenv::parse(text, origin.comments)?;
    let entries = variables.into_iter().map(|variable| ForeignSetting {
        shown: variable.name.clone(),
        name: ForeignName::Variable(variable.name),
        value: Value::String(variable.value),
    });
    Ok(ForeignInput { entries: entries.collect(), problems, format: InputFormat::Variables })
}

fn of_tree(origin: &'static ForeignServer, value: Value) -> Vec<ForeignSetting> {
    let value = match origin.name {
        "Sockudo" => sockudo::hoisted(value),
        _ => value,
    };
    let is_known = |path: &[String]| {
        let name = ForeignName::Path(path.to_vec());
        origin.rows().any(|row| row.matches(&name).is_some())
    };
    tree::entries(&value, &is_known)
}

/// The apps of the file take the place of those in the input.
fn replace_apps(
    origin: &'static ForeignServer,
    input: &mut ForeignInput,
    file: &Path,
    list: &[&str],
) -> CliResult<Vec<NameLine>> {
    let unread = |reason: String| {
        CommandError::failed(format_args!("cannot read the apps of {}: {reason}", shown(file)))
    };
    let apps = apps::read(&text_of(file)?).map_err(unread)?;
    let is_of_app = |entry: &ForeignSetting| {
        let row = origin.rows().find(|row| row.matches(&entry.name).is_some());
        row.is_some_and(|row| row.is_of_app())
    };
    let (replaced, kept): (Vec<ForeignSetting>, Vec<ForeignSetting>) =
        std::mem::take(&mut input.entries).into_iter().partition(is_of_app);
    input.entries = kept;
    let renamed = apps.into_iter().map(|app| Value::Object(apps::renamed(origin, app)));
    let mut value = Value::Array(renamed.collect());
    for name in list.iter().rev() {
        value = json!({ (*name): value });
    }
    input.entries.extend(of_tree(origin, value));
    Ok(replaced
        .into_iter()
        .map(|entry| {
            NameLine::without_setting(RowMark::Unneeded, &entry.shown, "the apps come from --apps")
        })
        .collect())
}

/// What Pusher's dashboard knows.
fn with_flags(draft: &mut Draft, args: &PusherArgs) -> CliResult<()> {
    let key = args.master_key_file.as_deref().map(read_secret_file).transpose()?;
    let Some(app) = draft.apps.values_mut().next() else { return Ok(()) };
    for (name, flag, is_on) in [
        ("client_events", "--client-events", args.client_events),
        ("authorized_connections", "--authorized-connections", args.authorized_connections),
        ("subscription_count", "--subscription-count", args.subscription_count),
    ] {
        if is_on {
            app.settings.put(name, true, flag.into(), false);
        }
    }
    if let Some(key) = key {
        app.settings.put("master_key", key.as_str(), "--master-key-file".into(), true);
    }
    for url in &args.webhook {
        crate::platform::http::EndpointUrl::parse(url, true)
            .map_err(|reason| CommandError::usage(format_args!("--webhook {url}: it {reason}")))?;
        app.webhooks.push(WebhookDraft {
            url: url.clone(),
            events: Vec::new(),
            channels: Vec::new(),
            headers: std::collections::BTreeMap::new(),
            origin: "--webhook".into(),
        });
    }
    Ok(())
}
