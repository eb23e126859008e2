//! One cell: a library under one kind of outage.

use std::path::Path;

use support::RedisServer;

use crate::child::{Child, Event};

/// A column of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// The first call of a program that starts while the server is down.
    DownAtStart,
    /// Calls after the server was killed under a program that had used it.
    Killed,
    /// Calls after it was stopped in its tracks: connections stay open, and nothing answers.
    Hung,
    /// A hundred callers of one key, after the server was killed.
    Storm,
}

impl Column {
    pub(crate) const ALL: [Self; 4] = [Self::DownAtStart, Self::Killed, Self::Hung, Self::Storm];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::DownAtStart => "down at start, first call",
            Self::Killed => "killed later, each call",
            Self::Hung => "hung (SIGSTOP), each call",
            Self::Storm => "100 callers on one key while down",
        }
    }

    /// What the process is asked to do.
    fn task(self) -> &'static str {
        match self {
            Self::DownAtStart => "first-call",
            Self::Killed | Self::Hung => "calls",
            Self::Storm => "storm",
        }
    }
}

/// What happened in this cell, in order.
pub(crate) async fn run(program: &Path, library: &str, column: Column) -> Vec<Event> {
    let mut server = RedisServer::start().await;
    if matches!(column, Column::DownAtStart) {
        server.kill();
    }
    let mut child = Child::spawn(program, [library, column.task(), &server.url()]);
    let mut events = Vec::new();
    while let Some(event) = child.next().await {
        if matches!(event, Event::Ready) {
            match column {
                Column::Hung => server.pause(),
                Column::DownAtStart | Column::Killed | Column::Storm => server.kill(),
            }
            child.go_on().await;
        } else {
            events.push(event);
        }
    }
    events
}
