//! The client's errors as the cache's own, without what a server sent.
//!
//! An answer may be a value, and an error reply repeats the arguments of the command that it is about: a proxy that does
//! not know `HELLO` returns the password. So the text of the client's error is not used, and the error is not attached as
//! a source, which `{:?}` and `anyhow` would print. An answer is described by its type. Of an error reply its code is
//! shown, and the words that stand in the [`SENTENCES`] of servers and proxies; each other word becomes `…`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use once_cell::sync::Lazy;
use redis::{FromRedisValue, ParsingError, RedisError, RedisResult, ServerError, ServerErrorKind, Value};

use super::tls;
use crate::error::{Error, ErrorKind};

/// The client's error as the cache's.
pub(super) fn refused(error: &RedisError) -> Error {
    let kind = match error.kind() {
        _ if error.is_timeout() => ErrorKind::Timeout,
        _ if error.is_io_error() => ErrorKind::Unavailable,
        redis::ErrorKind::Server(
            ServerErrorKind::BusyLoading | ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown,
        )
        | redis::ErrorKind::ClusterConnectionNotFound => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    };
    let refused = Error::new(kind, format!("Redis: {}", described(error)));
    if is_of_key(error) { refused.of_key() } else { refused }
}

/// Whether the server refuses a key, and not the command: for what is at the key, or because the user may not use it.
fn is_of_key(error: &RedisError) -> bool {
    let says = |word| error.detail().is_some_and(|detail| detail.contains(word));
    match error.code() {
        Some("WRONGTYPE") => true,
        Some("NOPERM") => says("key"),
        // Before Redis 7 an error in a script is an error of the script.
        _ => says("WRONGTYPE"),
    }
}

/// Converts an answer to the type that was asked for.
pub(super) fn read<T: FromRedisValue>(answer: Value) -> RedisResult<T> {
    let answer = answer.extract_error()?;
    let found = name(&answer);
    T::from_redis_value(answer).map_err(|_| ParsingError::from(format!("{CANNOT_BE}{found}")).into())
}

/// Begins what [`read`] says of an answer. The client's own descriptions begin otherwise, whatever a server sends.
const CANNOT_BE: &str = "the answer to this command cannot be ";

/// What went wrong, in words that are not the server's.
pub(super) fn described(error: &RedisError) -> String {
    if let Some(replies) = error.clone().into_server_errors() {
        return replies.first().map_or_else(|| "an error reply".to_owned(), |(_, reply)| shown(reply));
    }
    if error.kind() == redis::ErrorKind::AuthenticationFailed {
        return "the user or the password is not accepted".to_owned();
    }
    if error.kind() == redis::ErrorKind::Parse {
        let own = error.detail().filter(|detail| detail.starts_with(CANNOT_BE));
        return own.unwrap_or("an answer that does not follow the protocol").to_owned();
    }
    cause(error).and_then(local).map_or_else(|| error.category().to_owned(), Cow::into_owned)
}

/// The type of an answer, with its article.
fn name(answer: &Value) -> &'static str {
    match answer {
        Value::Nil => "nil",
        Value::Int(_) => "an integer",
        Value::BulkString(_) | Value::VerbatimString { .. } => "a string",
        Value::SimpleString(_) | Value::Okay => "a status",
        Value::Array(_) => "an array",
        Value::Map(_) => "a map",
        Value::Attribute { .. } => "an attribute",
        Value::Set(_) => "a set",
        Value::Double(_) => "a double",
        Value::Boolean(_) => "a boolean",
        Value::BigNumber(_) => "a big number",
        Value::Push { .. } => "a push message",
        _ => "of this type",
    }
}

/// What is behind the client's error: the failure of a socket, as a rule.
fn cause(error: &RedisError) -> Option<&(dyn StdError + 'static)> {
    let source = error.source()?;
    let shared = source.downcast_ref::<Arc<dyn StdError + Send + Sync>>();
    Some(shared.map_or(source, |shared| &**shared))
}

