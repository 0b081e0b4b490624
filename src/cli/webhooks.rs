//! `sealcast webhooks`: the state of a running server's webhooks.

use clap::Subcommand;

use super::{
    CliResult, CommandError, OutputArgs,
    client::runtime::{block_on, naming},
    help,
    options::AppArgs,
    terminal::harmless,
    usage::number,
};
use crate::{
    observe::webhook::{
        DeliveryRecord, Discarded, EndpointReport, EndpointTestResult, Letter, LetterId,
        LetterSelector, ReplayReport, WebhookReport,
    },
    web::{Deliveries, Discard, TestResults},
};

#[derive(Subcommand)]
pub enum WebhooksCommand {
    /// Show an app's endpoints, their state and the dead letters
    #[command(after_help = help::after("webhooks.md", [
        "sealcast webhooks list --app 1001",
        "sealcast webhooks list --limit 500 --json",
    ]))]
    List(ListArgs),
    /// Show the latest requests to an app's endpoints and their results, the newest last
    #[command(after_help = help::after("webhooks.md", [
        "sealcast webhooks log --app 1001",
        "sealcast webhooks log --endpoint https://example.com/hook --json",
    ]))]
    Log(LogArgs),
    /// Send dead letters again; each stays in the file until it has arrived
    #[command(after_help = help::after("webhooks.md", [
        "sealcast webhooks replay --app 1001",
        "sealcast webhooks replay --app 1001 --id 17",
    ]))]
    Replay(ReplayArgs),
    /// Remove dead letters from the file
    #[command(after_help = help::after("webhooks.md", [
        "sealcast webhooks discard --app 1001 --before 2026-01-31T12:00:00Z",
        "sealcast webhooks discard --app 1001 --all",
    ]))]
    Discard(DiscardArgs),
    /// Send each endpoint a signed test webhook and show its answer
    #[command(after_help = help::after("webhooks.md", [
        "sealcast webhooks test --app 1001",
        "sealcast webhooks test --endpoint https://example.com/hook --json",
    ]))]
    Test(TestArgs),
}

#[derive(clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    target: AppArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Dead letters to show, the oldest first; at most 500
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = number::<usize>)]
    limit: usize,
}

#[derive(clap::Args)]
pub struct LogArgs {
    #[command(flatten)]
    target: AppArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Requests to show, at most 500; the server keeps 200 an endpoint
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = number::<usize>)]
    limit: usize,
    /// Those for this endpoint only, named as in `webhooks list`
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
}

#[derive(clap::Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    target: AppArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// This dead letter only, numbered as in `webhooks list`
    #[arg(long, value_parser = number::<u64>)]
    id: Option<u64>,
    /// Those for this endpoint only, named as in `webhooks list`
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
}

#[derive(clap::Args)]
pub struct DiscardArgs {
    #[command(flatten)]
    target: AppArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// All dead letters
    #[arg(long, conflicts_with_all = ["id", "endpoint", "before"])]
    all: bool,
    /// This dead letter only, numbered as in `webhooks list`
    #[arg(long, value_parser = number::<u64>)]
    id: Option<u64>,
    /// Those for this endpoint only, named as in `webhooks list`
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Those given up before this time only, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
}

#[derive(clap::Args)]
pub struct TestArgs {
    #[command(flatten)]
    target: AppArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// This endpoint only, named as in `webhooks list`
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
}

pub fn run(command: &WebhooksCommand) -> CliResult<()> {
    block_on(async {
        match command {
            WebhooksCommand::List(command) => list(command).await,
            WebhooksCommand::Log(command) => log(command).await,
            WebhooksCommand::Replay(command) => replay(command).await,
            WebhooksCommand::Discard(command) => discard(command).await,
            WebhooksCommand::Test(command) => test(command).await,
        }
    })
}

async fn list(command: &ListArgs) -> CliResult<()> {
    let server = command.target.client().await?;
    let report: WebhookReport = server.get(&format!("/webhooks?limit={}", command.limit)).await?;
    command.output.show(&report, table)
}

fn table(report: &WebhookReport) -> String {
    let mut text = format!(
        "{:>7}  {:>7}  {:>9}  {:>6}  {:>4}  ENDPOINT\n",
        "QUEUED", "IN FILE", "DELIVERED", "FAILED", "LOST"
    );
    for EndpointReport { endpoint, stats, dead_letters, failing } in &report.endpoints {
        text += &format!(
            "{:>7}  {:>7}  {:>9}  {:>6}  {:>4}  {endpoint}{}\n",
            stats.queued,
            dead_letters,
            stats.delivered,
            stats.failed_attempts,
            stats.lost,
            failing.as_ref().map_or_else(String::new, |reason| format!("  (failing: {reason})"))
        );
    }
    text += &format!("\n{} in the dead-letter file", report.dead_letters);
    let configured: u64 = report.endpoints.iter().map(|endpoint| endpoint.dead_letters).sum();
    match report.dead_letters.saturating_sub(configured) {
        0 => text += "\n",
        others => {
            text += &format!(", {others} of them for endpoints that are no longer configured\n")
        }
    }
    for Letter { id: LetterId(id), time, endpoint, reason, attempts, event } in &report.letters {
        let attempts = if *attempts == 1 { "1 attempt" } else { &format!("{attempts} attempts") };
        let event = harmless(event.get());
        text += &format!("{id}  {time}  {endpoint}  {attempts}: {reason}\n    {event}\n");
    }
    text
}

