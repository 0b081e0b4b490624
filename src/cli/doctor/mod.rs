//! `sealcast doctor`: looks at a server from outside, as a client and as a backend, and says why
//! they do not connect.
//!
//! `examination` runs the checks in the order of `finding::DoctorCheck`. The other modules look at
//! one thing each: they send, and a function without I/O judges what came. `front_proxy` knows the
//! lines that mend the configuration of a proxy.

mod address;
mod answer;
mod api;
mod auth;
mod clock;
mod dial;
mod events;
mod examination;
mod finding;
mod front_proxy;
mod handshake;
mod health;
mod idle;
mod network;
mod origin;
mod path;
mod print;
mod signer;
mod socket;
mod tls;

use std::{net::IpAddr, path::PathBuf};

use hyper::{Uri, header::HeaderValue};

use self::{
    examination::{DoctorSubject, Examination},
    finding::Judgement,
    print::FindingPrinter,
};
use super::{
    client::{
        auth_endpoint::HeaderArgs, connect::Destination, public::CredentialArgs, runtime::block_on,
    },
    exit::{CliResult, CommandError},
    output::OutputArgs,
};

#[derive(clap::Args)]
pub struct DoctorArgs {
    /// Address that clients use, with the path prefix if there is one
    #[arg(value_name = "URL")]
    url: String,
    /// Address that backends use, if it is another one
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// Connect to this address instead of those of the name; may be repeated
    #[arg(long, value_name = "IP")]
    address: Vec<IpAddr>,
    /// Certificates (PEM) to trust instead of the usual ones
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Origin of a page that should connect
    #[arg(long, value_name = "ORIGIN", value_parser = header_value)]
    origin: Option<HeaderValue>,
    /// Auth endpoint that clients ask
    #[arg(long, value_name = "URL")]
    auth: Option<String>,
    #[command(flatten)]
    headers: HeaderArgs,
    /// Channel to ask the auth endpoint for
    #[arg(long, value_name = "NAME", default_value = events::ENCRYPTED_CHANNEL, requires = "auth")]
    channel: String,
    /// Stay silent until the server pings as well, up to 150 seconds
    #[arg(long)]
    slow: bool,
    #[command(flatten)]
    credentials: CredentialArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(args: &DoctorArgs) -> CliResult<()> {
    let mut printer = FindingPrinter::new(args.output.json);
    let subject = args.subject()?;
    let place = subject.clients.to_string();
    let is_reached = block_on(Examination::new(subject, &mut printer)?.run())?;
    printer.finish()?;
    match (is_reached, printer.count(Judgement::Fail)) {
        (false, _) => Err(CommandError::unreachable(format_args!("nothing answers at {place}"))),
        (true, 0) => Ok(()),
        (true, 1) => Err(CommandError::failed("1 check failed")),
        (true, count) => Err(CommandError::failed(format_args!("{count} checks failed"))),
    }
}

impl DoctorArgs {
    /// What is to be looked at. Everything wrong in the arguments is found here.
    fn subject(&self) -> CliResult<DoctorSubject> {
        let app = match self.credentials.is_given() {
            true => Some(self.credentials.find()?),
            false => None,
        };
        // A backend's checks need both.
        if let Some(app) = &app {
            app.id()?;
            app.secret()?;
        }
        Ok(DoctorSubject {
            clients: Destination::parse(before_app(&self.url))?,
            api: self.api.as_deref().map(|url| Destination::parse(before_app(url))).transpose()?,
            addresses: self.address.clone(),
            ca_file: self.ca_file.clone(),
            app,
            origin: self.origin.clone(),
            auth: self.auth.as_deref().map(split_path).transpose()?,
            headers: self.headers.headers()?,
            channel: self.channel.clone(),
            is_slow: self.slow,
        })
    }
}

/// A client's whole address is taken as well: what begins with `/app` is cut off.
fn before_app(url: &str) -> &str {
    let end = ["/app/", "/apps/"].iter().filter_map(|part| url.find(part)).min();
    &url[..end.unwrap_or(url.len())]
}

/// The server of a URL, and the path with its query.
fn split_path(url: &str) -> CliResult<(Destination, String)> {
    let no_url = |_| CommandError::usage(format_args!("{url:?} is no URL of an auth endpoint"));
    let uri: Uri = url.parse().map_err(no_url)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let server = url.strip_suffix(path.as_str()).unwrap_or(url);
    Ok((Destination::parse(server)?, path))
}

fn header_value(text: &str) -> Result<HeaderValue, &'static str> {
    HeaderValue::from_str(text)
        .map_err(|_| "an origin is expected, such as https://shop.example.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_clients_are_cut_before_their_app() {
        for (url, server) in [
            ("wss://a.example/ws/app/key?protocol=7", "wss://a.example/ws"),
            ("https://a.example/apps/1001/events", "https://a.example"),
            ("https://app.example/ws", "https://app.example/ws"),
        ] {
            assert_eq!(before_app(url), server);
        }
    }

    #[test]
    fn the_path_of_an_auth_endpoint_keeps_its_query() {
        for (url, server, path) in [
            ("https://a.example/auth?x=/y", "https://a.example", "/auth?x=/y"),
            ("http://a.example:8000/auth/", "http://a.example:8000", "/auth/"),
            ("https://a.example", "https://a.example", "/"),
        ] {
            let (to, found) = split_path(url).expect(url);
            assert_eq!((to.to_string().as_str(), found.as_str()), (server, path));
        }
    }
}
