//! The ids of a ticket's events: `position.tag`. The tag shows that the id was given to a stream of
//! the ticket. The position alone resumes anywhere, and reopens nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Guessing one takes 2^63 requests.
const TAG_BYTES: usize = 8;
const TAG_CHARS: usize = 11;
/// Longer than any position. What is longer is not hashed.
const MAX_POSITION_CHARS: usize = 1400;

/// The ticket as a keyed HMAC state.
pub struct TicketEventIds(Hmac<Sha256>);

impl TicketEventIds {
    pub fn new(ticket: &[u8]) -> Self {
        Self(Hmac::new_from_slice(ticket).expect("HMAC takes a key of any length"))
    }

    pub fn of(&self, position: &str) -> String {
        let tag = self.mac(position).finalize().into_bytes();
        let mut id = String::with_capacity(position.len() + 1 + TAG_CHARS);
        id.push_str(position);
        id.push('.');
        URL_SAFE_NO_PAD.encode_string(&tag[..TAG_BYTES], &mut id);
        id
    }

    /// Position and tag. `None` if it is no id of a ticket's event.
    pub fn split(id: &str) -> Option<(&str, &str)> {
        let (position, tag) = id.split_once('.')?;
        let fits = (1..=MAX_POSITION_CHARS).contains(&position.len()) && tag.len() == TAG_CHARS;
        fits.then_some((position, tag))
    }

    pub fn verify(&self, position: &str, tag: &str) -> bool {
        let mut bytes = [0; TAG_BYTES];
        URL_SAFE_NO_PAD.decode_slice(tag, &mut bytes) == Ok(TAG_BYTES)
            && self.mac(position).verify_truncated_left(&bytes).is_ok()
    }

    fn mac(&self, position: &str) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(position.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verifies(ids: &TicketEventIds, id: &str) -> bool {
        TicketEventIds::split(id).is_some_and(|(position, tag)| ids.verify(position, tag))
    }

    proptest! {
        #[test]
        fn altered_ids_do_not_verify(position in "[A-Za-z0-9_-]{1,80}", at in any::<prop::sample::Index>(), new in "[A-Za-z0-9_.-]") {
            let (own, other) = (TicketEventIds::new(&[1; 32]), TicketEventIds::new(&[2; 32]));
            let id = own.of(&position);
            prop_assert!(verifies(&own, &id) && !verifies(&other, &id));
            prop_assert_eq!(TicketEventIds::split(&id).map(|(position, _)| position), Some(&*position));
            let at = at.index(id.len());
            let altered = format!("{}{new}{}", &id[..at], &id[at + 1..]);
            prop_assert_eq!(verifies(&own, &altered), altered == id, "{}", altered);
        }

        #[test]
        fn no_text_panics(id in "\\PC{0,40}") {
            prop_assert!(!verifies(&TicketEventIds::new(&[1; 32]), &id));
        }
    }

    #[test]
    fn long_ids_are_none() {
        assert!(TicketEventIds::split(&format!("{}.AAAAAAAAAAA", "a".repeat(100_000))).is_none());
        assert!(TicketEventIds::split(&format!("{}.AAAAAAAAAAA", "a".repeat(1400))).is_some());
        assert!(TicketEventIds::split(".AAAAAAAAAAA").is_none());
    }
}
