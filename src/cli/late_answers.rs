//! Turns on the test mode of debug builds in which channels open late (`hub::late_answers`).

use super::ServerResult;
use crate::{config::Environment, engine::Engine, hub::late_answers};

/// Holds the seed of the random order. It has no prefix of settings, since it is none.
const VARIABLE: &str = "LATE_ANSWERS_SEED";

pub fn begin(environment: &Environment, engine: &mut Engine) -> ServerResult<()> {
    let Some(seed) = environment.get(VARIABLE) else { return Ok(()) };
    let seed = seed.parse().map_err(|_| format!("{VARIABLE} is {seed:?}, and must be a number"))?;
    engine.opener = late_answers::start(engine.hub.clone(), seed)?;
    Ok(())
}
