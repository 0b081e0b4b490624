//! A certificate chain and its key, in two files.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustls::{
    Error, InconsistentKeys,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    sign::CertifiedKey,
};

use crate::{
    crypto::key::{SecretFileError, read_secret_file},
    platform::{file_stamp::FileStamp, text_file},
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PairFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidPair {
    #[error("cannot read the certificate file {path}: {reason}")]
    Unreadable { path: String, reason: io::Error },
    #[error("{0}")]
    Key(#[from] SecretFileError),
    #[error(
        "the certificate file {path} holds no certificate: it must be PEM, the server's own certificate first and then those that lead to the root"
    )]
    NoCertificate { path: String },
    #[error(
        "the key file {path} holds no private key: it must be PEM (PKCS#8, PKCS#1 or SEC1) without a passphrase"
    )]
    NoKey { path: String },
    #[error("the file {path} is no good PEM: {reason}")]
    Pem { path: String, reason: pem::Error },
    #[error(
        "the key in {key} is not that of the first certificate in {certificate}: give the two files that were made together, the server's own certificate first"
    )]
    Mismatch { certificate: String, key: String },
    #[error("the certificate in {certificate} cannot be used with the key in {key}: {reason}")]
    Unusable { certificate: String, key: String, reason: Error },
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

impl PairFiles {
    pub fn load(&self) -> Result<CertifiedKey, InvalidPair> {
        let (chain, key) = (chain(&self.certificate)?, private_key(&self.key)?);
        let pair = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        let (certificate, key) = (name(&self.certificate), name(&self.key));
        pair.map_err(|reason| match reason {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                InvalidPair::Mismatch { certificate, key }
            }
            reason => InvalidPair::Unusable { certificate, key, reason },
        })
    }

    pub fn stamp(&self) -> PairStamp {
        PairStamp([FileStamp::of(&self.certificate), FileStamp::of(&self.key)])
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, InvalidPair> {
    let unreadable = |reason| InvalidPair::Unreadable { path: name(path), reason };
    let text = text_file::read_bytes(path).map_err(unreadable)?;
    // Comments between the certificates may have any encoding that is a superset of ASCII.
    text_file::refuse_utf16(&text).map_err(unreadable)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(InvalidPair::NoCertificate { path: name(path) }),
        Ok(chain) => Ok(chain),
        Err(reason) => Err(InvalidPair::Pem { path: name(path), reason }),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, InvalidPair> {
    let text = read_secret_file(path)?;
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|reason| match reason {
        pem::Error::NoItemsFound => InvalidPair::NoKey { path: name(path) },
        reason => InvalidPair::Pem { path: name(path), reason },
    })
}

/// Detects changed content of the files without reading them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PairStamp([Option<FileStamp>; 2]);
