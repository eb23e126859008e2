//! Dialing: over RESP3 with tracking for pushes, or plainly where the server or a proxy wants neither; and the server's
//! time.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, ProtocolVersion, RedisError, RedisResult, Value};

use super::connect::is_dead;
use super::pushes::Pushes;
use crate::{clock, observe};

/// A connection that is made.
pub(super) struct Up {
    pub(super) link: MultiplexedConnection,
    /// What the server pushes over it, if it does.
    pub(super) pushes: Option<Arc<Pushes>>,
    /// The server's time, since the Unix epoch, if it told a plausible one.
    pub(super) time: Option<Duration>,
}

/// Makes a connection, with pushes where they are to be had: a server before Redis 6 and many a proxy know no RESP3,
/// and some of these hang up on what they do not know.
///
/// Why they are refused is not asked: the server's words on `HELLO` repeat the password. Where it is the password that
/// is refused, the plain connection says so.
pub(super) async fn dial(client: &Client, config: &AsyncConnectionConfig) -> RedisResult<Up> {
    let mut up = connect(client, config).await?;
    let asked = clock::now();
    // A `TIME` that cannot be read is no reason to do without the server, so it is not read as a type of the client's.
    let said = match redis::cmd("TIME").query_async::<Value>(&mut up.link).await {
        Err(error) if is_dead(&error) => return Err(error),
        answer => answer.ok(),
    };
    // The server read its clock about half-way between the question and the answer.
    up.time = said.and_then(read_time).map(|time| time + (clock::now() - asked) / 2);
    if up.time.is_none() {
        observe::no_server_time();
    }
    Ok(up)
}

/// The time in an answer to `TIME`, if there is a plausible one.
fn read_time(answer: Value) -> Option<Duration> {
    let (seconds, micros) = FromRedisValue::from_redis_value(answer).ok()?;
    clock::server_time(seconds, micros)
}

async fn connect(client: &Client, config: &AsyncConnectionConfig) -> RedisResult<Up> {
    match dial_for_pushes(client, config).await {
        Err(error) if is_refused(&error) => {
            let link = client.get_multiplexed_async_connection_with_config(config).await?;
            observe::no_pushes("RESP3 is refused");
            Ok(Up { link, pushes: None, time: None })
        }
        dialed => dialed,
    }
}

/// Whether somebody is there and did not want what was said.
fn is_refused(error: &RedisError) -> bool {
    !error.is_io_error() || (error.is_connection_dropped() && !error.is_connection_refusal())
}

async fn dial_for_pushes(client: &Client, config: &AsyncConnectionConfig) -> RedisResult<Up> {
    let info = client.get_connection_info();
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(info.clone().set_redis_settings(settings))?;
    let pushes = Arc::new(Pushes::default());
    let config = config.clone().set_push_sender(Arc::clone(&pushes));
    let mut link = client.get_multiplexed_async_connection_with_config(&config).await?;
    // Only what is registered key by key is tracked: a hit costs the server nothing more.
    let tracking = redis::cmd("CLIENT").arg(&["TRACKING", "ON", "OPTIN"]).query_async::<()>(&mut link).await;
    let pushes = match tracking {
        Ok(()) => Some(pushes),
        Err(error) if is_dead(&error) => return Err(error),
        Err(_) => {
            observe::no_pushes("CLIENT TRACKING is refused");
            None
        }
    };
    Ok(Up { link, pushes, time: None })
}
