//! Metrics of authorization: grants and refusals.

use std::fmt;

use super::page::Page;
use crate::{
    engine::{AppRuntime, Engine, counts::ALLOWED},
    platform::counting::LabelledCounter,
};

pub fn write(page: &mut Page<'_>, engine: &Engine, runtimes: &[&AppRuntime]) -> fmt::Result {
    let mut auth =
        page.counter("auth", "Answers of the auth endpoints, by the code of the refusal")?;
    let known = runtimes.iter().map(|runtime| {
        let counts = &runtime.counts;
        (&*runtime.id, &counts.channel_auth, &counts.user_auth)
    });
    let unknown = ("", &engine.counts.channel_auth, &engine.counts.user_auth);
    for (app, channel, user) in known.chain([unknown]) {
        for (endpoint, answers) in [("channel", channel), ("user", user)] {
            for (answer, count) in answers
                .iter()
                .filter(|(answer, count)| *count > 0 || (*answer == ALLOWED && !app.is_empty()))
            {
                let (outcome, code) =
                    if answer == ALLOWED { (ALLOWED, "") } else { ("denied", answer) };
                let labels =
                    [("app", app), ("endpoint", endpoint), ("outcome", outcome), ("code", code)];
                auth.add(&labels, count)?;
            }
        }
    }
    let mut subscriptions =
        page.counter("subscriptions_refused", "Subscriptions that were refused on the socket")?;
    for AppRuntime { id, counts, .. } in runtimes {
        for (code, count) in nonzero(&counts.subscriptions_refused) {
            subscriptions.add(&[("app", id), ("code", code)], count)?;
        }
    }
    let mut sign_ins =
        page.counter("signins_refused", "Sign-ins that were refused on the socket")?;
    for AppRuntime { id, counts, .. } in runtimes {
        for (code, count) in nonzero(&counts.sign_ins_refused) {
            sign_ins.add(&[("app", id), ("code", code)], count)?;
        }
    }
    let mut limited = page.counter(
        "rate_limited",
        "What was refused because it came too often, by the setting that says how often it may",
    )?;
    for AppRuntime { id, counts, .. } in runtimes {
        for (limit, count) in counts.limited.iter() {
            limited.add(&[("app", id), ("limit", limit)], count)?;
        }
    }
    let wrong = engine.counts.wrong_signatures.get();
    limited.add(&[("app", ""), ("limit", "wrong_signatures")], wrong)
}

/// There are many codes, of which few ever occur.
fn nonzero(counter: &LabelledCounter) -> impl Iterator<Item = (&'static str, u64)> {
    counter.iter().filter(|(_, count)| *count > 0)
}
