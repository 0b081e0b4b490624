//! `sealcast healthcheck`: for containers without a shell or another program.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use serde_json::json;
use tokio::time::timeout;

use super::{
    CliResult, CommandError,
    client::{
        ClientError,
        connect::{Connector, Destination, ServerTransport, resolve},
        http::{ClientRequest, ClientResponse, send_on},
        runtime::block_on,
    },
    options::ConfigArgs,
    output::{OutputArgs, print_json},
    source,
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
    config: ConfigArgs,
    /// Address of the server, instead of the configured one
    #[arg(long, value_name = "ADDRESS:PORT|unix:PATH")]
    listen: Option<Address>,
    #[command(flatten)]
    output: OutputArgs,
}

const DEADLINE: Duration = Duration::from_secs(3);
/// Characters of an answer that may be another server's page.
const MAX_SHOWN: usize = 200;

/// The addresses to ask, and how.
struct HealthcheckTarget {
    destinations: Vec<Destination>,
    connector: Connector,
}

pub fn run(command: &HealthcheckArgs) -> CliResult<()> {
    let path = if command.ready { "/ready" } else { "/health" };
    block_on(async {
        let target = match command.url.as_ref().filter(|url| !url.is_empty()) {
            Some(url) => HealthcheckTarget::of_url(url).await?,
            None => HealthcheckTarget::of(source(&command.flags())?.endpoint()?)?,
        };
        let answer = target.check(path).await?;
        if command.output.json { print_json(&health(&answer)) } else { Ok(()) }
    })
}

impl HealthcheckArgs {
    fn flags(&self) -> Flags {
        let listen = self.listen.as_ref().map(Address::to_string);
        Flags { listen, ..self.config.flags() }
    }
}

/// The server's own words; another server on the path may have said something else.
fn health(answer: &ClientResponse) -> serde_json::Value {
    let said = serde_json::from_slice(&answer.body).ok();
    said.filter(serde_json::Value::is_object).unwrap_or_else(|| json!({ "status": "ok" }))
}

impl HealthcheckTarget {
    /// Asks the public listener even if there is an operations listener: clients need the public
    /// one, and a broken certificate must not pass for health.
    fn of(endpoint: PublicEndpoint) -> CliResult<Self> {
        let PublicEndpoint { listen, tls, proxy_protocol, path_prefix: prefix } = endpoint;
        let tcp = |address: SocketAddr| Destination {
            transport: transport_of(address, tls),
            prefix: prefix.clone(),
        };
        let destinations = match listen {
            Address::Tcp(address) => reachable(address).into_iter().map(tcp).collect(),
            Address::Name(name) => name.resolve()?.into_iter().map(tcp).collect(),
            Address::Unix(path) => vec![Destination { prefix, ..Destination::unix(path) }],
        };
        let connector = Connector::unverified()?.with_proxy_header(proxy_protocol);
        Ok(Self { destinations, connector })
    }

    async fn of_url(url: &str) -> CliResult<Self> {
        let Destination { transport, prefix } = Destination::parse(url)?;
        let connector = Connector::unverified()?;
        let destinations = match transport {
            ServerTransport::Tcp { host, port, tls } => {
                let addresses = resolve(&host, port).await?.into_iter();
                let destination = |address| Destination {
                    transport: transport_of(address, tls),
                    prefix: prefix.clone(),
                };
                addresses.map(destination).collect()
            }
            unix @ ServerTransport::Unix(_) => vec![Destination { transport: unix, prefix }],
        };
        Ok(Self { destinations, connector })
    }

    /// The server is well if one of its addresses says so.
    async fn check(&self, path: &str) -> CliResult<ClientResponse> {
        let mut failure = String::from("the host has no address");
        for destination in &self.destinations {
            match self.ask(destination, path).await {
                Ok(answer) if answer.status == 200 => return Ok(answer),
                Ok(answer) => {
                    let text: String = answer.text().chars().take(MAX_SHOWN).collect();
                    failure = format!("{destination} answers {} {text}", answer.status);
                }
                Err(error) => failure = error.at(destination),
            }
        }
        Err(CommandError::Failed(failure))
    }

    async fn ask(&self, to: &Destination, path: &str) -> Result<ClientResponse, ClientError> {
        let asked = async {
            let stream = self.connector.connect(to).await?;
            send_on(stream, to, ClientRequest::get(path), DEADLINE).await
        };
        timeout(DEADLINE, asked).await.map_err(|_| ClientError::Deadline(DEADLINE))?
    }
}

fn transport_of(address: SocketAddr, tls: bool) -> ServerTransport {
    ServerTransport::Tcp { host: address.ip().to_string(), port: address.port(), tls }
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
