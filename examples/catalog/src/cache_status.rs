//! The `Cache-Status` header (RFC 9211): what the cache did for this request.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Puts the whole request under one `report` scope: every cached call that it makes is in the header, however deep. A
/// request that makes none has no header.
pub(crate) async fn header(request: Request, next: Next) -> Response {
    let (mut response, report) = cache_runtime::report(next.run(request)).await;
    if !report.calls().is_empty()
        && let Ok(value) = HeaderValue::try_from(report.cache_status().to_string())
    {
        response.headers_mut().insert(CACHE_STATUS, value);
    }
    response
}
