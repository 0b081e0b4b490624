//! The section `[cluster]` at the start of a server.

use super::CliResult;
use crate::config::Config;

/// Until nodes join each other, a server must not ignore the section: it would lose events between
/// the nodes in silence.
pub fn refuse(config: &Config) -> CliResult<()> {
    match &config.cluster {
        None => Ok(()),
        Some(settings) => Err(format!(
            "[cluster] names {}, and this version of Sealcast does not join a cluster yet: remove [cluster] to run this server alone",
            settings.url
        )
        .into()),
    }
}