/// A failure on this side of the connection. What an operating system says of it contains nothing of a server's.
fn local(cause: &(dyn StdError + 'static)) -> Option<Cow<'static, str>> {
    if let Some(described) = tls::described(cause) {
        return Some(described.into());
    }
    let error = cause.downcast_ref::<io::Error>()?;
    if let Some(code) = error.raw_os_error() {
        return Some(io::Error::from_raw_os_error(code).to_string().into());
    }
    if error.to_string().starts_with("failed to lookup address information") {
        return Some("the name of the host cannot be resolved".into());
    }
    Some(match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => "the connection was closed".into(),
        kind => kind.to_string().into(),
    })
}

/// The most words of an error reply that are shown.
const MOST_WORDS: usize = 40;

/// An error reply: its code, and the words that stand in the [`SENTENCES`].
fn shown(reply: &ServerError) -> String {
    let mut shown = String::new();
    let words = reply.code().split_whitespace().chain(reply.details().unwrap_or_default().split_whitespace());
    for word in words.take(MOST_WORDS).map(known) {
        // A gap is shown once, however much is left out.
        if word == GAP && shown.ends_with(GAP) {
            continue;
        }
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(word);
    }
    if shown.is_empty() || shown == GAP { "an unknown error reply".to_owned() } else { shown }
}

/// Stands for what is left out.
const GAP: &str = "…";

/// A word of an error reply, if it is a known one.
fn known(word: &str) -> &str {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if WORDS.contains(bare) { bare } else { GAP }
}

static WORDS: Lazy<HashSet<&str>> = Lazy::new(|| SENTENCES.split_ascii_whitespace().collect());

/// What Redis, Valkey and the proxies before them say, as far as it is theirs: the arguments are left out.
const SENTENCES: &str = "
    ERR WRONGTYPE Operation against a key holding the wrong kind of value
    NOAUTH Authentication required WRONGPASS invalid username-password pair or user is disabled
    Client sent AUTH but no password is set invalid password
    AUTH called without any password configured for the default user Are you sure your configuration is correct
    NOPERM this user has no permissions to run the command or its subcommand
    User has no permissions to access one of the keys used as arguments this channel
    NOPROTO unsupported protocol version Protocol error
    DENIED Redis is running in protected mode because protected mode is enabled and no password is set
    OOM command not allowed when used memory maxmemory
    READONLY You can't write against a read only replica
    MISCONF Redis is configured to save RDB snapshots but it's currently unable to persist to disk
    Commands that may modify the data set are disabled Errors writing to the AOF file
    NOREPLICAS Not enough good replicas to write
    LOADING Redis Valkey is loading the dataset in memory
    BUSY is busy running a script You can only call SCRIPT KILL or SHUTDOWN NOSAVE
    NOTBUSY UNKILLABLE BUSYKEY Target key name already exists IOERR INPROG NOGOODSLAVE NOQUORUM NOSUB
    MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to no
    CLUSTERDOWN Hash slot not served The cluster is down and only accepts read commands
    MOVED ASK TRYAGAIN Multiple keys request during rehashing of slot
    CROSSSLOT Keys in request don't hash to the same slot
    NOSCRIPT No matching script Please use EVAL EXECABORT Transaction discarded because of previous errors
    unknown command subcommand with args beginning with wrong number of arguments for
    max number of clients reached max daily request limit exceeded max request size exceeded rate limit exceeded
    syntax error value is not an integer or out of range DB index is out of range invalid DB index
    SELECT is not allowed in cluster mode This instance has cluster support disabled
    invalid expire time in string exceeds maximum allowed size proto-max-bulk-len
    Error running script compiling script This command is not allowed from script
    unsupported command not supported invalid request upstream failure upstream protocol error no upstream host
    get set unlink eval evalsha client tracking caching hello time ping script cluster slots asking
    GET SET UNLINK EVALSHA CLIENT TRACKING CACHING HELLO TIME PING SLOTS ASKING
";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(reply: &str) -> RedisError {
        let answer = redis::parse_redis_value(format!("-{reply}\r\n").as_bytes()).expect("an error reply");
        answer.extract_error().expect_err("it is an error")
    }

    #[test]
    fn an_error_reply_is_shown_without_its_arguments() {
        for (reply, shown) in [
            (
                "WRONGPASS invalid username-password pair or user is disabled.",
                "WRONGPASS invalid username-password pair or user is disabled",
            ),
            (
                "NOPERM User ada has no permissions to run the 'get' command",
                "NOPERM User … has no permissions to run the get command",
            ),
            (
                "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'ada' 'hunter2'",
                "ERR unknown command HELLO with args beginning with … AUTH …",
            ),
            ("MOVED 3999 127.0.0.1:6381", "MOVED …"),
            ("ERR max number of clients reached", "ERR max number of clients reached"),
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                "OOM command not allowed when used memory … maxmemory",
            ),
            ("hunter2", "an unknown error reply"),
            ("HUNTER2 'hunter2' hunter2", "an unknown error reply"),
            ("", "an unknown error reply"),
        ] {
            assert_eq!(described(&said(reply)), shown, "{reply}");
        }
        assert_eq!(described(&said(&"read ".repeat(1_000))).split(' ').count(), MOST_WORDS);
    }

    #[test]
    fn an_answer_of_another_type_is_shown_by_its_type() {
        for (answer, shown) in [
            (Value::BulkString(b"hunter2".to_vec()), "the answer to this command cannot be a string"),
            (
                Value::Array(vec![Value::SimpleString("hunter2".to_owned())]),
                "the answer to this command cannot be an array",
            ),
        ] {
            let error = read::<(u64, u64)>(answer).expect_err("no two numbers");
            assert_eq!(described(&error), shown);
        }
        let garbage = redis::parse_redis_value(b"$hunter2\r\n").expect_err("no length");
        assert_eq!(described(&garbage), "an answer that does not follow the protocol");
    }

    #[test]
    fn a_failure_of_the_network_is_shown_as_the_system_says_it() {
        let refused = RedisError::from(io::Error::from_raw_os_error(111));
        assert!(described(&refused).starts_with("Connection refused"), "{}", described(&refused));
        let closed = RedisError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(described(&closed), "the connection was closed");
        // What else is in it may be of a peer's making.
        let custom = RedisError::from(io::Error::new(io::ErrorKind::InvalidData, "hunter2"));
        assert_eq!(described(&custom), "invalid data");
    }

    proptest! {
        /// Wherever it stands in an error reply, alone, in quotes or glued to a known word.
        #[test]
        fn no_word_that_only_this_server_says_is_shown(
            secret in "[a-zA-Z0-9!#%&/=?+*_.-]{0,9}[0-9]{4}[a-zA-Z0-9!#%&/=?+*_.-]{0,9}",
            before in "(ERR|NOPERM|MOVED|WRONGPASS)?( (invalid|password|'|\"|for: |get))?",
            after in "('|\"|,| for the default user|get)?",
        ) {
            let error = said(&format!("{before}{secret}{after}"));
            for shown in [described(&error), format!("{:?}", refused(&error)), refused(&error).to_string()] {
                prop_assert!(!shown.contains(&secret), "{shown}");
            }
            prop_assert!(refused(&error).source().is_none());
        }
    }
}
