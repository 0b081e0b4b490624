//! The software in front of the server, and the lines that its configuration needs.

use hyper::{
    HeaderMap,
    header::{CACHE_CONTROL, CONTENT_TYPE, SERVER, VIA},
};

use super::finding::Remedy;

/// As far as an answer tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrontProxy {
    Nginx,
    Caddy,
    Haproxy,
    /// None of these, or nothing at all in between.
    #[default]
    Unknown,
}

/// A fault of a proxy's configuration.
#[derive(Clone, Copy, Debug)]
pub enum ProxyFault<'a> {
    /// `Upgrade` and `Connection` do not reach the server.
    Upgrade,
    /// A silent connection is closed too soon.
    IdleTimeout,
    /// A request of this many bytes is refused.
    BodySize { bytes: usize },
    /// The client's address is not passed on.
    ClientAddress,
    /// Paths that begin with this go elsewhere.
    Route { path: &'a str },
    /// The prefix is removed on the way.
    PrefixCut { prefix: &'a str },
    /// The server behind it does not answer.
    Backend,
    /// The intermediate certificate is not sent.
    Chain,
    /// The header `Origin` is changed.
    Origin,
}

impl FrontProxy {
    pub fn of(headers: &HeaderMap, body: &[u8]) -> Self {
        let of_header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let named = [of_header(SERVER), of_header(VIA)];
        let names = |name: &str| {
            named.iter().flatten().any(|text| text.to_ascii_lowercase().contains(name))
        };
        match () {
            () if names("nginx") || names("openresty") => Self::Nginx,
            () if names("caddy") => Self::Caddy,
            // It names itself nowhere: its error pages look alike.
            () if of_header(SERVER).is_none()
                && of_header(CACHE_CONTROL) == Some("no-cache")
                && of_header(CONTENT_TYPE) == Some("text/html")
                && body.starts_with(b"<html><body><h1>") =>
            {
                Self::Haproxy
            }
            () => Self::Unknown,
        }
    }

    /// What an earlier answer has told is kept.
    pub fn or(self, known: Self) -> Self {
        if self == Self::Unknown { known } else { self }
    }

    pub fn is_known(self) -> bool {
        self != Self::Unknown
    }

    /// In a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "Caddy",
            Self::Haproxy => "HAProxy",
            Self::Unknown => "the proxy",
        }
    }

    /// The lines to add or to correct; of every proxy that we know if this one is unknown.
    pub fn remedies(self, fault: ProxyFault<'_>) -> Vec<Remedy> {
        match self {
            Self::Nginx => nginx(fault),
            Self::Caddy => caddy(fault),
            Self::Haproxy => haproxy(fault),
            Self::Unknown => [nginx(fault), caddy(fault), haproxy(fault)].concat(),
        }
    }
}

