//! The command line.

mod amounts;
mod audit;
mod auth_explain;
mod auth_test;
mod banner;
mod capacity;
mod channels;
mod client;
mod cluster;
mod completions;
mod config;
mod connections;
mod console;
mod doctor;
mod exit;
mod healthcheck;
mod help;
mod history;
mod import;
mod init;
mod keys;
#[cfg(debug_assertions)]
mod late_answers;
mod listen;
mod log;
#[cfg(test)]
mod named_commands;
mod options;
mod output;
mod paging;
#[cfg(target_os = "linux")]
mod process;
#[cfg(test)]
mod reference;
mod reload;
mod selftest;
mod serve;
mod signals;
mod snippet;
mod stats;
mod supervisor;
mod table;
mod tail;
mod terminal;
mod token;
mod trigger;
mod unverified;
mod usage;
mod webhooks;

use std::{fmt::Display, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    config::{Config, Environment, Flags, Source},
    crypto::secret::Salt,
    platform::output::OutputQueue,
};
use exit::{CliResult, CommandError};
use output::{OutputArgs, print, print_error, say};
use usage::CommandLine;

#[derive(Parser)]
#[command(
    name = "sealcast",
    version,
    about = "Pusher-compatible WebSocket server that seals encrypted channels"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    #[command(after_help = help::after("operations.md", [
        "sealcast serve --config /etc/sealcast/sealcast.toml",
        "sealcast serve --dev",
    ]))]
    Serve(Flags),
    /// Write a configuration for a new project, with new secrets beside it
    #[command(after_help = help::after("start.md", [
        "sealcast init",
        "sealcast init --dir /etc/sealcast --app-id 2002",
    ]))]
    Init(init::InitArgs),
    /// Check and show the configuration
    #[command(subcommand, after_help = help::after("configuration.md", [
        "sealcast config check --config sealcast.toml",
        "sealcast config show --all",
    ]))]
    Config(config::ConfigCommand),
    /// Create, rotate and revoke master keys
    #[command(subcommand, after_help = help::after("keys.md", [
        "sealcast keys list --app 1001",
        "sealcast keys rotate --app 1001",
    ]))]
    Keys(keys::KeysCommand),
    /// Explain authorizations
    #[command(subcommand, after_help = help::after("troubleshooting.md", [
        "sealcast auth explain --socket-id 123.456 --channel private-a --auth 'shop-key:0a1b2c'",
        "sealcast auth test --config sealcast.toml --channel private-a",
    ]))]
    Auth(AuthCommand),
    /// Print a short-lived access token for a user
    #[command(after_help = help::after("authorization.md", [
        "sealcast token --user 42 --channel 'private-orders-*'",
        "sealcast token --user 42 --channel private-a --ttl 60 --allow subscribe,history --json",
    ]))]
    Token(token::TokenArgs),
    /// Print a channel name with a signed id at its end
    #[command(after_help = help::after("authorization.md", [
        "sealcast signed-id private-list- 42",
        "sealcast signed-id private-list- 42 --config sealcast.toml --json",
    ]))]
    SignedId(token::SignedIdArgs),
    /// Print code to paste, with the app's address, key and secret
    #[command(after_help = help::after("publishing.md", [
        "sealcast snippet node --dev",
        "sealcast snippet laravel --config sealcast.toml",
    ]))]
    Snippet(snippet::SnippetArgs),
    /// Translate the configuration of another server
    #[command(subcommand, after_help = help::after("migrating-settings.md", [
        "sealcast import soketi .env --out sealcast.toml",
        "sealcast import reverb .env --out sealcast.toml",
    ]))]
    Import(import::ImportCommand),
    /// Verify the audit log
    #[command(subcommand, after_help = help::after("audit.md", [
        "sealcast audit verify audit.jsonl",
        "sealcast audit verify audit.jsonl --json",
    ]))]
    Audit(audit::AuditCommand),
    /// List, replay, discard and test webhooks of a running server
    #[command(subcommand, after_help = help::after("webhooks.md", [
        "sealcast webhooks list --app 1001",
        "sealcast webhooks test --app 1001",
    ]))]
    Webhooks(webhooks::WebhooksCommand),
    /// Show the logged events of a channel
    #[command(after_help = help::after("history.md", [
        "sealcast history orders --app 1001 --limit 5 --data",
        "sealcast history orders --follow --json",
    ]))]
    History(history::show::HistoryArgs),
    /// Watch a running server: connections, subscriptions, calls, refusals, events
    #[command(after_help = help::after("live.md", [
        "sealcast tail --app 1001 --type 'refused,auth_*'",
        "sealcast tail --follow --json",
    ]))]
    Tail(tail::TailArgs),
    /// Find out why clients or backends do not connect
    #[command(after_help = help::after("doctor.md", [
        "sealcast doctor https://ws.example.com --config sealcast.toml",
        "sealcast doctor wss://ws.example.com --app 1001 --key shop-key --secret-file secret --slow",
    ]))]
    Doctor(Box<doctor::DoctorArgs>),
    /// Show the figures of a running server
    #[command(after_help = help::after("watching.md", [
        "sealcast stats --watch",
        "sealcast stats --top --app 1001 --json",
    ]))]
    Stats(stats::StatsArgs),
    /// List the channels of a running server, or show one
    #[command(after_help = help::after("watching.md", [
        "sealcast channels private-encrypted-orders-",
        "sealcast channels presence-room-1 --detail --json",
    ]))]
    Channels(channels::ChannelsArgs),
    /// List the connections to a running server, show one, or close it
    #[command(after_help = help::after("watching.md", [
        "sealcast connections --channel private-encrypted-orders-eu",
        "sealcast connections 123.456 --close 4009",
    ]))]
    Connections(connections::ConnectionsArgs),
    /// Open the console of the server on this machine, by a link that works once
    #[command(after_help = help::after("console.md", [
        "sealcast console",
        "sealcast console --no-open --config /etc/sealcast/sealcast.toml",
    ]))]
    Console(console::ConsoleArgs),
    /// Publish an event as a backend does
    #[command(after_help = help::after("by-hand.md", [
        r#"sealcast trigger private-encrypted-orders-eu order.paid '{"order":4821}'"#,
        "sealcast trigger news sport report - --json < report.json",
    ]))]
    Trigger(trigger::TriggerArgs),
    /// Subscribe to channels as a client does, and print their events
    #[command(after_help = help::after("by-hand.md", [
        "sealcast listen private-encrypted-orders-eu --decrypt --count 1",
        "sealcast listen news presence-room-1 --json",
    ]))]
    Listen(listen::ListenArgs),
    /// Check ciphers, signatures and random numbers against published values
    #[command(after_help = help::after("security.md", [
        "sealcast selftest",
        "sealcast selftest --json",
    ]))]
    Selftest(OutputArgs),
    /// Ask a running server if it is well; exits with 0 if so, and with 1 otherwise
    #[command(after_help = help::after("operations.md", [
        "sealcast healthcheck --config /etc/sealcast/sealcast.toml",
        "sealcast healthcheck --url https://127.0.0.1:6001 --ready --json",
    ]))]
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Print a script that completes commands and options in a shell
    #[command(after_help = help::after("commands.md", [
        "sealcast completions bash > /etc/bash_completion.d/sealcast",
        "sealcast completions fish > ~/.config/fish/completions/sealcast.fish",
    ]))]
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one of each command
    #[command(after_help = help::after("commands.md", [
        "sealcast man | man -l -",
        "sealcast man /usr/local/share/man/man1",
    ]))]
    Man(completions::ManArgs),
}

