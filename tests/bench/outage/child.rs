//! The process of a cell, and the lines that it says.

use std::path::Path;
use std::process::Stdio;
use std::str::FromStr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdin, ChildStdout, Command};

/// After this a call has no answer: far above the longest that the libraries take by design (three attempts of five seconds
/// in each of two or three steps), so that what is longer is a hang.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// What the process itself says at the bound comes a little later.
const GRACE: Duration = Duration::from_secs(2);

/// What happened in a cell; times are what the caller waited.
#[derive(Debug)]
pub(crate) enum Event {
    /// The library is connected and has been used.
    Ready,
    /// It could not be connected, or used at all.
    Failed { took: Duration, error: String },
    /// One call.
    Call { took: Duration, answer: Answer },
    /// A hundred calls at once: how many answers were `Ok`, and how often the body ran.
    Storm { took: Duration, ok: u32, runs: u32 },
    /// No answer within the bound.
    Late,
    /// The process ended by itself, without a word.
    Died { took: Duration },
}

/// The answer of one call.
#[derive(Debug)]
pub(crate) enum Answer {
    Ok,
    Error(String),
    Panic(String),
}

/// The process of a cell, killed when dropped.
pub(crate) struct Child {
    process: Process,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Whether there is nothing to come any more.
    done: bool,
}

impl Child {
    /// Starts the program: library, task, URL of the server.
    pub(crate) fn spawn(program: &Path, args: [&str; 3]) -> Self {
        let mut process = Command::new(program)
            .args(args)
            .arg(BOUND.as_secs().to_string())
            // Where the macro of `cached` finds its server.
            .env("CACHED_REDIS_CONNECTION_STRING", args[2])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What libraries print of an outage stands in the answers too.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the program was built");
        let input = process.stdin.take().expect("stdin is piped");
        let output = process.stdout.take().expect("stdout is piped");
        Self { process, input, lines: BufReader::new(output).lines(), done: false }
    }

    /// What happens next, or `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        if self.done {
            return None;
        }
        let begun = Instant::now();
        let Ok(line) = tokio::time::timeout(BOUND + GRACE, self.lines.next_line()).await else {
            self.done = true;
            return Some(Event::Late);
        };
        if let Some(line) = line.expect("the program says UTF-8") {
            return Some(line.parse().unwrap_or_else(|()| panic!("the program said {line:?}")));
        }
        self.done = true;
        let status = self.process.wait().await.expect("the program is a child of this process");
        (!status.success()).then(|| Event::Died { took: begun.elapsed() })
    }

    /// Says that the server is down.
    pub(crate) async fn go_on(&mut self) {
        // One that has ended meanwhile is seen when the next line is read.
        let _ = self.input.write_all(b"down\n").await;
    }
}

impl FromStr for Event {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let mut words = line.splitn(4, ' ');
        let what = words.next().ok_or(())?;
        if what == "ready" {
            return Ok(Self::Ready);
        }
        let took = Duration::from_micros(number(words.next())?);
        if what == "failed" {
            return Ok(Self::Failed { took, error: words.collect::<Vec<_>>().join(" ") });
        }
        let (second, rest) = (words.next().ok_or(())?, words.next().unwrap_or_default());
        match (what, second) {
            ("call", "ok") => Ok(Self::Call { took, answer: Answer::Ok }),
            ("call", "error") => Ok(Self::Call { took, answer: Answer::Error(rest.to_owned()) }),
            ("call", "panic") => Ok(Self::Call { took, answer: Answer::Panic(rest.to_owned()) }),
            ("storm", ok) => Ok(Self::Storm { took, ok: number(Some(ok))?, runs: number(Some(rest))? }),
            _ => Err(()),
        }
    }
}

fn number<N: FromStr>(word: Option<&str>) -> Result<N, ()> {
    word.and_then(|word| word.parse().ok()).ok_or(())
}
