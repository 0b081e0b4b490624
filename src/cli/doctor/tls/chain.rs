//! The certificates that a server has sent, and the verifier's opinion of them.

use std::time::Duration;

use rustls::{
    CertificateError, Error,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::certificate::CertificateNames;
use crate::domain::time::UnixSeconds;

#[derive(Debug)]
pub struct ServerChain {
    pub end_entity: CertificateDer<'static>,
    pub intermediates: Vec<CertificateDer<'static>>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// Neither sent nor trusted: an intermediate is missing, or the authority is a private one.
    #[error(
        "the chain ends at {last:?}, and the certificate of its issuer {issuer:?} is neither sent nor trusted"
    )]
    Incomplete { last: String, issuer: String },
    #[error("the certificate of {0:?} is signed by itself: no client trusts it unprepared", .name)]
    SelfSigned { name: String },
    #[error("the certificate expired {days} days ago")]
    Expired { days: u64 },
    #[error("the certificate is not valid yet")]
    NotYet,
    #[error("the certificate is for {}, and not for this name", .names.join(", "))]
    OtherName { names: Vec<String> },
    #[error("the chain is refused: {0}")]
    Other(String),
}

/// A moment at which every certificate has expired: the year 9000.
const FAR_FUTURE: u64 = 221_845_392_000;
const DAY: u64 = 24 * 60 * 60;

impl ServerChain {
    /// The first fault, as the verifier of every client of this server finds it.
    pub fn fault(
        &self,
        verifier: &WebPkiServerVerifier,
        name: &ServerName<'_>,
        now: UnixSeconds,
    ) -> Option<ChainFault> {
        match self.verify(verifier, name, now) {
            Ok(()) => None,
            Err(Error::InvalidCertificate(error)) => Some(self.explain(error, now)),
            Err(error) => Some(ChainFault::Other(error.to_string())),
        }
    }

    /// The end of the certificate that expires first, in seconds since 1970.
    pub fn expires(&self, verifier: &WebPkiServerVerifier) -> Option<UnixSeconds> {
        // The verifier names the end of the server's own certificate first. At that moment it names
        // the one of an intermediate if that was earlier.
        let own = self.expiry_seen_at(verifier, FAR_FUTURE)?;
        Some(self.expiry_seen_at(verifier, own).map_or(own, |other| other.min(own)))
    }

    fn expiry_seen_at(
        &self,
        verifier: &WebPkiServerVerifier,
        at: UnixSeconds,
    ) -> Option<UnixSeconds> {
        // Names are checked last, so any will do.
        let name = ServerName::try_from("localhost").ok()?;
        match self.verify(verifier, &name, at) {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext {
                not_after, ..
            })) => Some(not_after.as_secs()),
            _ => None,
        }
    }

    fn verify(
        &self,
        verifier: &WebPkiServerVerifier,
        name: &ServerName<'_>,
        at: UnixSeconds,
    ) -> Result<(), Error> {
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
        verifier
            .verify_server_cert(&self.end_entity, &self.intermediates, name, &[], at)
            .map(|_| ())
    }

    fn explain(&self, error: CertificateError, now: UnixSeconds) -> ChainFault {
        match error {
            CertificateError::UnknownIssuer => self.unknown_issuer(),
            CertificateError::ExpiredContext { not_after, .. } => {
                ChainFault::Expired { days: now.saturating_sub(not_after.as_secs()) / DAY }
            }
            CertificateError::NotValidYetContext { .. } | CertificateError::NotValidYet => {
                ChainFault::NotYet
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                ChainFault::OtherName { names: presented.iter().map(|name| plain(name)).collect() }
            }
            // A certificate of an authority in the place of a server's: one that signs itself.
            CertificateError::Other(reason) => match self.unknown_issuer() {
                fault @ ChainFault::SelfSigned { .. } => fault,
                _ => ChainFault::Other(reason.to_string()),
            },
            other => ChainFault::Other(other.to_string()),
        }
    }

    /// Follows the issuers through the certificates that were sent, in any order.
    fn unknown_issuer(&self) -> ChainFault {
        let unreadable = || ChainFault::Other("its issuer is unknown".to_owned());
        let Some(mut last) = CertificateNames::of(&self.end_entity) else { return unreadable() };
        let sent: Vec<_> =
            self.intermediates.iter().filter_map(|der| CertificateNames::of(der)).collect();
        // A loop of issuers ends with the number of certificates.
        for _ in 0..sent.len() {
            match sent.iter().find(|other| other.subject == last.issuer) {
                Some(next) if !last.is_self_signed() => last = next.clone(),
                _ => break,
            }
        }
        let name = last.subject.shown();
        match last.is_self_signed() {
            true => ChainFault::SelfSigned { name },
            false => ChainFault::Incomplete { last: name, issuer: last.issuer.shown() },
        }
    }
}

