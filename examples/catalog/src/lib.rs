//! A product catalog over HTTP, its reads cached: the service behind `cargo run --example catalog`.
//!
//! # Layout
//!
//! - `db`: `SQLite` behind a small pool, and the catalog's data, made at first start
//! - `products`: what the service does: two cached reads and the write that invalidates them
//! - `routes`: that over HTTP
//! - `cache_status`: the `Cache-Status` header of every answer
//! - `error`: what can go wrong, and the HTTP status of each

mod cache_status;
mod db;
mod error;
mod products;
mod routes;

use std::io;

use tokio::net::TcpListener;

pub use db::Db;
pub use error::CatalogError;
pub use products::{Product, Ranked, product, product_entry, set_price, top, top_entry};

/// Answers requests until `shutdown` ends, then ends those under way.
///
/// # Errors
///
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    db: Db,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, routes::router(db)).with_graceful_shutdown(shutdown).await
}
