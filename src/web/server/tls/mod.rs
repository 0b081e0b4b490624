//! TLS of the public listener: its certificate, and its replacement at run time.

mod identity;
mod pair;

use std::sync::Arc;

use rustls::{
    ServerConfig, crypto::aws_lc_rs, server::NoServerSessionStorage, version::TLS12, version::TLS13,
};

pub use identity::{CertificateWatcher, TlsIdentity};
pub use pair::PairFiles;

/// The TLS configuration without ALPN: the caller knows the protocols above.
pub fn server_config(identity: Arc<TlsIdentity>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(identity);
    // Clients resume by tickets: the server keeps no sessions.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // A page holds one connection; more tickets would only make handshakes longer.
    config.send_tls13_tickets = 1;
    Ok(config)
}
