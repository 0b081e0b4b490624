//! `sealcast keys rotate` and `sealcast keys revoke`

use serde::Serialize;
use zeroize::Zeroizing;

use super::{list::time, progress, read_key};
use crate::{
    cli::{CliResult, print, server::AppArgs, usage::number},
    crypto::keytable::KeyState,
    web::{RevokeResponse, RotateResponse},
};

#[derive(clap::Args)]
pub struct RotateArgs {
    #[command(flatten)]
    target: AppArgs,
    /// Next key, or - for standard input; by default the server makes one
    #[arg(long)]
    key: Option<String>,
    /// Seconds until the key is active; its envelopes are taken at once
    #[arg(long = "in", value_name = "SECONDS", value_parser = number::<u64>)]
    activate_in: Option<u64>,
    /// Grace period of the previous key, if not as configured
    #[arg(long, value_name = "SECONDS", value_parser = number::<u64>)]
    grace: Option<u64>,
    /// Close stragglers of the last rotation; their clients reconnect
    #[arg(long)]
    force: bool,
    /// Do not wait until all subscribers have moved
    #[arg(long)]
    no_wait: bool,
}

#[derive(Serialize)]
struct RotateRequestBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    activate_in_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    grace_seconds: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    force: bool,
}

pub fn rotate(command: &RotateArgs) -> CliResult<()> {
    let server = command.target.server()?;
    // Parsed here: a file or a variable in the text is one of this machine.
    let key = command.key.as_deref().map(read_key).transpose()?.map(|key| key.to_text());
    let request = RotateRequestBody {
        key: key.as_ref().map(|text| text.as_str()),
        activate_in_seconds: command.activate_in.unwrap_or(0),
        grace_seconds: command.grace,
        force: command.force,
    };
    let body = Zeroizing::new(serde_json::to_string(&request)?);
    let RotateResponse { id, state, until, closed } = server.post("/keys/rotate", &body)?;
    if closed > 0 {
        print(&format!("{closed} subscriptions that had not moved were closed\n"))?;
    }
    if state == KeyState::Pending {
        let at = until.map_or_else(|| "soon".into(), time);
        return Ok(print(&format!("{id} is pending and becomes active at {at}\n"))?);
    }
    print(&format!("{id} is active\n"))?;
    if command.no_wait { Ok(()) } else { progress::follow(&server) }
}

#[derive(clap::Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    target: AppArgs,
    /// Key id, as in `keys list`
    #[arg(value_name = "KEY")]
    id: String,
    /// Confirm: subscribers with this key are closed, or move at once
    #[arg(long)]
    now: bool,
}

pub fn revoke(command: &RevokeArgs) -> CliResult<()> {
    if !command.now {
        return Err("a key is revoked at once, and subscribers with only this key are disconnected or moved at once: add --now to confirm".into());
    }
    if !command.id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(
            "a key id is 12 hex digits, as `sealcast keys list --app APP` shows them".into()
        );
    }
    let server = command.target.server()?;
    let RevokeResponse { revoked, active } =
        server.post(&format!("/keys/{}/revoke", command.id), "{}")?;
    Ok(print(&format!("{revoked} is forgotten, {active} is active\n"))?)
}
