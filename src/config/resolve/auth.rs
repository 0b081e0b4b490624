//! The authorizer of an app, made of its written form.

use std::{collections::BTreeMap, time::Duration};

use jsonwebtoken::Algorithm;
use secrecy::{ExposeSecret, SecretString};

use super::{
    checks::{ConfigResult, SettingError, at_least, error, seconds, wrong},
    secrets::checked_secret,
};
use crate::{
    auth::{
        Abilities, Authorizer, JwtAuthorizer,
        forward::{ForwardAuthorizer, ForwardSettings},
        jwks::Jwks,
        jwt::TokenKeys,
        keys::{TokenChecks, VerifyingKey},
        rules::{PresenceData, Rule, Rules},
        signed_id::SignedIds,
        template::Template,
    },
    config::raw::{
        app::{RawApp, RawAuthorizer},
        auth::{RawForward, RawJwt, RawRule},
    },
    crypto::signature::AppSecret,
    platform::{
        http::{EndpointUrl, HttpClient},
        text_file,
    },
};

/// Time limit of a request for the issuer's keys.
const JWKS_DEADLINE: Duration = Duration::from_secs(5);
const MAX_LEEWAY_SECONDS: u64 = 300;

type At<'a> = &'a dyn Fn(&str) -> String;

pub fn authorizer(
    at: &impl Fn(&str) -> String,
    raw: &RawApp,
    app_secret: &SecretString,
    warnings: &mut Vec<String>,
) -> ConfigResult<Authorizer> {
    let at: At<'_> = at;
    if !raw.rules.is_empty() && raw.authorizer != RawAuthorizer::Jwt {
        return error(
            at("rules"),
            format!(
                "{} is given, and {} is not \"jwt\": rules are about the claims of tokens",
                at("rules"),
                at("authorizer")
            ),
        );
    }
    if raw.forward.is_some() && raw.authorizer != RawAuthorizer::Forward {
        return error(
            at("forward"),
            format!("{0} is given, and {1} is not \"forward\"", at("forward"), at("authorizer")),
        );
    }
    Ok(match raw.authorizer {
        RawAuthorizer::Deny => Authorizer::Deny,
        RawAuthorizer::Open => {
            warnings.push(format!(
                "{} is \"open\": every client may join every channel as any user",
                at("authorizer")
            ));
            Authorizer::Open
        }
        RawAuthorizer::Jwt => Authorizer::Jwt(Box::new(jwt(at, raw, app_secret, warnings)?)),
        RawAuthorizer::Forward => match &raw.forward {
            Some(forward_) => Authorizer::Forward(Box::new(forward(at, forward_)?)),
            None => return wrong(at("forward.url"), "is missing"),
        },
    })
}

fn jwt(
    at: At<'_>,
    raw: &RawApp,
    app_secret: &SecretString,
    warnings: &mut Vec<String>,
) -> ConfigResult<JwtAuthorizer> {
    let RawJwt { issuer, audience, leeway_seconds: leeway, cookie, .. } = &raw.jwt;
    if *leeway > MAX_LEEWAY_SECONDS {
        return wrong(at("jwt.leeway_seconds"), format!("must be at most {MAX_LEEWAY_SECONDS}"));
    }
    if cookie.as_ref().is_some_and(|name| !is_token(name)) {
        return wrong(at("jwt.cookie"), "is no name of a cookie");
    }
    let checks =
        TokenChecks { issuer: issuer.clone(), audience: audience.clone(), leeway: *leeway };
    let rules = match &*raw.rules {
        [] => None,
        written => Some(rules(at, written, app_secret)?),
    };
    let keys = keys(at, raw, app_secret, warnings)?;
    Ok(JwtAuthorizer { keys, checks, rules, cookie: cookie.clone() })
}

