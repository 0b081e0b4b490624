//! `sealcast config check`: what `serve` would refuse, found without changing anything.

use super::{CliResult, load_config, log, print_error, say};
use crate::{
    config::{Config, Flags},
    engine::opening,
    observe::audit,
    platform::state_dir::{ClaimError, FileRefusal, StateDir},
};

pub fn run(flags: &Flags) -> CliResult<()> {
    let config = load_config(flags)?;
    log::filter(&config.log)?;
    config.warnings.iter().for_each(warn);
    config.notes.iter().for_each(|note| print_error(format_args!("note: {note}")));
    check_files(&config)?;
    Ok(say!("the configuration is good: {} app(s)", config.apps.len())?)
}

fn warn(warning: impl std::fmt::Display) {
    print_error(format_args!("warning: {warning}"));
}

/// Those that the server goes on with.
fn check_files(config: &Config) -> CliResult<()> {
    match StateDir::check(&config.state_dir) {
        Ok(()) => {}
        // As it is for root, who asks about a server of another user.
        Err(ClaimError::Refused { path, reason: FileRefusal::ForeignOwner { owner, us, .. } }) => {
            warn(format_args!(
                "the state directory {} belongs to the user {owner}, and this check runs as {us}: what is in it is not checked; run it as the server's user",
                path.display()
            ));
            return Ok(());
        }
        Err(error @ ClaimError::Unusable { .. }) => {
            warn(format_args!("{error}: keys cannot be changed while the server runs"));
        }
        Err(error) => return Err(error.into()),
    }
    config.audit_file.as_deref().map_or(Ok(()), audit::check)?;
    Ok(config.apps.iter().try_for_each(|app| opening::check(app, &config.state_dir))?)
}
