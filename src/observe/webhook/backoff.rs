//! Delay before a failed attempt is retried.

use std::time::Duration;

const FIRST_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Doubles each time, at random between half and all of it, so that a recovering receiver is not
/// hit by all senders at once. `left`: the time until the batch is given up. The last attempt
/// happens then, and none after it.
pub fn before_next(attempts: u32, left: Duration, chance: u8) -> Option<Duration> {
    if left.is_zero() {
        return None;
    }
    let doubled =
        FIRST_DELAY.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(MAX_DELAY);
    let wait = doubled / 2 + doubled / 2 * u32::from(chance) / u32::from(u8::MAX);
    Some(wait.min(left))
}

/// Without randomness all wait the full delay.
pub fn chance() -> u8 {
    let mut byte = [u8::MAX];
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_back_off_and_the_last_is_at_the_deadline() {
        let day = Duration::from_secs(86_400);
        let longest: Vec<u64> =
            (1..9).map(|n| before_next(n, day, 255).unwrap().as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(before_next(3, day, 0), Some(Duration::from_secs(2)));
        assert_eq!(before_next(u32::MAX, day, 255), Some(MAX_DELAY));
        let left = Duration::from_millis(10);
        assert_eq!(before_next(1, left, 0), Some(left));
        assert_eq!(before_next(1, Duration::ZERO, 0), None);
        // Five minutes, for any random value.
        for chance in [0, 100, 255] {
            let (mut waited, mut attempts) = (Duration::ZERO, 1);
            while let Some(wait) = before_next(attempts, Duration::from_secs(300) - waited, chance)
            {
                waited += wait;
                attempts += 1;
            }
            assert_eq!(waited.as_secs(), 300);
            assert!((10..20).contains(&attempts), "{attempts}");
        }
    }
}
