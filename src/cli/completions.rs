//! `sealcast completions` and `sealcast man`: made of the same definitions as the help.

use std::{fs, path::PathBuf};

use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::{CliResult, CommandError, help, print, print_error};

#[derive(clap::Args)]
pub struct CompletionsArgs {
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(clap::Args)]
pub struct ManArgs {
    /// Directory for a page of each command; without it, the page of sealcast is printed
    dir: Option<PathBuf>,
}

pub fn completions(args: &CompletionsArgs) -> CliResult<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut help::command(), "sealcast", &mut script);
    print(&String::from_utf8(script)?)
}

pub fn man(args: &ManArgs) -> CliResult<()> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        Man::new(help::command()).render(&mut page)?;
        return print(&String::from_utf8(page)?);
    };
    let written =
        fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(help::command(), dir));
    written.map_err(|error| {
        CommandError::failed(format_args!("cannot write the pages to {}: {error}", dir.display()))
    })?;
    print_error(format_args!("the pages are in {}: try `man {0}/sealcast.1`", dir.display()));
    Ok(())
}
