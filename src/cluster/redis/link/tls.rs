//! TLS to Redis, with the provider that the whole server uses.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{cluster::settings::RedisTls, platform::http::roots_of_pem};

/// Names the part of the settings that is wrong, and shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidTls {
    #[error("the certificates of the authority (`ca`) are no certificates in PEM")]
    Authority,
    #[error("the client certificate is no chain of certificates in PEM")]
    Chain,
    #[error(
        "the key of the client certificate is no private key in PEM, or of another certificate"
    )]
    Key,
}

pub fn client_config(settings: &RedisTls) -> Result<Arc<ClientConfig>, InvalidTls> {
    let roots = match &settings.ca {
        Some(pem) => roots_of_pem(pem).map_err(|_| InvalidTls::Authority)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| InvalidTls::Authority)?
        .with_root_certificates(roots);
    let config = match &settings.client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let chain: Vec<_> = CertificateDer::pem_slice_iter(&client.chain)
                .collect::<Result<_, _>>()
                .map_err(|_| InvalidTls::Chain)?;
            if chain.is_empty() {
                return Err(InvalidTls::Chain);
            }
            let key = PrivateKeyDer::from_pem_slice(&client.key).map_err(|_| InvalidTls::Key)?;
            builder.with_client_auth_cert(chain, key).map_err(|_| InvalidTls::Key)?
        }
    };
    Ok(Arc::new(config))
}
