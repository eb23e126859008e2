//! What callers see while Redis is away: this project beside `cached`, `hitbox` and `cachekit-rs`, in one run.
//!
//! Each cell of the table is a process of its own on a server of its own: a panic, an abort or a hang of one ends that
//! cell. All cells run side by side, since all that they do is wait; the longest of them is how long the run takes, less
//! than three minutes. How each library is set up, and why, stands in its file in `libraries/src`. They are a package outside of
//! the workspace, which this benchmark builds below the target folder: what they depend on burdens no other build.
//!
//! Afterwards, alone, what an outage adds to a call of this project's attribute: see [`added`].

mod added;
mod cell;
mod child;
mod table;

use std::path::PathBuf;
use std::process::Command;

use futures_util::future::join_all;

use cell::{Column, run};

const LIBRARIES: [&str; 5] = ["redis_cached", "cached", "cached, managed", "hitbox", "cachekit-rs"];

#[tokio::main(worker_threads = 2)]
async fn main() {
    let program = build();
    let program = program.as_path();
    let rows = LIBRARIES.map(|library| join_all(Column::ALL.map(|column| run(program, library, column))));
    let rows = join_all(rows).await;
    table::print(&LIBRARIES, &rows);
    added::print().await;
}

/// Builds the libraries, and returns their program.
fn build() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("outage");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/outage/libraries/Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the libraries do not build");
    target.join("release/libraries")
}
