//! A stampede: a value that everybody wants is not there, because it expired or the cache is new, and all ask at once.
//!
//! ```text
//! cargo run --example stampede                                     starts a redis-server of its own
//! REDIS_URL=redis://127.0.0.1/ cargo run --example stampede        uses yours
//! ```
//!
//! A cache makes an origin smaller than its load: a database that answers ten questions a second serves a site with ten
//! thousand readers, as long as one of them asks and the others get what it got. The moment that the value is gone, all ten
//! thousand ask the database.
//!
//! Callers of one process always share a run, with any store. But a service runs in several processes, and each of them
//! begins a run of its own: that is `lock = false`, as many runs as processes, and right for what is cheap. With
//! `lock = true` the processes agree: one runs the body under a lease in Redis, the others wait for the value and are woken
//! when it is there. If the one that runs fails, or is killed, the next one takes over.
//!
//! The program starts some copies of itself, lets all of their callers ask at once, and prints who did what.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, io, thread};

use cache_runtime::{Outcome, redis_cached, report};
use futures_util::future::join_all;

const PROCESSES: usize = 5;

/// Callers in each process.
const CALLERS: usize = 200;

/// What a question costs the origin.
const QUERY: Duration = Duration::from_millis(300);

/// The one difference between the two functions is `lock`.
#[redis_cached(key = "stampede:without:<round>", ttl = 60)]
async fn without_lock(round: u32) -> u32 {
    query(round).await
}

#[redis_cached(key = "stampede:with:<round>", ttl = 60, lock = true)]
async fn with_lock(round: u32) -> u32 {
    query(round).await
}

/// How often this process asked the origin.
static RUNS: AtomicU32 = AtomicU32::new(0);

async fn query(round: u32) -> u32 {
    RUNS.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(QUERY).await;
    round
}

fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).collect();
    let played = match &args[..] {
        [] => play(),
        [lock, round] => ask(lock == "with", round),
        _ => Err("it takes no arguments".into()),
    };
    played.map_or_else(
        |error| {
            eprintln!("stampede: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

/// The first process: starts the others, and prints what they say.
fn play() -> Result<(), Box<dyn Error>> {
    let server = if env::var_os("REDIS_URL").is_some() { None } else { Some(Server::start()?) };
    // Makes a key that nobody has.
    let round = SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos();
    println!("{CALLERS} callers in each of {PROCESSES} processes ask at once for a value that nobody has");
    for lock in ["without", "with"] {
        let mut children = Vec::new();
        for _ in 0..PROCESSES {
            let mut program = Command::new(env::current_exe()?);
            program.args([lock, &round.to_string()]);
            program.envs(server.as_ref().map(|server| ("REDIS_URL", &server.url)));
            children.push(Asking::start(&mut program)?);
        }
        // All are connected: now they ask, and each says what came out.
        children.iter_mut().try_for_each(Asking::go)?;
        let heard = children.iter_mut().map(Asking::hear).collect::<Result<Vec<_>, _>>()?;
        print(lock, &heard);
    }
    Ok(())
}

/// Each of the other processes: says when it is ready, lets its callers ask when told to, and says what came out.
#[tokio::main(flavor = "current_thread")]
async fn ask(lock: bool, round: &str) -> Result<(), Box<dyn Error>> {
    let round = round.parse()?;
    // Connects, and fails where there is nobody to connect to: without Redis every function runs on its own.
    with_lock_entry(round).get().await.map_err(|error| format!("no Redis at REDIS_URL: {error}"))?;
    say("ready")?;
    io::stdin().read_line(&mut String::new())?;

    let calls = (0..CALLERS).map(|_| async move {
        let (_, report) = if lock { report(with_lock(round)).await } else { report(without_lock(round)).await };
        report.calls()[0].outcome()
    });
    let outcomes = join_all(calls).await;
    let count = |outcome| outcomes.iter().filter(|other| **other == outcome).count();
    let runs = RUNS.load(Ordering::Relaxed);
    let calls = outcomes.len();
    say(&format!("{calls} {runs} {} {} {}", count(Outcome::Waited), count(Outcome::Coalesced), count(Outcome::Hit)))
}

fn say(line: &str) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    Ok(writeln!(out, "{line}").and_then(|()| out.flush())?)
}

/// Another process, as the first one sees it. Killed when dropped.
struct Asking {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Asking {
    /// Waits until it is connected.
    fn start(program: &mut Command) -> Result<Self, Box<dyn Error>> {
        let mut process = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(process.stdout.take().ok_or("its output is not piped")?);
        let mut asking = Self { process, output };
        asking.hear()?;
        Ok(asking)
    }

    fn hear(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() { Err("a process ended early".into()) } else { Ok(line.trim_end().to_owned()) }
    }

    fn go(&mut self) -> Result<(), Box<dyn Error>> {
        let input = self.process.stdin.as_mut().ok_or("its input is not piped")?;
        Ok(input.write_all(b"go\n")?)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        // It has ended by itself, unless something went wrong.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn print(lock: &str, heard: &[String]) {
    let titles = ["calls", "ran the body", "waited", "coalesced", "hit"];
    let row = |cells: &[String]| cells.iter().map(|cell| format!("{cell:>13}")).collect::<Vec<_>>().concat();
    println!("\n{:<14}{}", format!("{lock} lock"), row(&titles.map(str::to_owned)));
    let mut sums = [0; 5];
    for (number, line) in heard.iter().enumerate() {
        let cells: Vec<_> = line.split(' ').map(str::to_owned).collect();
        println!("{:<14}{}", format!("process {}", number + 1), row(&cells));
        sums.iter_mut().zip(&cells).for_each(|(sum, cell)| *sum += cell.parse().unwrap_or(0));
    }
    println!("{:<14}{}", "in all", row(&sums.map(|sum: u32| sum.to_string())));
}

/// A server on a free port, killed when dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start() -> Result<Self, Box<dyn Error>> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let program = |name| {
            let mut program = Command::new(name);
            program.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]).stdout(Stdio::null());
            program.spawn()
        };
        let process = program("redis-server").or_else(|_| program("valkey-server")).map_err(|_| NO_SERVER)?;
        let server = Self { process, url: format!("redis://127.0.0.1:{port}/") };
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err("the server did not start".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const NO_SERVER: &str = "several processes need a Redis: install redis-server or valkey-server, or start one, as with \
    `docker run --rm -p 6379:6379 redis`, and set REDIS_URL=redis://127.0.0.1/";
