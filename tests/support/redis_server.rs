//! A real server of the test's own: what only a real server shows is tested on one.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use redis::aio::MultiplexedConnection;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

use crate::{Commands, PATIENCE, Traffic, within};

/// Ports are drawn from below the range that systems hand to outgoing connections: a client of some other test would
/// otherwise sit on the port of a server that is about to be restarted.
const PORTS: std::ops::Range<u64> = 10_000..30_000;

/// A node of a cluster has a second port, so many above the first.
const BUS: u64 = 10_000;

/// How often a start may lose its port to another process before that is no accident any more.
const PORT_DRAWS: usize = 20;

/// What a server says when it has started.
const READY: &str = "Ready to accept connections";

/// A Redis or Valkey server on a free port of 127.0.0.1, without persistence, killed when dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    args: Vec<String>,
    folder: TempDir,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with more arguments, such as `["--maxmemory", "2mb"]`.
    pub async fn start_with(args: &[&str]) -> Self {
        let folder = TempDir::with_prefix("redis-cached-").expect("a temporary folder for the server");
        let room = if args.contains(&"--cluster-enabled") { BUS } else { 0 };
        let args = args.iter().map(ToString::to_string).collect();
        let mut server = Self { port: 0, args, folder, process: None };
        let mut log = String::new();
        for _ in 0..PORT_DRAWS {
            server.port = free_port(room);
            match server.spawn(READY).await {
                Ok(()) => {
                    server.answers().await;
                    return server;
                }
                Err(said) if said.contains("Address already in use") => log = said,
                Err(said) => panic!("the server ended instead of starting:\n{said}"),
            }
        }
        panic!("no port stayed free long enough for a server:\n{log}")
    }

    /// The URL of the server, with its password when it was given `--requirepass`.
    pub fn url(&self) -> String {
        let user = self.password().map_or_else(String::new, |password| format!(":{password}@"));
        format!("redis://{user}127.0.0.1:{}/", self.port)
    }

    /// The port, the same over a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port on which it speaks TLS, if it was given `--tls-cert-file`; it listens without on the other.
    pub fn tls_port(&self) -> u16 {
        self.port + 1
    }

    /// The URL of the server over TLS, under this name of its host.
    pub fn tls_url(&self, host: &str) -> String {
        format!("rediss://{host}:{}/", self.tls_port())
    }

    /// A connection of its own for plain commands.
    pub async fn client(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("the server's URL is well formed");
        within("a connection to the server", client.get_multiplexed_async_connection())
            .await
            .expect("a running server takes connections")
    }

    /// How often each command ran so far; see [`Commands::since`].
    pub async fn commands(&self) -> Commands {
        Commands::ask(&mut self.client().await).await
    }

    /// Starts to listen to what clients send.
    pub async fn traffic(&self) -> Traffic {
        Traffic::listen(self).await
    }

    /// Stops the process in its tracks: connections stay open and nothing answers. [`RedisServer::resume`] ends it.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        // The signal is asynchronous: only this says that the process has stopped. It does not reap it.
        waitpid(Some(self.pid()), WaitOptions::UNTRACED).expect("the server is a child of this process");
    }

    /// Lets a paused process go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills the process: connections are reset, new ones are refused, all data is gone.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // An error means that it ended by itself, which is as good.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts a killed server again on the same port: empty, but for what it was told to save.
    pub async fn restart(&mut self) {
        self.respawn(READY).await;
        self.answers().await;
    }

    /// Starts a killed server again on the same port, and waits until it reads what it was told to save.
    pub async fn restart_loading(&mut self) {
        self.respawn("Loading RDB").await;
    }

    async fn respawn(&mut self, says: &'static str) {
        self.kill();
        if let Err(log) = self.spawn(says).await {
            panic!("the server did not start again on port {}:\n{log}", self.port);
        }
    }

    async fn answers(&self) {
        let answer: redis::RedisResult<String> = redis::cmd("PING").query_async(&mut self.client().await).await;
        assert_eq!(answer.as_deref(), Ok("PONG"), "the server is ready and does not answer PING");
    }

    /// Spawns the process and waits until it says that; the error is what the server printed before it ended.
    async fn spawn(&mut self, says: &'static str) -> Result<(), String> {
        let tls_port = self.args.iter().any(|arg| arg == "--tls-cert-file").then(|| self.tls_port().to_string());
        let mut child = Command::new(binary())
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(tls_port.iter().flat_map(|port| ["--tls-port", port]))
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "notice"])
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", binary().display()));
        let output = child.stdout.take().expect("stdout is piped");
        self.process = Some(child);

        let (send, ready) = mpsc::channel();
        // Reads on until the server ends, so that it never blocks on a full pipe.
        thread::spawn(move || {
            let mut log = String::new();
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.contains(says) {
                    let _ = send.send(Ok(()));
                }
                log.push_str(&line);
                log.push('\n');
            }
            let _ = send.send(Err(log));
        });
        let ready = tokio::task::spawn_blocking(move || ready.recv_timeout(PATIENCE)).await;
        ready.expect("waiting does not panic").expect("the server says so, or ends")
    }

    pub(crate) fn password(&self) -> Option<&str> {
        let option = self.args.iter().position(|arg| arg == "--requirepass")?;
        self.args.get(option + 1).map(String::as_str)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the server can be signalled while it runs");
    }

    fn pid(&self) -> Pid {
        let process = self.process.as_ref().expect("the server was killed: restart it first");
        Pid::from_child(process)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The server's program: `REDIS_SERVER_BIN`, else the first one in `PATH`.
fn binary() -> PathBuf {
    if let Some(named) = env::var_os("REDIS_SERVER_BIN") {
        return named.into();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    ["redis-server", "valkey-server"]
        .iter()
        .flat_map(|name| env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!(
                "no redis-server or valkey-server in PATH, and REDIS_SERVER_BIN is not set: \
                 `tests/run` gets a server and runs every test"
            )
        })
}

/// A port that nobody has, with as much room above it.
fn free_port(room: u64) -> u16 {
    loop {
        let drawn = PORTS.start + RandomState::new().hash_one(0) % (PORTS.end - room - PORTS.start);
        let port = u16::try_from(drawn).expect("the range is below 65,536");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
