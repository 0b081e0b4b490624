//! The names in a certificate, for messages alone: the TLS library verifies, and tells no names of
//! issuers. Reads as much of DER as lies in front of them.

/// Subject and issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateNames {
    pub subject: DerName,
    pub issuer: DerName,
}

/// A distinguished name, as DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerName(Vec<u8>);

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// 2.5.4.3 and 2.5.4.10
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];

impl CertificateNames {
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let mut certificate = DerReader(certificate).inner(SEQUENCE)?;
        let mut signed = certificate.inner(SEQUENCE)?;
        if signed.0.first() == Some(&VERSION) {
            signed.next()?;
        }
        let _serial = signed.next()?;
        let _algorithm = signed.next()?;
        let (_, issuer) = signed.next()?;
        let _validity = signed.next()?;
        let (_, subject) = signed.next()?;
        Some(Self { subject: DerName(subject.to_vec()), issuer: DerName(issuer.to_vec()) })
    }

    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }
}

impl DerName {
    pub fn common_name(&self) -> Option<String> {
        self.part(COMMON_NAME)
    }

    /// The common name or, for old authorities, the organization.
    pub fn shown(&self) -> String {
        let name = self.common_name().or_else(|| self.part(ORGANIZATION));
        name.unwrap_or_else(|| "an authority without a name".to_owned())
    }

    /// A name is a sequence of sets of pairs of an identifier and a text.
    fn part(&self, wanted: &[u8]) -> Option<String> {
        let mut sets = DerReader(&self.0);
        while let Some((_, set)) = sets.next() {
            let mut pair = DerReader(set).inner(SEQUENCE)?;
            let (kind, identifier) = pair.next()?;
            let (_, text) = pair.next()?;
            if kind == OBJECT_IDENTIFIER && identifier == wanted {
                return Some(String::from_utf8_lossy(text).into_owned());
            }
        }
        None
    }
}

/// The rest of a DER text: values one behind the other, each with a tag and a length.
struct DerReader<'a>(&'a [u8]);

impl<'a> DerReader<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // The length is in this number of bytes.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }

    fn inner(&mut self, tag: u8) -> Option<Self> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, value)| Self(value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(pairs: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).expect("names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, text) in pairs {
            params.distinguished_name.push(kind.clone(), *text);
        }
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn names_are_read() {
        let long = "x".repeat(200);
        for (pairs, shown) in [
            (vec![(DnType::OrganizationName, "Org"), (DnType::CommonName, "R11")], "R11"),
            (vec![(DnType::OrganizationName, "Org")], "Org"),
            (vec![(DnType::CommonName, long.as_str())], long.as_str()),
            (Vec::new(), "an authority without a name"),
        ] {
            let names = CertificateNames::of(&certificate(&pairs)).expect("a certificate");
            assert!(names.is_self_signed());
            assert_eq!(names.issuer.shown(), shown);
        }
    }

    proptest! {
        #[test]
        fn rubbish_is_no_certificate_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(names) = CertificateNames::of(&bytes) {
                names.subject.shown();
            }
        }

        #[test]
        fn damaged_certificates_are_no_panic(at in 0usize..300, byte in any::<u8>()) {
            let mut whole = certificate(&[(DnType::CommonName, "R11")]);
            let at = at % whole.len();
            whole[at] = byte;
            if let Some(names) = CertificateNames::of(&whole) {
                names.issuer.shown();
            }
        }
    }
}
