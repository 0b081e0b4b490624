//! TLS as an unprepared client sees it: the handshake accepts every certificate and keeps the chain,
//! and the library's verifier then judges it.

mod certificate;
mod chain;
mod recorder;

use std::{net::SocketAddr, path::Path, sync::Arc};

use rustls::{
    AlertDescription, ClientConfig, ConfigBuilder, Error, ProtocolVersion, RootCertStore,
    WantsVerifier,
    client::WebPkiServerVerifier,
    crypto::{CryptoProvider, aws_lc_rs},
};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use self::{
    chain::{ChainFault, ServerChain},
    recorder::ChainRecorder,
};
use super::{
    dial::NetworkPlace,
    finding::{DoctorCheck, Finding, Remedy},
    front_proxy::{FrontProxy, ProxyFault},
};
use crate::{
    cli::client::connect::{CONNECT_DEADLINE, tcp},
    platform::{clock::unix_now, http::roots},
};

/// The trusted roots, and two clients: one that verifies, and one for what carries no secret.
pub struct TlsClients {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
    pub verifying: Arc<ClientConfig>,
    /// Trusts every certificate.
    pub trusting: Arc<ClientConfig>,
}

/// Warned about from here on: renewals come a month before the end.
const FEW_DAYS: u64 = 14;
const DAY: u64 = 24 * 60 * 60;

impl TlsClients {
    /// With `ca_file`, only its certificates are trusted, otherwise those of browsers.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let trusted: Arc<RootCertStore> = Arc::new(roots(ca_file)?);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(trusted.clone(), provider.clone())
                .build()
                .map_err(|e| e.to_string())?;
        let verifying = builder(&provider)?.with_root_certificates(trusted).with_no_client_auth();
        let recorder = ChainRecorder::new(&verifier);
        let trusting = trusting_config(&provider, Arc::new(recorder))?;
        Ok(Self {
            provider,
            verifier,
            verifying: Arc::new(with_http1(verifying)),
            trusting: Arc::new(trusting),
        })
    }

    /// The check, and whether the server has proved its name.
    pub async fn examine(&self, place: &NetworkPlace, address: SocketAddr) -> (Finding, TlsTrust) {
        match self.handshake(place, address).await {
            Err(fault) => {
                let (message, remedies) = explain_handshake(&fault);
                (DoctorCheck::Tls.fail(message, remedies), TlsTrust::Broken)
            }
            Ok((chain, version)) => self.judge(place, &chain, version),
        }
    }

    async fn handshake(
        &self,
        place: &NetworkPlace,
        address: SocketAddr,
    ) -> Result<(ServerChain, Option<ProtocolVersion>), HandshakeFault> {
        let other = |reason: &dyn std::fmt::Display| HandshakeFault::Other(reason.to_string());
        let recorder = Arc::new(ChainRecorder::new(&self.verifier));
        let config = trusting_config(&self.provider, recorder.clone()).map_err(|e| other(&e))?;
        let name = place.server_name().map_err(|e| other(&e))?;
        let stream = tcp(address).await.map_err(|e| other(&e))?;
        let shaking = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let shaken =
            timeout(CONNECT_DEADLINE, shaking).await.map_err(|_| HandshakeFault::Silent)?;
        let stream = shaken.map_err(HandshakeFault::of)?;
        let version = stream.get_ref().1.protocol_version();
        let chain = recorder.take().ok_or_else(|| other(&"the server sent no certificate"))?;
        Ok((chain, version))
    }

    fn judge(
        &self,
        place: &NetworkPlace,
        chain: &ServerChain,
        version: Option<ProtocolVersion>,
    ) -> (Finding, TlsTrust) {
        let (check, now) = (DoctorCheck::Tls, unix_now());
        let name = match place.server_name() {
            Ok(name) => name,
            Err(error) => return (check.fail(error.to_string(), Vec::new()), TlsTrust::Unproved),
        };
        if let Some(fault) = chain.fault(&self.verifier, &name, now) {
            let remedies = chain_remedies(&fault, &place.host);
            return (check.fail(fault.to_string(), remedies), TlsTrust::Unproved);
        }
        let days = chain.expires(&self.verifier).map(|end| end.saturating_sub(now) / DAY);
        let finding = match days {
            Some(days) if days < FEW_DAYS => {
                let plural = if days == 1 { "" } else { "s" };
                let message = format!("the certificate expires in {days} day{plural}");
                check.warn(message, vec![Remedy::advice(RENEW)])
            }
            _ => {
                let version = version.map_or("TLS", version_name);
                let left = days.map_or(String::new(), |days| format!(", {days} days left"));
                check.ok(format!("{version}, the certificate is for {}{left}", place.host))
            }
        };
        (finding, TlsTrust::Proved)
    }
}

