//! A test mode of debug builds: every channel opens late, and channels open in random order. So the
//! tests see sessions wait, although all state is on this node.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Hub,
    channel_opener::{ChannelOpener, WaitingSubscription},
    mailbox::WorkerCommand,
    rekey::rekey_scheduler::Rng,
};

/// The longest delay of an answer.
const MAX_DELAY: Duration = Duration::from_millis(25);

/// Starts the thread that answers. It ends with the opener.
pub fn start(hub: Arc<Hub>, seed: u64) -> io::Result<ChannelOpener> {
    let (sender, waiting) = channel();
    let name = "late-answers".to_owned();
    thread::Builder::new().name(name).spawn(move || answer_all(&waiting, &hub, seed))?;
    Ok(ChannelOpener::Late(sender))
}

fn answer_all(waiting: &Receiver<WaitingSubscription>, hub: &Hub, seed: u64) {
    let mut rng = Rng::seeded(seed);
    // By due time and number.
    let mut answers = BTreeMap::new();
    for number in 0_u64.. {
        match next(waiting, answers.first_key_value().map(|((due, _), _)| *due)) {
            Ok(subscription) => {
                let due = Instant::now() + MAX_DELAY.mul_f64(rng.fraction());
                answers.insert((due, number), subscription);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        while let Some(answer) = answers.first_entry().filter(|answer| answer.key().0 <= now) {
            let subscription: WaitingSubscription = answer.remove();
            hub.post_to(subscription.socket, WorkerCommand::Opened(subscription));
        }
    }
}

/// Waits for a subscription, at most until an answer is due.
fn next(
    waiting: &Receiver<WaitingSubscription>,
    due: Option<Instant>,
) -> Result<WaitingSubscription, RecvTimeoutError> {
    match due {
        Some(due) => waiting.recv_timeout(due.saturating_duration_since(Instant::now())),
        None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
    }
}
