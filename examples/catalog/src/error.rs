//! What can go wrong, and the HTTP status of each.

use std::error::Error;
use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::task::JoinError;
use tracing::error;

/// Why the service did not do what it was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum CatalogError {
    /// No product has this number.
    NoProduct(u32),
    /// No category has this name.
    NoCategory(String),
    /// The price is not one.
    Price {
        /// The highest price in cents; the lowest is 1.
        highest: u32,
    },
    /// The database failed.
    Db(rusqlite::Error),
    /// The service is being shut down, or a query panicked.
    Stopped,
    /// The price is changed, and the cache could not be told.
    NotInvalidated(cache_runtime::Error),
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProduct(id) => write!(f, "there is no product {id}"),
            Self::NoCategory(name) => write!(f, "there is no category `{name}`"),
            Self::Price { highest } => write!(f, "`price_cents` must be from 1 to {highest}"),
            Self::Db(_) => f.write_str("the database failed"),
            Self::Stopped => f.write_str("the query did not end"),
            Self::NotInvalidated(_) => {
                f.write_str("the price is changed, but caches may show the old one: send it again")
            }
        }
    }
}

impl Error for CatalogError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Db(error) => Some(error),
            Self::NotInvalidated(error) => Some(error),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for CatalogError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error)
    }
}

impl From<JoinError> for CatalogError {
    fn from(_: JoinError) -> Self {
        Self::Stopped
    }
}

impl CatalogError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoProduct(_) | Self::NoCategory(_) => StatusCode::NOT_FOUND,
            Self::Price { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Db(_) => StatusCode::INTERNAL_SERVER_ERROR,
            // Sending the same again is right: all requests of this service are idempotent.
            Self::Stopped | Self::NotInvalidated(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for CatalogError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            error!(error = &self as &dyn Error, "request failed");
        }
        let mut response = (status, message(&self.to_string())).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, 1.into());
        }
        response
    }
}

/// The body of every answer that is not a success: `{"error": "…"}`.
pub(crate) fn message(text: &str) -> Json<impl Serialize + use<>> {
    #[derive(Serialize)]
    struct Message {
        error: String,
    }
    Json(Message { error: text.to_owned() })
}
