//! The certificate for new connections.

use std::{fmt, sync::Arc};

use parking_lot::RwLock;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::pair::{InvalidPair, PairFiles, PairStamp};

pub struct TlsIdentity(RwLock<ServedCertificate>);

#[derive(Clone)]
struct ServedCertificate {
    files: PairFiles,
    /// Taken before the files were read, so that no later change is missed.
    stamp: PairStamp,
    pair: Arc<CertifiedKey>,
}

impl TlsIdentity {
    pub fn load(files: PairFiles) -> Result<Self, InvalidPair> {
        let stamp = files.stamp();
        let pair = Arc::new(files.load()?);
        Ok(Self(RwLock::new(ServedCertificate { files, stamp, pair })))
    }

    pub fn files(&self) -> PairFiles {
        self.0.read().files.clone()
    }

    /// Serves the other's certificate from now on, and watches its files.
    pub fn replace_with(&self, other: &Self) {
        let served = other.0.read().clone();
        *self.0.write() = served;
    }
}

/// The key must not be printed.
impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("files", &self.files()).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for TlsIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().pair.clone())
    }
}

/// Detects changed files, and takes over their content if it is valid.
pub struct CertificateWatcher {
    identity: Arc<TlsIdentity>,
    /// Stamps refused last; they are reported once.
    refused: Option<PairStamp>,
    seen: PairStamp,
}

impl CertificateWatcher {
    pub fn new(identity: Arc<TlsIdentity>) -> Self {
        let seen = identity.0.read().stamp;
        Self { identity, refused: None, seen }
    }

    /// Call this at regular intervals; returns the outcome of a change. Files that changed since
    /// the last call are left alone until the next: one of them may still be written.
    pub fn check(&mut self) -> Option<Result<(), InvalidPair>> {
        let ServedCertificate { files, stamp: served, .. } = self.identity.0.read().clone();
        let now = files.stamp();
        let settled = now == self.seen;
        self.seen = now;
        if !settled || now == served || self.refused == Some(now) {
            return None;
        }
        let taken = files.load().map(|pair| {
            let mut served = self.identity.0.write();
            // Other files may have been named since.
            if served.files == files {
                *served = ServedCertificate { files, stamp: now, pair: Arc::new(pair) };
            }
        });
        self.refused = taken.is_err().then_some(now);
        Some(taken)
    }
}
