//! The Redis store: the commands and scripts of the lease protocol, one key each.

mod cluster;
mod connect;
mod dial;
mod link;
mod pushes;
mod scripts;
mod slots;
mod topology;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
pub(crate) use redis::Client;
pub(crate) use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, RedisResult, ServerErrorKind, Value};

use self::cluster::{Cluster, Stay};
pub(crate) use self::cluster::{Node, sent_on};
use self::connect::{Connection, Destination, Source};
use self::link::Link;
pub(crate) use self::pushes::Watch;
use self::scripts::Script;
use self::slots::PerRuntime;
use super::{Commit, LeaseRequest, Leased, Store, Take};
use crate::clock::Timestamp;
use crate::entry::{Header, LEASE_UNTIL, Token};
use crate::error::{Error, ErrorKind};
use crate::observe;

const GET: &str = "GET";

/// Entries on a Redis or Valkey server, each a string at the user's own key.
#[derive(Debug)]
pub(crate) struct RedisStore {
    source: Source,
}

impl RedisStore {
    /// A store that connects when first used, once for each tokio runtime.
    pub(crate) fn with_client(client: Client) -> Self {
        Self { source: Source::PerRuntime(PerRuntime::new(client)) }
    }

    /// A store on a connection that is there.
    pub(crate) fn with_connection(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self { source: Source::Ready(Box::new(connection)) }
    }

    /// Reads a `redis://` URL; nothing is connected yet.
    pub(crate) fn open(url: &str) -> Result<Self, Error> {
        client(url).map(Self::with_client)
    }

    /// Reads the URLs of some nodes of a cluster; nothing is connected yet.
    pub(crate) fn cluster(urls: &[String]) -> Result<Self, Error> {
        let clients = urls.iter().map(|url| client(url)).collect::<Result<_, _>>()?;
        Cluster::new(clients).map(|cluster| Self { source: Source::Cluster(cluster) })
    }

    /// Asks the server that has this key. A question that does no harm twice is asked once more over a new connection where
    /// the old one was dead: servers and load balancers close idle connections, and nobody notices before the next
    /// command. In a cluster it is asked where the key has moved to.
    async fn ask<T: FromRedisValue>(&self, key: &str, question: Question<'_>) -> Result<T, Error> {
        let mut route = Route { again: question.repeatable, redirections: MAX_REDIRECTIONS, stay: Stay::ForGood };
        let mut destination = self.destination(key).await?;
        loop {
            let mut connection = connect(&destination).await?;
            let answer = match question.script {
                None if route.stay == Stay::ForGood => connection.link.send(question.command).await,
                _ => Box::pin(question.send_over(&mut connection.link, route.stay)).await,
            };
            if connection.is_replaced_after(&answer) && std::mem::take(&mut route.again) {
                continue;
            }
            drop(connection);
            match route.leads_on(&destination, &answer)? {
                Some(elsewhere) => destination = elsewhere,
                None => return answer.map_err(|error| self.source.refused(error)),
            }
        }
    }

    /// Looks at a key, and registers for its next change in the same write: no change can come between the two. `None`
    /// where the server does not push.
    pub(crate) async fn watch(&self, key: &str) -> Result<Option<(Option<Bytes>, Watch)>, Error> {
        let mut route = Route { again: true, redirections: MAX_REDIRECTIONS, stay: Stay::ForGood };
        let mut destination = self.destination(key).await?;
        loop {
            let mut connection = connect(&destination).await?;
            let Some(pushes) = connection.pushes() else { return Ok(None) };
            // Before it is sent: the push may be here before this task hears the answer.
            let Some(watch) = pushes.watch(key) else { return Ok(None) };
            let answer = tracked_get(&mut connection.link, key).await;
            if connection.is_replaced_after(&answer) && std::mem::take(&mut route.again) {
                continue;
            }
            drop(connection);
            if let Some(elsewhere) = route.leads_on(&destination, &answer)? {
                // A node that has the key for this once says so to one command, and here are two.
                if route.stay == Stay::Once {
                    return Ok(None);
                }
                destination = elsewhere;
                continue;
            }
            let Some(entry) = answer.map_err(|error| self.source.refused(error))? else {
                pushes.fall_silent();
                observe::no_pushes("CLIENT CACHING is refused");
                return Ok(None);
            };
            return Ok(Some((entry.map(Bytes::from), watch)));
        }
    }

