//! The Redis store: the commands and scripts of the lease protocol, one key each.

mod connect;
mod dial;
mod link;
mod pushes;
mod scripts;
mod slots;

use std::time::Duration;

use bytes::Bytes;
pub(crate) use redis::Client;
pub(crate) use redis::aio::ConnectionLike;
use redis::{FromRedisValue, RedisResult, ScriptInvocation, ServerErrorKind, Value};

use self::connect::{Connection, Source};
use self::link::Link;
pub(crate) use self::pushes::Watch;
use self::slots::PerRuntime;
use super::{Commit, LeaseRequest, Leased, Store, Take};
use crate::clock::Timestamp;
use crate::entry::{Header, LEASE_UNTIL, Token};
use crate::error::{Error, ErrorKind};
use crate::observe;

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
        Client::open(url).map(Self::with_client).map_err(|error| {
            let context = format!("`{}` is not a Redis URL like redis://127.0.0.1:6379/", redacted(url));
            Error::new(ErrorKind::Configuration, context).with_source(error)
        })
    }

    /// Asks the server. A question that does no harm twice is asked once more over a new connection where the old one was
    /// dead: servers and load balancers close idle connections, and nobody notices before the next command.
    async fn ask<T: FromRedisValue>(&self, question: Question<'_>) -> Result<T, Error> {
        let mut again = !matches!(question, Question::Once(_) | Question::ScriptOnce(_));
        loop {
            let mut connection = match self.source.ready()? {
                Some(connection) => connection,
                None => Box::pin(self.source.made()).await?,
            };
            let answer = match question {
                Question::Command(command) | Question::Once(command) => connection.link.send(command).await,
                Question::Script(script) | Question::ScriptOnce(script) => {
                    script.invoke_async(&mut connection.link).await
                }
            };
            if !(connection.is_replaced_after(&answer) && std::mem::take(&mut again)) {
                return answer.map_err(refused);
            }
        }
    }

    /// Looks at a key, and registers for its next change in the same write: no change can come between the two. `None`
    /// where the server does not push.
    pub(crate) async fn watch(&self, key: &str) -> Result<Option<(Option<Bytes>, Watch)>, Error> {
        let mut again = true;
        loop {
            let mut connection = self.connection().await?;
            let Some(pushes) = connection.pushes() else { return Ok(None) };
            // Before it is sent: the push may be here before this task hears the answer.
            let Some(watch) = pushes.watch(key) else { return Ok(None) };
            let answer = tracked_get(&mut connection.link, key).await;
            if connection.is_replaced_after(&answer) && std::mem::take(&mut again) {
                continue;
            }
            let Some(entry) = answer.map_err(refused)? else {
                pushes.fall_silent();
                observe::no_pushes("CLIENT CACHING is refused");
                return Ok(None);
            };
            return Ok(Some((entry.map(Bytes::from), watch)));
        }
    }

    async fn connection(&self) -> Result<Connection<'_>, Error> {
        match self.source.ready()? {
            Some(connection) => Ok(connection),
            None => Box::pin(self.source.made()).await,
        }
    }

    /// Now, on the server's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.source.now()
    }

    /// Hears that a command got no answer within its deadline.
    pub(crate) fn timed_out(&self) {
        self.source.timed_out();
    }
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
enum Question<'q> {
    Command(&'q redis::Cmd),
    /// A command that must not be sent twice.
    Once(&'q redis::Cmd),
    Script(&'q ScriptInvocation<'q>),
    /// A script that must not be sent twice.
    ScriptOnce(&'q ScriptInvocation<'q>),
}

impl Store for RedisStore {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let entry: Option<Vec<u8>> = self.ask(Question::Command(redis::cmd("GET").arg(key))).await?;
        Ok(entry.map(Bytes::from))
    }

    async fn lease(&self, key: &str, request: &LeaseRequest) -> Result<Leased, Error> {
        let (take, head) = match &request.take {
            Take::Missing => ("missing", &[][..]),
            Take::Unusable(head) => ("unusable", &head[..]),
            Take::Refresh(head) => ("refresh", &head[..]),
            Take::Any => ("any", &[][..]),
        };
        let mut script = scripts::LEASE.key(key);
        script.arg(&request.header().alone()[..]).arg(millis(request.ttl())).arg(take).arg(head);
        // Not sent twice: an invalidation may come between the two, and the token, there again, would prove to who saw it
        // before that there was none.
        let found: Option<Vec<u8>> = self.ask(Question::ScriptOnce(&script)).await?;
        Ok(found.map_or(Leased::Granted, |entry| Leased::Found(entry.into())))
    }

    async fn renew(&self, key: &str, token: Token, ttl: Duration) -> Result<bool, Error> {
        let until = Header::lease(token, self.now().after(ttl)).alone();
        let mut script = scripts::RENEW.key(key);
        script.arg(token.as_bytes()).arg(millis(ttl)).arg(&until[LEASE_UNTIL]);
        self.ask(Question::Script(&script)).await
    }

    async fn commit(&self, key: &str, token: Token, entry: Bytes, ttl: Duration) -> Result<Commit, Error> {
        let mut script = scripts::COMMIT.key(key);
        script.arg(token.as_bytes()).arg(&entry[..]).arg(millis(ttl));
        let stored: bool = self.ask(Question::Script(&script)).await?;
        Ok(if stored { Commit::Stored } else { Commit::Lost })
    }

    async fn release(&self, key: &str, token: Token, hold_off: Duration) -> Result<(), Error> {
        let until = Header::lease(token, self.now().after(hold_off)).alone();
        let until = if hold_off.is_zero() { &[] } else { &until[LEASE_UNTIL] };
        let mut script = scripts::RELEASE.key(key);
        self.ask::<bool>(Question::Script(script.arg(token.as_bytes()).arg(until))).await.map(drop)
    }

    async fn put(&self, key: &str, entry: Bytes, ttl: Duration) -> Result<(), Error> {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(&entry[..]).arg("PX").arg(millis(ttl));
        // Not sent twice: an invalidation may come between the two.
        self.ask(Question::Once(&set)).await
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        self.ask::<u64>(Question::Command(redis::cmd("UNLINK").arg(key))).await.map(drop)
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
