//! The Redis store: the commands and scripts of the lease protocol, one key each.

mod cluster;
mod connect;
mod dial;
mod link;
mod pushes;
mod refusal;
mod route;
mod scripts;
mod slots;
mod sweep;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod topology;
mod url;
mod write_scripts;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
pub(crate) use redis::Client;
use redis::Cmd;
pub(crate) use redis::aio::ConnectionLike;

use self::cluster::Cluster;
pub(crate) use self::cluster::{Node, sending_on};
use self::connect::Source;
pub(crate) use self::pushes::Watch;
use self::route::Question;
use self::slots::PerRuntime;
pub(crate) use self::sweep::{ServerId, Survey};
pub(crate) use self::tls::Tls;
use super::{Commit, EndRequest, Ended, LeaseRequest, Leased, Store, Take, WriteRequest};
use crate::clock::Timestamp;
use crate::entry::{Header, LEASE_TIMES, LEASE_UNTIL, Token};
use crate::error::Error;
use crate::health::Contact;

/// Entries on a Redis or Valkey server, each a string at the user's own key.
#[derive(Debug)]
pub(crate) struct RedisStore {
    source: Source,
}

impl RedisStore {
    /// A store that connects when first used, once for each tokio runtime.
    pub(crate) fn with_client(client: Client) -> Self {
        tls::prepare(&client);
        Self { source: Source::PerRuntime(PerRuntime::new(client)) }
    }

    /// A store on a connection that is there.
    pub(crate) fn with_connection(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self { source: Source::Ready(Box::new(connection)) }
    }

    /// Reads the URL of a server, which is called by `name` where it is refused; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL, and what to write.
    pub(crate) fn open(url: &str, name: Option<&str>, tls: &Tls) -> Result<Self, String> {
        let name = name.map_or_else(|| url::name(url, None), str::to_owned);
        url::client(url, &name, tls).map(Self::with_client)
    }

    /// Reads the URLs of some nodes of a cluster; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// What is wrong with each of the URLs, and what to write.
    pub(crate) fn cluster(urls: &[String], tls: &Tls) -> Result<Self, Vec<String>> {
        let (mut clients, mut seeds, mut mistakes) = (Vec::new(), Vec::new(), Vec::new());
        for (index, url) in urls.iter().enumerate() {
            let name = url::name(url, Some((index + 1, urls.len())));
            let seed = url::client(url, &name, tls).and_then(|client| {
                clients.push(client.clone());
                Cluster::seed(client).map_err(|why| format!("{name} {why}"))
            });
            match seed {
                Ok(seed) => seeds.push(seed),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        match clients.into_iter().next() {
            Some(client) if mistakes.is_empty() => Ok(Self { source: Source::Cluster(Cluster::new(client, seeds)) }),
            None if mistakes.is_empty() => Err(vec![
                "a cluster needs the URL of one of its nodes: write \
                 `redis_cluster([\"redis://host:port/\"])`"
                    .to_owned(),
            ]),
            _ => Err(mistakes),
        }
    }

    /// The store, as people know it.
    pub(crate) fn name(&self) -> String {
        self.source.name()
    }

    /// Whether the store has ever answered.
    pub(crate) fn contact(&self) -> Contact {
        self.source.contact()
    }

    /// The node of a cluster that has this key, where it is known: its failures count apart from those of others.
    pub(crate) fn node(&self, key: &str) -> Option<Arc<Node>> {
        self.source.node(key)
    }

    /// The nodes of a cluster, where they are known.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        match &self.source {
            Source::Cluster(cluster) => cluster.nodes(),
            Source::PerRuntime(_) | Source::Ready(_) => Vec::new(),
        }
    }

    /// Now, on the clock of the server that has this key; on this machine's where the connection is the user's.
    pub(crate) fn now(&self, key: &str) -> Timestamp {
        match &self.source {
            Source::PerRuntime(connections) => connections.clock.now(),
            Source::Cluster(cluster) => {
                cluster.node(key).map_or_else(Timestamp::now, |node| node.connections.clock.now())
            }
            Source::Ready(_) => Timestamp::now(),
        }
    }

    /// Whether [`now`](Self::now) is the server's time by now, as far as it will ever be.
    pub(crate) fn knows_time(&self, key: &str) -> bool {
        match &self.source {
            Source::PerRuntime(connections) => connections.clock.is_known(),
            Source::Cluster(cluster) => cluster.node(key).is_some_and(|node| node.connections.clock.is_known()),
            Source::Ready(_) => true,
        }
    }

    /// Whether [`now`](Self::now) is the server's time for this key, and that of everybody who writes it.
    pub(crate) fn has_clock(&self, key: &str) -> bool {
        !matches!(self.source, Source::Ready(_)) && self.knows_time(key)
    }