    async fn destination(&self, key: &str) -> Result<Destination<'_>, Error> {
        match self.source.destination(key) {
            Some(destination) => Ok(destination),
            None => Box::pin(self.source.found(key)).await,
        }
    }

    /// The store, as people know it.
    pub(crate) fn name(&self) -> String {
        self.source.name()
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

/// How often one command is sent elsewhere: a key that moves is found at once, and a cluster that sends in circles is not
/// followed for ever.
const MAX_REDIRECTIONS: u32 = 4;

/// The way of one command.
struct Route {
    /// Whether it may be sent once more.
    again: bool,
    redirections: u32,
    /// Whether it is where the key is, or where it is for this once.
    stay: Stay,
}

impl Route {
    /// Where to go on to, after this answer: not to a node that is known to be down.
    fn leads_on<'s, T>(
        &mut self,
        from: &Destination<'s>,
        answer: &RedisResult<T>,
    ) -> Result<Option<Destination<'s>>, Error> {
        let redirected = from.redirected(answer).zip(self.redirections.checked_sub(1));
        let Some(((node, cluster, stay), left)) = redirected else { return Ok(None) };
        (self.redirections, self.stay) = (left, stay);
        cluster::sends_on(&node);
        if node.breaker.is_shut() {
            return Err(node.breaker.shut());
        }
        Ok(Some(Destination::Node(node, cluster)))
    }
}

/// A connection, if need be once it is made: what a hit does not need is boxed.
async fn connect<'d>(destination: &'d Destination<'_>) -> Result<Connection<'d>, Error> {
    match destination.ready()? {
        Some(connection) => Ok(connection),
        None => Box::pin(destination.made()).await,
    }
}

/// Reads the URL of a server.
fn client(url: &str) -> Result<Client, Error> {
    Client::open(url).map_err(|error| {
        let context = format!("`{}` is not a Redis URL like redis://127.0.0.1:6379/", redacted(url));
        Error::new(ErrorKind::Configuration, context).with_source(error)
    })
}

/// A `GET` that registers for the next change of the key; the inner `None` is a key that is not there, the outer one a
/// connection that does not track. The client writes a pipeline in one piece, so that no other caller's command comes
/// between the two and is tracked instead.
async fn tracked_get(link: &mut Link, key: &str) -> RedisResult<Option<Option<Vec<u8>>>> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("CLIENT").arg("CACHING").arg("YES").cmd("GET").arg(key);
    let mut answers = link.req_packed_commands(&pipeline, 0, 2).await?.into_iter();
    if !matches!(answers.next(), Some(Value::Okay)) {
        return Ok(None);
    }
    let entry = answers.next().unwrap_or(Value::Nil).extract_error()?;
    Ok(Some(FromRedisValue::from_redis_value(entry)?))
}

/// What a server is asked.
#[derive(Clone, Copy)]
struct Question<'q> {
    command: &'q Cmd,
    /// The script that the command runs.
    script: Option<&'static Script>,
    /// Whether it may be asked twice.
    repeatable: bool,
}

impl<'q> Question<'q> {
    fn command(command: &'q Cmd) -> Self {
        Self { command, script: None, repeatable: true }
    }

    fn script(script: &'static Script, command: &'q Cmd) -> Self {
        Self { command, script: Some(script), repeatable: true }
    }

    fn once(self) -> Self {
        Self { repeatable: false, ..self }
    }

    /// Sends it the long way: a script that the server does not know is sent whole, and a node that has the key for this
    /// once is told so in the same write.
    async fn send_over<T: FromRedisValue>(&self, link: &mut Link, stay: Stay) -> RedisResult<T> {
        if stay == Stay::Once {
            let whole = self.script.map_or_else(|| self.command.clone(), |script| script.spelled_out(self.command));
            let mut pipeline = redis::pipe();
            pipeline.cmd("ASKING").add_command(whole);
            let answer = link.req_packed_commands(&pipeline, 0, 2).await?.pop().unwrap_or(Value::Nil);
            return Ok(T::from_redis_value(answer.extract_error()?)?);
        }
        let answer = link.send(self.command).await;
        match (self.script, &answer) {
            (Some(script), Err(error)) if is_unknown_script(error) => {
                link.send(&script.spelled_out(self.command)).await
            }
            _ => answer,
        }
    }
}

fn is_unknown_script(error: &redis::RedisError) -> bool {
    error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript)
}