fn keys(
    at: At<'_>,
    raw: &RawApp,
    app_secret: &SecretString,
    warnings: &mut Vec<String>,
) -> ConfigResult<TokenKeys> {
    let RawJwt { public_key, public_key_file, jwks_url, ca_file, .. } = &raw.jwt;
    let own = checked_secret(&at("jwt_secret"), &raw.jwt_secret, &raw.jwt_secret_file, warnings)?;
    let given =
        [own.is_some(), public_key.is_some(), public_key_file.is_some(), jwks_url.is_some()];
    if given.into_iter().filter(|given| *given).count() > 1 {
        let second = if jwks_url.is_some() { "jwt.jwks_url" } else { "jwt.public_key" };
        return error(
            at(second),
            format!(
                "tokens are verified with one of {}, {1} (or {1}_file) and {2}: keep one",
                at("jwt_secret"),
                at("jwt.public_key"),
                at("jwt.jwks_url")
            ),
        );
    }
    if ca_file.is_some() && jwks_url.is_none() {
        return error(
            at("jwt.ca_file"),
            format!("{} is for {}, which is not set", at("jwt.ca_file"), at("jwt.jwks_url")),
        );
    }
    let pem = match public_key_file {
        Some(path) => {
            let text = text_file::read(path).map_err(|e| {
                SettingError::new(
                    at("jwt.public_key_file"),
                    format!("{}: {}: {e}", at("jwt.public_key_file"), path.display()),
                )
            })?;
            Some(text.to_string())
        }
        None => public_key.clone(),
    };
    match (pem, jwks_url) {
        (Some(pem), _) => {
            let key = VerifyingKey::pem(&pem, algorithms(at, raw, "public_key")?);
            let wrong = |e| {
                SettingError::new(
                    at("jwt.public_key"),
                    format!("{} and {}: {e}", at("jwt.public_key"), at("jwt.algorithms")),
                )
            };
            Ok(TokenKeys::One(key.map_err(wrong)?))
        }
        (None, Some(url)) => jwks(at, raw, url).map(|jwks| TokenKeys::Jwks(Box::new(jwks))),
        (None, None) => {
            let secret = own.as_ref().unwrap_or(app_secret).expose_secret();
            if secret.is_empty() {
                return wrong(at("jwt_secret"), "is empty");
            }
            let algorithms = match &*raw.jwt.algorithms {
                [] => &[Algorithm::HS256][..],
                algorithms => algorithms,
            };
            let key = VerifyingKey::secret(secret.as_bytes(), algorithms);
            let wrong = |e| {
                SettingError::new(
                    at("jwt.algorithms"),
                    format!("{} and {}: {e}", at("jwt_secret"), at("jwt.algorithms")),
                )
            };
            Ok(TokenKeys::One(key.map_err(wrong)?))
        }
    }
}

fn algorithms<'a>(at: At<'_>, raw: &'a RawApp, for_what: &str) -> ConfigResult<&'a [Algorithm]> {
    match &*raw.jwt.algorithms {
        [] => error(
            at("jwt.algorithms"),
            format!(
                "{} is missing: {} needs it, such as [\"RS256\"] or [\"ES256\"]",
                at("jwt.algorithms"),
                at(&format!("jwt.{for_what}"))
            ),
        ),
        algorithms => Ok(algorithms),
    }
}

fn jwks(at: At<'_>, raw: &RawApp, url: &str) -> ConfigResult<Jwks> {
    let algorithms = algorithms(at, raw, "jwks_url")?.to_vec();
    if algorithms.iter().any(|a| a.family() == jsonwebtoken::AlgorithmFamily::Hmac) {
        return error(
            at("jwt.algorithms"),
            format!(
                "{} names an HMAC, whose secret cannot stand at {}, where anybody may read it",
                at("jwt.algorithms"),
                at("jwt.jwks_url")
            ),
        );
    }
    let wrong = |e| SettingError::new(at("jwt.jwks_url"), format!("{} {e}", at("jwt.jwks_url")));
    let url = EndpointUrl::parse(url, false).map_err(wrong)?;
    let client = HttpClient::new(raw.jwt.ca_file.as_deref(), JWKS_DEADLINE);
    let client = client
        .map_err(|e| SettingError::new(at("jwt.ca_file"), format!("{}: {e}", at("jwt.ca_file"))))?;
    let refresh = seconds(&at("jwt.jwks_refresh_seconds"), raw.jwt.jwks_refresh_seconds)?;
    let cooldown = seconds(&at("jwt.jwks_cooldown_seconds"), raw.jwt.jwks_cooldown_seconds)?;
    Ok(Jwks::new(client, url, algorithms, refresh, cooldown))
}

