//! What the service does: two cached reads, and the write that invalidates them.

use cache_runtime::redis_cached;
use rusqlite::Row;
use serde::{Deserialize, Serialize};

use crate::{CatalogError, Db};

/// How many products the top of a category has.
const TOP: u32 = 10;

/// A product, as it is stored, cached and sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its number.
    pub id: u32,
    /// What it is called.
    pub name: String,
    /// Its category.
    pub category: String,
    /// Its price in cents.
    pub price_cents: u32,
}

/// A product in the top of its category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// Its number.
    pub id: u32,
    /// What it is called.
    pub name: String,
    /// Its price in cents.
    pub price_cents: u32,
    /// The mean of its reviews' stars.
    pub rating: f64,
    /// How many reviews that is.
    pub reviews: u32,
}

/// The product with this number.
///
/// # Errors
///
/// [`CatalogError::NoProduct`], and what the database reports. Errors are not cached: a number that is not there is
/// looked up each time, which is cheap, and a product that appears is seen at once.
#[redis_cached(key = "product:<id>:v1", ttl = "10m", lock = true, skip(db))]
pub async fn product(db: &Db, id: u32) -> Result<Product, CatalogError> {
    db.product(id).await?.ok_or(CatalogError::NoProduct(id))
}

/// The ten products of a category that their reviewers like best.
///
/// # Errors
///
/// [`CatalogError::NoCategory`], and what the database reports.
#[redis_cached(key = "category:<category>:top:v1", ttl = "1m", lock = true, skip(db))]
pub async fn top(db: &Db, category: &str) -> Result<Vec<Ranked>, CatalogError> {
    let top = db.best_reviewed(category.to_owned(), TOP).await?;
    if top.is_empty() { Err(CatalogError::NoCategory(category.to_owned())) } else { Ok(top) }
}

/// Changes a product's price, and returns the product as it is now. Whoever reads after this has returned sees the new
/// price, in every process that shares the Redis.
///
/// # Errors
///
/// [`CatalogError::NoProduct`], what the database reports, and [`CatalogError::NotInvalidated`]: the price is changed,
/// and caches may still show the old one. Doing it again is safe, and cures that.
pub async fn set_price(db: &Db, id: u32, price_cents: u32) -> Result<Product, CatalogError> {
    let product = db.set_price(id, price_cents).await?.ok_or(CatalogError::NoProduct(id))?;
    // After the write, never before it: a read in between would fill the cache with the old price.
    let (one, list) = (product_entry(id), top_entry(&product.category));
    let (one, list) = tokio::join!(one.invalidate(), list.invalidate());
    one.and(list).map_err(CatalogError::NotInvalidated)?;
    Ok(product)
}

impl Product {
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { id: row.get(0)?, name: row.get(1)?, category: row.get(2)?, price_cents: row.get(3)? })
    }
}

impl Ranked {
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (id, name, price_cents) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Self { id, name, price_cents, rating: row.get(3)?, reviews: row.get(4)? })
    }
}
