//! `sealcast healthcheck`: for containers, which need no shell and no other program for it.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs},
    time::Duration,
};

use super::{Result, source};
use crate::config::{Config, Flags};

#[derive(clap::Args)]
pub struct Healthcheck {
    /// Where the server is; without it, where the configuration says that it listens
    #[arg(long, value_name = "http://HOST:PORT[/PREFIX]", env = "SEALCAST_URL")]
    url: Option<String>,
    #[command(flatten)]
    flags: Flags,
}

const DEADLINE: Duration = Duration::from_secs(3);

pub fn run(command: &Healthcheck) -> Result<()> {
    let (address, path) = match &command.url {
        Some(url) => target(url)?,
        None => {
            let config = Config::load(&source(&command.flags)?)?;
            (reachable(config.listen), config.settings.path_prefix)
        }
    };
    let status = ask(address, &path).map_err(|e| format!("{address} does not answer: {e}"))?;
    if status == 200 { Ok(()) } else { Err(format!("{address} answers {status}").into()) }
}

fn target(url: &str) -> Result<(SocketAddr, String)> {
    let rest = url.strip_prefix("http://").ok_or("the URL must begin with http://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address = host.to_socket_addrs()?.next().ok_or("the host has no address")?;
    Ok((address, path.trim_end_matches('/').to_owned()))
}

/// Who listens on all addresses is asked on the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(address: SocketAddr, prefix: &str) -> Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    write!(stream, "GET {prefix}/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|s| s.parse().ok());
    status.ok_or_else(|| "the answer is not HTTP".into())
}
