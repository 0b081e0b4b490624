//! `sealcast serve`

use std::{io, path::Path, process::ExitCode, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::{
    ServerResult, banner, capacity,
    history::stores,
    log::{self, LogFilter},
    print_error,
    reload::{self, FileStamps, LoadedConfig, Reloader, RunningServer, StartupConfig, read},
    report,
    signals::{self, Signals},
    supervisor::Supervisor,
};
use crate::{
    app::AppRegistry,
    config::{Config, ConfigError, Environment, Flags, Source},
    crypto::secret::Salt,
    engine::{Engine, opening::StateFiles},
    hub::Hub,
    observe::{
        audit::{Audit, AuditFact},
        live::LiveBroadcaster,
        webhook::Runner,
    },
    platform::{
        address::Address,
        counting::Count,
        output::{OutputQueue, PanicForm, report_panics},
        state_dir::{ClaimError, StateDir},
        system,
        unix_socket::SocketFile,
    },
    selftest,
    web::{Console, ConsoleOrigin, Listeners, Settings, serve as serve_web},
};

/// Output goes through queues: nothing here blocks on standard output or error.
pub fn serve(flags: &Flags) -> ExitCode {
    match start_stderr() {
        Ok(stderr) => {
            let result = start(flags, &stderr);
            if let Err(error) = &result {
                report_end(&stderr, &**error);
            }
            // The last lines give the reason of the end.
            stderr.finish(OutputQueue::FINISH_TIMEOUT);
            if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            print_error(format_args!("sealcast: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// All faults of the configuration, or one sentence.
fn report_end(stderr: &OutputQueue, error: &(dyn std::error::Error + 'static)) {
    match error.downcast_ref::<ConfigError>() {
        Some(error) => {
            let list = error.list();
            stderr.push(format!("{list}sealcast: {}\n", list.summary()).as_bytes());
        }
        None => report(stderr, error),
    }
}

fn start_stderr() -> ServerResult<OutputQueue> {
    signals::block()?;
    let stream = OutputQueue::stream(io::stderr())?;
    let stderr = OutputQueue::start("log", stream, |dropped| {
        tracing::warn!(log.dropped = dropped, "log lines were dropped");
    })?;
    report_panics(stderr.clone(), PanicForm::Text);
    Ok(stderr)
}

fn start(flags: &Flags, stderr: &OutputQueue) -> ServerResult<()> {
    let mut signals = Signals::take(stderr.clone())?;
    let dumps_forbidden = forbid_dumps();
    let (environment, mut files) = (environment(flags, &mut signals)?, FileStamps::new());
    let salt = Salt::random()?;
    let LoadedConfig { config, hashes } = read(flags, &environment, None, salt, &mut files)?;
    let start = StartupConfig { flags: flags.clone(), environment, salt, hashes, files };
    // Kept until the end, to send the last spans.
    let (log, _traces) = log::begin(&config.log, stderr)?;
    if config.log.json {
        report_panics(stderr.clone(), PanicForm::Json);
    }
    if let Err(error) = dumps_forbidden {
        tracing::warn!(%error, "core dumps, which would contain keys, cannot be forbidden");
    }
    selftest::run(&selftest::CHECKS)?;
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    note_service_variables(&start.environment);
    let system = actix_rt::System::new();
    let log = OpenLog { filter: log, dropped: stderr.dropped() };
    let result = system.block_on(run(config, start, log, &signals));
    // Dropping the system would wait for blocking tasks, such as a reload on a slow disk.
    std::mem::forget(system);
    result
}

struct OpenLog {
    filter: LogFilter,
    dropped: Arc<Count>,
}

#[cfg(debug_assertions)]
use super::late_answers;
#[cfg(target_os = "linux")]
use super::process::{environment, forbid_dumps};

/// Other systems have no `/proc` that shows the environment, and their own rules for crashes.
#[cfg(not(target_os = "linux"))]
fn environment(_: &Flags, _: &mut Signals) -> ServerResult<Environment> {
    Ok(Environment::of_process())
}

#[cfg(not(target_os = "linux"))]
fn forbid_dumps() -> std::io::Result<()> {
    Ok(())
}

/// Kubernetes sets them for each service with a name like the prefix of settings.
fn note_service_variables(environment: &Environment) {
    let names = environment.service_variables();
    if !names.is_empty() {
        let names = names.join(" ");
        tracing::debug!(config.passed_over = names, "variables of services are no settings");
    }
}

async fn run(
    config: Config,
    start: StartupConfig,
    log: OpenLog,
    signals: &Signals,
) -> ServerResult<()> {
    // From here on there is work to finish at the end.
    signals.serving();
    // Dropped last, so that the facts of the shutdown are written.
    let live = Arc::new(LiveBroadcaster::default());
    let (audit, _recorder) = Audit::begin(config.audit_file.as_deref())?;
    let audit = audit.with_feed(live.clone());
    let capacity = capacity::measure(config.memory_limit)?;
    let mut listeners = Listeners::bind(&config.addresses)?;
    // Held until the end of the server.
    let state_dir = claim(&config.state_dir)?;
    let _socket_file = state_dir.as_ref().and_then(|dir| open_admin(dir, &mut listeners));
    audit.note(AuditFact::ServerStarted {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        listen: first(&listeners)?,
    });
    let source = Source::new(&start.flags, start.environment.clone());
    let console = Arc::new(Console::new(console_origin(&listeners, &config, &start.flags)?));
    let announcement = announcement(&listeners, &config, (&source, &start.flags), &console)?;
    let hub = Hub::new(config.workers, config.mailbox_bytes, config.turns_per_second);
    hub.cache.set_limit(config.cache_bytes);
    hub.history.set_limit(config.history.bytes);
    let claimed = state_dir.is_some().then_some(&*config.state_dir);
    let (stores, logs) = stores::open(&config.apps, config.history, claimed, &hub.log_numbers)?;
    let mut engine = Engine::new(hub, AppRegistry::new()).with_receivers(audit.clone(), live);
    engine.history = stores;
    engine.capacity = capacity;
    engine.log_lines_dropped = log.dropped;
    let node = config.cluster.map(|settings| engine.prepare_node(settings));
    #[cfg(debug_assertions)]
    late_answers::begin(&start.environment, &mut engine)?;
    let engine = Arc::new(engine);
    let volatile = system::volatile_filesystem(&config.state_dir);
    let files = StateFiles { dir: &config.state_dir, claimed: state_dir.is_some(), volatile };
    let undelivered = engine.begin(config.apps, files)?;
    engine.restore_logs(logs);
    let node = node.map(|node| node.start(&engine)).transpose()?;
    // The announcement comes after everything that can fail: a reader may connect at once.
    announce(&announcement)?;
    let webhooks = Arc::new(Runner::default());
    if !undelivered.is_empty() {
        webhooks.start()?;
    }
    undelivered.into_iter().for_each(|told| webhooks.adopt(told));
    let Settings { start: start_settings, reloadable } = config.settings;
    let settings = Arc::new(ArcSwap::from_pointee(reloadable));
    let live = RunningServer {
        engine: engine.clone(),
        settings: settings.clone(),
        console: console.clone(),
        identity: config.tls.clone(),
        webhooks: webhooks.clone(),
        log: log.filter,
        claimed: state_dir.is_some(),
        volatile,
        state_dir: config.state_dir,
        watch: config.watch,
    };
    let supervisor = Supervisor::begin(&engine)?;
    let reloader = Reloader::new(start, live);
    actix_rt::spawn(reload::watch_config(signals.hangup(), reloader, supervisor.clone()));
    let (ending, terminate) = (engine.clone(), signals.terminator());
    let control = engine.clone();
    actix_rt::spawn(async move {
        control.control.drain_requested().await;
        terminate();
    });
    let stop = stop_told(signals.stop(), supervisor);
    let settings = (start_settings, settings);
    let served = serve_web(listeners, engine, settings, config.tls, console, stop).await;
    // All connections are closed, and their webhooks are queued.
    webhooks.finish();
    // Last, so that Redis knows what was delivered.
    node.into_iter().for_each(|node| node.leave(&ending));
    ending.write_pending_at_shutdown();
    ending.history.journal.finish();
    let reason = if served.is_ok() { "signal" } else { "error" };
    audit.note(AuditFact::ServerStopped { reason });
    Ok(served?)
}

/// The signal to stop, once systemd has been told of it. A slow systemd delays it a moment.
fn stop_told(signalled: Arc<Notify>, supervisor: Supervisor) -> Arc<Notify> {
    let stop = Arc::new(Notify::new());
    let told = stop.clone();
    actix_rt::spawn(async move {
        signalled.notified().await;
        let stopping = actix_rt::task::spawn_blocking(move || supervisor.stopping());
        if stopping.await.is_err() {
            tracing::warn!("systemd was not told that the server stops");
        }
        told.notify_one();
    });
    stop
}

/// A server without a state directory runs, but cannot change its keys.
fn claim(path: &Path) -> ServerResult<Option<StateDir>> {
    match StateDir::claim(path) {
        Ok(directory) => Ok(Some(directory)),
        Err(error @ (ClaimError::InUse(_) | ClaimError::Refused { .. })) => Err(error.into()),
        Err(error @ ClaimError::Unusable { .. }) => {
            tracing::warn!(%error, "keys cannot be changed while the server runs");
            Ok(None)
        }
    }
}

fn open_admin(directory: &StateDir, listeners: &mut Listeners) -> Option<SocketFile> {
    match directory.admin_socket() {
        Ok((listener, file)) => {
            listeners.admin = Some(listener);
            Some(file)
        }
        Err(error) => {
            tracing::warn!(%error, "there is no admin socket in the state directory: commands such as `sealcast keys list --app APP` reach this server by admin_token alone");
            None
        }
    }
}

/// The first address of the public listener.
fn first(listeners: &Listeners) -> ServerResult<Address> {
    let first = listeners.public()?.into_iter().next();
    Ok(first.expect("a listener that is bound has an address"))
}

fn console_origin(
    listeners: &Listeners,
    config: &Config,
    flags: &Flags,
) -> ServerResult<ConsoleOrigin> {
    let is_tcp = |address: &&Address| !address.is_unix();
    Ok(ConsoleOrigin {
        development: flags.dev,
        clients: first(listeners)?.reachable().url(config.tls.is_some()),
        operations: listeners
            .operations()?
            .iter()
            .find(is_tcp)
            .map(|address| address.reachable().url(false)),
    })
}

/// The addresses with their real ports, for supervisors and tests.
fn announcement(
    listeners: &Listeners,
    config: &Config,
    (source, flags): (&Source, &Flags),
    console: &Console,
) -> ServerResult<String> {
    let mut text = String::new();
    for address in listeners.public()? {
        text += &format!("listening on {}\n", address.url(config.tls.is_some()));
    }
    for address in listeners.api()? {
        text += &format!("API on {}\n", address.url(false));
    }
    for address in listeners.operations()? {
        text += &format!("operations on {}\n", address.url(false));
    }
    if flags.dev {
        let (public, api) = (first(listeners)?, listeners.api()?);
        text += &banner::banner(config, (source, flags), &public, api.first());
        text += &banner::console(config, listeners.operations_failure.as_ref(), console);
    }
    Ok(text)
}

fn announce(announcement: &str) -> ServerResult<()> {
    let stdout = OutputQueue::start("stdout", OutputQueue::stream(io::stdout())?, |_| {})?;
    stdout.push(announcement.as_bytes());
    // Nothing else is written to standard output.
    stdout.close();
    Ok(())
}
