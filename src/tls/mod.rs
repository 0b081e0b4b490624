//! TLS of the public listener: which certificate it shows, and how that is replaced while it runs.

mod identity;
mod pair;

use std::sync::Arc;

use rustls::{
    ServerConfig, crypto::aws_lc_rs, server::NoServerSessionStorage, version::TLS12, version::TLS13,
};

pub use identity::{Identity, Watch};
pub use pair::{InvalidPair, PairFiles};

/// What the listener speaks. ALPN is added by whoever knows which protocols lie above.
pub fn server_config(identity: Arc<Identity>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(identity);
    // Clients that come back resume by a ticket that they keep: the server remembers none of them.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // A page holds one socket; more tickets would be bytes on every handshake for nothing.
    config.send_tls13_tickets = 1;
    Ok(config)
}
