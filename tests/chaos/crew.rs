//! The processes that call, and what they wrote down.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use support::{Operation, within};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const PROGRAM: &str = env!("CARGO_BIN_EXE_caller");

/// What all processes did so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Operation>>>);

impl Log {
    fn add(&self, operation: Operation) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
    }

    /// The latest operations of a process, at most so many, latest first.
    pub(crate) fn latest(&self, name: &str, count: usize) -> Vec<Operation> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().rev().filter(|operation| by(operation) == name).take(count).cloned().collect()
    }

    pub(crate) fn take(&self) -> Vec<Operation> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Who did it: the note of an operation begins with that.
pub(crate) fn by(operation: &Operation) -> &str {
    operation.note.split(' ').next().unwrap_or_default()
}

/// What lives on in a process that rests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Footprint {
    pub(crate) tasks: usize,
    /// On the heap.
    pub(crate) bytes: usize,
    /// Invalidations.
    pub(crate) pending: usize,
}

/// A process that calls, killed when dropped.
pub(crate) struct Caller {
    pub(crate) name: String,
    process: Child,
    input: ChildStdin,
    rested: mpsc::UnboundedReceiver<Footprint>,
    listener: JoinHandle<()>,
}

impl Caller {
    /// Starts a process under this name, and waits until it is ready to work.
    pub(crate) async fn start(arguments: &[&str], name: String, log: &Log) -> Self {
        let mut process = Command::new(PROGRAM)
            .args(arguments)
            .env_remove("REDIS_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {PROGRAM}: {error}"));
        let input = process.stdin.take().expect("stdin is piped");
        let mut lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let ready = within("a caller to be ready", lines.next_line()).await.expect("it writes text");
        assert_eq!(ready.as_deref(), Some("ready"), "the first line");
        let (rests, rested) = mpsc::unbounded_channel();
        let (log, prefix) = (log.clone(), format!("{name} "));
        let listener = tokio::spawn(async move {
            while let Some(line) = lines.next_line().await.expect("it writes text") {
                if let Some(footprint) = footprint(&line) {
                    let _ = rests.send(footprint);
                    continue;
                }
                let mut operation: Operation = line.parse().expect("a line is an operation");
                operation.note.insert_str(0, &prefix);
                log.add(operation);
            }
        });
        Self { name, process, input, rested, listener }
    }

    /// Lets it call.
    pub(crate) async fn work(&mut self) {
        self.tell("work").await;
    }

    /// Lets it rest, down to so many tasks where that is known, and waits until it does.
    pub(crate) async fn rest(&mut self, tasks: Option<usize>) -> Footprint {
        let order = tasks.map_or("rest".to_owned(), |tasks| format!("rest {tasks}"));
        self.tell(&order).await;
        within("a caller to rest", self.rested.recv()).await.expect("it lives, and says when it rests")
    }

    /// Ends a process that rests.
    pub(crate) async fn end(self) {
        let Self { mut process, input, listener, .. } = self;
        drop(input);
        let status = within("a caller to end", process.wait()).await.expect("it is a child of this process");
        assert!(status.success(), "a caller failed: {status}");
        listener.await.expect("all that it wrote is read");
    }

    async fn tell(&mut self, order: &str) {
        self.input.write_all(format!("{order}\n").as_bytes()).await.expect("the caller listens");
    }
}

/// `rested 3 140000 0`
fn footprint(line: &str) -> Option<Footprint> {
    let mut figures = line.strip_prefix("rested ")?.split(' ').map(str::parse);
    let mut figure = || figures.next()?.ok();
    Some(Footprint { tasks: figure()?, bytes: figure()?, pending: figure()? })
}
