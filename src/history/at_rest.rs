//! placeholder until the log part lands
use super::position::Epoch;
use crate::channels::log::{AtRest, LogNumber};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use std::sync::Arc;
use zeroize::Zeroizing;
pub struct EntryContext<'a> {
    pub app: &'a str,
    pub channel: &'a str,
    pub epoch: Epoch,
    pub number: LogNumber,
}
pub struct HistoryKeys(LessSafeKey);
impl HistoryKeys {
    pub fn generate() -> Self {
        let mut k = [0; 32];
        getrandom::fill(&mut k).expect("random");
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &k).expect("32 bytes")))
    }
    fn aad(c: &EntryContext<'_>) -> Aad<Vec<u8>> {
        Aad::from(
            [
                c.app.as_bytes(),
                &[0],
                c.channel.as_bytes(),
                &[0],
                &c.epoch.to_bytes(),
                &c.number.0.to_be_bytes(),
            ]
            .concat(),
        )
    }
    pub fn seal(&self, c: &EntryContext<'_>, plaintext: &[u8]) -> Result<AtRest, getrandom::Error> {
        let mut nonce = [0; 12];
        getrandom::fill(&mut nonce)?;
        let mut out = plaintext.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Self::aad(c), &mut out)
            .expect("short");
        Ok(AtRest { key: [0; 6], nonce, ciphertext: Arc::from(out) })
    }
    pub fn open(&self, c: &EntryContext<'_>, sealed: &AtRest) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(sealed.ciphertext.to_vec());
        let n = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(sealed.nonce), Self::aad(c), &mut bytes)
            .ok()?
            .len();
        bytes.truncate(n);
        Some(bytes)
    }
}
