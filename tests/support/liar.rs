//! A server that lies on cue: it stands before a real one, passes on what is asked, and answers some of it by itself.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{RedisServer, within};

/// What is lied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// A look at a key.
    Get,
    /// The script that takes a lease.
    Lease,
    /// The script that stores a value.
    Commit,
    /// The question for the server's time, which every new connection asks.
    Time,
    /// Any script that runs on this key.
    ScriptOn(&'static str),
    /// Everything, from the first word of a connection on.
    Everything,
}

/// How it is lied.
#[derive(Clone, Debug)]
pub enum Lie {
    /// These bytes are the answer.
    Says(Vec<u8>),
    /// These bytes come before the honest answer.
    Precedes(Vec<u8>),
    /// These bytes are the answer, and nothing comes after them.
    FallsSilent(Vec<u8>),
    /// These bytes are the answer, and the connection ends.
    HangsUp(Vec<u8>),
    /// These bytes come again and again, for as long as somebody listens.
    NeverEnds(Vec<u8>),
}

/// The server, ended when dropped; its connections end with it.
#[derive(Debug)]
pub struct Liar {
    port: u16,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    lie: Mutex<Option<(On, Lie)>>,
    upstream: u16,
    /// How many connections it holds.
    connections: watch::Sender<usize>,
}

impl Liar {
    /// Stands before this server, honest so far.
    pub async fn before(server: &RedisServer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let connections = watch::Sender::new(0);
        let state = Arc::new(State { lie: Mutex::default(), upstream: server.port(), connections });
        let accepted = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            let mut held = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&accepted);
                held.spawn(async move {
                    state.connections.send_modify(|count| *count += 1);
                    // The end of a connection, whoever ended it.
                    let _ = state.serve(client).await;
                    state.connections.send_modify(|count| *count -= 1);
                });
            }
        });
        Self { port, state, accepting }
    }

    /// Lies from now on.
    pub fn lies(&self, on: On, lie: Lie) {
        *self.state.lie.lock().unwrap_or_else(PoisonError::into_inner) = Some((on, lie));
    }

    /// Is honest from now on.
    pub fn is_honest(&self) {
        *self.state.lie.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits until nobody is connected.
    pub async fn is_left(&self) {
        let mut connections = self.state.connections.subscribe();
        let _ = within("the client to hang up", connections.wait_for(|count| *count == 0)).await;
    }

    /// The port of the server that the clients see.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the server that the clients see.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    async fn serve(&self, client: TcpStream) -> io::Result<()> {
        let (asks, mut to_client) = client.into_split();
        let (answers, mut to_server) = TcpStream::connect(("127.0.0.1", self.upstream)).await?.into_split();
        let (mut asks, mut answers) = (BufReader::new(asks), BufReader::new(answers));
        loop {
            let (command, arguments) = command(&mut asks).await?;
            match self.lie_to(&arguments) {
                None => {}
                Some(Lie::Says(bytes)) => {
                    to_client.write_all(&bytes).await?;
                    continue;
                }
                Some(Lie::Precedes(bytes)) => to_client.write_all(&bytes).await?,
                Some(Lie::HangsUp(bytes)) => return to_client.write_all(&bytes).await,
                Some(Lie::FallsSilent(bytes)) => {
                    to_client.write_all(&bytes).await?;
                    return hear_out(asks).await;
                }
                Some(Lie::NeverEnds(bytes)) => return go_on(to_client, &bytes).await,
            }
            to_server.write_all(&command).await?;
            let mut answer = Vec::new();
            Box::pin(reply(&mut answers, &mut answer)).await?;
            to_client.write_all(&answer).await?;
        }
    }

    fn lie_to(&self, arguments: &[Vec<u8>]) -> Option<Lie> {
        let lie = self.lie.lock().unwrap_or_else(PoisonError::into_inner);
        let is_script = arguments
            .first()
            .is_some_and(|name| [&b"EVALSHA"[..], b"EVAL"].iter().any(|eval| name.eq_ignore_ascii_case(eval)));
        let (on, lie) = lie.as_ref()?;
        let applies = match on {
            On::Get => arguments.first().is_some_and(|name| name.eq_ignore_ascii_case(b"GET")),
            On::Lease => is_script && arguments.iter().any(|argument| argument == b"missing"),
            // Its entry is a value, and no lease and no WRITE.
            On::Commit => is_script && arguments.iter().any(|word| word.starts_with(b"\xCA\x02\0")),
            On::ScriptOn(key) => is_script && arguments.iter().any(|word| word == key.as_bytes()),
            On::Time => arguments.first().is_some_and(|name| name.eq_ignore_ascii_case(b"TIME")),
            On::Everything => true,
        };
        applies.then(|| lie.clone())
    }
}

/// Listens until the client hangs up.
async fn hear_out(mut asks: BufReader<OwnedReadHalf>) -> io::Result<()> {
    let mut heard = [0; 1_024];
    while asks.read(&mut heard).await? > 0 {}
    Ok(())
}

/// Says the same until the client hangs up.
async fn go_on(mut to_client: OwnedWriteHalf, bytes: &[u8]) -> io::Result<()> {
    let chunk = bytes.repeat(4_096 / bytes.len().max(1) + 1);
    loop {
        to_client.write_all(&chunk).await?;
        // A write that never waits would not let the others have their turn.
        tokio::task::yield_now().await;
    }
}

/// One command: its bytes, and its words.
async fn command(asks: &mut BufReader<OwnedReadHalf>) -> io::Result<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut bytes = Vec::new();
    let count = length(&line(asks, &mut bytes).await?);
    let mut words = Vec::new();
    for _ in 0..count {
        let len = length(&line(asks, &mut bytes).await?);
        let at = bytes.len();
        bytes.resize(at + len + 2, 0);
        asks.read_exact(&mut bytes[at..]).await?;
        words.push(bytes[at..at + len].to_vec());
    }
    Ok((bytes, words))
}

/// One answer, and the pushes before it.
async fn reply(answers: &mut BufReader<OwnedReadHalf>, out: &mut Vec<u8>) -> io::Result<()> {
    let head = line(answers, out).await?;
    let count = length(&head);
    let parts = match head.first() {
        Some(b'$' | b'=' | b'!') if !head.starts_with(b"$-1") => {
            let at = out.len();
            out.resize(at + count + 2, 0);
            answers.read_exact(&mut out[at..]).await?;
            0
        }
        Some(b'*' | b'~') => count,
        Some(b'%') => count * 2,
        // What was asked for comes behind the push.
        Some(b'>') => count + 1,
        _ => 0,
    };
    for _ in 0..parts {
        Box::pin(reply(answers, out)).await?;
    }
    Ok(())
}

/// One line, with its end, which is also appended.
async fn line(from: &mut BufReader<OwnedReadHalf>, out: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    out.extend_from_slice(&line);
    Ok(line)
}

/// `$12\r\n` → 12
fn length(line: &[u8]) -> usize {
    let digits = std::str::from_utf8(line.get(1..).unwrap_or_default()).unwrap_or_default();
    digits.trim().parse().unwrap_or(0)
}
