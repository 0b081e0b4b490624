//! The variables that Kubernetes (and Docker's links) set for each service of the namespace.
//!
//! A service called `sealcast-metrics` gives `SEALCAST_METRICS_PORT=tcp://10.0.0.2:9601` and six
//! more, all with the prefix of settings. Both the ending of the name and the form of the value
//! must match, so that a setting with a similar ending is still read.

use std::net::IpAddr;

/// True if the variable describes a service, of any name.
pub fn is_service_variable(name: &str, value: &str) -> bool {
    let host = name.ends_with("_SERVICE_HOST") && is_address(value);
    // The second form ends in the port's own name.
    let port = name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_");
    let whole = name.ends_with("_PORT") && is_endpoint(value);
    host || port && is_port(value) || whole || describes_port(name, value)
}

/// `..._PORT_9601_TCP`, alone or with a suffix.
fn describes_port(name: &str, value: &str) -> bool {
    let has_suffix = |ending: &str| name.strip_suffix(ending).is_some_and(names_port);
    has_suffix("") && is_endpoint(value)
        || has_suffix("_ADDR") && is_address(value)
        || has_suffix("_PORT") && is_port(value)
        || has_suffix("_PROTO") && PROTOCOLS.contains(&value)
}

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

fn names_port(name: &str) -> bool {
    let Some((rest, protocol)) = name.rsplit_once('_') else { return false };
    let port = rest.rsplit_once("_PORT_").map(|(_, port)| port);
    PROTOCOLS.contains(&protocol.to_ascii_lowercase().as_str()) && port.is_some_and(is_port)
}

/// `tcp://10.0.0.2:9601`
fn is_endpoint(value: &str) -> bool {
    let Some((protocol, place)) = value.split_once("://") else { return false };
    let Some((address, port)) = place.rsplit_once(':') else { return false };
    PROTOCOLS.contains(&protocol) && is_address(address) && is_port(port)
}

fn is_address(text: &str) -> bool {
    text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_service_variables_are_recognised() {
        for service in [
            "SEALCAST",
            "SEALCAST_METRICS",
            "SEALCAST_LISTEN",
            "SEALCAST_APP_SECRET",
            "SEALCAST_SERVICE_PORT",
            "SEALCAST_SERVICE_HOST",
        ] {
            for (ending, value) in [
                ("_SERVICE_HOST", "10.0.0.2"),
                ("_SERVICE_HOST", "fd00::2"),
                ("_SERVICE_PORT", "9601"),
                ("_SERVICE_PORT_HTTP", "9601"),
                ("_SERVICE_PORT_HTTP_ALT", "9601"),
                ("_PORT", "tcp://10.0.0.2:9601"),
                ("_PORT", "udp://[fd00::2]:9601"),
                ("_PORT_9601_TCP", "tcp://10.0.0.2:9601"),
                ("_PORT_9601_TCP_PROTO", "tcp"),
                ("_PORT_9601_TCP_PORT", "9601"),
                ("_PORT_9601_TCP_ADDR", "10.0.0.2"),
                ("_PORT_53_UDP", "udp://10.0.0.2:53"),
                ("_PORT_53_UDP_PROTO", "udp"),
                ("_PORT_38412_SCTP_ADDR", "fd00::2"),
            ] {
                let name = format!("{service}{ending}");
                assert!(is_service_variable(&name, value), "{name}={value}");
            }
        }
        for service in ["SEALCAST", "SEALCAST_METRICS", "SEALCAST_APP_SECRET"] {
            for (ending, value) in [
                ("", "10.0.0.2"),
                ("_PORT", "7000"),
                ("_PORT", "10.0.0.2:9601"),
                ("_PORT", "https://10.0.0.2:9601"),
                ("_PORT", "tcp://example.com:9601"),
                ("_SERVICE_HOST", "example.com"),
                ("_SERVICE_PORT", "http"),
                ("_SERVICE_PORTS", "9601"),
                ("_PORT_9601_TCP_PROTO", "quic"),
                ("_PORT_HTTP_TCP_ADDR", "10.0.0.2"),
                ("_PORT_9601_QUIC_ADDR", "10.0.0.2"),
                ("_PORT_9601_TCP_HOST", "10.0.0.2"),
            ] {
                let name = format!("{service}{ending}");
                assert!(!is_service_variable(&name, value), "{name}={value}");
            }
        }
    }
}
