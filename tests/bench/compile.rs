//! What the attribute costs to compile: 200 functions bare, with `#[redis_cached]`, and with the `#[concurrent_cached]`
//! of the crate `cached` on its Redis store; and how much larger the attribute makes a future.
//!
//! Builds three crates below the target folder, their dependencies first, then the crates themselves in turns.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cache_runtime::redis_cached;

const FUNCTIONS: u32 = 200;
const ROUNDS: usize = 5;

const HEAD: &str = "
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct User { pub id: u64, pub name: String }
#[derive(Clone, Debug)]
pub struct DbError(pub String);
pub struct Db;
impl Db {
    pub async fn user(&self, id: u64) -> Result<User, DbError> {
        if id == 0 { Err(DbError(String::new())) } else { Ok(User { id, name: id.to_string() }) }
    }
}
pub static DB: Db = Db;
";

const CACHED: &str = r##"#[cached::macros::concurrent_cached(redis = true, ttl_secs = 600, cache_prefix_block = r#"{ "user-NUMBER" }"#, map_error = r#"|e| DbError(format!("{e:?}"))"#)]"##;

/// The name of a crate, its dependency, and what stands before each function.
const CRATES: [(&str, &str, &str); 3] = [
    ("bare", "", ""),
    (
        "attribute",
        "cache-runtime = { path = \"RUNTIME\" }",
        "#[cache_runtime::redis_cached(key = \"user-NUMBER:<id>\", ttl = 600)]",
    ),
    ("concurrent_cached", "cached = { version = \"4.1\", features = [\"redis_tokio\"] }", CACHED),
];

fn main() {
    println!(
        "future of a call: {} bytes bare, {} bytes with the attribute",
        size_of_val(&bare(7)),
        size_of_val(&annotated(7))
    );
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compile");
    let crates = CRATES.map(|krate| write_crate(&root, krate));
    // The dependencies, which no round builds.
    for folder in &crates {
        build(&root, folder);
    }
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (folder, times) in crates.iter().zip(&mut times) {
            times.push(build(&root, folder));
        }
    }
    let [bare, attribute, cached] = times.map(|mut times| {
        times.sort();
        times[ROUNDS / 2]
    });
    let added = |with: Duration| with.saturating_sub(bare).as_secs_f64() * 1e3 / f64::from(FUNCTIONS);
    println!("{FUNCTIONS} functions, debug build, median of {ROUNDS}: {bare:.2?} bare");
    println!("  #[redis_cached]:      {attribute:.2?}, {:.1} ms added a function", added(attribute));
    println!("  #[concurrent_cached]: {cached:.2?}, {:.1} ms added a function", added(cached));
    println!("  ratio of the added times: {:.2}", added(attribute) / added(cached));
}

async fn bare(id: u64) -> Result<u64, String> {
    tokio::task::yield_now().await;
    Ok(id)
}

#[redis_cached(key = "user:<id>", ttl = 600)]
async fn annotated(id: u64) -> Result<u64, String> {
    tokio::task::yield_now().await;
    Ok(id)
}

fn write_crate(root: &Path, (name, dependency, attribute): (&str, &str, &str)) -> PathBuf {
    let folder = root.join(name);
    std::fs::create_dir_all(folder.join("src")).expect("the target folder can be written");
    let runtime = concat!(env!("CARGO_MANIFEST_DIR"), "/../cache-runtime");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n{}\n",
        dependency.replace("RUNTIME", runtime),
    );
    let mut source = HEAD.to_owned();
    for number in 0..FUNCTIONS {
        let attribute = attribute.replace("NUMBER", &number.to_string());
        write!(
            source,
            "{attribute}\npub async fn user_{number}(id: u64) -> Result<User, DbError> {{ DB.user(id).await }}\n\
             pub fn call_{number}() -> std::pin::Pin<Box<dyn Future<Output = Result<User, DbError>> + Send>> \
             {{ Box::pin(user_{number}(7)) }}\n"
        )
        .expect("a string can be written");
    }
    std::fs::write(folder.join("Cargo.toml"), manifest).expect("the target folder can be written");
    std::fs::write(folder.join("src/lib.rs"), source).expect("the target folder can be written");
    folder
}

/// Builds the crate anew; its dependencies only the first time.
fn build(root: &Path, folder: &Path) -> Duration {
    let source = folder.join("src/lib.rs");
    let text = std::fs::read_to_string(&source).expect("it was written");
    std::fs::write(&source, text).expect("the target folder can be written");
    let begun = Instant::now();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", root.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .status()
        .expect("cargo runs");
    assert!(status.success(), "{} does not build", folder.display());
    begun.elapsed()
}
