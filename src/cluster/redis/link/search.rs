//! Looks for the master.
//!
//! A Sentinel that was cut off from the others may name a master that is none any more. So an
//! address is only believed if its server says that it is a master and takes writes, and the next
//! Sentinel is asked otherwise.

use super::{LinkError, LinkSettings, MasterAddress, RedisAccess, connection::ask_once};
use crate::cluster::{redis::sentinel, url::RedisHost};

/// The addresses that are worth a try, each once.
pub struct MasterSearch<'a> {
    settings: &'a LinkSettings,
    /// Sentinels that have been asked.
    asked: usize,
    tried: Vec<RedisHost>,
    /// The last error of a server that was named as the master.
    of_master: Option<LinkError>,
    of_sentinel: Option<LinkError>,
}

impl<'a> MasterSearch<'a> {
    pub fn new(settings: &'a LinkSettings) -> Self {
        Self { settings, asked: 0, tried: Vec::new(), of_master: None, of_sentinel: None }
    }

    pub async fn next(&mut self) -> Option<RedisHost> {
        let named = match &self.settings.address {
            MasterAddress::Fixed(host) | MasterAddress::OfCluster(host) => {
                self.tried.is_empty().then(|| host.clone())
            }
            MasterAddress::Nowhere => None,
            MasterAddress::Sentinels { hosts, master } => self.next_named(hosts, master).await,
        };
        self.tried.extend(named.clone());
        named
    }

    /// The address that was named last is of no use.
    pub fn failed(&mut self, error: LinkError) {
        self.of_master = Some(error);
    }

    pub fn error(self) -> LinkError {
        self.of_master.or(self.of_sentinel).unwrap_or(LinkError::SentinelsAway)
    }

    async fn next_named(&mut self, hosts: &[RedisHost], master: &str) -> Option<RedisHost> {
        while let Some(host) = hosts.get(self.asked) {
            self.asked += 1;
            match ask(host, &self.settings.access, master).await {
                Ok(named) if self.tried.contains(&named) => {}
                Ok(named) => return Some(named),
                Err(LinkError::SentinelsAway) => {}
                Err(error) => self.of_sentinel = Some(error),
            }
        }
        None
    }
}

/// Most Sentinels have no users. One that asks for a login gets that of Redis.
async fn ask(host: &RedisHost, access: &RedisAccess, master: &str) -> Result<RedisHost, LinkError> {
    let mut refused = LinkError::SentinelLogin;
    for login in [Some(None), access.login.as_ref().map(Some)].into_iter().flatten() {
        let question = sentinel::question(master);
        let answer = ask_once(host, access.tls.as_ref(), login, question).await;
        match answer.and_then(|answer| sentinel::read(&answer)) {
            Ok(named) => return Ok(named),
            Err(LinkError::Login | LinkError::Forbidden { .. }) => {}
            Err(LinkError::NotSentinel | LinkError::NotRedis) => refused = LinkError::NotSentinel,
            Err(LinkError::UnknownMaster) => return Err(LinkError::UnknownMaster),
            Err(_) => return Err(LinkError::SentinelsAway),
        }
    }
    Err(refused)
}
