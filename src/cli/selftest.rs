//! `sealcast selftest`

use serde::Serialize;

use super::{CliResult, OutputArgs};
use crate::selftest::{CHECKS, run as run_checks};

#[derive(Serialize)]
struct CheckLine {
    name: &'static str,
    ok: bool,
}

pub fn run(output: OutputArgs) -> CliResult<()> {
    for check in &CHECKS {
        let line = CheckLine { name: check.name, ok: check.holds() };
        output.show(&line, |CheckLine { name, ok }| {
            format!("{}  {name}\n", if *ok { "ok    " } else { "FAILED" })
        })?;
    }
    Ok(run_checks(&CHECKS)?)
}
