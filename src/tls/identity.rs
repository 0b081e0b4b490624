//! The certificate that new connections are shown.

use std::{fmt, sync::Arc};

use parking_lot::RwLock;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::pair::{InvalidPair, PairFiles, Stamp};

pub struct Identity {
    files: PairFiles,
    /// Of the files before they were read at the start, so that no later change is missed.
    stamp: Stamp,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Identity {
    pub fn load(files: PairFiles) -> Result<Self, InvalidPair> {
        let stamp = files.stamp();
        let current = RwLock::new(Arc::new(files.load()?));
        Ok(Self { files, stamp, current })
    }

    pub fn files(&self) -> &PairFiles {
        &self.files
    }
}

/// The key is nobody's to see.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().clone())
    }
}

/// Notices that the files have changed, and takes what they hold if it is good.
pub struct Watch {
    identity: Arc<Identity>,
    /// What was tried last, whether it was taken or refused: a refusal is told once.
    tried: Stamp,
    seen: Stamp,
}

impl Watch {
    pub fn new(identity: Arc<Identity>) -> Self {
        let stamp = identity.stamp;
        Self { identity, tried: stamp, seen: stamp }
    }

    /// To be called now and then; says what came of a change. Files that have changed since the
    /// last call are left alone until the next: the second of the two may still be written.
    pub fn look(&mut self) -> Option<Result<(), InvalidPair>> {
        let now = self.identity.files.stamp();
        let settled = now == self.seen;
        self.seen = now;
        if !settled || now == self.tried {
            return None;
        }
        self.tried = now;
        Some(self.identity.files.load().map(|pair| {
            *self.identity.current.write() = Arc::new(pair);
        }))
    }
}
