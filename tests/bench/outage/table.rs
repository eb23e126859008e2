//! The table, and under it what the libraries said.

use std::time::Duration;

use crate::cell::Column;
use crate::child::{Answer, BOUND, Event};

/// The calls that are shown one by one; of those after them, the median.
const FIRST: usize = 3;

/// As much of an error as tells which it is.
const ERROR_CHARS: usize = 160;

/// Prints a row for each library.
pub(crate) fn print(libraries: &[&str], rows: &[Vec<Vec<Event>>]) {
    println!(
        "Until the caller has its answer; a body that takes 200 ms. Calls: the first {FIRST}, and the median of the later ones."
    );
    println!();
    println!("| | {} |", Column::ALL.map(Column::title).join(" | "));
    println!("|---|{}", "---|".repeat(Column::ALL.len()));
    for (library, row) in libraries.iter().zip(rows) {
        let cells: Vec<String> = row.iter().map(|events| cell(events)).collect();
        println!("| {library} | {} |", cells.join(" | "));
    }
    println!();
    for (library, row) in libraries.iter().zip(rows) {
        for (column, events) in Column::ALL.iter().zip(row) {
            if let Some(said) = events.iter().find_map(said) {
                let said: String = said.chars().take(ERROR_CHARS).collect();
                println!("{library}, {}: {said}", column.title());
            }
        }
    }
    println!();
}

fn cell(events: &[Event]) -> String {
    let mut parts: Vec<String> = events.iter().take(FIRST).map(event).collect();
    let later = events.get(FIRST..).unwrap_or_default();
    let mut took: Vec<Duration> = later.iter().filter_map(call).collect();
    took.sort_unstable();
    if let Some(median) = took.get(took.len() / 2) {
        let ok = later.iter().filter(|event| matches!(event, Event::Call { answer: Answer::Ok, .. })).count();
        parts.push(format!("later {} ({ok} of {} ok)", time(*median), took.len()));
    }
    // A hang or an end among the later ones ends the cell, and is not a matter for a median.
    parts.extend(later.iter().filter(|event| call(event).is_none()).map(event));
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn event(event: &Event) -> String {
    match event {
        Event::Ready => "ready".to_owned(),
        Event::Failed { took, .. } => format!("not connected: error after {}", time(*took)),
        Event::Call { took, answer: Answer::Ok } => format!("ok {}", time(*took)),
        Event::Call { took, answer: Answer::Error(_) } => format!("error {}", time(*took)),
        Event::Call { took, answer: Answer::Panic(_) } => format!("panic {}", time(*took)),
        Event::Storm { took, ok, runs } => {
            let took = if *took < BOUND { time(*took) } else { format!("> {} s", BOUND.as_secs()) };
            format!("{ok}/100 ok, {runs} {}, {took}", if *runs == 1 { "run" } else { "runs" })
        }
        Event::Late => format!("> {} s", BOUND.as_secs()),
        Event::Died { took } => format!("process ended after {}", time(*took)),
    }
}

fn call(event: &Event) -> Option<Duration> {
    if let Event::Call { took, .. } = event { Some(*took) } else { None }
}

/// The error or the message of a panic.
fn said(event: &Event) -> Option<&str> {
    match event {
        Event::Failed { error, .. } => Some(error),
        Event::Call { answer: Answer::Error(said) | Answer::Panic(said), .. } => Some(said),
        _ => None,
    }
}

fn time(took: Duration) -> String {
    if took < Duration::from_millis(1) {
        format!("{} µs", took.as_micros())
    } else if took < Duration::from_secs(1) {
        format!("{} ms", took.as_millis())
    } else {
        format!("{:.1} s", took.as_secs_f64())
    }
}
