//! A store of the user's own on Redis: the decisions are the crate's, each written only where the entry is still the
//! one that was decided on. It can be made careless, to show that a history tells.

use std::time::Duration;

use bytes::Bytes;
use cache_runtime::store::{
    Admission, Begun, Change, Commit, EndRequest, Ended, Expiry, LeaseRequest, Leased, Token, Withdrawal, WriteRequest,
    admit, begin, commits, end, renew, renew_write, withdraw,
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

/// The entry at a key, and how long it has left: `None` is one without an expiry.
const LOOK: &str = "return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}";

impl OwnRedis {
    pub(crate) fn new(url: &str, commits: Commits) -> Self {
        Self { link: Link::new(url), commits }
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, Error> {
        let failed = |error: redis::RedisError| Error::new(ErrorKind::Unavailable, "own store").with_source(error);
        self.link.ask(command).await.map_err(failed)
    }

    /// Decides on the entry until nothing came between; returns the decision, and what was decided on.
    async fn change<D>(
        &self,
        key: &str,
        decide: impl Fn(Option<&[u8]>, Option<Duration>) -> (D, Change) + Send,
    ) -> Result<(D, Option<Bytes>), Error> {
        loop {
            let look = redis::cmd("EVAL").arg(LOOK).arg(1).arg(key).to_owned();
            let (current, left): (Option<Vec<u8>>, i64) = self.ask(&look).await?;
            let (decided, change) = decide(current.as_deref(), u64::try_from(left).ok().map(Duration::from_millis));
            let current = current.map(Bytes::from);
            let (entry, ttl, least) = match &change {
                Change::Leave => return Ok((decided, current)),
                Change::Remove => (&b""[..], Duration::ZERO, ""),
                Change::Write(entry, Expiry::In(ttl)) => (&entry[..], *ttl, ""),
                Change::Write(entry, Expiry::AtLeast(ttl)) => (&entry[..], *ttl, "least"),
            };
            let mut swap = redis::cmd("EVAL");
            swap.arg(SWAP).arg(1).arg(key).arg(current.as_deref().unwrap_or_default());
            swap.arg(entry).arg(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)).arg(least);
            if self.ask(&swap).await? {
                return Ok((decided, current));
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
        let decide = |current: Option<&[u8]>, left| match admit(current, left, request) {
            Admission::Grant(entry, expiry) => (true, Change::Write(entry, expiry)),
            Admission::Refuse => (false, Change::Leave),
        };
        let (granted, current) = self.change(key, decide).await?;
        Ok(if granted { Leased::Granted } else { Leased::Found(current.unwrap_or_default()) })
    }

    async fn renew(&self, key: &str, token: Token, ttl: Duration) -> Result<bool, Error> {
        let decide = |current: Option<&[u8]>, _| match renew(current, token, ttl) {
            Some(entry) => (true, Change::Write(entry, Expiry::AtLeast(ttl))),
            None => (false, Change::Leave),
        };
        Ok(self.change(key, decide).await?.0)
    }

    async fn commit(&self, key: &str, token: Token, entry: Bytes, ttl: Duration) -> Result<Commit, Error> {
        let always = self.commits == Commits::Always;
        let decide = |current: Option<&[u8]>, _| {
            if always || commits(current, token) {
                (Commit::Stored, Change::Write(entry.clone(), Expiry::In(ttl)))
            } else {
                (Commit::Lost, Change::Leave)
            }
        };
        Ok(self.change(key, decide).await?.0)
    }

    async fn release(&self, key: &str, token: Token, hold_off: Duration) -> Result<(), Error> {
        let decide = |current: Option<&[u8]>, _| match withdraw(current, token, hold_off) {
            Withdrawal::Remove => ((), Change::Remove),
            Withdrawal::Write(entry) => ((), Change::Write(entry, Expiry::AtLeast(Duration::ZERO))),
            Withdrawal::Leave => ((), Change::Leave),
        };
        self.change(key, decide).await.map(drop)
    }

    async fn begin_write(&self, key: &str, request: &WriteRequest) -> Result<Token, Error> {
        let decide = |current: Option<&[u8]>, left| match begin(current, left, request) {
            Ok(Begun { generation, entry, expiry }) => (Ok(generation), Change::Write(entry, expiry)),
            Err(foreign) => (Err(foreign), Change::Leave),
        };
        self.change(key, decide).await?.0
    }

    async fn renew_write(&self, key: &str, writer: Token, ttl: Duration) -> Result<bool, Error> {
        let decide = |current: Option<&[u8]>, _| match renew_write(current, writer, ttl) {
            Some(entry) => (true, Change::Write(entry, Expiry::AtLeast(ttl))),
            None => (false, Change::Leave),
        };
        Ok(self.change(key, decide).await?.0)
    }

    async fn end_write(&self, key: &str, request: &EndRequest) -> Result<Ended, Error> {
        Ok(self.change(key, |current, _| end(current, request)).await?.0)
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.change(key, |_, _| ((), Change::Remove)).await.map(drop)
    }
}
