//! `sealcast keys list`

use std::time::{Duration, UNIX_EPOCH};

use crate::{
    cli::{
        CliResult,
        client::{AppClient, runtime::block_on},
        options::AppArgs,
        output::OutputArgs,
    },
    domain::time::UnixSeconds,
    engine::keys::key_report::KeyReport,
};

#[derive(clap::Args)]
pub struct KeyListArgs {
    #[command(flatten)]
    target: AppArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(command: &KeyListArgs) -> CliResult<()> {
    block_on(async {
        let report = report(&command.target.client().await?).await?;
        command.output.show(&report, table)
    })
}

pub async fn report(server: &AppClient) -> CliResult<KeyReport> {
    server.get("/keys").await
}

fn table(report: &KeyReport) -> String {
    let mut text =
        format!("{:12}  {:7}  {:20}  {:20}  SUBSCRIPTIONS\n", "KEY", "STATE", "SINCE", "UNTIL");
    for key in &report.keys {
        text += &format!(
            "{:12}  {:7}  {:20}  {:20}  {}\n",
            key.id.as_str(),
            key.state,
            time(key.since),
            key.until.map_or_else(String::new, time),
            key.subscriptions
        );
    }
    let rotation = &report.rotation;
    if rotation.in_progress {
        text += &format!("{} subscriptions have not moved yet\n", rotation.remaining);
    }
    if let Some(key) = &rotation.waiting {
        text += &format!("{key}, which the configuration names, is taken when they have\n");
    }
    text
}

pub fn time(seconds: UnixSeconds) -> String {
    let at = UNIX_EPOCH + Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(at).to_string()
}