fn rules(at: At<'_>, written: &[RawRule], app_secret: &SecretString) -> ConfigResult<Rules> {
    let rules = written.iter().enumerate().map(|(index, rule)| {
        let name = at(&format!("rules.{index}"));
        resolve_rule(&name, rule)
    });
    let ids = SignedIds::new(AppSecret::new(app_secret.expose_secret().as_bytes()));
    Ok(Rules::new(rules.collect::<ConfigResult<_>>()?, ids))
}

fn resolve_rule(name: &str, raw: &RawRule) -> ConfigResult<Rule> {
    let allowed = raw.allow.as_ref().map(|allow| allow.iter().copied().collect());
    let abilities = allowed.unwrap_or(Abilities::LEGACY).check().map_err(|e| {
        SettingError::new(
            format!("{name}.allow"),
            format!("{name}.allow: {e}, or leave the list empty to refuse all clients"),
        )
    })?;
    if let Some(ttl) = raw.max_ttl_seconds {
        seconds(&format!("{name}.max_ttl_seconds"), ttl)?;
    }
    let template = |field: &str, text: &str| {
        Template::parse(text).map_err(|e| {
            SettingError::new(format!("{name}.{field}"), format!("{name}.{field}: {e}"))
        })
    };
    let info = |fields: &BTreeMap<String, String>| {
        let field = |(field, text): (&String, &String)| {
            Ok((field.clone(), template(&format!("user_info.{field}"), text)?))
        };
        fields.iter().map(field).collect::<ConfigResult<_>>()
    };
    let presence = PresenceData {
        user_id: template("user_id", &raw.user_id)?,
        user_info: raw.user_info.as_ref().map(info).transpose()?,
    };
    Rule::new(&raw.channel, raw.idsig, abilities, raw.max_ttl_seconds, presence).map_err(|e| {
        SettingError::new(
            format!("{name}.channel"),
            format!("{name}.channel {:?}: {e}", raw.channel),
        )
    })
}

fn forward(at: At<'_>, raw: &RawForward) -> ConfigResult<ForwardAuthorizer> {
    let url = EndpointUrl::parse(&raw.url, raw.allow_http).map_err(|e| {
        let hint = if raw.allow_http { "" } else { " (allow_http = true permits it)" };
        SettingError::new(at("forward.url"), format!("{} {e}{hint}", at("forward.url")))
    })?;
    let deadline = at_least(&at("forward.timeout_ms"), raw.timeout_ms as usize, 1)?;
    if deadline > 30_000 {
        return wrong(at("forward.timeout_ms"), "must be at most 30000");
    }
    let deadline = Duration::from_millis(deadline as u64);
    let concurrency = at_least(&at("forward.concurrency"), raw.concurrency, 1)?.min(10_000);
    if raw.cache_seconds > 60 {
        return wrong(at("forward.cache_seconds"), "must be at most 60");
    }
    if let Some(ttl) = raw.max_ttl_seconds {
        seconds(&at("forward.max_ttl_seconds"), ttl)?;
    }
    for name in &raw.headers {
        let own =
            ["cookie", "host", "content-length", "content-type", "transfer-encoding", "connection"];
        if !is_token(name) || own.contains(&&*name.to_ascii_lowercase()) {
            return error(
                at("forward.headers"),
                format!(
                    "{}: {name:?} is no header that can be passed on (cookies are named in forward.cookies)",
                    at("forward.headers")
                ),
            );
        }
    }
    if let Some(name) = raw.cookies.iter().find(|name| !is_token(name)) {
        return error(
            at("forward.cookies"),
            format!("{}: {name:?} is no name of a cookie", at("forward.cookies")),
        );
    }
    let client = HttpClient::new(raw.ca_file.as_deref(), deadline);
    let client = client.map_err(|e| {
        SettingError::new(at("forward.ca_file"), format!("{}: {e}", at("forward.ca_file")))
    })?;
    let settings = ForwardSettings {
        url,
        headers: raw.headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
        cookies: raw.cookies.clone(),
        deadline,
        concurrency,
        cache: Duration::from_secs(raw.cache_seconds),
        max_ttl: raw.max_ttl_seconds,
    };
    Ok(ForwardAuthorizer::new(client, settings))
}

/// A token of the HTTP syntax.
fn is_token(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(good)
}