#[derive(Subcommand)]
enum AuthCommand {
    /// Explain why a socket refuses an auth string; exits with 0 if it does not
    #[command(after_help = help::after("troubleshooting.md", [
        "sealcast auth explain app-key:5f3a... --socket-id 123.456 --channel private-a --dev",
        "sealcast auth explain app-key:5f3a... --socket-id 123.456 --user-data '{\"id\":\"1\"}' --json",
    ]))]
    Explain(Box<auth_explain::ExplainArgs>),
    /// Show the deciding rule for a token and a channel, and why the others do not match
    #[command(after_help = help::after("authorization.md", [
        "sealcast auth test - private-orders-1 --app 1001 < token",
        "sealcast auth test - private-orders-1 --json < token",
    ]))]
    Test(auth_test::AuthTestArgs),
}

/// Prints every error as one sentence on standard error, and with `--json` as an object on standard
/// output.
pub fn run() -> ExitCode {
    let CommandLine { cli: Cli { command }, json } = usage::arguments();
    // It says itself what is wrong: nothing of it may wait for standard error.
    if let Command::Serve(flags) = &command {
        return serve::serve(flags);
    }
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ (CommandError::OutputClosed | CommandError::Told)) => error.exit_code(),
        Err(error) => {
            if json && let Some(line) = error.json() {
                let _ = print(&terminal::json_line(&line));
            }
            print_error(format_args!("sealcast: {}", terminal::harmless(&error.to_string())));
            error.exit_code()
        }
    }
}

impl Command {
    fn run(&self) -> CliResult<()> {
        match self {
            Self::Serve(_) => Ok(()),
            Self::Init(command) => init::run(command),
            Self::Config(command) => config::run(command),
            Self::Keys(command) => keys::run(command),
            Self::Auth(AuthCommand::Explain(command)) => auth_explain::run(command),
            Self::Auth(AuthCommand::Test(command)) => auth_test::run(command),
            Self::Token(command) => token::run(command),
            Self::SignedId(command) => token::signed_id(command),
            Self::Snippet(command) => snippet::run(command),
            Self::Import(command) => import::run(command),
            Self::Audit(command) => audit::run(command),
            Self::Webhooks(command) => webhooks::run(command),
            Self::History(command) => history::show::run(command),
            Self::Tail(command) => tail::run(command),
            Self::Doctor(command) => doctor::run(command),
            Self::Stats(command) => stats::run(command),
            Self::Channels(command) => channels::run(command),
            Self::Connections(command) => connections::run(command),
            Self::Console(command) => console::run(command),
            Self::Trigger(command) => trigger::run(command),
            Self::Listen(command) => listen::run(command),
            Self::Selftest(output) => selftest::run(*output),
            // Docker knows 0 and 1 only.
            Self::Healthcheck(command) => healthcheck::run(command).map_err(CommandError::failed),
            Self::Completions(args) => completions::completions(args),
            Self::Man(args) => completions::man(args),
        }
    }
}

/// Of the start of a server and of its reloads: `serve` itself prints the reason.
type ServerResult<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Prints a line on standard error for `serve`, without blocking on the reader.
fn report(stderr: &OutputQueue, line: impl Display) {
    stderr.push(format!("sealcast: {line}\n").as_bytes());
}

fn source(flags: &Flags) -> CliResult<Source> {
    Ok(Source::new(flags, Environment::of_process()))
}

fn load_config(flags: &Flags) -> CliResult<Config> {
    // Commands seal nothing, so any salt will do.
    Ok(Config::look(&source(flags)?, Salt::random()?)?)
}
