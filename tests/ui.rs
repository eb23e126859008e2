//! What the compiler says about every use of the attributes: `ui/pass` compiles, `ui/fail` fails with the text beside it.

use std::process::Command;

/// The compiler whose messages the expected texts are: others word theirs in other ways.
const PINNED: &str = "1.95.";

#[test]
fn every_case_compiles_or_fails_as_it_says() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    let version = rustc_version();
    if version.starts_with(PINNED) {
        cases.compile_fail("ui/fail/*.rs");
    } else {
        println!("ui/fail is left out: its texts are those of rustc {PINNED}x, and this is {version}");
    }
}

fn rustc_version() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().expect("the compiler runs");
    let text = String::from_utf8(output.stdout).expect("the compiler writes text");
    text.split_whitespace().nth(1).expect("`rustc <version> …`").to_owned()
}
