//! One Redis that writes its data to disk.

use crate::support::*;

pub struct SingleRedis {
    /// `None` while it starts.
    redis: Option<Redis>,
    data: TempDir,
}

impl SingleRedis {
    pub fn start() -> Self {
        let data = TempDir::new();
        let directory = data.path().to_str().expect("a path in UTF-8").to_owned();
        let redis = Redis::start_with(&["--appendonly", "yes", "--dir", &directory]);
        Self { redis: Some(redis), data }
    }

    pub fn redis(&self) -> &Redis {
        self.redis.as_ref().expect("Redis runs")
    }

    /// After it was killed, with its data or without.
    pub async fn restart(&mut self, is_empty: bool) {
        let mut redis = self.redis.take().expect("a killed Redis");
        if is_empty {
            let append_only = self.data.path().join("appendonlydir");
            std::fs::remove_dir_all(append_only).expect("the data of Redis");
        }
        let started = tokio::task::spawn_blocking(move || {
            redis.restart();
            redis
        });
        self.redis = Some(started.await.expect("Redis starts"));
    }
}
