//! Sweeps on Redis: `SCAN`, and for each key of a page a script that removes it if it is an entry.
//!
//! - **The cursor of `SCAN` means something to one server only**, and a server that is restarted is another one: it has
//!   other hash seeds, and may have loaded old data. So each step asks who the server is, in the same write as `SCAN`, and
//!   begins anew where it is not the one that gave the cursor out.
//! - **A key is checked and removed in one script**, so nothing comes between. It is an entry of this library if it is a
//!   string with room for a header that begins with the magic byte and a known version. Other strings and other types
//!   are left alone. With a prefix nothing else is under it; without one, a foreign string of at least 32 bytes that begins
//!   with these two bytes is taken for an entry. No text does: in UTF-8, that version byte cannot follow the magic byte.
//! - **In a cluster** each node is scanned by itself. A key whose slot is moving is removed where it is by now. A key may
//!   pass from a node that is yet to reach it to one that has passed its place, so a pass counts only if no slot has moved.

use std::sync::Arc;

use redis::aio::ConnectionLike;
use redis::{FromRedisValue, RedisError, RedisResult, ServerErrorKind, Value};

use super::connect::{Connection, Destination, Source, is_demoted};
use super::link::Link;
use super::route::{self, Question};
use super::topology::Range;
use super::{RedisStore, scripts};
use crate::entry::{HEADER_LEN, MAGIC, VERSION};
use crate::error::{Error, ErrorKind};
use crate::store::sweep::{Part, Plan, Position, Step};

/// Whose cursor it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerId {
    /// The process of the server.
    Run(String),
    /// Whoever is at the end of this connection, where the server does not say who it is.
    Connection(u64),
}

/// Which node has which slots, when a pass begins.
#[derive(Debug)]
pub(crate) struct Survey {
    ranges: Vec<Range>,
    /// Slots were found to be moving since.
    moved: bool,
}

/// Keys that a server did not look at, and why.
type Refused = Vec<(String, RedisError)>;

/// A page of `SCAN`.
struct Page {
    /// What the server says of itself, where it does.
    info: Option<String>,
    cursor: u64,
    keys: Vec<Vec<u8>>,
}

impl RedisStore {
    /// The servers to sweep: of a cluster those that have keys by its map, which is read for that.
    pub(crate) async fn plan_sweep(&self) -> Result<Plan, Error> {
        let Source::Cluster(cluster) = &self.source else {
            return Ok(Plan { parts: vec![Part::default()], survey: None });
        };
        let ranges = cluster.survey().await?;
        let part = |node| Part { node: Some(node), position: Position::default() };
        let parts = cluster.nodes().into_iter().map(part).collect();
        Ok(Plan { parts, survey: Some(Survey { ranges, moved: false }) })
    }

    /// Whether all slots are where they were; an error while some are moving.
    pub(crate) async fn verify(&self, survey: &mut Survey) -> Result<bool, Error> {
        let Source::Cluster(cluster) = &self.source else { return Ok(true) };
        if cluster.is_moving().await? {
            survey.moved = true;
            let why = "hash slots of the cluster are moving: it is swept once more when they have moved";
            return Err(Error::new(ErrorKind::Unavailable, why));
        }
        Ok(!survey.moved && cluster.survey().await? == survey.ranges)
    }

    /// One step: a page of keys, and the removal of the entries among them.
    pub(crate) async fn sweep_part(&self, part: &Part, prefix: &str, count: usize) -> Result<Step, Error> {
        let destination = match (&self.source, &part.node) {
            (Source::Cluster(cluster), Some(node)) => Destination::Node(Arc::clone(node), cluster),
            _ => self.source.found(prefix).await?,
        };
        let mut connection = route::connect(&destination).await?;
        let page = scan(&mut connection.link, part.position.cursor, prefix, count).await;
        connection.is_replaced_after(&page);
        let page = page.map_err(|error| self.source.refused(&error))?;
        let Some(server) = self.server_of(&connection, page.info.as_deref()) else { return Ok(Step::Unsupported) };
        if !part.position.is_start() && part.position.server.as_ref() != Some(&server) {
            return Ok(Step::Anew);
        }
        // Keys of ours are text, and begin with the prefix, whatever a server says.
        let keys = page.keys.into_iter().filter_map(|key| String::from_utf8(key).ok());
        let keys = keys.filter(|key| key.starts_with(prefix)).collect();
        let refused = remove(&mut connection.link, keys).await;
        connection.is_replaced_after(&refused);
        drop(connection);
        for (key, error) in refused.map_err(|error| self.source.refused(&error))? {
            self.remove_elsewhere(&key, error, prefix.is_empty()).await?;
        }
        Ok(match page.cursor {
            0 => Step::Done,
            cursor => Step::More(Position { cursor, server: Some(server) }),
        })
    }

