//! Keys of sealing apps, and the subscriptions served with them.

use std::fmt;

use super::page::{Page, SECONDS};
use crate::{
    crypto::keytable::KeyState,
    engine::{AppRuntime, keys::key_report::KeyReport},
    observe::audit::RevocationList,
    platform::clock::unix_now,
};

pub fn write(page: &mut Page<'_>, runtimes: &[&AppRuntime]) -> fmt::Result {
    let mut reports: Vec<KeyReport> =
        runtimes.iter().filter_map(|runtime| runtime.own_key_report().ok()).collect();
    // Retired keys stay in the list for ever.
    reports.iter_mut().for_each(|report| report.keys.retain(|key| key.state != KeyState::Retired));
    let mut infos = page.info("key", "Keys that are known, by their ids, and what they are")?;
    for KeyReport { app, keys, .. } in &reports {
        for key in keys {
            let state = key.state.to_string();
            infos.add(&[("app", app), ("key", key.id.as_str()), ("state", &state)])?;
        }
    }
    let mut ages = page.gauge_in(&SECONDS, "key_age", "How long a key has been what it is")?;
    let now = unix_now();
    for KeyReport { app, keys, .. } in &reports {
        for key in keys {
            let state = key.state.to_string();
            let labels = [("app", &**app), ("key", key.id.as_str()), ("state", &state)];
            ages.add(&labels, now.saturating_sub(key.since))?;
        }
    }
    let mut subscriptions =
        page.gauge("key_subscriptions", "Subscriptions that are served with a key")?;
    for KeyReport { app, keys, .. } in &reports {
        for key in keys {
            let state = key.state.to_string();
            let labels = [("app", &**app), ("key", key.id.as_str()), ("state", &state)];
            subscriptions.add(&labels, key.subscriptions)?;
        }
    }
    moves(page, &reports)?;
    let mut unwritten = page.gauge(
        "revocations_unwritten",
        "1 while a revocation is in force that a restart would undo",
    )?;
    for runtime in runtimes {
        for list in RevocationList::ALL {
            let labels = [("app", &*runtime.id), ("list", list.name())];
            unwritten.add(&labels, u32::from(runtime.is_unwritten(list)))?;
        }
    }
    Ok(())
}

fn moves(page: &mut Page<'_>, reports: &[KeyReport]) -> fmt::Result {
    let mut remaining = page.gauge(
        "rotation_remaining_subscriptions",
        "Subscriptions that have not moved to the active key yet",
    )?;
    for KeyReport { app, rotation, .. } in reports {
        remaining.add(&[("app", app)], rotation.remaining)?;
    }
    let mut moves =
        page.counter("rotation_moves", "Steps of subscriptions from one key to the next")?;
    for KeyReport { app, rotation, .. } in reports {
        let steps = rotation.moves;
        for (step, count) in [
            ("nudged", steps.nudges),
            ("reauthorized", steps.reauthorized),
            ("reverted", steps.reverted),
            ("closed", steps.closed),
        ] {
            moves.add(&[("app", app), ("step", step)], count)?;
        }
    }
    Ok(())
}
