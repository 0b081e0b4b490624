//! `sealcast selftest`

use super::{CliResult, say};
use crate::selftest::{CHECKS, run as run_checks};

pub fn run() -> CliResult<()> {
    for check in &CHECKS {
        say!("{}  {}", if check.holds() { "ok    " } else { "FAILED" }, check.name)?;
    }
    Ok(run_checks(&CHECKS)?)
}