    /// A node did not remove a key: it may be at another one by now, or none of this cache's.
    async fn remove_elsewhere(&self, key: &str, error: RedisError, all_keys: bool) -> Result<(), Error> {
        let is_moving = error.redirect_node().is_some()
            || matches!(error.kind(), redis::ErrorKind::Server(ServerErrorKind::TryAgain));
        if is_moving {
            let command = sweep_command(key);
            return self.ask::<u64>(key, Question::script(&scripts::SWEEP, &command)).await.map(drop);
        }
        // Without a prefix, keys of others are looked at too, and some may be out of this user's reach.
        if all_keys && is_out_of_reach(&error) { Ok(()) } else { Err(self.source.refused(&error)) }
    }

    /// Who is at the end of a connection; `None` where that may be several servers.
    fn server_of(&self, connection: &Connection<'_>, info: Option<&str>) -> Option<ServerId> {
        let field = |name: &str| {
            let mut lines = info?.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        };
        // A connection of the user's own may lead to whichever node of a cluster a command is for, and `SCAN` is for none.
        if matches!(self.source, Source::Ready(_)) {
            let mode = field("redis_mode").or_else(|| field("server_mode"))?;
            if mode.trim() == "cluster" {
                return None;
            }
        }
        match field("run_id") {
            Some(id) => Some(ServerId::Run(id.trim().to_owned())),
            None => connection.number().map(ServerId::Connection),
        }
    }
}

/// Asks who the server is, and for a page of keys, in one write.
async fn scan(link: &mut Link, cursor: u64, prefix: &str, count: usize) -> RedisResult<Page> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("INFO").arg("server");
    pipeline.cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern(prefix)).arg("COUNT").arg(count);
    let mut answers = link.req_packed_commands(&pipeline, 0, 2).await?.into_iter();
    let info = answers.next().and_then(|answer| String::from_redis_value(answer.extract_error().ok()?).ok());
    let page = answers.next().unwrap_or(Value::Nil).extract_error()?;
    let (cursor, keys) = FromRedisValue::from_redis_value(page)?;
    Ok(Page { info, cursor, keys })
}

/// Removes the entries among these keys, in one write, and returns the keys that the server refused. A server that does not
/// know the script is sent its text in a second write.
async fn remove(link: &mut Link, keys: Vec<String>) -> RedisResult<Refused> {
    let refused = send(link, keys, false).await?;
    let (unknown, mut refused): (Refused, Refused) =
        refused.into_iter().partition(|(_, error)| route::is_unknown_script(error));
    // A key that came so far is on this server and within reach, so the first of them makes the script known.
    let keys = unknown.into_iter().map(|(key, _)| key).collect();
    refused.extend(send(link, keys, true).await?);
    Ok(refused)
}

async fn send(link: &mut Link, keys: Vec<String>, with_text: bool) -> RedisResult<Refused> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipeline = redis::pipe();
    for (number, key) in keys.iter().enumerate() {
        let command = sweep_command(key);
        let first = with_text && number == 0;
        pipeline.add_command(if first { scripts::SWEEP.spelled_out(&command) } else { command });
    }
    let answers = link.req_packed_commands(&pipeline, 0, keys.len()).await?;
    let answers = keys.into_iter().zip(answers);
    let refused = answers.filter_map(|(key, answer)| Some((key, answer.extract_error().err()?)));
    // The connection hears of a server that is no primary any more.
    refused.map(|(key, error)| if is_demoted(&error) { Err(error) } else { Ok((key, error)) }).collect()
}

fn sweep_command(key: &str) -> redis::Cmd {
    let mut command = scripts::SWEEP.on(key);
    command.arg(HEADER_LEN).arg(MAGIC).arg(VERSION);
    command
}

/// The pattern of the keys that begin with this prefix.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for part in prefix.chars() {
        if matches!(part, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(part);
    }
    pattern.push('*');
    pattern
}

/// Whether the server refuses the key to this user, and not the command or something in the script.
fn is_out_of_reach(error: &RedisError) -> bool {
    let is_of_key = |detail: &str| detail.to_ascii_lowercase().contains("permissions to access");
    error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoPerm) && error.detail().is_some_and(is_of_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_for_itself_in_a_pattern() {
        assert_eq!(pattern(""), "*");
        assert_eq!(pattern("shop:"), "shop:*");
        assert_eq!(pattern(r"a*[b]?\:"), r"a\*\[b\]\?\\:*");
    }
}
