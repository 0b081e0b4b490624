//! The operator's console: pages in the binary, served on the operations listener. It has no power
//! of its own: its pages ask the admin API, with a session in the place of the token.

mod access;
mod api;
mod code;
mod files;
mod headers;
mod sampling;
mod series;
mod session;
mod sign_in;
mod socket;

use std::{sync::Arc, time::Instant};

use actix_web::{HttpRequest, Resource, dev::Service as _, web};
use parking_lot::Mutex;
use tokio::sync::watch;

pub use code::ConsoleLink;
pub use sampling::sample;

use crate::{
    domain::time::UnixSeconds,
    engine::{Engine, facts::Fact},
    observe::{audit::AuditFact, live::WatchEnd},
    platform::clock::unix_now,
    web::{
        context::worker::worker,
        http::methods::post,
        settings::{
            ReloadableSettings,
            console::{ConsoleAccess, ConsoleSettings, RevealPolicy},
            live_feed_access::LiveFeedAccess,
        },
    },
};
use files::CompressedFiles;
use series::Series;
use session::{Attempts, SessionEnd, SessionNumber, SessionTable, SessionView};

/// The console of one server, shared by all workers. Its locks are held for one look-up.
pub struct Console {
    origin: ConsoleOrigin,
    started: UnixSeconds,
    sessions: Mutex<SessionTable>,
    attempts: Mutex<Attempts>,
    series: Series,
    files: CompressedFiles,
    /// True at the end of the server.
    ends: watch::Sender<bool>,
}

/// The addresses of a server, as its console names them.
#[derive(Clone, Debug, Default)]
pub struct ConsoleOrigin {
    /// True with `--dev`.
    pub development: bool,
    /// The bound address for clients, with its scheme.
    pub clients: String,
    /// The bound address of the operations listener; `None` without one, and for a Unix socket.
    pub operations: Option<String>,
}

/// The routes on the operations listener. `document`: the resource of the OpenAPI document.
pub fn routes(config: &mut web::ServiceConfig, console: Arc<Console>, document: Resource) {
    config.app_data(console);
    let pages = web::scope("/console")
        .wrap_fn(|request, routes| {
            let answer = routes.call(request);
            async move { answer.await.map(headers::of_answer) }
        })
        .service(sign_in::resource())
        .configure(socket::routes)
        .configure(|config| api::routes(config, document))
        .configure(files::routes);
    config.service(pages);
}

/// The routes on the admin socket.
pub fn admin_routes(config: &mut web::ServiceConfig, console: Arc<Console>) {
    config.app_data(console).service(post(web::resource("/admin/console/code"), code::make));
}

impl Console {
    pub fn new(origin: ConsoleOrigin) -> Self {
        Self {
            origin,
            started: unix_now(),
            sessions: Mutex::default(),
            attempts: Mutex::default(),
            series: Series::default(),
            files: CompressedFiles::default(),
            ends: watch::Sender::new(false),
        }
    }

    fn of(request: &HttpRequest) -> &Arc<Self> {
        request.app_data().expect("each route has its console")
    }

    /// Drops the sessions that a reload ends: those of another token, and all when others may open
    /// the console than before. Ends reveals and live feeds when they are forbidden.
    pub fn settings_changed(
        &self,
        engine: &Engine,
        before: &ReloadableSettings,
        after: &ReloadableSettings,
    ) {
        if after.live_feed == LiveFeedAccess::Off {
            engine.live().end(WatchEnd::SwitchedOff);
        }
        if after.console.reveal == RevealPolicy::Never {
            engine.reveals.end_all();
        }
        let is_off = after.console.access == ConsoleAccess::Off;
        let has_same_access = before.console.access == after.console.access
            && before.console.behind_tls == after.console.behind_tls
            && before.ops_hosts == after.ops_hosts;
        let has_same_token = match (&before.admin_token, &after.admin_token) {
            (Some(before), Some(after)) => before.is_same(after),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let end = match () {
            () if is_off => SessionEnd::SwitchedOff,
            () if !has_same_access => SessionEnd::AccessChanged,
            () => SessionEnd::TokenChanged,
        };
        if is_off || !has_same_access || !has_same_token {
            let ended = self.sessions.lock().end_all(end);
            self.note_ended(engine, ended, end);
        }
    }

    /// Closes all sockets, once the connections of clients are closed.
    pub fn end(&self) {
        self.ends.send_replace(true);
    }

    fn server_ends(&self) -> watch::Receiver<bool> {
        self.ends.subscribe()
    }

    /// Notes a use over an open socket.
    fn touch(&self, number: SessionNumber) {
        self.sessions.lock().touch(number, Instant::now());
    }

    /// Called about once a second.
    fn expire(&self, engine: &Engine, now: Instant) {
        let ended = self.sessions.lock().expire(now);
        self.note_ended(engine, ended, SessionEnd::Expired);
    }

    fn note_ended(&self, engine: &Engine, ended: Vec<SessionNumber>, end: SessionEnd) {
        for number in ended {
            let (by, reason) = (name(number), end.name());
            engine.note(Fact::Audited(AuditFact::ConsoleSignedOut { by, reason }));
        }
    }

    /// The address of clients, where pages of the console try a client: with `--dev` alone.
    fn trial_address(&self, request: &HttpRequest) -> Option<String> {
        self.origin.development.then(|| self.clients(&worker(request).settings().console))
    }

    fn clients(&self, settings: &ConsoleSettings) -> String {
        settings.public_url.clone().unwrap_or_else(|| self.origin.clients.clone())
    }

    fn find_session(&self, request: &HttpRequest) -> Option<SessionView> {
        let now = Instant::now();
        let key = access::key(request.headers())?;
        let mut sessions = self.sessions.lock();
        access::cookies(request.headers()).find_map(|cookie| sessions.find(cookie, key, now))
    }
}

/// The name of a session in the audit log.
fn name(number: SessionNumber) -> Arc<str> {
    format!("console {number}").into()
}