async fn log(command: &LogArgs) -> CliResult<()> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &command.limit.to_string());
    if let Some(endpoint) = &command.endpoint {
        query.append_pair("endpoint", endpoint);
    }
    let server = command.target.client().await?;
    let path = format!("/webhooks/log?{}", query.finish());
    let Deliveries { deliveries } = server.get(&path).await?;
    deliveries.iter().try_for_each(|delivery| command.output.show(delivery, line))
}

fn line(delivery: &DeliveryRecord) -> String {
    let DeliveryRecord { time, endpoint, attempt, milliseconds, events, named, error } = delivery;
    let outcome = error.as_deref().unwrap_or("taken");
    let more = match events.saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let named = named.join(", ");
    format!("{time}  {endpoint}  attempt {attempt}  {outcome} ({milliseconds} ms): {named}{more}\n")
}

async fn replay(command: &ReplayArgs) -> CliResult<()> {
    let which = LetterSelector { id: command.id.map(LetterId), endpoint: command.endpoint.clone() };
    let server = command.target.client().await?;
    let sentence = "letters may be on their way again: `sealcast webhooks list` shows the others";
    let replay = server.post("/webhooks/replay", &which);
    let replayed: ReplayReport = naming(sentence, replay).await?;
    let ReplayReport { queued, left, without_endpoint, outdated } = &replayed;
    let named = which.id.is_some() || which.endpoint.is_some();
    if named && [queued, left, without_endpoint, outdated].iter().all(|count| **count == 0) {
        return Err(CommandError::failed(format_args!(
            "nothing of that is in the dead-letter file, or it is on its way again: `sealcast webhooks list --app {}` shows what is there",
            server.app
        )));
    }
    command.output.show(&replayed, replayed_text)
}

fn replayed_text(replayed: &ReplayReport) -> String {
    let ReplayReport { queued, left, without_endpoint, outdated } = replayed;
    let mut text = format!("{queued} on their way again\n");
    if *left > 0 {
        text += &format!("{left} found no room now: do it again later\n");
    }
    if *without_endpoint > 0 {
        text += &format!("{without_endpoint} are for an endpoint that is no longer configured\n");
    }
    if *outdated > 0 {
        text += &format!(
            "{outdated} stay in the file: what they say of a channel or a member no longer holds\n"
        );
    }
    text
}

async fn discard(command: &DiscardArgs) -> CliResult<()> {
    let DiscardArgs { all, id, endpoint, before, .. } = command;
    if !all && id.is_none() && endpoint.is_none() && before.is_none() {
        return Err(CommandError::usage(
            "say which letters: --id, --endpoint or --before, or --all for everything",
        ));
    }
    if before.as_ref().is_some_and(|time| humantime::parse_rfc3339_weak(time).is_err()) {
        return Err(CommandError::usage("--before takes a time such as 2026-01-31T12:00:00Z"));
    }
    let DiscardArgs { target, output, all, id, endpoint, before } = command;
    let (id, endpoint, before) = (id.map(LetterId), endpoint.clone(), before.clone());
    let which = Discard { all: *all, id, endpoint, before };
    let server = target.client().await?;
    let sentence = "letters may have been discarded: `sealcast webhooks list` shows the others";
    let discard = server.post("/webhooks/discard", &which);
    let discarded: Discarded = naming(sentence, discard).await?;
    output.show(&discarded, |Discarded { discarded, under_way }| {
        let mut text = format!("{discarded} discarded\n");
        if *under_way > 0 {
            text +=
                &format!("{under_way} are on their way again and stay until they have arrived\n");
        }
        text
    })
}

async fn test(command: &TestArgs) -> CliResult<()> {
    let body = serde_json::json!({ "endpoint": command.endpoint });
    let server = command.target.client().await?;
    let sentence = "endpoints may still get the test: `sealcast webhooks log` shows what was sent";
    let test = server.post("/webhooks/test", &body);
    let TestResults { results } = naming(sentence, test).await?;
    let failed = results.iter().filter(|result| result.error.is_some()).count();
    for result in &results {
        command.output.show(result, |EndpointTestResult { endpoint, milliseconds, error }| {
            let outcome = error.as_deref().unwrap_or("taken");
            format!("{endpoint}: {outcome} ({milliseconds} ms)\n")
        })?;
    }
    match failed {
        0 => Ok(()),
        _ => {
            Err(CommandError::failed(format_args!("{failed} of {} did not take it", results.len())))
        }
    }
}
