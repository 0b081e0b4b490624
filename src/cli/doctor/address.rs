//! Check 11: the client's address as the server sees it.

use std::net::IpAddr;

use serde::Deserialize;

use super::{
    finding::{DoctorCheck, Finding, Remedy},
    front_proxy::{FrontProxy, ProxyFault},
};

/// Of the answer to `GET /apps/ID/caller`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct CallerAddress {
    /// The one that limits count.
    pub address: Option<IpAddr>,
    /// The other end of the server's connection; `None` for a Unix socket.
    pub peer: Option<IpAddr>,
    pub trusted: bool,
    /// The header with the client's address came along.
    pub forwarded: bool,
}

/// `local`: this machine's end of the connection. `proxy`: known if one has named itself.
pub fn judge_address(seen: &CallerAddress, local: IpAddr, proxy: FrontProxy) -> Finding {
    let check = DoctorCheck::Address;
    let not_passed_on = |who: String| {
        let message =
            format!("{who} passes no client address on: all clients share one rate limit");
        check.fail(message, proxy.remedies(ProxyFault::ClientAddress))
    };
    match (seen.address, seen.peer) {
        (_, Some(peer)) if seen.forwarded && !seen.trusted => {
            let message =
                format!("the server sees {peer} for you: it does not trust the proxy there");
            check.fail(message, vec![Remedy::sealcast([format!("trusted_proxies = [\"{peer}\"]")])])
        }
        (None, _) => not_passed_on("the proxy on the Unix socket".to_owned()),
        (Some(address), Some(peer)) if address == peer && seen.trusted && address != local => {
            not_passed_on(format!("the trusted proxy {peer}"))
        }
        // On one machine both ends have the same address: only the name of a proxy tells.
        (Some(address), Some(peer)) if address == peer && proxy.is_known() && !seen.forwarded => {
            let mut finding = not_passed_on(proxy.name().to_owned());
            if !seen.trusted {
                finding
                    .remedies
                    .push(Remedy::sealcast([format!("trusted_proxies = [\"{peer}\"]")]));
            }
            finding
        }
        (Some(address), _) if address == local => {
            check.ok(format!("the server sees {address}, as it is here"))
        }
        (Some(address), _) if is_of_private_network(address) && !seen.forwarded => {
            let message =
                format!("the server sees {address} for you, and this machine has {local}");
            let mut remedies = vec![Remedy::advice(format!(
                "if {address} is your proxy, it must pass the client's address on, and be trusted; a router on the way is fine"
            ))];
            remedies.extend(proxy.remedies(ProxyFault::ClientAddress));
            remedies.push(Remedy::sealcast([format!("trusted_proxies = [\"{address}\"]")]));
            check.warn(message, remedies)
        }
        (Some(address), _) => check.ok(format!("the server sees {address} for you")),
    }
}

/// No client on the Internet has such an address.
fn is_of_private_network(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Judgement;

    fn judged(
        (address, peer): (Option<&str>, Option<&str>),
        (trusted, forwarded): (bool, bool),
        local: &str,
        proxy: FrontProxy,
    ) -> Finding {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (address, peer) = (address.map(ip), peer.map(ip));
        judge_address(&CallerAddress { address, peer, trusted, forwarded }, ip(local), proxy)
    }

    #[test]
    fn addresses_are_judged_by_how_they_came() {
        let (client, proxy, here) = (Some("203.0.113.7"), Some("10.0.0.4"), "192.168.1.2");
        for (seen, how, local, front, judgement, says) in [
            // Through a proxy that does all that it should.
            (
                (client, proxy),
                (true, true),
                here,
                FrontProxy::Nginx,
                Judgement::Ok,
                "sees 203.0.113.7 for you",
            ),
            // Without a proxy, and behind a router.
            (
                (client, client),
                (false, false),
                here,
                FrontProxy::Unknown,
                Judgement::Ok,
                "sees 203.0.113.7",
            ),
            (
                (Some(here), Some(here)),
                (false, false),
                here,
                FrontProxy::Unknown,
                Judgement::Ok,
                "as it is here",
            ),
            // A server on this machine that trusts it, without a proxy.
            (
                (Some(here), Some(here)),
                (true, false),
                here,
                FrontProxy::Unknown,
                Judgement::Ok,
                "as it is here",
            ),
            (
                (proxy, proxy),
                (false, true),
                here,
                FrontProxy::Nginx,
                Judgement::Fail,
                "does not trust the proxy there",
            ),
            (
                (proxy, proxy),
                (true, false),
                here,
                FrontProxy::Nginx,
                Judgement::Fail,
                "the trusted proxy 10.0.0.4 passes no client address on",
            ),
            (
                (Some(here), Some(here)),
                (true, false),
                here,
                FrontProxy::Nginx,
                Judgement::Fail,
                "nginx passes no client address on",
            ),
            (
                (None, None),
                (true, false),
                here,
                FrontProxy::Unknown,
                Judgement::Fail,
                "on the Unix socket passes no",
            ),
            (
                (proxy, proxy),
                (false, false),
                here,
                FrontProxy::Unknown,
                Judgement::Warn,
                "sees 10.0.0.4 for you, and this machine has 192.168.1.2",
            ),
        ] {
            let finding = judged(seen, how, local, front);
            assert_eq!(finding.judgement, judgement, "{seen:?} {how:?}: {finding:?}");
            assert!(finding.message.contains(says), "{finding:?}");
        }
    }

    #[test]
    fn the_untrusted_proxy_is_in_the_line_to_add() {
        let seen = (Some("10.0.0.4"), Some("10.0.0.4"));
        let finding = judged(seen, (false, true), "192.168.1.2", FrontProxy::Caddy);
        assert_eq!(finding.remedies, [Remedy::sealcast(["trusted_proxies = [\"10.0.0.4\"]"])]);
    }
}
