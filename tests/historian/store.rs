//! A store of the user's own on Redis: the decisions are the crate's, each written only where the entry is still the
//! one that was decided on. It can be made careless, to show that a history tells.

use std::time::Duration;

use bytes::Bytes;
use cache_runtime::store::{
    Admission, Commit, Expiry, LeaseRequest, Leased, Token, Withdrawal, admit, commits, renew, withdraw,
};
use cache_runtime::{Error, ErrorKind, Store};

use crate::link::Link;

/// Writes `ARGV[2]`, or removes the key where that is empty, if `ARGV[1]` is what is there (empty: nothing). The entry
/// lives for `ARGV[3]` milliseconds, or for at least so long where `ARGV[4]` says so.
const SWAP: &str = r"
    if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
        return 0
    end
    local left = ARGV[4] == 'least' and redis.call('PTTL', KEYS[1]) or 0
    if ARGV[2] == '' then
        redis.call('DEL', KEYS[1])
    else
        redis.call('SET', KEYS[1], ARGV[2], 'PX', math.max(left, tonumber(ARGV[3]), 1))
    end
    return 1
";

/// How often a look is asked again.
const GET_TRIES: u32 = 5;

/// Whether a commit looks for its lease.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commits {
    UnderTheirLease,
    Always,
}

/// Entries on a Redis server.
pub(crate) struct OwnRedis {
    link: Link,
    commits: Commits,
}

/// What becomes of an entry.
enum Change {
    Write(Bytes, Expiry),
    Remove,
    Leave,
}

impl OwnRedis {
    pub(crate) fn new(url: &str, commits: Commits) -> Self {
        Self { link: Link::new(url), commits }
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, Error> {
        let failed = |error: redis::RedisError| Error::new(ErrorKind::Unavailable, "own store").with_source(error);
        self.link.ask(command).await.map_err(failed)
    }

    /// Decides on the entry until nothing came between, and returns what was decided on.
    async fn change(
        &self,
        key: &str,
        decide: impl Fn(Option<&[u8]>) -> Change + Send,
    ) -> Result<(Change, Option<Bytes>), Error> {
        loop {
            let current = self.get(key).await?;
            let change = decide(current.as_deref());
            let (entry, ttl, least) = match &change {
                Change::Leave => return Ok((change, current)),
                Change::Remove => (&b""[..], Duration::ZERO, ""),
                Change::Write(entry, Expiry::In(ttl)) => (&entry[..], *ttl, ""),
                Change::Write(entry, Expiry::AtLeast(ttl)) => (&entry[..], *ttl, "least"),
            };
            let mut swap = redis::cmd("EVAL");
            swap.arg(SWAP).arg(1).arg(key).arg(current.as_deref().unwrap_or_default());
            swap.arg(entry).arg(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)).arg(least);
            if self.ask(&swap).await? {
                return Ok((change, current));
            }
        }
    }
}

impl Store for OwnRedis {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        // Asked again where the connection was cut, as the cache does on its own: a call that cannot look shares runs by
        // key alone, and then the history has reads that it must not have.
        let mut tries = 0;
        loop {
            match self.ask::<Option<Vec<u8>>>(redis::cmd("GET").arg(key)).await {
                Ok(entry) => return Ok(entry.map(Bytes::from)),
                Err(error) if tries == GET_TRIES => return Err(error),
                Err(_) => tries += 1,
            }
        }
    }

    async fn lease(&self, key: &str, request: &LeaseRequest) -> Result<Leased, Error> {
        let decide = |current: Option<&[u8]>| match admit(current, request) {
            Admission::Grant(entry, expiry) => Change::Write(entry, expiry),
            Admission::Refuse => Change::Leave,
        };
        Ok(match self.change(key, decide).await? {
            (Change::Leave, current) => Leased::Found(current.unwrap_or_default()),
            _ => Leased::Granted,
        })
    }

    async fn renew(&self, key: &str, token: Token, ttl: Duration) -> Result<bool, Error> {
        let decide = |current: Option<&[u8]>| match renew(current, token, ttl) {
            Some(entry) => Change::Write(entry, Expiry::AtLeast(ttl)),
            None => Change::Leave,
        };
        Ok(!matches!(self.change(key, decide).await?, (Change::Leave, _)))
    }

    async fn commit(&self, key: &str, token: Token, entry: Bytes, ttl: Duration) -> Result<Commit, Error> {
        let always = self.commits == Commits::Always;
        let stores = |current: Option<&[u8]>| always || commits(current, token);
        let write = || Change::Write(entry.clone(), Expiry::In(ttl));
        let decide = |current: Option<&[u8]>| if stores(current) { write() } else { Change::Leave };
        Ok(match self.change(key, decide).await? {
            (Change::Leave, _) => Commit::Lost,
            _ => Commit::Stored,
        })
    }

    async fn release(&self, key: &str, token: Token, hold_off: Duration) -> Result<(), Error> {
        let decide = |current: Option<&[u8]>| match withdraw(current, token, hold_off) {
            Withdrawal::Remove => Change::Remove,
            Withdrawal::Write(entry) => Change::Write(entry, Expiry::AtLeast(Duration::ZERO)),
            Withdrawal::Leave => Change::Leave,
        };
        self.change(key, decide).await.map(drop)
    }

    async fn put(&self, key: &str, entry: Bytes, ttl: Duration) -> Result<(), Error> {
        self.change(key, |_| Change::Write(entry.clone(), Expiry::In(ttl))).await.map(drop)
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.change(key, |_| Change::Remove).await.map(drop)
    }
}
