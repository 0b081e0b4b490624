//! `sealcast snippet`: code to paste into a page, a backend or a terminal, with the values of the
//! configuration.

mod backends;
mod clients;
mod quoting;
#[cfg(test)]
mod tests;

use backends::Backend;
use clap::ValueEnum;
pub use quoting::shell;

use super::{CliResult, CommandError, options::ConfigArgs, print, source};
use crate::{
    config::{Flags, SnippetContext},
    platform::address::Address,
};

#[derive(clap::Args)]
pub struct SnippetArgs {
    /// Language, framework or client
    #[arg(value_enum)]
    name: SnippetName,
    /// App id, if there are several apps
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Address of the server, instead of the configured one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<Address>,
    /// Address of its HTTP API, instead of the configured one
    #[arg(long, value_name = "ADDRESS:PORT")]
    api_listen: Option<Address>,
}

/// In the order of the help text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SnippetName {
    PusherJs,
    Node,
    Next,
    Laravel,
    Python,
    Ruby,
    Go,
    Java,
    Php,
    Jetsocket,
    Curl,
}

const EVENT: &str = "hello";

/// Prints the app's secret: the caller can read the configuration anyway.
pub fn run(command: &SnippetArgs) -> CliResult<()> {
    let flags = Flags {
        listen: command.listen.as_ref().map(Address::to_string),
        api_listen: command.api_listen.as_ref().map(Address::to_string),
        ..command.config.flags()
    };
    let source = source(&flags)?;
    let app = SnippetContext::of(&source, command.app.as_deref(), None)?;
    print(&render(command.name, &app)?)
}

pub fn render(name: SnippetName, app: &SnippetContext) -> CliResult<String> {
    let backend = || -> CliResult<Backend<'_>> {
        let api = app.api.as_ref().ok_or_else(|| CommandError::failed(
            "api_listen is a Unix socket, to which the official SDKs do not connect: give it ADDRESS:PORT",
        ))?;
        Ok(Backend { app, api })
    };
    Ok(match name {
        SnippetName::PusherJs => clients::pusher_js(app),
        SnippetName::Next => clients::next(app),
        SnippetName::Jetsocket => clients::jetsocket(app),
        SnippetName::Node => backends::node(&backend()?),
        SnippetName::Laravel => backends::laravel(&backend()?),
        SnippetName::Python => backends::python(&backend()?),
        SnippetName::Ruby => backends::ruby(&backend()?),
        SnippetName::Go => backends::go(&backend()?),
        SnippetName::Java => backends::java(&backend()?),
        SnippetName::Php => backends::php(&backend()?),
        SnippetName::Curl => backends::curl(&backend()?),
    })
}

/// The other names, for a list.
pub fn names_except(excluded: &[SnippetName]) -> String {
    let others = SnippetName::value_variants().iter().filter(|name| !excluded.contains(name));
    let names = others.filter_map(|name| Some(name.to_possible_value()?.get_name().to_owned()));
    names.collect::<Vec<_>>().join(", ")
}

/// The command that prints the snippets of a server with these flags and this address.
pub fn command(flags: &Flags, public: &Address) -> String {
    let mut words = vec!["sealcast snippet NAME".to_owned()];
    if let Some(config) = flags.config_file() {
        words.push(format!("--config {}", shell(&config.display().to_string())));
    }
    if flags.dev {
        words.push("--dev".into());
    }
    let public = public.to_string();
    if public != DEV_LISTEN {
        words.push(format!("--listen {}", shell(&public)));
    }
    words.join(" ")
}

const DEV_LISTEN: &str = "127.0.0.1:6001";
