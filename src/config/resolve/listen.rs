//! Listen addresses, and the peers that may connect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checks::{ConfigResult, error};
use crate::{
    config::raw::RawConfig,
    platform::{address::Address, state_dir::admin_socket_path},
    web::{Addresses, OpsHosts, Proxied, Proxies, bare},
};

pub fn addresses(raw: &RawConfig, warnings: &mut Vec<String>) -> ConfigResult<Addresses> {
    let addresses = Addresses {
        public: raw.listen.clone(),
        api: raw.api_listen.clone(),
        operations: raw.ops_listen.clone(),
        // Known from its source.
        operations_may_fail: false,
        unix_mode: unix_mode(&raw.unix_socket_mode)?,
    };
    refuse_shared(raw)?;
    if raw.listen.is_unix() && raw.tls_cert_file.is_some() {
        return error(
            "tls_cert_file",
            "tls_cert_file is set, and listen is a Unix socket, on which no TLS is spoken: end TLS in the proxy that connects to it, or listen on ADDRESS:PORT",
        );
    }
    let unix = named(raw).any(|(_, address)| address.is_unix());
    if unix && addresses.unix_mode & 0o002 != 0 {
        warnings.push(format!(
            "unix_socket_mode is {:04o}: every process of this machine may connect, and is believed whatever it says of its clients' addresses",
            addresses.unix_mode
        ));
    }
    Ok(addresses)
}

fn named(raw: &RawConfig) -> impl Iterator<Item = (&'static str, &Address)> {
    let named = [
        ("listen", Some(&raw.listen)),
        ("api_listen", raw.api_listen.as_ref()),
        ("ops_listen", raw.ops_listen.as_ref()),
    ];
    named.into_iter().filter_map(|(name, address)| Some((name, address?)))
}

fn refuse_shared(raw: &RawConfig) -> ConfigResult<()> {
    let admin = Address::Unix(admin_socket_path(&raw.state_dir));
    for (index, (name, address)) in named(raw).enumerate() {
        let clashing = named(raw).take(index).find(|(_, other)| other.clashes(address));
        if let Some((other, theirs)) = clashing {
            let are = match theirs == address {
                true => format!("{other} and {name} are both {address}"),
                false => format!("{other} is {theirs}, and so {name} cannot be {address}"),
            };
            return error(name, format!("{are}: give each listener an address of its own"));
        }
        if *address == admin {
            return error(
                name,
                format!("{name} is the admin socket of the state directory: choose another path"),
            );
        }
    }
    Ok(())
}

/// Octal notation.
fn unix_mode(text: &str) -> ConfigResult<u32> {
    const OWNER: u32 = 0o600;
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && mode & OWNER == OWNER => Ok(mode),
        _ => error(
            "unix_socket_mode",
            "unix_socket_mode must be a mode in octal that lets the owner read and write, such as \"0660\"",
        ),
    }
}

pub fn proxied(
    raw: &RawConfig,
    proxies: &Proxies,
    warnings: &mut Vec<String>,
) -> ConfigResult<Proxied> {
    let (public, api) = (raw.proxy_protocol, raw.api_proxy_protocol);
    match &raw.api_listen {
        None if api => {
            return error(
                "api_proxy_protocol",
                "api_proxy_protocol is true, but there is no api_listen",
            );
        }
        Some(address) if api => require_balancers("api_proxy_protocol", address, proxies)?,
        _ => {}
    }
    if public {
        require_balancers("proxy_protocol", &raw.listen, proxies)?;
        if !raw.listen.is_unix() && !LOOPBACK.iter().any(|address| proxies.trust(*address)) {
            warnings.push("with proxy_protocol, `sealcast healthcheck` is answered only if the loopback address is in trusted_proxies, too".into());
        }
    }
    Ok(Proxied { public, api })
}

/// Names without ports: a page can use any port of its name.
pub fn ops_hosts(listed: &[String]) -> ConfigResult<OpsHosts> {
    let is_name = |name: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !name.is_empty() && name.bytes().all(is_part)
    };
    let names = listed.iter().enumerate().map(|(index, name)| match bare(name) {
        name if is_name(&name) => Ok(name),
        _ => error(format!("ops_hosts.{index}"), format!(
            "ops_hosts: {name:?} is not the name of a host: write it as requests have it, without scheme and port, such as \"sealcast.internal\" (addresses need not be listed)"
        )),
    });
    names.collect::<ConfigResult<_>>().map(OpsHosts)
}

const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// A Unix socket needs no list: the mode of its file decides.
fn require_balancers(name: &str, address: &Address, proxies: &Proxies) -> ConfigResult<()> {
    if proxies.trusted.is_empty() && !address.is_unix() {
        return error(
            name,
            format!(
                "{name} is true, but trusted_proxies is empty, so that no client could connect: name the balancers that send the header"
            ),
        );
    }
    Ok(())
}