/// Whether the server has proved its name. Nothing signed and no token is sent without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsTrust {
    Proved,
    /// The connection stands, and could be to anybody.
    Unproved,
    /// There is no connection.
    Broken,
}

const RENEW: &str = "renew the certificate, and reload the program that sends it";

/// A TLS handshake that did not come to its end.
#[derive(Debug)]
enum HandshakeFault {
    NoTls,
    Silent,
    OldVersion,
    UnknownName,
    /// Caddy's alert for a name without a certificate.
    InternalError,
    Other(String),
}

impl HandshakeFault {
    fn of(error: std::io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            Some(Error::InvalidMessage(_)) => Self::NoTls,
            Some(
                Error::AlertReceived(AlertDescription::ProtocolVersion)
                | Error::PeerIncompatible(_),
            ) => Self::OldVersion,
            Some(Error::AlertReceived(AlertDescription::UnrecognisedName)) => Self::UnknownName,
            Some(Error::AlertReceived(AlertDescription::InternalError)) => Self::InternalError,
            _ => Self::Other(error.to_string()),
        }
    }
}

fn explain_handshake(fault: &HandshakeFault) -> (String, Vec<Remedy>) {
    let (message, remedy) = match fault {
        HandshakeFault::NoTls => (
            "what answers there does not speak TLS".to_owned(),
            "use http:// or ws://, or give that listener a certificate",
        ),
        HandshakeFault::Silent => (
            format!("the TLS handshake has no answer within {} s", CONNECT_DEADLINE.as_secs()),
            "look for a firewall, or for a listener that waits for a PROXY header first",
        ),
        HandshakeFault::OldVersion => (
            "the server speaks neither TLS 1.2 nor 1.3".to_owned(),
            "nginx: ssl_protocols TLSv1.2 TLSv1.3; HAProxy: ssl-min-ver TLSv1.2",
        ),
        HandshakeFault::UnknownName => (
            "the server has no certificate for this name".to_owned(),
            "add the name to the proxy's configuration, or use the address that it knows",
        ),
        HandshakeFault::InternalError => (
            "the server ends the TLS handshake with internal_error".to_owned(),
            "Caddy does so for a name that is not in its configuration; look at the log of others",
        ),
        HandshakeFault::Other(reason) => (
            format!("the TLS handshake fails: {reason}"),
            "look at the log of the program that listens there",
        ),
    };
    (message, vec![Remedy::advice(remedy)])
}

/// Who sends the certificate is not known yet: no answer has come.
fn chain_remedies(fault: &ChainFault, host: &str) -> Vec<Remedy> {
    match fault {
        ChainFault::Incomplete { .. } => {
            let mut remedies = FrontProxy::Unknown.remedies(ProxyFault::Chain);
            remedies.push(Remedy::sealcast(["tls_cert_file = \"fullchain.pem\""]));
            remedies.push(Remedy::advice(
                "if the issuer is an authority of your own: --ca-file FILE, and its root on every client",
            ));
            remedies
        }
        ChainFault::SelfSigned { .. } => vec![Remedy::advice(
            "get a certificate of an authority that clients trust; for an authority of your own: --ca-file FILE",
        )],
        ChainFault::Expired { .. } => vec![Remedy::advice(RENEW)],
        ChainFault::NotYet => vec![Remedy::advice("set the clock of this machine, or wait")],
        ChainFault::OtherName { .. } => vec![Remedy::advice(format!(
            "get a certificate for {host}, or give clients one of the names that it has"
        ))],
        ChainFault::Other(_) => vec![Remedy::advice("get another certificate")],
    }
}

fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLS 1.2",
        ProtocolVersion::TLSv1_3 => "TLS 1.3",
        _ => "TLS",
    }
}

fn builder(
    provider: &Arc<CryptoProvider>,
) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, String> {
    ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())
}

fn trusting_config(
    provider: &Arc<CryptoProvider>,
    recorder: Arc<ChainRecorder>,
) -> Result<ClientConfig, String> {
    let builder = builder(provider)?.dangerous().with_custom_certificate_verifier(recorder);
    Ok(with_http1(builder.with_no_client_auth()))
}

/// WebSockets of browsers open over HTTP/1.1.
fn with_http1(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
