//! `sealcast healthcheck`: for containers, which need no shell and no other program for it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use super::{
    Result,
    http::{Answer, Question, addresses},
    source, unverified,
};
use crate::config::{Endpoint, Flags};

#[derive(clap::Args)]
pub struct Healthcheck {
    /// Where the server is; without it, where the configuration says that it listens. With
    /// https:// the certificate is not verified: what is asked is whether the server answers
    #[arg(long, value_name = "http[s]://HOST:PORT[/PREFIX]", env = "SEALCAST_URL")]
    url: Option<String>,
    /// Ask whether traffic should be led to it, too: not while it is shutting down
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    flags: Flags,
}

const DEADLINE: Duration = Duration::from_secs(3);

/// Whom to ask, and how.
struct Target {
    addresses: Vec<SocketAddr>,
    tls: bool,
    prefix: String,
}

pub fn run(command: &Healthcheck) -> Result<()> {
    let target = match &command.url {
        Some(url) => Target::of_url(url)?,
        None => Target::of(source(&command.flags)?.endpoint()?),
    };
    let path = if command.ready { "/ready" } else { "/health" };
    let mut failure = String::from("the host has no address");
    for address in &target.addresses {
        match target.ask(*address, path) {
            Ok(Answer { status: 200, .. }) => return Ok(()),
            Ok(Answer { status, body }) => failure = format!("{address} answers {status} {body}"),
            Err(error) => failure = format!("{address} does not answer: {error}"),
        }
    }
    Err(failure.into())
}

impl Target {
    /// The public listener even where there is one for operations: it is the one that clients
    /// need, and a certificate that does not work must not pass for health.
    fn of(Endpoint { listen, tls, path_prefix }: Endpoint) -> Self {
        Self { addresses: reachable(listen), tls, prefix: path_prefix }
    }

    fn of_url(url: &str) -> Result<Self> {
        let (tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err("the URL must begin with http:// or https://".into()),
        };
        let (addresses, prefix) = addresses(rest)?;
        Ok(Self { addresses, tls, prefix: prefix.to_owned() })
    }

    fn ask(&self, address: SocketAddr, path: &str) -> Result<Answer> {
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        let (path, host) = (format!("{}{path}", self.prefix), address.to_string());
        let question = Question::get(&path, &host);
        let answer = match self.tls {
            true => question.ask(unverified::connect(stream)?),
            false => question.ask(stream),
        };
        Ok(answer?)
    }
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
