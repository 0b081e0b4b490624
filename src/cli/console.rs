//! `sealcast console`: a one-time link to the console of the server on this machine.

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::json;

use super::{
    CliResult,
    client::{AdminClient, runtime::block_on},
    options::{CONFIG, SERVER},
    output::{OutputArgs, print_error},
    source,
};
use crate::{
    config::{Flags, path},
    web::ConsoleLink,
};

#[derive(clap::Args)]
pub struct ConsoleArgs {
    /// Print the link, and open no browser
    #[arg(long)]
    no_open: bool,
    /// Configuration file of the server
    #[arg(long, value_name = "FILE", env = CONFIG, value_parser = path(), help_heading = SERVER)]
    config: Option<PathBuf>,
    /// State directory of the server, with its command socket
    #[arg(long, value_name = "DIR", help_heading = SERVER)]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

#[cfg(target_os = "macos")]
const OPENER: &str = "open";
#[cfg(not(target_os = "macos"))]
const OPENER: &str = "xdg-open";

pub fn run(command: &ConsoleArgs) -> CliResult<()> {
    let (config, state_dir) = (command.config.clone(), command.state_dir.clone());
    let flags = Flags { config, state_dir, ..Flags::default() };
    let admin = AdminClient::of_state_dir(&source(&flags)?.state_dir()?)?;
    let link: ConsoleLink =
        block_on(async { admin.post("/admin/console/code", &json!({})).await })?;
    command.output.show(&link, |link| format!("{}\n", link.url))?;
    if !command.no_open && !command.output.json && has_display() {
        open(&link.url);
    }
    Ok(())
}

/// In a script or over SSH there is no browser to open.
fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal()
        && (cfg!(target_os = "macos") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"))
}

fn open(url: &str) {
    let mut opener = Command::new(OPENER);
    opener.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = opener.spawn() {
        print_error(format_args!("sealcast: {OPENER} opens no browser ({error}): open the link"));
    }
}
