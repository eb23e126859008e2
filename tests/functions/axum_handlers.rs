//! Handlers of axum, with `#[debug_handler]` above and below.

use axum::body::Body;
use axum::debug_handler;
use axum::extract::{Path, State};
use axum::handler::Handler;
use axum::http::{Request, StatusCode};
use cache_runtime::redis_cached;

use crate::Runs;

static RUNS: [Runs; 2] = [const { Runs::new() }; 2];

#[derive(Clone)]
struct Db(&'static str);

#[debug_handler]
#[redis_cached(key = "handler:above:<id>", skip(db))]
async fn above(State(db): State<Db>, Path(id): Path<u64>) -> Result<String, StatusCode> {
    RUNS[0].count();
    if id == 0 { Err(StatusCode::NOT_FOUND) } else { Ok(format!("{}{id}", db.0)) }
}

#[redis_cached(key = "handler:below:<id>", skip(db))]
#[debug_handler(state = Db)]
async fn below(State(db): State<Db>, Path(id): Path<u64>) -> String {
    RUNS[1].count();
    format!("{}{id}", db.0)
}

/// A handler where its extractors have run.
fn is_handler<H, T>(_: &H)
where
    H: Handler<T, Db>,
{
}

#[tokio::test]
async fn a_cached_handler_is_a_handler() {
    is_handler(&above);
    is_handler(&below);
    for _ in 0..2 {
        assert_eq!(above(State(Db("user ")), Path(7)).await, Ok("user 7".to_owned()));
        assert_eq!(above(State(Db("user ")), Path(0)).await, Err(StatusCode::NOT_FOUND));
        assert_eq!(below(State(Db("user ")), Path(7)).await, "user 7");
    }
    assert_eq!((RUNS[0].get(), RUNS[1].get()), (3, 1), "an `Err` is not cached");
    assert_eq!(above_entry(Path(7)).get().await.unwrap().as_deref(), Some("user 7"));
    let request = Request::new(Body::empty());
    let response = below.call(request, Db("user ")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "there was no route that knew the path");
}
