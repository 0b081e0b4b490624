//! The address that clients use. A server behind a proxy cannot know it by itself.

use super::checks::{ConfigResult, SettingError, error};
use crate::{config::raw::RawConfig, domain::origins::OriginPattern};

/// Scheme, host and port; the path is `path_prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    pub tls: bool,
    /// An IPv6 address is in brackets.
    pub host: String,
    pub port: u16,
}

impl PublicUrl {
    /// The form sent by browsers.
    pub fn origin(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) => format!("https://{}", self.host),
            (false, 80) => format!("http://{}", self.host),
            (true, port) => format!("https://{}:{port}", self.host),
            (false, port) => format!("http://{}:{port}", self.host),
        }
    }
}

pub fn public_url(raw: &RawConfig) -> ConfigResult<Option<PublicUrl>> {
    let Some(text) = &raw.public_url else { return Ok(None) };
    let bare = text.strip_suffix('/').unwrap_or(text);
    let wrong = |e: &dyn std::fmt::Display| {
        SettingError::new(
            "public_url",
            format!(
                "public_url: {text:?} {e}; it is the address that clients use, such as \"https://ws.example.com\", without a path (that is path_prefix)"
            ),
        )
    };
    let pattern = bare.parse::<OriginPattern>().map_err(|e| wrong(&e))?;
    match pattern.tls_host_port() {
        Some((tls, host, port)) => {
            let port = port.unwrap_or(if tls { 443 } else { 80 });
            Ok(Some(PublicUrl { tls, host: host.to_owned(), port }))
        }
        None => Err(wrong(&"is no single address of http or https")),
    }
}

/// The meaning of "self" in an app's origins. Not the request's own Host: a stranger's page can
/// choose a name that leads to this server (DNS rebinding).
pub fn own_origin(name: &str, public_url: Option<&PublicUrl>) -> ConfigResult<OriginPattern> {
    let Some(url) = public_url else {
        return error(
            name,
            format!(
                "{name}: \"self\" stands for public_url, which is not set: set public_url = \"https://ws.example.com\", the address that clients use"
            ),
        );
    };
    url.origin().parse().map_err(|e| SettingError::new("public_url", format!("public_url: {e}")))
}
