//! `sealcast healthcheck`: for containers without a shell or another program.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    CliResult,
    http::{CliRequest, CliResponse, addresses},
    source, unverified,
};
use crate::{
    config::{Flags, PublicEndpoint},
    platform::address::Address,
};

#[derive(clap::Args)]
pub struct HealthcheckArgs {
    /// Address of the server, by default the configured one; certificates are not verified
    #[arg(long, value_name = "http[s]://HOST:PORT[/PREFIX]", env = "SEALCAST_URL")]
    url: Option<String>,
    /// Ask if the server is ready for traffic; during a shutdown it is not
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    flags: Flags,
}

const DEADLINE: Duration = Duration::from_secs(3);

/// Sent before the request if the listener expects a PROXY header. UNKNOWN says that the connection
/// is the sender's own.
const PROXY_HEADER: &[u8] = b"PROXY UNKNOWN\r\n";

/// The addresses to ask, and the protocol to speak.
struct HealthcheckTarget {
    places: Vec<ProbeAddress>,
    tls: bool,
    proxy_protocol: bool,
    prefix: String,
}

enum ProbeAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

pub fn run(command: &HealthcheckArgs) -> CliResult<()> {
    let target = match command.url.as_ref().filter(|url| !url.is_empty()) {
        Some(url) => HealthcheckTarget::of_url(url)?,
        None => HealthcheckTarget::of(source(&command.flags)?.endpoint()?)?,
    };
    let path = if command.ready { "/ready" } else { "/health" };
    let mut failure = String::from("the host has no address");
    for place in &target.places {
        let (name, answer) = match place {
            ProbeAddress::Tcp(address) => (address.to_string(), target.ask(*address, path)),
            ProbeAddress::Unix(file) => (file.display().to_string(), target.ask_file(file, path)),
        };
        match answer {
            Ok(CliResponse { status: 200, .. }) => return Ok(()),
            Ok(CliResponse { status, body }) => failure = format!("{name} answers {status} {body}"),
            Err(error) => failure = format!("{name} does not answer: {error}"),
        }
    }
    Err(failure.into())
}

impl HealthcheckTarget {
    /// Asks the public listener even if there is an operations listener: clients need the public
    /// one, and a broken certificate must not pass for health.
    fn of(endpoint: PublicEndpoint) -> CliResult<Self> {
        let PublicEndpoint { listen, tls, proxy_protocol, path_prefix: prefix } = endpoint;
        let places = match listen {
            Address::Tcp(address) => {
                reachable(address).into_iter().map(ProbeAddress::Tcp).collect()
            }
            Address::Name(name) => name.resolve()?.into_iter().map(ProbeAddress::Tcp).collect(),
            Address::Unix(path) => vec![ProbeAddress::Unix(path)],
        };
        Ok(Self { places, tls, proxy_protocol, prefix })
    }

    fn of_url(url: &str) -> CliResult<Self> {
        let (tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err("the URL must begin with http:// or https://".into()),
        };
        let (addresses, prefix) = addresses(rest)?;
        let places = addresses.into_iter().map(ProbeAddress::Tcp).collect();
        Ok(Self { places, tls, proxy_protocol: false, prefix: prefix.to_owned() })
    }

    fn ask(&self, address: SocketAddr, path: &str) -> CliResult<CliResponse> {
        let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        self.send_proxy_header(&mut stream)?;
        let (path, host) = (self.under_prefix(path), address.to_string());
        let request = CliRequest::get(&path, &host);
        match self.tls {
            true => request.send(unverified::connect(stream)?).map_err(|error| {
                match unverified::is_no_tls(&*error) {
                    true => "no TLS is spoken there: ask with http://".into(),
                    false => error,
                }
            }),
            false => request.send(stream),
        }
    }

    fn ask_file(&self, file: &Path, path: &str) -> CliResult<CliResponse> {
        let mut stream = UnixStream::connect(file)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        self.send_proxy_header(&mut stream)?;
        CliRequest::get(&self.under_prefix(path), "localhost").send(stream)
    }

    fn send_proxy_header(&self, stream: &mut impl Write) -> CliResult<()> {
        if self.proxy_protocol {
            stream.write_all(PROXY_HEADER)?;
        }
        Ok(())
    }

    fn under_prefix(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

/// Loopback addresses stand in for the unspecified address; IPv6 may be missing.
fn reachable(listen: SocketAddr) -> Vec<SocketAddr> {
    let ips: Vec<IpAddr> = match listen.ip() {
        ip if !ip.is_unspecified() => vec![ip],
        IpAddr::V4(_) => vec![Ipv4Addr::LOCALHOST.into()],
        IpAddr::V6(_) => vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
    };
    ips.into_iter().map(|ip| SocketAddr::new(ip, listen.port())).collect()
}
