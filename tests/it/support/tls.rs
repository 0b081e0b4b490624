//! Certificates made for a test, and the client's side of TLS.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::within;

/// A certificate of `localhost` and its key, as PEM.
pub struct TestCertificate {
    pub certificate: String,
    pub key: String,
}

impl TestCertificate {
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// A client configuration that trusts only this certificate and offers these protocols.
    pub fn config(&self, alpn: &[&str]) -> ClientConfig {
        self.config_of(ALL_VERSIONS, alpn)
    }

    pub fn config_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        roots.add(certificate.expect("a certificate")).expect("a root");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions that the provider knows")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    pub fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::new(self.config(&["http/1.1"])))
    }
}

pub async fn try_tls(
    connector: &TlsConnector,
    stream: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a name");
    within("a TLS handshake", connector.connect(name, stream)).await
}

/// The transport of a connection: TCP, TLS or a Unix socket.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

pub type BoxedStream = Box<dyn Duplex>;
