//! Time limits of connections, apart from the settings.

use std::time::Duration;

/// Time limit for the head of a request, and for the TLS handshake before it.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Time to keep a connection after an early response: closing at once would reset it, and the
/// client might lose the response.
pub const LINGER: Duration = Duration::from_secs(1);
