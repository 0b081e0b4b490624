//! New settings of an app.

use crate::app::App;

/// The new configuration of one app.
pub struct AppUpdate {
    pub app: App,
    /// The authorizer is unchanged: its cached decisions are kept.
    pub same_authorizer: bool,
    pub same_webhooks: bool,
}