fn nginx(fault: ProxyFault<'_>) -> Vec<Remedy> {
    let location = |lines: Vec<String>| Remedy::lines("nginx, in the location of Sealcast", lines);
    let one = |line: &str| vec![location(vec![line.to_owned()])];
    match fault {
        ProxyFault::Upgrade => vec![
            Remedy::lines(
                "nginx, in http",
                [r#"map $http_upgrade $connection_upgrade { default upgrade; "" ""; }"#],
            ),
            location(vec![
                "proxy_http_version 1.1;".into(),
                "proxy_set_header Upgrade $http_upgrade;".into(),
                "proxy_set_header Connection $connection_upgrade;".into(),
            ]),
        ],
        ProxyFault::IdleTimeout => one("proxy_read_timeout 5m;"),
        ProxyFault::BodySize { bytes } => {
            one(&format!("client_max_body_size {}k;", kibibytes(bytes)))
        }
        ProxyFault::ClientAddress => {
            one("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;")
        }
        ProxyFault::Route { path } => vec![Remedy::lines(
            "nginx, in the server of Sealcast",
            [format!("location {path} {{ proxy_pass http://sealcast; }}")],
        )],
        ProxyFault::PrefixCut { prefix } => vec![Remedy::lines(
            "nginx, without a path behind the address in proxy_pass",
            [format!("location {prefix}/ {{ proxy_pass http://sealcast; }}")],
        )],
        ProxyFault::Backend => vec![Remedy::lines(
            "nginx, with the address of listen",
            ["upstream sealcast { server 127.0.0.1:6001; }"],
        )],
        ProxyFault::Chain => vec![Remedy::lines("nginx", ["ssl_certificate fullchain.pem;"])],
        ProxyFault::Origin => one("proxy_set_header Origin $http_origin;"),
    }
}

fn caddy(fault: ProxyFault<'_>) -> Vec<Remedy> {
    let proxy = |lines: &[&str]| {
        let lines = lines.iter().map(|line| format!("    {line}"));
        let lines = ["reverse_proxy 127.0.0.1:6001 {".to_owned()].into_iter().chain(lines);
        Remedy::lines("Caddy", lines.chain(["}".to_owned()]))
    };
    let plain =
        |why: &str| Remedy::lines(format!("Caddy, {why}"), ["reverse_proxy 127.0.0.1:6001"]);
    vec![match fault {
        ProxyFault::Upgrade => plain("without header_up for Upgrade and Connection"),
        ProxyFault::IdleTimeout => proxy(&["stream_timeout 24h"]),
        ProxyFault::BodySize { bytes } => {
            Remedy::lines("Caddy", [format!("request_body {{ max_size {}KiB }}", kibibytes(bytes))])
        }
        ProxyFault::ClientAddress => plain("without header_up for X-Forwarded-For"),
        ProxyFault::Route { path } => Remedy::lines(
            "Caddy",
            [format!("handle {path}* {{"), "    reverse_proxy 127.0.0.1:6001".into(), "}".into()],
        ),
        ProxyFault::PrefixCut { prefix } => Remedy::lines(
            "Caddy, handle in place of handle_path",
            [
                format!("handle {prefix}/* {{"),
                "    reverse_proxy 127.0.0.1:6001".into(),
                "}".into(),
            ],
        ),
        ProxyFault::Backend => plain("with the address of listen"),
        ProxyFault::Chain => Remedy::lines("Caddy", ["tls fullchain.pem key.pem"]),
        ProxyFault::Origin => plain("without header_up for Origin"),
    }]
}

fn haproxy(fault: ProxyFault<'_>) -> Vec<Remedy> {
    let backend = |lines: &[&str]| Remedy::lines("HAProxy, in the backend", lines.to_vec());
    vec![match fault {
        ProxyFault::Upgrade => Remedy::lines(
            "HAProxy, without http-request del-header for Upgrade and Connection",
            ["mode http", "timeout tunnel 1h"],
        ),
        ProxyFault::IdleTimeout => Remedy::lines(
            "HAProxy, in defaults",
            ["timeout tunnel 1h   # in mode tcp: timeout client 5m, timeout server 5m"],
        ),
        ProxyFault::BodySize { bytes } => Remedy::lines(
            "HAProxy",
            [format!(
                "http-request deny deny_status 413 if {{ req.body_size gt {} }}",
                kibibytes(bytes) * 1024
            )],
        ),
        ProxyFault::ClientAddress => backend(&["option forwardfor"]),
        ProxyFault::Route { path } => Remedy::lines(
            "HAProxy, in the frontend",
            [format!("use_backend sealcast if {{ path_beg {path} }}")],
        ),
        ProxyFault::PrefixCut { prefix } => Remedy::lines(
            "HAProxy, without http-request set-path and replace-path",
            [format!("use_backend sealcast if {{ path_beg {prefix}/ }}")],
        ),
        ProxyFault::Backend => Remedy::lines(
            "HAProxy, with the address of listen",
            ["server one 127.0.0.1:6001 check"],
        ),
        ProxyFault::Chain => Remedy::lines(
            "HAProxy, with certificate, intermediate and key in one file",
            ["bind :443 ssl crt fullchain-and-key.pem alpn http/1.1"],
        ),
        ProxyFault::Origin => Remedy::lines(
            "HAProxy",
            ["# without http-request set-header Origin and del-header Origin"],
        ),
    }]
}

/// Room for the whole request, with some for its envelope.
fn kibibytes(bytes: usize) -> usize {
    bytes.div_ceil(1024) * 2
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn proxies_are_known_by_their_answers() {
        let of = |pairs: &[(hyper::header::HeaderName, &'static str)], body: &str| {
            let pairs =
                pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            FrontProxy::of(&pairs.collect(), body.as_bytes())
        };
        assert_eq!(of(&[(SERVER, "nginx/1.22.1")], "{}"), FrontProxy::Nginx);
        assert_eq!(of(&[(SERVER, "Caddy")], ""), FrontProxy::Caddy);
        assert_eq!(of(&[(VIA, "1.1 Caddy")], ""), FrontProxy::Caddy);
        let error = [(CACHE_CONTROL, "no-cache"), (CONTENT_TYPE, "text/html")];
        let page = "<html><body><h1>503 Service Unavailable</h1>\nNo server";
        assert_eq!(of(&error, page), FrontProxy::Haproxy);
        assert_eq!(of(&[], "{\"status\":\"ok\"}"), FrontProxy::Unknown);
        assert_eq!(of(&[(SERVER, "cloudflare")], ""), FrontProxy::Unknown);
    }

    #[test]
    fn an_unknown_proxy_gets_the_lines_of_all() {
        let all = FrontProxy::Unknown.remedies(ProxyFault::Upgrade);
        let each = [FrontProxy::Nginx, FrontProxy::Caddy, FrontProxy::Haproxy];
        let count: usize = each.iter().map(|proxy| proxy.remedies(ProxyFault::Upgrade).len()).sum();
        assert_eq!(all.len(), count);
    }
}
