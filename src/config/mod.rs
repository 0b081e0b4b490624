//! Configuration: what may be written (`raw`), where it comes from (`source`), and what the server
//! makes of it (`resolve`).

mod raw;
mod resolve;
mod show;
mod source;

use std::{net::SocketAddr, path::PathBuf};

use crate::{app::App, web::Settings};

pub use show::shown;
pub use source::{Flags, Source};

/// What the server uses: typed, validated, without an `Option` that means "default".
pub struct Config {
    pub listen: SocketAddr,
    /// Where `/stats` is served; nowhere without it.
    pub ops_listen: Option<SocketAddr>,
    pub workers: usize,
    pub mailbox_bytes: usize,
    pub settings: Settings,
    pub log: Log,
    pub state_dir: PathBuf,
    pub apps: Vec<App>,
    /// What the operator should know, and nobody asked for.
    pub warnings: Vec<String>,
}

pub struct Log {
    /// In the syntax of tracing's `EnvFilter`.
    pub filter: String,
    pub json: bool,
}

/// The first sentence says what is wrong, the rest where, and what would be right.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl Config {
    pub fn load(source: &Source) -> Result<Self, ConfigError> {
        resolve::resolve(source.extract()?, source.is_dev())
    }
}
