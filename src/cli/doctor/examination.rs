//! The checks in their order. Each is reported at once, also where an earlier one leaves it nothing
//! to look at.

use std::{net::IpAddr, path::PathBuf};

use hyper::header::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use super::{
    api::ApiProbe,
    auth::{AuthContext, AuthProbe, CorsQuestion},
    dial::{Dialer, NetworkPlace},
    events::{self, EventProbe},
    finding::{DoctorCheck, Finding, Remedy},
    front_proxy::FrontProxy,
    handshake::{HandshakeContext, HandshakeFindings},
    health::{ServerState, ask_health},
    idle::stay_silent,
    network::{connect_to_each, find_addresses},
    origin::OriginContext,
    print::FindingPrinter,
    signer::RequestSigner,
    socket::{ProbeSocket, SocketOpening},
    tls::{TlsClients, TlsTrust},
};
use crate::{
    cli::{
        client::{connect::Destination, public::AppCredentials},
        exit::{CliResult, CommandError},
    },
    observe::explain::EndpointAnswer,
};

/// What is to be looked at.
pub struct DoctorSubject {
    pub clients: Destination,
    /// `None` if backends use the same address.
    pub api: Option<Destination>,
    /// In place of those of the name.
    pub addresses: Vec<IpAddr>,
    pub ca_file: Option<PathBuf>,
    pub app: Option<AppCredentials>,
    pub origin: Option<HeaderValue>,
    /// An auth endpoint: its server, and the path.
    pub auth: Option<(Destination, String)>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub channel: String,
    pub is_slow: bool,
}

pub struct Examination<'a> {
    subject: DoctorSubject,
    tls: TlsClients,
    printer: &'a mut FindingPrinter,
    proxy: FrontProxy,
}

/// A server that answers on the network.
struct Reached {
    clients: Dialer,
    trust: TlsTrust,
}

/// A backend's way to the server, with a signature that is accepted.
struct SignedBackend {
    api: Dialer,
    signer: RequestSigner,
}

const NO_APP: &str = "no app is named: --config FILE, or --app, --key and --secret-file";
const NO_SOCKET: &str = "there is no connection";
const NO_EVENTS: &str = "it needs a connection and an accepted signature";

impl<'a> Examination<'a> {
    pub fn new(subject: DoctorSubject, printer: &'a mut FindingPrinter) -> CliResult<Self> {
        let tls = TlsClients::new(subject.ca_file.as_deref()).map_err(CommandError::failed)?;
        Ok(Self { subject, tls, printer, proxy: FrontProxy::default() })
    }

    /// False if nothing answers on the network.
    pub async fn run(mut self) -> CliResult<bool> {
        let Some(reached) = self.reach().await? else { return Ok(false) };
        if reached.trust == TlsTrust::Broken {
            self.skip_from(DoctorCheck::Health, "there is no TLS connection")?;
            return Ok(true);
        }
        if self.health(&reached).await? == ServerState::Absent {
            self.skip_from(DoctorCheck::Upgrade, "the server does not answer")?;
            return Ok(true);
        }
        let mut socket = self.handshake(&reached).await?;
        let backend = self.api(&reached).await?;
        self.origin(&reached, backend.as_ref(), socket.is_some()).await?;
        let signer = backend.as_ref().map(|backend| &backend.signer);
        let answer = self.auth(socket.as_deref(), signer).await?;
        let came_back =
            self.events(&reached, backend.as_ref(), socket.as_deref_mut(), answer).await?;
        // It would have to answer pings meanwhile.
        let has_socket = socket.take().is_some();
        self.idle(&reached, has_socket).await?;
        match (backend.filter(|_| has_socket), came_back) {
            (Some(backend), true) => self.frame(&reached, &backend).await?,
            (Some(_), false) => self.skip(DoctorCheck::Frame, "no small event came back either")?,
            (None, _) => self.skip(DoctorCheck::Frame, NO_EVENTS)?,
        }
        Ok(true)
    }

    fn print(&mut self, finding: &Finding) -> CliResult<()> {
        self.printer.print(finding)
    }

    fn skip(&mut self, check: DoctorCheck, why: &str) -> CliResult<()> {
        self.print(&check.skip(why))
    }

    fn skip_from(&mut self, first: DoctorCheck, why: &str) -> CliResult<()> {
        let mut rest = DoctorCheck::ALL.into_iter().skip(first.number() - 1);
        rest.try_for_each(|check| self.skip(check, why))
    }

