//! Access from outside: origins, proxies, explanations to strangers.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    checks::{ConfigResult, SettingError, error},
    public_url::{PublicUrl, own_origin},
};
use crate::{
    config::raw::RawConfig,
    {auth::Authorizer, domain::origins::Origins, web::Proxies},
};

/// Stands for the server's own address in a list of origins.
const SELF: &str = "self";

pub fn origins(
    name: &str,
    listed: &[String],
    dev: bool,
    public_url: Option<&PublicUrl>,
) -> ConfigResult<Origins> {
    let parse = |(index, origin): (usize, &String)| match &**origin {
        SELF => own_origin(name, public_url),
        origin => origin.parse().map_err(|e| {
            SettingError::new(format!("{name}.{index}"), format!("{name}: {origin:?} {e}"))
        }),
    };
    Ok(match listed {
        [] if dev => Origins::Loopback,
        [] => Origins::Any,
        listed => {
            Origins::Listed(listed.iter().enumerate().map(parse).collect::<ConfigResult<_>>()?)
        }
    })
}

/// Without exact origins, pages of every site could use the cookie.
pub fn refuse_unguarded_cookie(
    at: &impl Fn(&str) -> String,
    authorizer: &Authorizer,
    origins: &Origins,
) -> ConfigResult<()> {
    if !authorizer.reads().any_cookie() || origins.has_exact() {
        return Ok(());
    }
    error(
        at("origins"),
        format!(
            "{} is set, but {} lists no exact origin: name the pages that may use the cookie, such as \"https://app.example.com\"",
            "a cookie with a token, or one that is passed on,",
            at("origins")
        ),
    )
}

pub fn api_cors(
    name: &str,
    enabled: bool,
    origins: &Origins,
    warnings: &mut Vec<String>,
) -> ConfigResult<bool> {
    if enabled && matches!(origins, Origins::Any) {
        return error(
            name,
            format!(
                "{name} is true, and {} is empty: name the pages that call the signed API there",
                name.replace("api_cors", "origins")
            ),
        );
    }
    if enabled {
        warnings.push(format!(
            "{name} is true: a page that calls the signed API holds the app's secret, and so does everybody who opens it; it is for demonstrations. Real pages use the client API with tokens"
        ));
    }
    Ok(enabled)
}

pub fn explains(name: &str, enabled: bool, dev: bool, warnings: &mut Vec<String>) -> bool {
    if enabled && !dev {
        warnings.push(format!(
            "{name} is true: refusals give their reasons, which helps strangers as well; it is for development"
        ));
    }
    enabled || dev
}

pub fn proxies(raw: &RawConfig) -> ConfigResult<Proxies> {
    let trusted =
        raw.trusted_proxies.iter().enumerate().map(net).collect::<ConfigResult<Vec<_>>>()?;
    if trusted.iter().any(|net| net.prefix_len() == 0) {
        return error(
            "trusted_proxies",
            "trusted_proxies: a network of all addresses would believe everybody: name your proxies",
        );
    }
    Ok(Proxies { trusted, header: raw.forwarded_header })
}

/// A single address is a network of one.
fn net((index, text): (usize, &String)) -> ConfigResult<IpNet> {
    match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(net), _) => Ok(net),
        (_, Ok(address)) => Ok(address.into()),
        _ => error(
            format!("trusted_proxies.{index}"),
            format!(
                "trusted_proxies: {text:?} is neither an address nor a network such as \"10.0.0.0/8\""
            ),
        ),
    }
}
