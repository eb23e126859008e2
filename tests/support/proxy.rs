//! A proxy between a cache and its server, as deployments have them: it passes bytes on, changes some words, and has bad
//! days.

use std::future::pending;
use std::io;
use std::time::Duration;

use futures_util::future::try_join;
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::RedisServer;

/// What befalls all connections of a proxy, those that are open and those that come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing: bytes pass at once.
    #[default]
    None,
    /// Each piece is this late, in both directions.
    Delay(Duration),
    /// Answers come byte by byte, with this rest after each.
    Trickle(Duration),
    /// Connections are taken and stay open, and nothing passes. What was held back passes afterwards.
    Stall,
    /// Connections are reset, new ones at once.
    Reset,
    /// The server's side says that nothing more will come, and goes on listening.
    HalfClose,
    /// Half of an answer passes, then the connection is closed.
    Cut,
    /// Each piece of the answers begins with a byte that is none of the protocol's.
    Corrupt,
}

/// Where the proxy leads, and what befalls its connections.
#[derive(Debug, Clone, Copy)]
struct Day {
    fault: Fault,
    upstream: u16,
    /// A connection of an earlier one is reset.
    epoch: u64,
}

/// A TCP proxy before a server, ended when dropped with all its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    day: watch::Sender<Day>,
    accepting: JoinHandle<()>,
}

/// A word, and what stands in its place; as long, so that what is counted stays right.
type Change = (&'static str, &'static str);

impl Proxy {
    /// A proxy that passes everything on, until something befalls it.
    pub async fn before(server: &RedisServer) -> Self {
        Self::start(server, None, None).await
    }

    /// A proxy that knows no RESP3: `HELLO` is an unknown command.
    pub async fn without_resp3(server: &RedisServer) -> Self {
        Self::start(server, Some(("HELLO", "HELLX")), None).await
    }

    /// A proxy that knows RESP3, and whose pushes never arrive: they come as something that nobody asked for.
    pub async fn that_loses_pushes(server: &RedisServer) -> Self {
        Self::start(server, None, Some(("invalidate", "invaliddte"))).await
    }

    async fn start(server: &RedisServer, to_server: Option<Change>, to_client: Option<Change>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (day, days) = watch::channel(Day { fault: Fault::None, upstream: server.port(), epoch: 0 });
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, days.clone(), to_server, to_client));
            }
        });
        Self { port, day, accepting }
    }

    /// The URL of the server behind the proxy.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Lets this befall the connections from now on, until something else does.
    pub fn befall(&self, fault: Fault) {
        self.day.send_modify(|day| {
            day.epoch += u64::from(fault == Fault::Reset);
            day.fault = fault;
        });
    }

    /// Leads to another server, as a name does after a failover: connections to the former one are reset.
    pub fn lead_to(&self, server: &RedisServer) {
        self.day.send_modify(|day| {
            day.epoch += 1;
            day.upstream = server.port();
        });
    }

    /// Leads new connections to another server, and leaves the old ones where they are.
    pub fn lead_newcomers_to(&self, server: &RedisServer) {
        self.day.send_modify(|day| day.upstream = server.port());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Carries one connection until an end of it goes, or it is reset.
async fn connect(
    mut client: TcpStream,
    mut days: watch::Receiver<Day>,
    to_server: Option<Change>,
    to_client: Option<Change>,
) {
    let begun = *days.borrow_and_update();
    let (asking, answering) = (days.clone(), days.clone());
    let carried = async {
        let mut server = TcpStream::connect(("127.0.0.1", begun.upstream)).await?;
        let ((from_client, back), (from_server, forth)) = (client.split(), server.split());
        let questions = pass(from_client, forth, to_server, asking, false);
        try_join(questions, pass(from_server, back, to_client, answering, true)).await
    };
    let is_reset = tokio::select! {
        _ = carried => false,
        () = until(&mut days, |day| day.epoch != begun.epoch || day.fault == Fault::Reset) => true,
    };
    if is_reset {
        // Without it the client would hear of an orderly end. An error means that it is gone already.
        let _ = set_socket_linger(&client, Some(Duration::ZERO));
    }
}

/// Passes on what comes. Both sides write a message at once, and these are small: no word comes in two pieces.
async fn pass(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    change: Option<Change>,
    mut days: watch::Receiver<Day>,
    answers: bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read?,
            () = until(&mut days, |day| answers && day.fault == Fault::HalfClose) => {
                to.shutdown().await?;
                return pending().await;
            }
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let piece = &mut buffer[..read];
        change_words(piece, change);
        until(&mut days, |day| day.fault != Fault::Stall).await;
        let fault = days.borrow().fault;
        match fault {
            Fault::Delay(time) => sleep(time).await,
            Fault::Trickle(rest) if answers => {
                trickle(&mut to, piece, rest, &days).await?;
                continue;
            }
            Fault::Cut if answers => {
                to.write_all(&piece[..read / 2]).await?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Fault::Corrupt if answers => piece[0] = b'?',
            _ => {}
        }
        to.write_all(piece).await?;
    }
}

fn change_words(piece: &mut [u8], change: Option<Change>) {
    let Some((word, instead)) = change else { return };
    if let Some(at) = piece.windows(word.len()).position(|window| window == word.as_bytes()) {
        piece[at..at + word.len()].copy_from_slice(instead.as_bytes());
    }
}

/// Byte by byte for as long as the fault lasts; the rest at once.
async fn trickle(to: &mut WriteHalf<'_>, piece: &[u8], rest: Duration, days: &watch::Receiver<Day>) -> io::Result<()> {
    for (at, byte) in piece.iter().enumerate() {
        if !matches!(days.borrow().fault, Fault::Trickle(_)) {
            return to.write_all(&piece[at..]).await;
        }
        to.write_all(&[*byte]).await?;
        sleep(rest).await;
    }
    Ok(())
}

/// Waits until the day is like that, or the proxy is gone.
async fn until(days: &mut watch::Receiver<Day>, like_that: impl FnMut(&Day) -> bool) {
    drop(days.wait_for(like_that).await);
}
