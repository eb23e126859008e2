//! The cells of the table. Each says what happened in lines:
//!
//! | line | |
//! |---|---|
//! | `ready` | connected, and one call has gone through: the server may go down |
//! | `failed <µs> <error>` | the library could not be connected |
//! | `call <µs> ok`, `call <µs> error <error>`, `call <µs> panic <message>` | one call |
//! | `storm <µs> <ok> <runs>` | a hundred calls: the answers that are `Ok`, and the runs of the body |

use std::io::stdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};

use crate::library::{Library, Report, runs};

/// The calls of one cell: enough for the median of those after the first few. A library that answers within a second
/// makes them all.
const CALLS: u64 = 40;

/// For how long new calls begin: three that take half a minute each, and a few more.
const CALLS_FOR: Duration = Duration::from_secs(110);

const AT_ONCE: usize = 100;

/// The answer of one call.
type Answer = Result<Report, String>;

/// A program that starts while the server is down: the time from its first step to its first answer.
pub(crate) async fn first_call<L: Library>(url: &str) {
    let begun = Instant::now();
    if let Some(library) = connected::<L>(url).await {
        print_call(begun, &call(&library, 1).await);
    }
}

/// Calls after the server went down under a program that had used it.
pub(crate) async fn calls<L: Library>(url: &str) {
    let Some(library) = warm::<L>(url).await else { return };
    let first = Instant::now();
    for id in 1..=CALLS {
        let begun = Instant::now();
        print_call(begun, &call(&library, id).await);
        if first.elapsed() > CALLS_FOR {
            break;
        }
    }
}

/// A hundred callers at once after the server went down; after `bound`, those that have their answer by then.
pub(crate) async fn storm<L: Library>(url: &str, bound: Duration) {
    let Some(library) = warm::<L>(url).await else { return };
    let before = runs();
    let ok = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (library, ok) = (library.clone(), ok.clone());
        callers.spawn(async move {
            if library.call(1).await.is_ok_and(|report| report.id == 1) {
                ok.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // A panic of a caller is an answer that is not `Ok`.
    let all = async { while callers.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(bound, all).await;
    println!("storm {} {} {}", begun.elapsed().as_micros(), ok.load(Ordering::Relaxed), runs() - before);
}

/// Connects, calls once, and returns when the server is down.
async fn warm<L: Library>(url: &str) -> Option<Arc<L>> {
    let library = connected::<L>(url).await?;
    if let Err(error) = library.call(0).await {
        println!("failed 0 {}", one_line(&error));
        return None;
    }
    println!("ready");
    let line = tokio::task::spawn_blocking(|| stdin().read_line(&mut String::new())).await;
    line.expect("reading does not panic").expect("the benchmark says when the server is down");
    Some(library)
}

async fn connected<L: Library>(url: &str) -> Option<Arc<L>> {
    let begun = Instant::now();
    match L::connect(url).await {
        Ok(library) => Some(Arc::new(library)),
        Err(error) => {
            println!("failed {} {}", begun.elapsed().as_micros(), one_line(&error));
            None
        }
    }
}

/// One call in a task of its own, which may panic.
async fn call<L: Library>(library: &Arc<L>, id: u64) -> Result<Answer, JoinError> {
    let library = library.clone();
    tokio::spawn(async move { library.call(id).await }).await
}

fn print_call(begun: Instant, answer: &Result<Answer, JoinError>) {
    let took = begun.elapsed().as_micros();
    match answer {
        Ok(Ok(report)) => println!("call {took} ok {}", report.id),
        Ok(Err(error)) => println!("call {took} error {}", one_line(error)),
        Err(panic) => println!("call {took} panic {}", one_line(&panic.to_string())),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