/// The library writes `DnsName("a.example")`.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
    };
    use rustls::{RootCertStore, crypto::aws_lc_rs};

    use super::*;
    use crate::platform::clock::unix_now;

    struct TestAuthority {
        root: CertificateDer<'static>,
        intermediate: CertificateDer<'static>,
        issuer: Issuer<'static, KeyPair>,
    }

    fn params(name: &str, is_authority: bool) -> CertificateParams {
        let names = if is_authority { Vec::new() } else { vec![name.to_owned()] };
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }

    impl TestAuthority {
        fn new() -> Self {
            Self::with_root("Test Root")
        }

        fn with_root(name: &str) -> Self {
            let (root_key, key) =
                (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
            let root = params(name, true);
            let certificate = root.self_signed(&root_key).expect("a root");
            let root_issuer = Issuer::new(root, root_key);
            let intermediate = params("Test R11", true);
            let signed = intermediate.signed_by(&key, &root_issuer).expect("an intermediate");
            let issuer = Issuer::new(intermediate, key);
            Self { root: certificate.der().clone(), intermediate: signed.der().clone(), issuer }
        }

        fn leaf(&self, params: &CertificateParams) -> CertificateDer<'static> {
            let key = KeyPair::generate().expect("a key");
            params.signed_by(&key, &self.issuer).expect("a certificate").der().clone()
        }

        fn verifier(&self) -> Arc<WebPkiServerVerifier> {
            let mut roots = RootCertStore::empty();
            roots.add(self.root.clone()).expect("a root");
            let provider = Arc::new(aws_lc_rs::default_provider());
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .expect("a verifier")
        }
    }

    fn fault(authority: &TestAuthority, chain: &ServerChain, name: &str) -> Option<ChainFault> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        chain.fault(&authority.verifier(), &name, unix_now())
    }

    #[test]
    fn faults_of_a_chain_are_told_apart() {
        let authority = TestAuthority::new();
        let end_entity = authority.leaf(&params("ws.example.com", false));
        let whole = ServerChain {
            end_entity: end_entity.clone(),
            intermediates: vec![authority.intermediate.clone()],
        };
        assert_eq!(fault(&authority, &whole, "ws.example.com"), None);
        let names = vec!["ws.example.com".to_owned()];
        assert_eq!(
            fault(&authority, &whole, "www.example.com"),
            Some(ChainFault::OtherName { names })
        );

        let bare = ServerChain { end_entity, intermediates: Vec::new() };
        let (last, issuer) = ("ws.example.com".to_owned(), "Test R11".to_owned());
        assert_eq!(
            fault(&authority, &bare, "ws.example.com"),
            Some(ChainFault::Incomplete { last, issuer })
        );
        // The verdict does not depend on whose root is missing.
        let (last, issuer) = ("Test R11".to_owned(), "Test Root".to_owned());
        assert_eq!(
            fault(&TestAuthority::with_root("Another Root"), &whole, "ws.example.com"),
            Some(ChainFault::Incomplete { last, issuer })
        );
    }

    #[test]
    fn a_certificate_that_signs_itself_is_named() {
        let key = KeyPair::generate().expect("a key");
        let own = params("ws.example.com", false).self_signed(&key).expect("a certificate");
        let chain = ServerChain { end_entity: own.der().clone(), intermediates: Vec::new() };
        let name = "ws.example.com".to_owned();
        assert_eq!(
            fault(&TestAuthority::new(), &chain, "ws.example.com"),
            Some(ChainFault::SelfSigned { name })
        );
    }

    #[test]
    fn times_are_told_in_days() {
        let authority = TestAuthority::new();
        let mut old = params("ws.example.com", false);
        (old.not_before, old.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 4, 1));
        let chain = |end_entity| ServerChain {
            end_entity,
            intermediates: vec![authority.intermediate.clone()],
        };
        let expired = chain(authority.leaf(&old));
        let days = (unix_now() - 1_585_699_200) / DAY;
        assert_eq!(
            fault(&authority, &expired, "ws.example.com"),
            Some(ChainFault::Expired { days })
        );
        assert_eq!(expired.expires(&authority.verifier()), Some(1_585_699_200));
        let mut early = params("ws.example.com", false);
        (early.not_before, early.not_after) =
            (date_time_ymd(4000, 1, 1), date_time_ymd(4001, 1, 1));
        let early = chain(authority.leaf(&early));
        assert_eq!(fault(&authority, &early, "ws.example.com"), Some(ChainFault::NotYet));
    }
}
