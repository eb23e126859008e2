//! What a server was asked, told by the server itself.

use std::collections::BTreeMap;

use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::{RedisServer, within};

/// What connections say of themselves when they open, or what the counting itself sends.
const SET_UP: [&str; 8] = ["auth", "client", "command", "hello", "info", "ping", "select", "time"];

/// What is no set-up for all that: who registers for a push pays for it with each wait.
const REGISTRATION: &str = "client|caching";

fn is_set_up(name: &str) -> bool {
    name != REGISTRATION && SET_UP.contains(&name.split('|').next().unwrap_or(name))
}

/// How often each command ran, from `INFO commandstats`. Commands run by a script are counted beside the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands(BTreeMap<String, u64>);

impl Commands {
    pub(crate) async fn ask(connection: &mut MultiplexedConnection) -> Self {
        let info: String = redis::cmd("INFO")
            .arg("commandstats")
            .query_async(connection)
            .await
            .expect("a running server answers INFO");
        Self(info.lines().filter_map(count).collect())
    }

    /// How often this command ran since the server started.
    pub fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// How many connections said hello between `earlier` and this one, besides the one that asks.
    pub fn connections_made_since(&self, earlier: &Self) -> u64 {
        self.count("hello") - earlier.count("hello")
    }

    /// The calls between `earlier` and this one, without those that open a connection.
    pub fn since(&self, earlier: &Self) -> BTreeMap<String, u64> {
        self.0
            .iter()
            .filter(|(name, _)| !is_set_up(name))
            .map(|(name, calls)| (name.clone(), calls - earlier.0.get(name).copied().unwrap_or(0)))
            .filter(|(_, calls)| *calls > 0)
            .collect()
    }
}

/// `cmdstat_get:calls=3,usec=…` → `("get", 3)`
fn count(line: &str) -> Option<(String, u64)> {
    let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(':')?;
    let calls = figures.strip_prefix("calls=")?.split(',').next()?;
    Some((name.to_owned(), calls.parse().ok()?))
}

/// What clients send, in order, from `MONITOR`: one entry is one round trip, which the statistics cannot tell (they
/// count what a script calls as well).
#[derive(Debug)]
pub struct Traffic {
    lines: Lines<BufReader<OwnedReadHalf>>,
    seen: BTreeMap<String, usize>,
    url: String,
    // Dropping it would close the connection.
    _write: OwnedWriteHalf,
}

impl Traffic {
    pub(crate) async fn listen(server: &RedisServer) -> Self {
        let stream =
            TcpStream::connect(("127.0.0.1", server.port())).await.expect("a running server takes connections");
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let password = server.password().map(|password| format!("AUTH {password}"));
        for command in password.into_iter().chain(["MONITOR".to_owned()]) {
            write.write_all(format!("{command}\r\n").as_bytes()).await.expect("a running server reads");
            let answer = within("the answer to MONITOR", lines.next_line()).await.expect("a running server answers");
            assert_eq!(answer.as_deref(), Some("+OK"), "{command} was refused");
        }
        Self { lines, seen: BTreeMap::new(), url: server.url(), _write: write }
    }

    /// Waits until clients have sent this command `times` times since the listening began.
    pub async fn until(&mut self, name: &str, times: usize) {
        let sent = async {
            while self.seen.get(name).copied().unwrap_or(0) < times {
                self.next().await;
            }
        };
        within(&format!("{times} times `{name}`"), sent).await;
    }

    /// The names of the commands sent since the last call, in lower case, in order, without those that open a
    /// connection and without what scripts call.
    pub async fn sent(&mut self) -> Vec<String> {
        let lines = self.lines().await;
        lines.iter().filter_map(|line| command(line)).filter(|name| !is_set_up(name)).collect()
    }

    /// All that the server did since the last call, what scripts called too, as `MONITOR` tells it.
    pub async fn lines(&mut self) -> Vec<String> {
        const MARK: &str = "traffic-so-far";
        let client = redis::Client::open(self.url.as_str()).expect("the server's URL is well formed");
        let mut connection = client.get_multiplexed_async_connection().await.expect("the server is up");
        let _: String = redis::cmd("ECHO").arg(MARK).query_async(&mut connection).await.expect("the server is up");

        let mut lines = Vec::new();
        loop {
            let line = self.next().await;
            if line.contains(MARK) {
                return lines;
            }
            lines.push(line);
        }
    }

    async fn next(&mut self) -> String {
        let line = within("a line of MONITOR", self.lines.next_line()).await.expect("MONITOR goes on");
        let line = line.expect("MONITOR goes on while the server is up");
        if let Some(name) = command(&line) {
            *self.seen.entry(name).or_default() += 1;
        }
        line
    }
}

/// `+1700000000.123456 [0 127.0.0.1:40000] "GET" "user:7"` → `"get"`; nothing for what a script calls (`[0 lua]`). The
/// commands of `CLIENT` are told apart, as the statistics do.
fn command(line: &str) -> Option<String> {
    let (_, after) = line.split_once(" [")?;
    let (client, words) = after.split_once("] ")?;
    let mut words = words.strip_prefix('"')?.split('"').step_by(2).map(str::to_lowercase);
    let name = match (words.next()?, words.next()) {
        (name, Some(subcommand)) if name == "client" => format!("{name}|{subcommand}"),
        (name, _) => name,
    };
    (!client.ends_with(" lua")).then_some(name)
}
