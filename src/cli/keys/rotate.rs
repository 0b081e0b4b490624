//! `sealcast keys rotate` and `sealcast keys revoke`

use serde::Serialize;
use serde_json::json;

use super::{list::time, progress, read_key};
use crate::{
    cli::{
        CliResult, CommandError,
        client::{
            AppClient,
            runtime::{block_on, naming},
        },
        options::AppArgs,
        output::OutputArgs,
        usage::number,
    },
    crypto::keytable::KeyState,
    web::{RevokeResponse, RotateResponse},
};

#[derive(clap::Args)]
pub struct RotateArgs {
    #[command(flatten)]
    target: AppArgs,
    #[command(flatten)]
    output: OutputArgs,
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
    // Parsed here: a file or a variable in the text is one of this machine.
    let key = command.key.as_deref().map(read_key).transpose()?.map(|key| key.to_text());
    let request = RotateRequestBody {
        key: key.as_ref().map(|text| text.as_str()),
        activate_in_seconds: command.activate_in.unwrap_or(0),
        grace_seconds: command.grace,
        force: command.force,
    };
    block_on(async {
        let server = command.target.client().await?;
        carry_out(command, &server, &request).await
    })
}

async fn carry_out(
    command: &RotateArgs,
    server: &AppClient,
    request: &RotateRequestBody<'_>,
) -> CliResult<()> {
    let begun = format!(
        "the server may have begun the rotation: `sealcast keys list --app {}` shows it",
        server.app
    );
    let rotated: RotateResponse = naming(begun, server.post("/keys/rotate", request)).await?;
    command.output.show(&rotated, text)?;
    if rotated.state == KeyState::Pending {
        return Ok(());
    }
    let id = &rotated.id;
    let goes_on = format!(
        "the rotation to {id} goes on in the server: `sealcast keys list --app {}` shows how far it is",
        server.app
    );
    if command.no_wait { Ok(()) } else { naming(goes_on, progress::follow(server)).await }
}

fn text(rotated: &RotateResponse) -> String {
    let RotateResponse { id, state, until, closed } = rotated;
    let mut text = match closed {
        0 => String::new(),
        closed => format!("{closed} subscriptions that had not moved were closed\n"),
    };
    text += &match (state, until) {
        (KeyState::Pending, Some(until)) => {
            format!("{id} is pending and becomes active at {}\n", time(*until))
        }
        (KeyState::Pending, None) => format!("{id} is pending and becomes active soon\n"),
        _ => format!("{id} is active\n"),
    };
    text
}

#[derive(clap::Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    target: AppArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Key id, as in `keys list`
    #[arg(value_name = "KEY")]
    id: String,
    /// Confirm: subscribers with this key are closed, or move at once
    #[arg(long)]
    now: bool,
}

pub fn revoke(command: &RevokeArgs) -> CliResult<()> {
    if !command.now {
        return Err(CommandError::usage(
            "a key is revoked at once, and subscribers with only this key are disconnected or moved at once: add --now to confirm",
        ));
    }
    if !command.id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(CommandError::usage(
            "a key id is 12 hex digits, as `sealcast keys list --app APP` shows them",
        ));
    }
    block_on(async {
        let server = command.target.client().await?;
        let path = format!("/keys/{}/revoke", command.id);
        let sentence = format!(
            "the server may have revoked the key: `sealcast keys list --app {}` shows it",
            server.app
        );
        let body = json!({});
        let revoked: RevokeResponse = naming(sentence, server.post(&path, &body)).await?;
        command.output.show(&revoked, |RevokeResponse { revoked, active }| {
            format!("{revoked} is forgotten, {active} is active\n")
        })
    })
}
