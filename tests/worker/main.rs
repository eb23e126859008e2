//! A second process for the tests that need one: it says `ready`, waits for `go`, plays its scenario, says what came out.

use std::io::{self, BufRead, Write};

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some("--scenario"), Some(scenario)) = (args.next().as_deref(), args.next()) else {
        panic!("usage: worker --scenario <name>")
    };
    say("ready");
    assert_eq!(hear(), "go", "the first line told");
    match scenario.as_str() {
        "echo" => say(&hear()),
        other => panic!("unknown scenario `{other}`"),
    }
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .expect("the test listens");
}

fn hear() -> String {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).expect("the test speaks text");
    line.trim_end().to_owned()
}
