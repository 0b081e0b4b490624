//! A consistent reading of the configuration and all its files.

use std::path::Path;

use super::watch::{FileStamps, stamps};
use crate::{
    cli::ServerResult,
    config::{Config, ConfigError, ConfigHashes, Environment, Flags, NamedFiles, Source, check},
    crypto::secret::Salt,
};

pub struct LoadedConfig {
    pub config: Config,
    pub hashes: ConfigHashes,
}

/// Attempts to read files that change meanwhile.
const ATTEMPTS: u32 = 5;

/// `seen` becomes the stamps of the files read, even if their content is invalid; a later change
/// gives another stamp. `state_dir`: the state directory of a running server.
pub fn read(
    flags: &Flags,
    environment: &Environment,
    state_dir: Option<&Path>,
    salt: Salt,
    seen: &mut FileStamps,
) -> ServerResult<LoadedConfig> {
    // The files named last, as long as the current names cannot be read.
    *seen = stamps(flags.config_file().into_iter().chain(seen.keys()));
    let source = Source::new(flags, environment.clone());
    for _ in 0..ATTEMPTS {
        let hashes = ConfigHashes::of(&source);
        let itself = seen.iter().filter(|(path, _)| Some(*path) == flags.config_file());
        let itself: Vec<_> = itself.map(|(path, stamp)| (path.clone(), *stamp)).collect();
        *seen = stamps(hashes.files());
        seen.extend(itself);
        let config = match state_dir {
            Some(state_dir) => Config::load_in(&source, state_dir, salt),
            None => Config::load(&source, salt),
        };
        let config = config.map_err(|first| all_faults(&source, first))?;
        // The hashes describe the configuration only if no file changed in between.
        if ConfigHashes::of(&source) == hashes {
            return Ok(LoadedConfig { config, hashes });
        }
    }
    Err("files that the configuration names change while they are read: try it again".into())
}

/// Reading ends at the first fault; the operator mends them together.
fn all_faults(source: &Source, first: ConfigError) -> ConfigError {
    check(source, NamedFiles::Read).into_error().unwrap_or(first)
}
