//! The reasons for having no master.

/// Each sentence names the cure. None has an address, a name or a secret in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LinkError {
    #[error(
        "Redis cannot be reached ({0}): check the host and port of `cluster.url`, and firewalls"
    )]
    Unreachable(std::io::ErrorKind),
    #[error(
        "Redis offers no TLS, or a certificate that is not trusted: check the scheme of `cluster.url` and the certificates of the cluster"
    )]
    Tls,
    #[error(
        "Redis closed the connection: it expects TLS (rediss://), or its log says why, such as a limit of clients or buffers"
    )]
    Closed,
    #[error("Redis did not answer in time: start it, look at its `SLOWLOG`, or mend the network")]
    Silent,
    #[error(
        "Redis refuses the user or the password: correct them in `cluster.url`, as redis://USER:PASSWORD@HOST"
    )]
    Login,
    #[error(
        "Redis does not let its user run {command}, or not on these keys and topics: give it the rights that the documentation lists"
    )]
    Forbidden { command: &'static str },
    #[error("Redis {major} is too old: install Redis 7 or Valkey")]
    OldVersion { major: u32 },
    #[error("this Redis is too old: install Redis 7 or Valkey")]
    NoResp3,
    #[error("something other than Redis answers: check the host and port of `cluster.url`")]
    NotRedis,
    #[error(
        "this is a replica, which takes no writes: name the master, or Sentinels by redis+sentinel://HOST/MASTER"
    )]
    Replica,
    #[error("this is a Sentinel: write redis+sentinel://HOST/MASTER in `cluster.url`")]
    Sentinel,
    #[error(
        "no Sentinel answers: check the hosts and ports of `cluster.url`, their TLS, and firewalls"
    )]
    SentinelsAway,
    #[error(
        "the Sentinels refuse the user or the password: give them the ones of `cluster.url`, or none"
    )]
    SentinelLogin,
    #[error("the Sentinels know no master of this name: correct the name in `cluster.url`")]
    UnknownMaster,
    #[error(
        "what answers is no Sentinel: name the Sentinels in `cluster.url`, or write redis://HOST for one Redis"
    )]
    NotSentinel,
    #[error(
        "Redis throws keys away when its memory is full: set its `maxmemory-policy` to `noeviction`"
    )]
    Evicts,
    #[error(
        "Redis does not wait for its replicas, so a failover loses what it confirmed: set `min-replicas-to-write 1` and `min-replicas-max-lag 10`, on the replicas as well"
    )]
    UnsafeReplicas,
    #[error("Redis has too few replicas to take writes: start them, or look at their logs")]
    ReplicasMissing,
    #[error("Redis is loading its data: it answers when it is done")]
    Loading,
    #[error("Redis refuses writes since it cannot save: free its disk, and look at its log")]
    DiskFailing,
    #[error("the memory of Redis is full: raise its `maxmemory`")]
    Full,
    #[error("Redis is busy or its cluster is not whole: look at its log")]
    Busy,
    #[error(
        "Redis serves these keys elsewhere: write redis-cluster://HOST in `cluster.url` for a Redis Cluster"
    )]
    SlotMoved,
    #[error("Redis is moving these keys to another master: wait, or look at its `CLUSTER NODES`")]
    SlotMoving,
    #[error(
        "no master of the Redis Cluster serves some of the keys: look at its `CLUSTER INFO` and `CLUSTER SLOTS`"
    )]
    Unserved,
    #[error("this Redis is no Redis Cluster: write redis://HOST in `cluster.url`")]
    NotCluster,
    #[error("the clock of Redis is beyond the year 2255: correct it")]
    Clock,
    #[error(
        "two connections to one address ended at different servers: let `cluster.url` name one master or its Sentinels, and no load balancer"
    )]
    SplitMasters,
    #[error(
        "a message of this node to itself did not come back: let `cluster.url` name one master and no load balancer, and look at the network"
    )]
    MarkMissing,
    #[error(
        "Redis sent its messages faster than this node took them: give the node more processor time, or spread the clients over more nodes"
    )]
    Overrun,
    #[error(
        "Redis has forgotten the scripts that it had just loaded: find out who runs `SCRIPT FLUSH` there"
    )]
    ScriptMissing,
    #[error("Redis refuses {command} with an unknown error: look at its log")]
    Broken { command: &'static str },
}

impl LinkError {
    /// An error reply to one command that says that no other one is done either.
    pub(super) fn is_of_master(self) -> bool {
        matches!(
            self,
            Self::Replica
                | Self::Loading
                | Self::ReplicasMissing
                | Self::DiskFailing
                | Self::Busy
                | Self::SlotMoved
        )
    }
}
