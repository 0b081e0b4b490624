//! The configuration with all files that it names, as they were at one moment.

use std::path::Path;

use super::watch::{Stamps, stamps};
use crate::{
    cli::Result,
    config::{Config, Environment, Flags, Source, Written},
    crypto::secret::Salt,
};

pub struct Read {
    pub config: Config,
    pub written: Written,
}

/// How often files are read that change meanwhile.
const ATTEMPTS: u32 = 5;

/// `seen` becomes the stamps of what is read, whether it can be used or not; a file that changes after
/// that has another. `state_dir`: of a server that runs.
pub fn read(
    flags: &Flags,
    environment: &Environment,
    state_dir: Option<&Path>,
    salt: Salt,
    seen: &mut Stamps,
) -> Result<Read> {
    // Whatever it named last, as long as it cannot be told what it names now.
    *seen = stamps(flags.config_file().into_iter().chain(seen.keys()));
    let source = Source::new(flags, environment.clone())?;
    for _ in 0..ATTEMPTS {
        let written = Written::of(&source)?;
        let itself = seen.iter().filter(|(path, _)| Some(*path) == flags.config_file());
        let itself: Vec<_> = itself.map(|(path, stamp)| (path.clone(), *stamp)).collect();
        *seen = stamps(written.files());
        seen.extend(itself);
        let config = match state_dir {
            Some(state_dir) => Config::load_in(&source, state_dir, salt)?,
            None => Config::load(&source, salt)?,
        };
        // What was hashed is what was read only if nothing has changed between.
        if Written::of(&source)? == written {
            return Ok(Read { config, written });
        }
    }
    Err("files that the configuration names change while they are read: try it again".into())
}
