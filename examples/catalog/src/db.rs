//! `SQLite` behind a small pool, and the catalog's data, made at first start.

mod data;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::{CatalogError, Product, Ranked};

/// `SQLite` reads in parallel and writes one at a time: more connections only wait for the disk together.
const CONNECTIONS: usize = 4;

/// How long a connection waits for another one's write before it reports that the database is busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The database: a handle, cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
    // One permit a connection in use.
    permits: Arc<Semaphore>,
}

impl Db {
    /// Opens the database in `file`; a new one is filled with `products` products, the same ones every time.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, read or written as a database.
    pub async fn open(file: &Path, products: u32) -> Result<Self, CatalogError> {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        let pool = Pool { file: file.to_owned(), idle: Mutex::default(), permits };
        let ready = spawn_blocking(move || {
            let mut connection = pool.take()?;
            data::make(&mut connection, products)?;
            pool.give_back(connection);
            Ok(Self { pool: Arc::new(pool) })
        });
        ready.await?
    }

    /// How many products there are.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn count(&self) -> Result<u32, CatalogError> {
        self.run(|connection| connection.query_row("SELECT count(*) FROM product", [], |row| row.get(0))).await
    }

    pub(crate) async fn product(&self, id: u32) -> Result<Option<Product>, CatalogError> {
        const QUERY: &str = "SELECT id, name, category, price_cents FROM product WHERE id = ?1";
        self.run(move |connection| connection.prepare_cached(QUERY)?.query_row([id], Product::from_row).optional())
            .await
    }

    /// The products of a category that their reviewers like best: reads every review of the category.
    pub(crate) async fn best_reviewed(&self, category: String, limit: u32) -> Result<Vec<Ranked>, CatalogError> {
        const QUERY: &str = "
            SELECT product.id, name, price_cents, avg(stars) AS rating, count(*) AS reviews
            FROM product JOIN review ON review.product = product.id
            WHERE category = ?1
            GROUP BY product.id
            ORDER BY rating DESC, reviews DESC, product.id
            LIMIT ?2";
        self.run(move |connection| {
            connection.prepare_cached(QUERY)?.query_map(params![category, limit], Ranked::from_row)?.collect()
        })
        .await
    }

    /// Sets a price, and returns the product as it is now.
    pub(crate) async fn set_price(&self, id: u32, price_cents: u32) -> Result<Option<Product>, CatalogError> {
        const UPDATE: &str =
            "UPDATE product SET price_cents = ?2 WHERE id = ?1 RETURNING id, name, category, price_cents";
        self.run(move |connection| {
            connection.prepare_cached(UPDATE)?.query_row([id, price_cents], Product::from_row).optional()
        })
        .await
    }

    /// Runs a query on a connection of the pool, off the threads that serve requests. A caller that goes away leaves
    /// the query running, and the connection comes back when it ends.
    async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let pool = Arc::clone(&self.pool);
        let permit = Arc::clone(&pool.permits).acquire_owned().await.map_err(|_| CatalogError::Stopped)?;
        let output = spawn_blocking(move || {
            let _permit = permit;
            let connection = pool.take()?;
            let output = query(&connection);
            pool.give_back(connection);
            Ok(output?)
        });
        output.await?
    }
}

impl Pool {
    fn take(&self) -> rusqlite::Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| connect(&self.file), Ok)
    }

    fn give_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Readers do not wait for the writer.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::Db;

    #[tokio::test]
    async fn a_database_is_made_once_and_is_the_same_for_everybody() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (here, there) = (folder.path().join("here.sqlite"), folder.path().join("there.sqlite"));
        let first = Db::open(&here, 30).await.expect("a new database is made");
        let second = Db::open(&there, 30).await.expect("a new database is made");
        let (ours, theirs) = (first.product(7).await, second.product(7).await);
        assert_eq!(ours.expect("it is readable"), theirs.expect("it is readable"));

        let again = Db::open(&here, 5).await.expect("a made database is opened");
        assert_eq!(again.count().await.expect("it is readable"), 30);
    }

    #[tokio::test]
    async fn a_query_that_panics_costs_its_connection_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let db = Db::open(&folder.path().join("catalog.sqlite"), 30).await.expect("a new database is made");
        for _ in 0..=super::CONNECTIONS {
            db.run::<()>(|_| panic!("as asked")).await.expect_err("a panic is an error");
        }
        assert_eq!(db.count().await.expect("there are connections left"), 30);
    }
}
