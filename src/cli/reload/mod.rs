//! Reads the configuration again while the server runs, on SIGHUP and after a change of its files.
//! A valid configuration takes effect as a whole, except settings that need a restart; these are
//! named in the log. An invalid one changes nothing.

mod apply;
mod read;
mod watch;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};

pub use apply::{Reloader, RunningServer, StartupConfig};
pub use read::{LoadedConfig, read};
use watch::ConfigWatcher;
pub use watch::FileStamps;

use super::supervisor::Supervisor;
use crate::{
    engine::{Engine, facts::Fact},
    observe::audit::AuditFact,
};

/// Time between two checks of the files.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The cause of a reload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReloadCause {
    Signal,
    File,
    Operator,
}

impl ReloadCause {
    pub fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::File => "file",
            Self::Operator => "operator",
        }
    }
}

/// Runs as long as the server. Signals during a reload cause one more reload.
pub async fn watch_config(hangup: Arc<Notify>, mut reload: Reloader, supervisor: Supervisor) {
    let mut watch = ConfigWatcher::new(reload.files().clone());
    let mut ticks = interval(CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let control = reload.engine().clone();
    loop {
        let mut request = None;
        let cause = tokio::select! {
            () = hangup.notified() => ReloadCause::Signal,
            asked = control.control.next_reload() => {
                request = Some(asked);
                ReloadCause::Operator
            }
            _ = ticks.tick() => {
                if !reload.watches() {
                    continue;
                }
                // A disk may hang, and the runtime has signals to obey.
                let look = actix_rt::task::spawn_blocking(move || {
                    let changed = watch.check();
                    (watch, changed)
                });
                match look.await {
                    Ok((back, true)) => { watch = back; ReloadCause::File }
                    Ok((back, false)) => { watch = back; continue }
                    Err(_) => return give_up(reload.engine(), ReloadCause::File),
                }
            }
        };
        let engine = reload.engine().clone();
        supervisor.reloading();
        // A reload reads and writes files.
        let applied = actix_rt::task::spawn_blocking(move || {
            let outcome = reload.apply(cause);
            (reload, outcome)
        });
        let applied = applied.await;
        supervisor.reloaded();
        match applied {
            Ok((back, outcome)) => {
                reload = back;
                // The operator may have gone.
                request.map(|request| request.send(outcome));
            }
            Err(_) => return give_up(&engine, cause),
        }
        watch.note_read(reload.files().clone());
    }
}

const GIVEN_UP: &str = "reading the configuration again has failed, and is not tried any more: please report this as a fault of the server";

fn give_up(engine: &Engine, cause: ReloadCause) {
    engine.reloads.note_refused(GIVEN_UP.into());
    engine.note(Fact::Audited(AuditFact::ConfigRefused { by: cause.name() }));
    tracing::error!("{GIVEN_UP}");
}
