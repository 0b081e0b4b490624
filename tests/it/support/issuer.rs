//! Keys and tokens of an identity provider.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, RsaKeySize};
use serde_json::{Value, json};

/// A pair for one algorithm.
pub struct IssuerKey {
    pub algorithm: Algorithm,
    signing: EncodingKey,
    pub public_pem: String,
}

impl IssuerKey {
    pub fn new(algorithm: Algorithm) -> Self {
        let pair = match algorithm {
            Algorithm::ES256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            Algorithm::ES384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            Algorithm::EdDSA => KeyPair::generate_for(&rcgen::PKCS_ED25519),
            _ => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
        };
        let pair = pair.expect("a pair of keys");
        let pem = pair.serialize_pem();
        let signing = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem.as_bytes()),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()),
            _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        let signing = signing.expect("a key to sign with");
        Self { algorithm, signing, public_pem: pair.public_key_pem() }
    }

    pub fn token(&self, id: Option<&str>, claims: &Value) -> String {
        self.token_as(self.algorithm, id, claims)
    }

    pub fn token_as(&self, algorithm: Algorithm, id: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(algorithm) };
        jsonwebtoken::encode(&header, claims, &self.signing).expect("a token")
    }

    /// The public key as an entry of a JWKS.
    pub fn jwk(&self, id: &str) -> Value {
        let jwk = Jwk::from_encoding_key(&self.signing, self.algorithm).expect("a JWK");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = json!(id);
        jwk["use"] = json!("sig");
        jwk
    }
}
