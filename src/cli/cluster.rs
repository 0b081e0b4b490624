//! What a server alone and a node of a cluster do not share.

use super::ServerResult;
use crate::app::App;

/// What one server alone and a node of a cluster cannot take over from each other while they run.
pub fn refuse_other_logs(apps: &[App], is_node: bool) -> ServerResult<()> {
    let is_elsewhere = |app: &&App| app.channel_settings.has_log_outside(is_node);
    match (apps.iter().find(is_elsewhere), is_node) {
        (None, _) => Ok(()),
        (Some(app), true) => Err(format!(
            "apps.{}.channels has a history outside of Redis, and this server is a node of its cluster until it is restarted: keep [cluster] and the history as they are, or restart the server",
            app.id
        )
        .into()),
        (Some(app), false) => Err(format!(
            "apps.{}.channels has a history in Redis, and this server joins its cluster at the next start: restart the server, or add [cluster] without a history first",
            app.id
        )
        .into()),
    }
}