    /// Checks 1 to 3. `None` if nothing answers.
    async fn reach(&mut self) -> CliResult<Option<Reached>> {
        let to = self.subject.clients.clone();
        let place = network_place(&to)?;
        let (finding, addresses) = find_addresses(&place, &self.subject.addresses).await;
        self.print(&finding)?;
        if addresses.is_empty() {
            self.skip_from(DoctorCheck::Tcp, "the name has no address")?;
            return Ok(None);
        }
        let (finding, answering) = connect_to_each(&addresses).await;
        self.print(&finding)?;
        let Some(address) = answering.first().copied() else {
            self.skip_from(DoctorCheck::Tls, "no address answers")?;
            return Ok(None);
        };
        let (finding, trust) = match place.tls {
            true => self.tls.examine(&place, address).await,
            false => (DoctorCheck::Tls.skip("the address is one without TLS"), TlsTrust::Proved),
        };
        self.print(&finding)?;
        let config = match trust {
            TlsTrust::Proved => &self.tls.verifying,
            TlsTrust::Unproved | TlsTrust::Broken => &self.tls.trusting,
        };
        Ok(Some(Reached { clients: Dialer::new(to, place, address, config.clone()), trust }))
    }

    async fn health(&mut self, reached: &Reached) -> CliResult<ServerState> {
        let (finding, state, proxy) = ask_health(&reached.clients).await;
        self.proxy = proxy.or(self.proxy);
        self.print(&finding)?;
        Ok(state)
    }

    async fn handshake(&mut self, reached: &Reached) -> CliResult<Option<Box<ProbeSocket>>> {
        let Some(app) = &self.subject.app else {
            self.skip(DoctorCheck::Upgrade, NO_APP)?;
            self.skip(DoctorCheck::Handshake, NO_APP)?;
            return Ok(None);
        };
        let opening = ProbeSocket::open(&reached.clients, &app.key, None).await;
        let prefix = &reached.clients.to.prefix;
        let context = HandshakeContext { prefix, key: &app.key, proxy: self.proxy };
        let HandshakeFindings { upgrade, handshake, socket } = context.judge(opening);
        self.print(&upgrade)?;
        self.print(&handshake)?;
        Ok(socket)
    }

    /// Checks 7 to 11.
    async fn api(&mut self, reached: &Reached) -> CliResult<Option<SignedBackend>> {
        let api = match self.backend_dialer(reached).await {
            Ok(api) => api,
            Err(finding) => {
                let why = "the API is not reached";
                let why = if finding.message == NO_APP { NO_APP } else { why };
                self.print(&finding)?;
                let mut rest = DoctorCheck::ALL.into_iter().skip(DoctorCheck::Api.number()).take(4);
                rest.try_for_each(|check| self.skip(check, why))?;
                return Ok(None);
            }
        };
        let Some(app) = &self.subject.app else { return Ok(None) };
        let secret = app.secret()?.expose_secret();
        let mut signer = RequestSigner::new(app.id()?, &app.key, secret, &api.to.prefix);
        let probe = ApiProbe { dialer: &api, proxy: self.proxy };
        let outcome = probe.examine(&mut signer).await;
        outcome.findings.iter().try_for_each(|finding| self.print(finding))?;
        Ok(outcome.is_accepted.then_some(SignedBackend { api, signer }))
    }

    /// Nothing signed goes to a server that has not proved its name.
    async fn backend_dialer(&self, reached: &Reached) -> Result<Dialer, Finding> {
        let check = DoctorCheck::Api;
        if self.subject.app.is_none() {
            return Err(check.skip(NO_APP));
        }
        match &self.subject.api {
            Some(to) => {
                let place = network_place(to).map_err(|e| check.fail(e.to_string(), Vec::new()))?;
                let found = Dialer::find(to.clone(), place, self.tls.verifying.clone()).await;
                found.map_err(|error| check.fail(error.to_string(), Vec::new()))
            }
            None if reached.trust == TlsTrust::Proved => Ok(reached.clients.clone()),
            None => {
                Err(check
                    .skip("nothing signed is sent to a server without a proved name: see check 3"))
            }
        }
    }

    async fn origin(
        &mut self,
        reached: &Reached,
        backend: Option<&SignedBackend>,
        has_socket: bool,
    ) -> CliResult<()> {
        let check = DoctorCheck::Origin;
        let Some(origin) = self.subject.origin.clone() else {
            return self.skip(check, "no --origin is given");
        };
        let Some(app) = self.subject.app.as_ref().filter(|_| has_socket) else {
            return self.skip(check, NO_SOCKET);
        };
        // The answer of another listener would say nothing about this one.
        let seen = match backend.filter(|_| self.subject.api.is_none()) {
            Some(SignedBackend { api, signer }) => {
                ApiProbe { dialer: api, proxy: self.proxy }.origin_seen(signer, &origin).await
            }
            None => None,
        };
        let opening = ProbeSocket::open(&reached.clients, &app.key, Some(&origin)).await;
        let context = OriginContext {
            origin: origin.to_str().unwrap_or_default(),
            app: app.id().unwrap_or("ID"),
            listed: &app.origins,
            seen,
            proxy: self.proxy,
        };
        let finding = context.judge(&opening);
        self.print(&finding)
    }

