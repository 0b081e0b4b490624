//! The keys of a token issuer, fetched from its JWKS URL.
//!
//! Keys are fetched when the first token arrives, and again when they are old. An unknown key id
//! may mean a new key or a made-up name: it triggers a fetch, but only some time after the last.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jsonwebtoken::{Algorithm, jwk::Jwk};
use parking_lot::Mutex;
use serde::Deserialize;

use super::keys::VerifyingKey;
use crate::{
    platform::http::{EndpointUrl, HttpClient},
    protocol::json::object,
};

pub struct Jwks {
    pub client: HttpClient,
    pub url: EndpointUrl,
    pub algorithms: Vec<Algorithm>,
    /// Age at which keys are fetched again.
    pub refresh: Duration,
    /// Time after a fetch before an unknown key triggers another.
    pub cooldown: Duration,
    state: Mutex<JwksState>,
    /// Held during a fetch.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct JwksState {
    keys: Arc<KeySet>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
    failed: bool,
}

#[derive(Default)]
struct KeySet(Vec<(Option<String>, Arc<VerifyingKey>)>);

#[derive(Debug, PartialEq, Eq)]
pub enum KeyLookupError {
    Unknown,
    /// The keys could not be fetched.
    Unavailable,
}

/// Lists of large providers have some ten kilobytes.
const MAX_RESPONSE_BYTES: usize = 256 * 1024;
const MAX_KEYS: usize = 100;
/// Time before a failed fetch is retried.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// Time after `refresh` when unrefreshed keys expire: one of them may have been withdrawn.
const STALE_AFTER: Duration = Duration::from_secs(60 * 60);

impl Jwks {
    pub fn new(
        client: HttpClient,
        url: EndpointUrl,
        algorithms: Vec<Algorithm>,
        refresh: Duration,
        cooldown: Duration,
    ) -> Self {
        let (state, fetching) = (Mutex::default(), tokio::sync::Mutex::new(()));
        Self { client, url, algorithms, refresh, cooldown, state, fetching }
    }

    pub async fn key(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<VerifyingKey>, KeyLookupError> {
        if let Some(key) = self.known(id, algorithm, self.refresh) {
            return Ok(key);
        }
        {
            // One fetch serves all waiting requests: later ones find the keys there.
            let _one = self.fetching.lock().await;
            if self.may_fetch() {
                self.fetch().await;
            }
        }
        let stale = self.refresh + STALE_AFTER;
        if let Some(key) = self.known(id, algorithm, stale) {
            return Ok(key);
        }
        let state = self.state.lock();
        let usable = state.fetched.is_some_and(|fetched| fetched.elapsed() < stale);
        Err(if usable { KeyLookupError::Unknown } else { KeyLookupError::Unavailable })
    }

    fn known(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        age: Duration,
    ) -> Option<Arc<VerifyingKey>> {
        let state = self.state.lock();
        state.fetched.filter(|fetched| fetched.elapsed() < age)?;
        state.keys.find(id, algorithm)
    }

    fn may_fetch(&self) -> bool {
        let state = self.state.lock();
        let pause = if state.failed { RETRY_INTERVAL.min(self.cooldown) } else { self.cooldown };
        state.tried.is_none_or(|tried| tried.elapsed() >= pause)
    }

    async fn fetch(&self) {
        // The time of the request: the issuer may have withdrawn a key while the response was in
        // flight.
        let asked = Instant::now();
        self.state.lock().tried = Some(asked);
        let fetched = self.try_fetch().await;
        let mut state = self.state.lock();
        state.failed = fetched.is_err();
        match fetched {
            Ok(keys) => {
                state.keys = Arc::new(keys);
                state.fetched = Some(asked);
            }
            Err(reason) => tracing::warn!(
                error = reason,
                "the keys of the token's issuer (jwks_url) were not fetched"
            ),
        }
    }

    async fn try_fetch(&self) -> Result<KeySet, String> {
        let answer =
            self.client.get(&self.url, MAX_RESPONSE_BYTES).await.map_err(|e| e.to_string())?;
        match answer.status {
            200 => KeySet::parse(&answer.body, &self.algorithms),
            300..=399 => Err(format!(
                "status {}: redirects are not followed, name the final URL",
                answer.status
            )),
            status => Err(format!("status {status} instead of 200")),
        }
    }
}

impl KeySet {
    /// Unknown keys, or keys for another use, do not invalidate the others.
    fn parse(text: &[u8], algorithms: &[Algorithm]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Listed {
            keys: Vec<serde_json::Value>,
        }
        let listed = std::str::from_utf8(text).ok().and_then(|text| object(text).ok());
        let Listed { keys } =
            listed.ok_or_else(|| "it is not a JSON object with a list \"keys\"".to_owned())?;
        if keys.len() > MAX_KEYS {
            return Err(format!("there are more than {MAX_KEYS} keys"));
        }
        let usable = |value| {
            let jwk: Jwk = serde_json::from_value(value).ok()?;
            let key = VerifyingKey::jwk(&jwk, algorithms)?;
            Some((jwk.common.key_id, Arc::new(key)))
        };
        let keys: Vec<_> = keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err("none of its keys is for the configured algorithms".to_owned());
        }
        Ok(Self(keys))
    }

    /// Finds a key by id; a token without a key id matches only a single key.
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<VerifyingKey>> {
        let mut fitting = self.0.iter().filter(|(_, key)| key.is_for(algorithm));
        let found = match id {
            Some(id) => fitting.find(|(name, _)| name.as_deref() == Some(id)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        };
        found.map(|(_, key)| key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const RSA: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

    fn rsa(kid: &str) -> Value {
        json!({"kty": "RSA", "kid": kid, "n": RSA, "e": "AQAB"})
    }

    fn parsed(keys: Value, algorithms: &[Algorithm]) -> Result<KeySet, String> {
        KeySet::parse(json!({"keys": keys}).to_string().as_bytes(), algorithms)
    }

    #[test]
    fn keys_match_the_algorithms_of_their_type() {
        use Algorithm::*;
        let keys = json!([
            {"kty": "oct", "kid": "s", "k": "c2VjcmV0", "alg": "HS256"},
            {"kty": "unheard of"}, 5,
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": RSA, "e": "AQAB"},
            {"kty": "RSA", "kid": "512", "alg": "RS512", "n": RSA, "e": "AQAB"},
            rsa("a"),
        ]);
        let set = parsed(keys, &[HS256, RS256, ES256]).unwrap();
        assert!(set.find(Some("a"), RS256).is_some());
        assert!(set.find(None, RS256).is_some());
        for (id, algorithm) in [
            ("s", HS256),
            ("a", HS256),
            ("a", ES256),
            ("a", PS256),
            ("enc", RS256),
            ("512", RS256),
            ("b", RS256),
        ] {
            assert!(set.find(Some(id), algorithm).is_none(), "{id} {algorithm:?}");
        }
        let two = parsed(json!([rsa("a"), rsa("b")]), &[RS256]).unwrap();
        assert!(two.find(None, RS256).is_none());
        assert!(parsed(json!([rsa("a")]), &[ES256]).is_err());
        assert!(parsed(json!([]), &[RS256]).is_err());
        assert!(parsed(json!(vec![rsa("a"); 101]), &[RS256]).is_err());
        assert!(KeySet::parse(b"<html>", &[RS256]).is_err());
    }
}
