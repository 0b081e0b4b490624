//! `sealcast healthcheck`: for containers, which need no shell and no other program for it.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs},
    time::Duration,
};

use super::{Result, source};
use crate::config::Flags;

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
    let (candidates, path) = match &command.url {
        Some(url) => target(url)?,
        None => {
            let (listen, path) = source(&command.flags)?.endpoint()?;
            (reachable(listen), path)
        }
    };
    let mut failure = String::from("the host has no address");
    for address in candidates {
        match ask(address, &path) {
            Ok(200) => return Ok(()),
            Ok(status) => failure = format!("{address} answers {status}"),
            Err(error) => failure = format!("{address} does not answer: {error}"),
        }
    }
    Err(failure.into())
}

fn target(url: &str) -> Result<(Vec<SocketAddr>, String)> {
    let rest = url.strip_prefix("http://").ok_or("the URL must begin with http://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Ok((host.to_socket_addrs()?.collect(), path.trim_end_matches('/').to_owned()))
}

/// Who listens on all addresses is asked on the loopback ones; there may be no IPv6 at all.
fn reachable(listen: SocketAddr) -> Vec<SocketAddr> {
    let ips: Vec<IpAddr> = match listen.ip() {
        ip if !ip.is_unspecified() => vec![ip],
        IpAddr::V4(_) => vec![Ipv4Addr::LOCALHOST.into()],
        IpAddr::V6(_) => vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
    };
    ips.into_iter().map(|ip| SocketAddr::new(ip, listen.port())).collect()
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
