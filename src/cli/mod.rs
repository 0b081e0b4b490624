//! The command line.

mod audit;
mod auth_explain;
mod auth_test;
mod banner;
mod capacity;
mod cluster;
mod config_check;
mod healthcheck;
mod history;
mod http;
mod keys;
#[cfg(debug_assertions)]
mod late_answers;
mod log;
#[cfg(test)]
mod named_commands;
#[cfg(target_os = "linux")]
mod process;
mod reload;
mod selftest;
mod serve;
mod server;
mod signals;
mod snippet;
mod tail;
mod terminal;
mod token;
mod unverified;
mod usage;
mod webhooks;

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    config::{Config, Environment, Flags, Source, render_settings},
    crypto::secret::Salt,
    platform::output::OutputQueue,
};

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
    Serve(Flags),
    /// Check and show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Create, rotate and revoke master keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Explain authorizations
    #[command(subcommand)]
    Auth(AuthCommand),
    /// Print a short-lived access token for a user
    Token(token::TokenArgs),
    /// Print a channel name with a signed id at its end
    SignedId(token::SignedIdArgs),
    /// Print code to paste, with the app's address, key and secret
    Snippet(snippet::SnippetArgs),
    /// Verify the audit log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// List, replay, discard and test webhooks of a running server
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
    /// Show the logged events of a channel
    History(history::show::HistoryArgs),
    /// Watch a running server: connections, subscriptions, calls, refusals, events
    Tail(tail::TailArgs),
    /// Check ciphers, signatures and random numbers against published values
    Selftest,
    /// Ask a running server if it is well; exits with 0 if so
    Healthcheck(healthcheck::HealthcheckArgs),
}

#[derive(Subcommand)]
enum AuthCommand {
    /// Explain why a socket refuses an auth string; exits with 0 if it does not
    Explain(Box<auth_explain::ExplainArgs>),
    /// Show the deciding rule for a token and a channel, and why the others do not match
    Test(auth_test::AuthTestArgs),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Check if the server would take it; a port that is in use is not noticed
    Check(Flags),
    /// Print each setting and its source, with secrets masked
    Show(Flags),
}

/// Prints every error as one sentence on standard error.
pub fn run() -> ExitCode {
    let result = match usage::arguments().command {
        // It says itself what is wrong: nothing of it may wait for standard error.
        Command::Serve(flags) => return serve::serve(&flags),
        Command::Config(command) => config(&command),
        Command::Keys(command) => keys::run(&command),
        Command::Auth(AuthCommand::Explain(command)) => auth_explain::run(&command),
        Command::Auth(AuthCommand::Test(command)) => auth_test::run(&command),
        Command::Token(command) => token::run(&command),
        Command::SignedId(command) => token::signed_id(&command),
        Command::Snippet(command) => snippet::run(&command),
        Command::Audit(command) => audit::run(&command),
        Command::Webhooks(command) => webhooks::run(&command),
        Command::History(command) => history::show::run(&command),
        Command::Tail(command) => tail::run(&command),
        Command::Selftest => selftest::run(),
        Command::Healthcheck(command) => healthcheck::run(&command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(format_args!("sealcast: {error}"));
            ExitCode::FAILURE
        }
    }
}

type CliResult<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Not `print!`, which panics if the reader is gone.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints a line on standard output. Output to a closed pipe is dropped silently.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::print(&format!("{}\n", format_args!($($text)*)))
    };
}
use say;

/// Prints a line on standard error, for commands other than `serve`. Without a reader the line is
/// lost.
fn print_error(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The same for `serve`, without blocking on the reader.
fn report(stderr: &OutputQueue, line: impl Display) {
    stderr.push(format!("sealcast: {line}\n").as_bytes());
}

fn source(flags: &Flags) -> CliResult<Source> {
    Ok(Source::new(flags, Environment::of_process())?)
}

fn load_config(flags: &Flags) -> CliResult<Config> {
    // Commands seal nothing, so any salt will do.
    Ok(Config::look(&source(flags)?, Salt::random()?)?)
}

fn config(command: &ConfigCommand) -> CliResult<()> {
    match command {
        ConfigCommand::Check(flags) => config_check::run(flags),
        ConfigCommand::Show(flags) => Ok(print(&render_settings(&source(flags)?)?)?),
    }
}
