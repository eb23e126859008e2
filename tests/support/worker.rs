//! A second process, spoken to in lines: what one process cannot show is tested with two.

use std::process::Stdio;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::within;

/// A running `worker` program, killed when dropped.
#[derive(Debug)]
pub struct Worker {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Runs `program` (`env!("CARGO_BIN_EXE_worker")`) with a scenario, which is a name and what it takes, and
    /// `REDIS_URL`, or without that, and waits until it says `ready`.
    pub async fn start(program: &str, scenario: &str, redis_url: Option<&str>) -> Self {
        Self::start_in(program, scenario, redis_url.map(|url| ("REDIS_URL", url))).await
    }

    /// Runs `program` likewise, with these variables in its environment, and without those of them that a test sets.
    pub async fn start_in<'v>(
        program: &str,
        scenario: &str,
        variables: impl IntoIterator<Item = (&'v str, &'v str)>,
    ) -> Self {
        let mut process = Command::new(program)
            .arg("--scenario")
            .args(scenario.split(' '))
            .env_remove("REDIS_URL")
            .env_remove("SSL_CERT_FILE")
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
        let input = process.stdin.take().expect("stdin is piped");
        let output = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let mut worker = Self { process, input, output };
        assert_eq!(worker.hear().await, "ready", "the worker's first line");
        worker
    }

    /// Sends a line.
    pub async fn tell(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.input.write_all(line.as_bytes()).await.expect("the worker listens");
    }

    /// Waits for the next line.
    pub async fn hear(&mut self) -> String {
        let line = within("a line of the worker", self.output.next_line()).await.expect("the worker writes text");
        line.expect("the worker says something before it ends")
    }

    /// Kills the process, as a crash or the kernel's out-of-memory killer would: nothing of it runs any more.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect("the worker can be killed while it runs");
    }

    /// Stops the process in its tracks, as a machine that pauses does: it holds what it holds, and does nothing.
    /// [`Worker::resume`] ends it.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        // The signal is asynchronous: only this says that the process has stopped. It does not reap it.
        waitpid(Some(self.pid()), WaitOptions::UNTRACED).expect("the worker is a child of this process");
    }

    /// Lets a paused process go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the worker can be signalled while it runs");
    }

    fn pid(&self) -> Pid {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).expect("the worker runs")
    }
}
