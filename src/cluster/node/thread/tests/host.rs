//! What the nodes under test belong to.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{scene::APP, tables::TestTables};
use crate::{
    channels::{fact::ChannelFactKind, fact_receipt::SourcedFact},
    cluster::{
        content::{FactContent, NodeRequest, ReplyContent, RequestContent, RevocationContent},
        membership::effect::NodeLoad,
        node::host::{Company, HostAnswer, HostTable, NodeHost, TablesTaken},
    },
    domain::{channel::Channel, ids::SocketId},
};

/// Has sockets, and remembers what others tell.
#[derive(Default)]
pub struct TestHost {
    pub sockets: Mutex<Vec<SocketId>>,
    /// `RevocationContent`s.
    pub revoked: Mutex<BTreeSet<Bytes>>,
    pub told: Mutex<Vec<Bytes>>,
    pub tables: Arc<Mutex<TestTables>>,
    /// No request is answered.
    pub is_silent: AtomicBool,
}

impl NodeHost for TestHost {
    fn wants_fact(&self, _: &str, _: &Channel, _: ChannelFactKind) -> bool {
        true
    }

    fn identity(&self) -> Bytes {
        Bytes::from_static(b"the same apps")
    }

    fn load(&self) -> NodeLoad {
        NodeLoad::default()
    }

    fn fact(&self, _: &FactContent<'_>, _: &Arc<SourcedFact>) {}

    fn has_fact_room(&self) -> bool {
        true
    }

    fn look_after(&self, _: &str, _: &Channel) {}

    fn answer(&self, request: Bytes) -> HostAnswer {
        if self.is_silent.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        let parsed = RequestContent::parse(&request).expect("a request");
        assert_eq!(parsed.app, APP);
        let is_done = match &parsed.request {
            NodeRequest::FindSocket { socket } => self.sockets.lock().contains(socket),
            NodeRequest::Revoke(revocation) => {
                self.revoked.lock().insert(revocation.to_bytes().into());
                true
            }
            NodeRequest::TakeTable(change) => self.tables.lock().take_change(change),
            NodeRequest::ReadTable => false,
            _ => {
                self.told.lock().push(request.clone());
                false
            }
        };
        let answer = is_done.then(|| ReplyContent::Done.to_bytes().into());
        Box::pin(std::future::ready(answer))
    }

    fn apps(&self) -> Vec<Arc<str>> {
        vec![APP.into()]
    }

    fn sealed_apps(&self) -> Vec<Arc<str>> {
        vec![APP.into()]
    }

    fn take_tables(&self, stored: Vec<HostTable>, company: Company) -> TablesTaken {
        let tables = self.tables.clone();
        let gate = tables.lock().gates.pop_front();
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.await.expect("the test lets it go on");
            }
            tables.lock().take_all(stored, company)
        })
    }

    fn table(&self, app: &str) -> Option<Bytes> {
        assert_eq!(app, APP);
        self.tables.lock().content().map(Bytes::from)
    }

    fn take_revocations(&self, app: &Arc<str>, stored: &[RevocationContent<'_>]) -> Vec<Bytes> {
        assert_eq!(&**app, APP);
        let stored: BTreeSet<Bytes> = stored.iter().map(|it| it.to_bytes().into()).collect();
        let mut revoked = self.revoked.lock();
        let missing = revoked.difference(&stored).cloned().collect();
        revoked.extend(stored);
        missing
    }
}
