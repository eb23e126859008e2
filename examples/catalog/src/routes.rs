//! The service over HTTP.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::{get, put};
use axum::{Json, Router, middleware};
use serde::Deserialize;

use crate::error::message;
use crate::{CatalogError, Db, Product, Ranked, cache_status, product, set_price, top};

/// A price that no product of this catalog has: above it, the cents of a mistyped price.
const HIGHEST_PRICE: u32 = 100_000_000;

pub(crate) fn router(db: Db) -> Router {
    Router::new()
        .route("/products/{id}", get(one_product))
        .route("/products/{id}/price", put(new_price))
        .route("/categories/{name}/top", get(top_of_category))
        .fallback(nothing_here)
        .layer(middleware::from_fn(cache_status::header))
        .with_state(db)
}

async fn one_product(State(db): State<Db>, Path(id): Path<u32>) -> Result<Json<Product>, CatalogError> {
    product(&db, id).await.map(Json)
}

async fn top_of_category(State(db): State<Db>, Path(name): Path<String>) -> Result<Json<Vec<Ranked>>, CatalogError> {
    top(&db, &name).await.map(Json)
}

#[derive(Debug, Deserialize)]
struct NewPrice {
    price_cents: u32,
}

async fn new_price(
    State(db): State<Db>,
    Path(id): Path<u32>,
    Json(new): Json<NewPrice>,
) -> Result<Json<Product>, CatalogError> {
    if !(1..=HIGHEST_PRICE).contains(&new.price_cents) {
        return Err(CatalogError::Price { highest: HIGHEST_PRICE });
    }
    set_price(&db, id, new.price_cents).await.map(Json)
}

async fn nothing_here(uri: Uri) -> impl IntoResponse {
    (StatusCode::NOT_FOUND, message(&format!("there is nothing at {}", uri.path())))
}
