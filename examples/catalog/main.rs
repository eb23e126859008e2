//! A product catalog over `SQLite`, with its reads cached.
//!
//! ```text
//! cargo run --example catalog                                       cached in this process
//! REDIS_URL=redis://127.0.0.1/ cargo run --example catalog          cached in Redis, with any number of processes
//! ```
//!
//! `CATALOG_ADDR` (127.0.0.1:3000) is where it listens, `CATALOG_DB` the database's file (made at first start).

use std::env;
use std::error::Error;
use std::path::PathBuf;

use cache_runtime::Cache;
use catalog::{Db, serve};
use tokio::net::TcpListener;
use tracing::info;
use tracing_subscriber::EnvFilter;

/// How many products a new database gets.
const PRODUCTS: u32 = 12_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let events = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(events).with_writer(std::io::stderr).init();

    // Once, in main; on REDIS_URL where it is set. It does not wait for Redis: the service starts while Redis is down, and
    // uses it when it comes.
    Cache::builder().prefix("catalog").build()?.install()?;

    let file =
        env::var_os("CATALOG_DB").map_or_else(|| env::temp_dir().join("redis_cached-catalog.sqlite"), PathBuf::from);
    let db = Db::open(&file, PRODUCTS).await?;

    let address = env::var("CATALOG_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    info!("{} products in {}", db.count().await?, file.display());
    info!("cached in {}", if env::var_os("REDIS_URL").is_some() { "Redis" } else { "this process" });
    info!("listening on http://{}", listener.local_addr()?);
    serve(listener, db, ctrl_c()).await?;
    Ok(())
}

async fn ctrl_c() {
    // Without a handler there is no graceful end: run until killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
