//! Fuzzing of the gate: each byte is a command, for either kind of client.

use super::model::{serial, sleeper};

/// The first byte selects the client. Each command is a byte, followed by another if it takes a
/// time.
pub fn rekey(bytes: &[u8]) {
    let Some((client, commands)) = bytes.split_first() else { return };
    let pairs = commands.chunks(2).map(|pair| (pair[0], u64::from(*pair.last().unwrap_or(&1))));
    let pairs = pairs.take(200);
    if client & 1 == 0 {
        sleeper::run(pairs.map(sleeper_step).collect());
    } else {
        serial::run(pairs.map(serial_step).collect());
    }
}

fn sleeper_step((command, argument): (u8, u64)) -> sleeper::SleeperStep {
    use sleeper::SleeperStep as Step;
    match command % 9 {
        0 => Step::Publish,
        1 => Step::Look(argument + 1),
        2 => Step::Begin,
        3 => Step::Read,
        4 => Step::Serve,
        5 => Step::Refuse,
        6 => Step::Reply,
        7 => Step::Turn,
        _ => Step::Wait(500 + argument * 20),
    }
}

fn serial_step((command, argument): (u8, u64)) -> serial::SerialStep {
    use serial::SerialStep as Step;
    match command % 8 {
        0 => Step::Publish,
        1 => Step::Look(argument * 2 + 1),
        2 => Step::Handle,
        3 => Step::Serve,
        4 => Step::Refuse,
        5 => Step::Lose,
        6 => Step::Turn,
        _ => Step::ForceRekey,
    }
}
