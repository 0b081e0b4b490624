//! Reads what was revoked, page by page.
//!
//! A node does so once on each connection, before it becomes a member: its topics are subscribed by
//! then, so what is not kept yet will be heard.

use std::sync::Arc;

use bytes::Bytes;
use redis::Value;
use zeroize::Zeroizing;

use super::{NodeDriver, revocations::RevocationRepair, token::NodeToken};
use crate::cluster::{
    content::RevocationContent,
    membership::values::{count, scanned},
    redis::revocations::{self, LIFETIME_MS},
    rejection::ClusterRejection,
    stored::StoredPlace,
};

/// What was found of an app so far.
pub struct RevocationReading {
    number: u64,
    app: Arc<str>,
    /// `RevocationContent`s that hold, with their times.
    found: Vec<(u64, Zeroizing<Vec<u8>>)>,
    expired: Vec<Bytes>,
}

type RevocationPage = (u64, Vec<(Bytes, Bytes)>);

fn read_answers(answers: Vec<Value>) -> Option<(RevocationPage, usize)> {
    let [page, all] = <[Value; 2]>::try_from(answers).ok()?;
    Some((scanned(page)?, count(&all)?))
}

impl NodeDriver {
    pub(super) fn read_revocations_and_enter(&mut self) {
        self.revocations.is_awaited = true;
        self.read_revocations();
    }

    pub(super) fn read_revocations(&mut self) {
        let apps = self.host.apps();
        self.revocations.begin_reading(apps.len());
        let number = self.revocations.reading;
        for app in apps {
            let (found, expired) = (Vec::new(), Vec::new());
            self.read_page(RevocationReading { number, app, found, expired }, 0);
        }
        self.enter_if_read();
    }

    fn read_page(&mut self, reading: RevocationReading, cursor: u64) {
        let key = self.revocations_key(&reading.app);
        let commands = vec![revocations::page(&key, cursor), revocations::count(&key)];
        self.links.read(commands, NodeToken::Revocations(Box::new(reading)));
    }

    pub(super) fn page_read(&mut self, mut reading: RevocationReading, answers: Vec<Value>) {
        if reading.number != self.revocations.reading {
            return;
        }
        match read_answers(answers) {
            Some(((cursor, page), count)) => {
                self.take_page(&mut reading, page);
                if cursor != 0 {
                    return self.read_page(reading, cursor);
                }
                self.take_revocations(reading, count);
            }
            None => tracing::error!(
                app.id = &*reading.app,
                "what was revoked meanwhile is not read: Redis gives no page of it"
            ),
        }
        self.revocations.unread = self.revocations.unread.saturating_sub(1);
        self.enter_if_read();
    }

    fn take_page(&self, reading: &mut RevocationReading, page: Vec<(Bytes, Bytes)>) {
        let key = self.revocations_key(&reading.app);
        for (field, value) in page {
            let opened = self.open_revocation(&key, &field, &value);
            let Ok((at_ms, content)) = self.status.rejected.counted(opened) else { continue };
            match at_ms.saturating_add(LIFETIME_MS) < self.sealing.redis_ms() {
                true => reading.expired.push(field),
                false => reading.found.push((at_ms, content)),
            }
        }
    }

    fn open_revocation(
        &self,
        key: &[u8],
        field: &[u8],
        value: &[u8],
    ) -> Result<(u64, Zeroizing<Vec<u8>>), ClusterRejection> {
        let (at_ms, sealed) = revocations::split(value).ok_or(ClusterRejection::Malformed)?;
        let place = StoredPlace { key, field, generation: 0 };
        let content = self.sealing.stored.open(place, sealed)?;
        let is_its = revocations::clear_time(RevocationContent::parse(&content)?.at_ms()) == at_ms;
        is_its.then_some((at_ms, content)).ok_or(ClusterRejection::Malformed)
    }

    fn take_revocations(&mut self, reading: RevocationReading, count: usize) {
        let RevocationReading { app, found, expired, .. } = reading;
        let parsed = found.iter().filter_map(|(_, content)| RevocationContent::parse(content).ok());
        let missing = self.host.take_revocations(&app, &parsed.collect::<Vec<_>>());
        let times = found.iter().map(|(at_ms, _)| *at_ms).collect();
        self.revocations.looked(app.clone(), times, count);
        self.revocations.repairs.push(RevocationRepair { app, missing, expired });
        self.repair_revocations();
    }

    fn enter_if_read(&mut self) {
        if self.revocations.unread == 0 && std::mem::take(&mut self.revocations.is_awaited) {
            self.enter_with_tables();
        }
    }
}