impl Store for RedisStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        // With room for all of it: a command that grows costs a hit two more allocations.
        let mut get = Cmd::with_capacity(2, GET.len() + key.len());
        get.arg(GET).arg(key);
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
        // Not sent twice: an invalidation may come between the two, and the token, there again, would prove to who saw it
        // before that there was none.
        let found: Option<Vec<u8>> = self.ask(key, Question::script(&scripts::LEASE, &command).once()).await?;
        Ok(found.map_or(Leased::Granted, |entry| Leased::Found(entry.into())))
    }

    async fn renew(&self, key: &str, token: Token, ttl: Duration) -> Result<bool, Error> {
        let until = Header::lease(token, self.now(key).after(ttl)).alone();
        let mut command = scripts::RENEW.on(key);
        command.arg(token.as_bytes()).arg(millis(ttl)).arg(&until[LEASE_UNTIL]);
        self.ask(key, Question::script(&scripts::RENEW, &command)).await
    }

    async fn commit(&self, key: &str, token: Token, entry: Bytes, ttl: Duration) -> Result<Commit, Error> {
        let mut command = scripts::COMMIT.on(key);
        command.arg(token.as_bytes()).arg(&entry[..]).arg(millis(ttl));
        let stored: bool = self.ask(key, Question::script(&scripts::COMMIT, &command)).await?;
        Ok(if stored { Commit::Stored } else { Commit::Lost })
    }

    async fn release(&self, key: &str, token: Token, hold_off: Duration) -> Result<(), Error> {
        let until = Header::lease(token, self.now(key).after(hold_off)).alone();
        let until = if hold_off.is_zero() { &[] } else { &until[LEASE_UNTIL] };
        let mut command = scripts::RELEASE.on(key);
        command.arg(token.as_bytes()).arg(until);
        self.ask::<bool>(key, Question::script(&scripts::RELEASE, &command)).await.map(drop)
    }

    async fn put(&self, key: &str, entry: Bytes, ttl: Duration) -> Result<(), Error> {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(&entry[..]).arg("PX").arg(millis(ttl));
        // Not sent twice: an invalidation may come between the two.
        self.ask(key, Question::command(&set).once()).await
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.ask::<u64>(key, Question::command(redis::cmd("UNLINK").arg(key))).await.map(drop)
    }
}

/// Milliseconds for `PX`: never zero, which Redis refuses.
fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// The client's error as ours.
fn refused(error: redis::RedisError) -> Error {
    let kind = match error.kind() {
        _ if error.is_timeout() => ErrorKind::Timeout,
        _ if error.is_io_error() => ErrorKind::Unavailable,
        redis::ErrorKind::Server(
            ServerErrorKind::BusyLoading | ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown,
        )
        | redis::ErrorKind::ClusterConnectionNotFound => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    };
    Error::new(kind, format!("Redis: {error}")).with_source(error)
}

/// A URL with everything hidden that may be a secret: what stands before the `@`, the query, and all behind the scheme
/// where it is not clear which is which.
fn redacted(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let divider = if scheme.is_empty() { "" } else { "://" };
    let shown = match rest.split('@').collect::<Vec<_>>()[..] {
        [host] if is_host(host) => host.split(['?', '#']).next().unwrap_or_default().to_owned(),
        [user, host] if !user.contains(['?', '#']) => {
            format!("***@{}", host.split(['?', '#']).next().unwrap_or_default())
        }
        _ => "***".to_owned(),
    };
    if scheme.contains('@') { "***".to_owned() } else { format!("{scheme}{divider}{shown}") }
}

/// Whether this can be `host[:port][/…]`: else a password may stand in it whose `@` was forgotten.
fn is_host(text: &str) -> bool {
    let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    authority.starts_with('[') || port.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_their_secrets() {
        for (url, shown) in [
            ("redis://:hunter2@db:6379/1", "redis://***@db:6379/1"),
            ("redis://ada:p@ss:w/rd@db", "redis://***"),
            ("redis://ada:hun?ter2@db", "redis://***"),
            ("rediss://db/?token=hunter2", "rediss://db/"),
            ("ada:hunter2@db", "***@db"),
            ("localhost:6379", "localhost:6379"),
            ("redis://:hunter2", "redis://***"),
            ("redis://default:hunter2/1", "redis://***"),
        ] {
            assert_eq!(redacted(url), shown);
        }
        let error = RedisStore::open("http://ada:hunter2@db/?p=hunter2").expect_err("not a Redis URL");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
