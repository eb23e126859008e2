//! A connection on which things go wrong: an answer is lost, so that the server has done what it was asked and the client
//! does not hear of it; or a command is late, so that the client has given it up when the server does it.

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
    armed: Mutex<Option<(Mishap, Vec<u8>)>>,
    lost: Notify,
    cut: Notify,
    late: Notify,
    deliver: Notify,
    delivered: Notify,
}

/// What is to befall the next command with certain bytes in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    /// Its answer is kept back.
    Lost,
    /// It is kept back itself.
    Late,
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
    pub fn lose_the_next_answer_to(&self, command: &str) {
        self.lose_the_next_answer_with(format!("\r\n{command}\r\n").as_bytes());
    }

    /// Keeps the next answer back to a command that has these bytes in it, with all that comes after it.
    pub fn lose_the_next_answer_with(&self, bytes: &[u8]) {
        self.arm(Mishap::Lost, bytes);
    }

    /// Keeps the next command back that has these bytes in it, with all that comes after it on its connection.
    pub fn delay_the_next_with(&self, bytes: &[u8]) {
        self.arm(Mishap::Late, bytes);
    }

    fn arm(&self, mishap: Mishap, bytes: &[u8]) {
        *self.shared.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some((mishap, bytes.to_vec()));
    }

    /// Waits until that command has come.
    pub async fn has_delayed(&self) {
        within("a command to be delayed", self.shared.late.notified()).await;
    }

    /// Lets the command through that was kept back, the first one if there are several, and waits until the server has done
    /// it.
    pub async fn deliver(&self) {
        self.shared.deliver.notify_one();
        within("the late command to be done", self.shared.delivered.notified()).await;
    }

    /// Waits until that answer has come.
    pub async fn has_lost(&self) {
        within("the answer to be lost", self.shared.lost.notified()).await;
    }

    /// Closes the connection whose answer was lost, or hangs up on the client whose command is late.
    pub fn cut(&self) {
        self.shared.cut.notify_one();
    }
}

impl Shared {
    /// What befalls this command; asked of each but once.
    fn befalls(&self, asked: &[u8]) -> Option<Mishap> {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_asked = |(_, bytes): &mut (Mishap, Vec<u8>)| asked.windows(bytes.len()).any(|word| word == &bytes[..]);
        armed.take_if(is_asked).map(|(mishap, _)| mishap)
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
                match shared.befalls(&asked[..length]) {
                    Some(Mishap::Late) => {
                        shared.late.notify_one();
                        return come_late(client, server, &asked[..length], &shared).await;
                    }
                    Some(Mishap::Lost) => loses = true,
                    None => {}
                }
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

/// Delivers a command when it is time; nobody hears the answer, whoever asked.
async fn come_late(client: TcpStream, mut server: TcpStream, asked: &[u8], shared: &Shared) {
    tokio::select! {
        () = shared.deliver.notified() => {}
        () = shared.cut.notified() => {
            drop(client);
            shared.deliver.notified().await;
        }
    }
    server.write_all(asked).await.expect("the server is up");
    let answered = server.read(&mut [0; 4096]).await.expect("the server is up");
    assert_ne!(answered, 0, "the server hung up");
    shared.delivered.notify_one();
}
