//! One process of the outage benchmark: one library, one cell of the table.
//!
//! `libraries <library> <cell> <url> <bound>`: the URL of a Redis server, and the seconds after which the benchmark takes
//! an answer for lost. It says on its output, a line each, what happened (see [`cells`]), and waits for a line on its
//! input where the benchmark has to take the server down first.

mod cells;
mod library;
mod with_cached;
mod with_cachekit;
mod with_hitbox;
mod with_redis_cached;

use std::time::Duration;

use library::Library;

/// What the table asks of each library.
#[derive(Clone, Copy)]
enum Cell {
    /// One call by a program that was started while the server was down.
    FirstCall,
    /// Calls one after the other, each with a key of its own, from when the server went down on.
    Calls,
    /// A hundred calls of one key at once, while the server is down.
    Storm,
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [library, cell, url, bound] = args.as_slice() else {
        panic!("expected: <library> <cell> <url> <bound>, got {args:?}");
    };
    let cell = match cell.as_str() {
        "first-call" => Cell::FirstCall,
        "calls" => Cell::Calls,
        "storm" => Cell::Storm,
        other => panic!("no cell {other}"),
    };
    let bound = Duration::from_secs(bound.parse().expect("the bound is a number of seconds"));
    match library.as_str() {
        "redis_cached" => run::<with_redis_cached::Ours>(cell, url, bound).await,
        "cached" => run::<with_cached::Cached>(cell, url, bound).await,
        "cached, managed" => run::<with_cached::CachedManaged>(cell, url, bound).await,
        "hitbox" => run::<with_hitbox::Hitbox>(cell, url, bound).await,
        "cachekit-rs" => run::<with_cachekit::Cachekit>(cell, url, bound).await,
        other => panic!("no library {other}"),
    }
}

async fn run<L: Library>(cell: Cell, url: &str, bound: Duration) {
    match cell {
        Cell::FirstCall => cells::first_call::<L>(url).await,
        Cell::Calls => cells::calls::<L>(url).await,
        Cell::Storm => cells::storm::<L>(url, bound).await,
    }
    // A library's own threads and tasks may be waiting for a server that does not come back.
    std::process::exit(0);
}
