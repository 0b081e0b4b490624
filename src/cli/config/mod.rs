//! `sealcast config`

mod files;
mod listeners;

use clap::Subcommand;
use serde_json::json;

use super::{
    CliResult, CommandError, OutputArgs, help, log,
    output::{print, print_error, print_json, say},
    source,
};
use crate::config::{
    Findings, Flags, NamedFiles, Source, check, default_file, reference_page, schema_text, shown,
};

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// List all faults; exits with 0 if the server would start
    #[command(after_help = help::after("configuration.md", [
        "sealcast config check --config /etc/sealcast/sealcast.toml",
        "sealcast config check --offline --json",
    ]))]
    Check(CheckArgs),
    /// Print the settings that are set, each with its source; secrets are masked
    #[command(after_help = help::after("configuration.md", [
        "sealcast config show --config /etc/sealcast/sealcast.toml",
        "sealcast config show --all --json",
    ]))]
    Show(ShowArgs),
    /// Print a JSON Schema of the file, for editors
    #[command(after_help = help::after("configuration.md", [
        "sealcast config schema > sealcast.schema.json",
        "sealcast config schema | jq '.properties | keys'",
    ]))]
    Schema,
    /// Print the reference of all settings, as Markdown
    #[command(after_help = help::after("reference/configuration.md", [
        "sealcast config doc > configuration.md",
        "sealcast config doc | less",
    ]))]
    Doc,
    /// Print a file with every setting commented out
    #[command(after_help = help::after("configuration.md", [
        "sealcast config default > sealcast.toml",
        "sealcast config default | less",
    ]))]
    Default,
}

#[derive(clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    flags: Flags,
    /// Assume the files that are named, and look at nothing else on this machine
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(clap::Args)]
pub struct ShowArgs {
    #[command(flatten)]
    flags: Flags,
    /// Print all settings, with defaults and the time when a change takes effect
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(command: &ConfigCommand) -> CliResult<()> {
    match command {
        ConfigCommand::Check(args) => run_check(args),
        ConfigCommand::Show(args) => show(args),
        ConfigCommand::Schema => print(&schema_text()),
        ConfigCommand::Doc => print(&reference_page()),
        ConfigCommand::Default => print(&default_file()),
    }
}

fn run_check(CheckArgs { flags, offline, output }: &CheckArgs) -> CliResult<()> {
    let source = source(flags)?;
    let files = if *offline { NamedFiles::Assume } else { NamedFiles::Read };
    let mut findings = examine(&source, files);
    if !offline {
        files::check(&mut findings);
        listeners::check(&mut findings);
    }
    match output.json {
        true => print_json(&as_json(&source, &findings))?,
        false => tell(&findings)?,
    }
    if findings.is_good() { Ok(()) } else { Err(CommandError::Told) }
}

/// All faults that are in the configuration alone, and not on this machine.
pub fn examine(source: &Source, files: NamedFiles) -> Findings<'_> {
    let mut findings = check(source, files);
    if let Some(error) = findings.config.as_ref().and_then(|config| log::filter(&config.log).err())
    {
        findings.add("log", error.to_string());
    }
    findings
}

fn as_json(source: &Source, findings: &Findings<'_>) -> serde_json::Value {
    json!({
        "file": source.file(),
        "faults": findings.list().to_json(),
        "warnings": findings.warnings,
    })
}

/// The faults last, where they are read.
fn tell(findings: &Findings<'_>) -> CliResult<()> {
    findings.warnings.iter().for_each(|text| print_error(format_args!("warning: {text}")));
    let Some(config) = findings.config.as_ref().filter(|_| findings.is_good()) else {
        tell_faults(findings);
        return Ok(());
    };
    config.notes.iter().for_each(|note| print_error(format_args!("note: {note}")));
    say!("the configuration is good: {} app(s)", config.apps.len())
}

fn tell_faults(findings: &Findings<'_>) {
    let list = findings.list();
    print_error(format_args!("{list}{}", list.summary()));
}

fn show(ShowArgs { flags, all, output }: &ShowArgs) -> CliResult<()> {
    let source = source(flags)?;
    let Ok(settings) = shown(&source, *all) else {
        let findings = check(&source, NamedFiles::Assume);
        match output.json {
            true => print_json(&as_json(&source, &findings))?,
            false => tell_faults(&findings),
        }
        return Err(CommandError::Told);
    };
    match output.json {
        true => print_json(&settings.to_json()),
        false => print(&settings.to_string()),
    }
}
