//! `sealcast selftest`

use super::Result;
use crate::selftest::{CHECKS, run as run_checks};

pub fn run() -> Result<()> {
    for check in &CHECKS {
        println!("{}  {}", if check.holds() { "ok    " } else { "FAILED" }, check.name);
    }
    Ok(run_checks(&CHECKS)?)
}
