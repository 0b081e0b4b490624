//! The host names that the operations listener answers to. A page can make its own name point at
//! this machine (DNS rebinding): its browser then treats our response as the page's own, and only
//! the host in the request gives the page away.

use std::net::IpAddr;

use crate::platform::system::host_name;

/// `ops_hosts`, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpsHosts(pub Vec<String>);

impl OpsHosts {
    /// `authority`: a host with an optional port.
    pub fn admit(&self, authority: &str) -> bool {
        let Some(host) = host(authority) else { return false };
        host.parse::<IpAddr>().is_ok()
            || host == "localhost"
            || self.0.contains(&host)
            || is_own(&host, host_name().as_deref())
    }
}

/// True for this host's name or its first label.
fn is_own(host: &str, own: Option<&str>) -> bool {
    let Some(own) = own.map(str::to_ascii_lowercase) else { return false };
    let first = own.split('.').next().unwrap_or_default();
    !host.is_empty() && (host == own || host == first)
}

/// The host in lower case, without port and brackets.
fn host(authority: &str) -> Option<String> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        return is_port(port).then(|| address.to_ascii_lowercase());
    }
    let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
    is_port(port).then(|| bare(host))
}

/// The form for comparison: a final dot only marks a name as absolute.
pub fn bare(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok(),
        None => text.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f26_addresses_and_listed_names_are_answered() {
        let hosts = OpsHosts(vec!["ops.example.com".into(), "sealcast".into()]);
        for host in [
            "127.0.0.1",
            "10.1.2.3:9601",
            "[::1]:9601",
            "[fe80::1]",
            "localhost",
            "LocalHost.:9601",
            "ops.example.com",
            "OPS.example.com.:80",
            "sealcast:9601",
        ] {
            assert!(hosts.admit(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9601",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "localhost:x",
            "localhost:",
            "[::1",
            "[::1].evil.example",
            "[localhost.evil]",
            "ops.example.com..",
            "x.ops.example.com",
            "a,localhost",
            " localhost",
            "?",
            ":9601",
            ".",
        ] {
            assert!(!hosts.admit(host), "{host}");
        }
    }

    #[test]
    fn f26_own_host_name_is_answered() {
        let own = Some("Web-1.example.com");
        assert!(is_own("web-1", own) && is_own("web-1.example.com", own));
        assert!(!is_own("web", own) && !is_own("example.com", own) && !is_own("", own));
        assert!(!is_own("", Some("")) && !is_own("web-1", None));
    }
}
