//! A connection that loses an answer: the server has done what it was asked, and the client does not hear of it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::{RedisServer, within};

/// Stands before a server; what passes, passes unchanged. Gone when dropped.
#[derive(Debug)]
pub struct LossyProxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The command whose next answer is to be lost.
    armed: Mutex<Option<&'static str>>,
    lost: Notify,
    cut: Notify,
}

impl LossyProxy {
    /// Begins to take connections for this server.
    pub async fn before(server: &RedisServer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("some port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (shared, server) = (Arc::<Shared>::default(), server.port());
        let accepting = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(pass(client, server, Arc::clone(&shared)));
                }
            }
        });
        Self { port, shared, accepting }
    }

    /// The URL that leads through it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Keeps the next answer to this command back, with all that comes after it.
    pub fn lose_the_next_answer_to(&self, command: &'static str) {
        *self.shared.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some(command);
    }

    /// Waits until that answer has come.
    pub async fn has_lost(&self) {
        within("the answer to be lost", self.shared.lost.notified()).await;
    }

    /// Closes the connection whose answer was lost.
    pub fn cut(&self) {
        self.shared.cut.notify_one();
    }
}

impl Shared {
    /// Whether this asks for an answer that is to be lost; asked of each but once.
    fn loses(&self, asked: &[u8]) -> bool {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_asked = |command: &mut &str| {
            let word = format!("\r\n{command}\r\n");
            asked.windows(word.len()).any(|words| words == word.as_bytes())
        };
        armed.take_if(is_asked).is_some()
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut client: TcpStream, server: u16, shared: Arc<Shared>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut asked, mut answered) = ([0; 4096], [0; 4096]);
    let mut loses = false;
    loop {
        tokio::select! {
            Ok(length @ 1..) = client.read(&mut asked) => {
                loses = loses || shared.loses(&asked[..length]);
                if server.write_all(&asked[..length]).await.is_err() {
                    return;
                }
            }
            Ok(length @ 1..) = server.read(&mut answered) => {
                if loses {
                    shared.lost.notify_one();
                    return shared.cut.notified().await;
                }
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}