    /// Hears that a command got no answer within its deadline; of a cluster its nodes hear that.
    pub(crate) fn timed_out(&self) {
        if let Source::PerRuntime(connections) = &self.source {
            connections.timed_out();
        }
    }

    /// Hears that a server gives no answers: in a cluster another one may have its keys by now.
    pub(crate) fn fails(&self) {
        if let Source::Cluster(cluster) = &self.source {
            cluster.read_again();
        }
    }
}

impl Store for RedisStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        // With room for all of it: a command that grows costs a hit two more allocations.
        let mut get = Cmd::with_capacity(2, "GET".len() + key.len());
        get.arg("GET").arg(key);
        let entry: Option<Vec<u8>> = self.ask(key, Question::command(&get)).await?;
        Ok(entry.map(Bytes::from))
    }

    async fn lease(&self, key: &str, request: &LeaseRequest) -> Result<Leased, Error> {
        let (take, head) = match &request.take {
            Take::Missing => ("missing", &[][..]),
            Take::Unusable(head) => ("unusable", &head[..]),
            Take::Refresh(head) => ("refresh", &head[..]),
            Take::Any => ("any", &[][..]),
        };
        let mut command = scripts::LEASE.on(key);
        command.arg(&request.header().alone()[..]).arg(millis(request.ttl())).arg(take).arg(head);
        command.arg(u8::from(request.overwrites_foreign));
        // Not sent twice: an invalidation may come between the two, and the token, there again, would prove to who saw it
        // before that there was none.
        let found: Option<Vec<u8>> = self.ask(key, Question::script(&scripts::LEASE, &command).once()).await?;
        Ok(found.map_or(Leased::Granted, |entry| Leased::Found(entry.into())))
    }

    async fn renew(&self, key: &str, token: Token, ttl: Duration) -> Result<bool, Error> {
        let renewed = Header::lease(token, self.now(key), ttl).alone();
        let mut command = scripts::RENEW.on(key);
        command.arg(token.as_bytes()).arg(millis(ttl)).arg(&renewed[LEASE_TIMES]);
        self.ask(key, Question::script(&scripts::RENEW, &command)).await
    }

    async fn commit(&self, key: &str, token: Token, entry: Bytes, ttl: Duration) -> Result<Commit, Error> {
        let mut command = scripts::COMMIT.on(key);
        command.arg(token.as_bytes()).arg(&entry[..]).arg(millis(ttl));
        let stored: bool = self.ask(key, Question::script(&scripts::COMMIT, &command)).await?;
        Ok(if stored { Commit::Stored } else { Commit::Lost })
    }

    async fn release(&self, key: &str, token: Token, hold_off: Duration) -> Result<(), Error> {
        let until = Header::lease(token, self.now(key), hold_off).alone();
        let until = if hold_off.is_zero() { &[] } else { &until[LEASE_UNTIL] };
        let mut command = scripts::RELEASE.on(key);
        command.arg(token.as_bytes()).arg(until);
        self.ask::<bool>(key, Question::script(&scripts::RELEASE, &command)).await.map(drop)
    }

    async fn begin_write(&self, key: &str, request: &WriteRequest) -> Result<Token, Error> {
        let mut command = write_scripts::BEGIN.on(key);
        command.arg(&request.alone().encode()[..]).arg(millis(request.ttl())).arg(request.overdue().ticks());
        command.arg(u8::from(request.overwrites_foreign));
        // Not sent twice: the first one may arrive when this writer has ended, and its generation must not come back. A
        // caller that asks again does so under another generation.
        let generation: Option<_> = self.ask(key, Question::script(&write_scripts::BEGIN, &command).once()).await?;
        generation.map(Token).ok_or_else(Error::foreign)
    }

    async fn renew_write(&self, key: &str, writer: Token, ttl: Duration) -> Result<bool, Error> {
        let renewed = WriteRequest::new(writer, writer, ttl, self.now(key)).alone().encode();
        let mut command = write_scripts::RENEW.on(key);
        command.arg(&renewed[..]).arg(millis(ttl));
        self.ask(key, Question::script(&write_scripts::RENEW, &command)).await
    }

    async fn end_write(&self, key: &str, request: &EndRequest) -> Result<Ended, Error> {
        let (entry, ttl) = request.value().map_or((&[][..], Duration::ZERO), |(entry, ttl)| (&entry[..], *ttl));
        let mut command = write_scripts::END.on(key);
        command.arg(request.writer().as_bytes()).arg(request.generation().as_bytes()).arg(entry).arg(millis(ttl));
        // Sent twice if need be: the second one finds its own value, or no WRITE of its generation.
        let ended: u8 = self.ask(key, Question::script(&write_scripts::END, &command)).await?;
        write_scripts::ended(ended)
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.ask::<u64>(key, Question::command(redis::cmd("UNLINK").arg(key))).await.map(drop)
    }
}

/// Milliseconds for `PX`: never zero, which Redis refuses.
fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}
