//! A proxy between a cache and its server, as deployments have them: it passes bytes on, and changes some words.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::RedisServer;

/// A TCP proxy before a server, ended when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    accepting: JoinHandle<()>,
}

/// A word, and what stands in its place; as long, so that what is counted stays right.
type Change = (&'static str, &'static str);

impl Proxy {
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
        let upstream = server.port();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)).await else { return };
                let ((from_client, back), (from_server, forth)) = (client.into_split(), server.into_split());
                tokio::spawn(pass(from_client, forth, to_server));
                tokio::spawn(pass(from_server, back, to_client));
            }
        });
        Self { port, accepting }
    }

    /// The URL of the server behind the proxy.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes on what comes. Both sides write a message at once, and these are small: no word comes in two pieces.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, change: Option<Change>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let passed = &mut buffer[..read];
        if let Some((word, instead)) = change {
            let found = passed.windows(word.len()).position(|window| window == word.as_bytes());
            if let Some(at) = found {
                passed[at..at + word.len()].copy_from_slice(instead.as_bytes());
            }
        }
        if to.write_all(passed).await.is_err() {
            return;
        }
    }
}
