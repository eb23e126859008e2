//! The way of one command: to the server that has its key, again over a new connection, and on to where the key has moved.

use bytes::Bytes;
use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, RedisResult, ServerErrorKind, Value};

use super::cluster::{self, Stay};
use super::connect::{Connection, Destination};
use super::link::Link;
use super::refusal::read;
use super::scripts::Script;
use super::{RedisStore, Watch};
use crate::error::Error;
use crate::observe;

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

/// What a server is asked.
#[derive(Clone, Copy)]
pub(super) struct Question<'q> {
    command: &'q Cmd,
    /// The script that the command runs.
    script: Option<&'static Script>,
    /// Whether it may be asked twice.
    repeatable: bool,
}

impl<'q> Question<'q> {
    pub(super) fn command(command: &'q Cmd) -> Self {
        Self { command, script: None, repeatable: true }
    }

    pub(super) fn script(script: &'static Script, command: &'q Cmd) -> Self {
        Self { command, script: Some(script), repeatable: true }
    }

    pub(super) fn once(self) -> Self {
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
            return read(answer);
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

pub(super) fn is_unknown_script(error: &redis::RedisError) -> bool {
    error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript)
}

impl RedisStore {
    /// Asks the server that has this key. A question that does no harm twice is asked once more over a new connection where
    /// the old one was dead: servers and load balancers close idle connections, and nobody notices before the next
    /// command. In a cluster it is asked where the key has moved to.
    pub(super) async fn ask<T: FromRedisValue>(&self, key: &str, question: Question<'_>) -> Result<T, Error> {
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
                None => return answer.map_err(|error| self.source.refused(&error)),
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
            let Some(entry) = answer.map_err(|error| self.source.refused(&error))? else {
                pushes.fall_silent();
                observe::no_pushes("CLIENT CACHING is refused");
                return Ok(None);
            };
            return Ok(Some((entry.map(Bytes::from), watch)));
        }
    }

    /// Makes the connection that a command on this key goes over.
    pub(crate) async fn connected(&self, key: &str) -> Result<(), Error> {
        connect(&self.destination(key).await?).await.map(drop)
    }

    async fn destination(&self, key: &str) -> Result<Destination<'_>, Error> {
        match self.source.destination(key) {
            Some(destination) => Ok(destination),
            None => Box::pin(self.source.found(key)).await,
        }
    }
}

/// A connection, if need be once it is made: what a hit does not need is boxed.
pub(super) async fn connect<'d>(destination: &'d Destination<'_>) -> Result<Connection<'d>, Error> {
    match destination.ready()? {
        Some(connection) => Ok(connection),
        None => Box::pin(destination.made()).await,
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
    read(answers.next().unwrap_or(Value::Nil)).map(Some)
}