    /// The answer if it is for the channel of `events`.
    async fn auth(
        &mut self,
        socket: Option<&ProbeSocket>,
        signer: Option<&RequestSigner>,
    ) -> CliResult<Option<EndpointAnswer>> {
        let check = DoctorCheck::Auth;
        let Some((to, path)) = self.subject.auth.clone() else {
            self.skip(check, "no --auth is given")?;
            return Ok(None);
        };
        let Some(socket) = socket else {
            self.skip(check, NO_SOCKET)?;
            return Ok(None);
        };
        let place = network_place(&to)?;
        let dialer = match Dialer::find(to, place, self.tls.verifying.clone()).await {
            Ok(dialer) => dialer,
            Err(error) => {
                let remedy = Remedy::advice("correct the address, or start the application");
                self.print(&check.fail(error.to_string(), vec![remedy]))?;
                return Ok(None);
            }
        };
        let (headers, origin) = (self.subject.headers.clone(), self.subject.origin.clone());
        let probe = AuthProbe { dialer, path, headers, origin };
        let channel = &self.subject.channel;
        let context = AuthContext { channel, socket_id: &socket.id, signer };
        let (finding, answer) = match probe.ask(&socket.id, channel).await {
            Err((_, fault)) => (context.judge_fault(&fault), None),
            Ok((answer, granted)) => {
                match missing_permission(&probe, &answer.response.headers).await {
                    Some(missing) => (context.judge_permission(&missing), None),
                    None => (context.judge_answer(&granted), Some(granted)),
                }
            }
        };
        self.print(&finding)?;
        Ok(answer.filter(|_| self.subject.channel == events::ENCRYPTED_CHANNEL))
    }

    /// True if an event came back.
    async fn events(
        &mut self,
        reached: &Reached,
        backend: Option<&SignedBackend>,
        socket: Option<&mut ProbeSocket>,
        answer: Option<EndpointAnswer>,
    ) -> CliResult<bool> {
        let check = DoctorCheck::Events;
        let (Some(SignedBackend { api, signer }), Some(socket)) = (backend, socket) else {
            self.skip(check, NO_EVENTS)?;
            return Ok(false);
        };
        let answer = match answer {
            Some(answer) => Ok(answer),
            None => events::authorize_by_server(api, &reached.clients, signer, &socket.id).await,
        };
        let mut probe = EventProbe { api, signer, socket, proxy: self.proxy };
        let (finding, came_back) = match probe.plain().await {
            Ok(time) => (probe.judge_encrypted(time, answer).await, true),
            Err(fault) => (fault.judge(check, "an event"), false),
        };
        self.print(&finding)?;
        Ok(came_back)
    }

    async fn idle(&mut self, reached: &Reached, has_socket: bool) -> CliResult<()> {
        let check = DoctorCheck::Idle;
        let Some(app) = self.subject.app.as_ref().filter(|_| has_socket) else {
            return self.skip(check, NO_SOCKET);
        };
        if !self.subject.is_slow {
            return self.skip(check, "--slow is not given: it takes up to 150 s");
        }
        let finding = match ProbeSocket::open(&reached.clients, &app.key, None).await {
            SocketOpening::Open(socket) => stay_silent(socket, self.proxy).await,
            _ => check.fail("a second connection was refused", Vec::new()),
        };
        self.print(&finding)
    }

    async fn frame(&mut self, reached: &Reached, backend: &SignedBackend) -> CliResult<()> {
        let (check, SignedBackend { api, signer }) = (DoctorCheck::Frame, backend);
        let opening = ProbeSocket::open_like_a_browser(&reached.clients, &signer.key).await;
        let finding = match opening {
            SocketOpening::Open(mut socket) => {
                EventProbe { api, signer, socket: &mut socket, proxy: self.proxy }.large().await
            }
            _ => check.fail(NOT_AS_A_BROWSER, vec![Remedy::advice(EXTENSIONS)]),
        };
        self.print(&finding)
    }
}

const NOT_AS_A_BROWSER: &str =
    "a handshake with Sec-WebSocket-Extensions, as browsers send it, is refused";
const EXTENSIONS: &str = "let the proxy pass the header on";

fn network_place(to: &Destination) -> CliResult<NetworkPlace> {
    NetworkPlace::of(to).ok_or_else(|| CommandError::usage("an address on the network is expected"))
}

/// The line that a browser misses, if the page and the endpoint have different origins.
async fn missing_permission(probe: &AuthProbe, answer: &hyper::HeaderMap) -> Option<String> {
    let origin = probe.origin.as_ref().filter(|origin| *origin != &probe.dialer.to.to_string())?;
    let question = CorsQuestion::new(origin, &probe.headers);
    if question.needs_preflight() {
        return match probe.preflight(&question).await {
            Ok(answer) => {
                let missing =
                    question.missing_in_preflight(answer.status(), &answer.response.headers);
                missing.or_else(|| question.missing(&answer.response.headers))
            }
            Err(error) => Some(format!("an answer to OPTIONS ({error})")),
        };
    }
    question.missing(answer)
}
