//! The processes that make a history: started, paused, killed and replaced, and what they wrote down.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use support::{Operation, within};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

const PROGRAM: &str = env!("CARGO_BIN_EXE_historian");

/// What all processes did so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Arc<Mutex<Vec<Operation>>>);

impl History {
    fn add(&self, operation: Operation) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
    }

    /// Takes all that was written down.
    pub(crate) fn take(&self) -> Vec<Operation> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A running historian, killed when dropped.
pub(crate) struct Historian {
    process: Child,
    input: ChildStdin,
    listener: JoinHandle<()>,
}

impl Historian {
    /// Starts a process under this number, and waits until it works.
    pub(crate) async fn start(arguments: &[&str], number: u32, history: &History) -> Self {
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
        let ready = within("a historian to be ready", lines.next_line()).await.expect("it writes text");
        assert_eq!(ready.as_deref(), Some("ready"), "the first line");
        let history = history.clone();
        let listener = tokio::spawn(async move {
            while let Some(line) = lines.next_line().await.expect("it writes text") {
                let mut operation: Operation = line.parse().expect("a line is an operation");
                operation.note.insert_str(0, &format!("p{number} "));
                history.add(operation);
            }
        });
        Self { process, input, listener }
    }

    /// Kills the process in the middle of whatever it does.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.expect("it can be killed while it runs");
        self.listener.await.expect("all that it wrote is read");
    }

    /// Stops the process in its tracks.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a paused process go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Lets what is under way end, and the process with it.
    pub(crate) async fn end(self) {
        let Self { mut process, input, listener } = self;
        drop(input);
        let status = within("a historian to end", process.wait()).await.expect("it is a child of this process");
        assert!(status.success(), "a historian failed: {status}");
        listener.await.expect("all that it wrote is read");
    }

    fn signal(&self, signal: Signal) {
        let pid = self.process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        kill_process(pid.expect("the process runs"), signal).expect("it can be signalled while it runs");
    }
}
