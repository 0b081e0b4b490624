//! `sealcast snippet`: code to paste into a page, a backend or a terminal, with the values of the
//! configuration.

mod backends;
mod clients;
mod quoting;
#[cfg(test)]
mod tests;

use backends::Backend;
use clap::ValueEnum;
use quoting::shell;

use super::{Result, print, source};
use crate::{
    address::Address,
    config::{Described, Flags},
};

#[derive(clap::Args)]
pub struct Snippet {
    /// Language, framework or client
    #[arg(value_enum)]
    name: Name,
    /// App id, if there are several apps
    #[arg(long, value_name = "ID")]
    app: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

/// In the order of the help text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
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
pub fn run(command: &Snippet) -> Result<()> {
    let source = source(&command.flags)?;
    let app = Described::of(&source, command.app.as_deref(), None)?;
    Ok(print(&rendered(command.name, &app)?)?)
}

pub fn rendered(name: Name, app: &Described) -> Result<String> {
    let backend = || -> Result<Backend<'_>> {
        let api = app.api.as_ref().ok_or(
            "api_listen is a Unix socket, to which the official SDKs do not connect: give it ADDRESS:PORT",
        )?;
        Ok(Backend { app, api })
    };
    Ok(match name {
        Name::PusherJs => clients::pusher_js(app),
        Name::Next => clients::next(app),
        Name::Jetsocket => clients::jetsocket(app),
        Name::Node => backends::node(&backend()?),
        Name::Laravel => backends::laravel(&backend()?),
        Name::Python => backends::python(&backend()?),
        Name::Ruby => backends::ruby(&backend()?),
        Name::Go => backends::go(&backend()?),
        Name::Java => backends::java(&backend()?),
        Name::Php => backends::php(&backend()?),
        Name::Curl => backends::curl(&backend()?),
    })
}

/// The other names, for a list.
pub fn names_but(shown: &[Name]) -> String {
    let others = Name::value_variants().iter().filter(|name| !shown.contains(name));
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
