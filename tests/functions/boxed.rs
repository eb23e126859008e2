//! Functions that return a boxed future of an async block: by hand, by alias, by `async-recursion`; and ones that return
//! the block itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_recursion::async_recursion;
use cache_runtime::redis_cached;

use crate::{Runs, is_cached, is_send};

static BOXED: Runs = Runs::new();

#[redis_cached(key = "boxed:<id>")]
fn boxed(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        BOXED.count();
        id * 2
    })
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

static ALIASED: Runs = Runs::new();

#[redis_cached(key = "aliased:<name>")]
fn aliased<'n>(name: &'n str) -> BoxFuture<'n, Result<usize, String>> {
    let length = name.len();
    Box::pin(async move {
        ALIASED.count();
        let text: String = name.chars().rev().collect();
        if text.is_empty() {
            return Err("empty".to_owned());
        }
        Ok(length + text.len())
    })
}

trait Numbers {
    fn number(&self, id: u64) -> impl Future<Output = Option<u64>> + Send;
}

struct Counted(Arc<Runs>);

impl Numbers for Counted {
    #[redis_cached(key = "opaque:<id>", entry = false, skip(self))]
    fn number(&self, id: u64) -> impl Future<Output = Option<u64>> + Send {
        let runs = Arc::clone(&self.0);
        async move {
            runs.count();
            Some(id + 1)
        }
    }
}

static ABOVE: Runs = Runs::new();
static BELOW: Runs = Runs::new();
static BY_HAND: Runs = Runs::new();

#[async_recursion]
#[redis_cached(key = "recursion:above:<n>")]
async fn above(n: u64) -> u64 {
    ABOVE.count();
    if n < 2 { n } else { above(n - 1).await + above(n - 2).await }
}

#[redis_cached(key = "recursion:below:<n>")]
#[async_recursion]
async fn below(n: u64) -> u64 {
    BELOW.count();
    if n < 2 { n } else { below(n - 1).await + below(n - 2).await }
}

#[redis_cached(key = "recursion:by:hand:<n>")]
async fn by_hand(n: u64) -> u64 {
    BY_HAND.count();
    if n < 2 { n } else { Box::pin(by_hand(n - 1)).await + Box::pin(by_hand(n - 2)).await }
}

#[tokio::test]
async fn a_boxed_future_is_cached() {
    is_cached(&BOXED, |id| is_send(boxed(id)), |id| id * 2).await;
    assert_eq!(boxed_entry(1).get().await.unwrap(), Some(2));
}

#[tokio::test]
async fn the_type_of_a_boxed_future_may_be_an_alias() {
    is_cached(
        &ALIASED,
        |id| async move { aliased(&"x".repeat(usize::try_from(id).unwrap())).await },
        |id| Ok(2 * usize::try_from(id).unwrap()),
    )
    .await;
    assert_eq!(aliased_entry("x").get().await.unwrap(), Some(2));
    assert_eq!(aliased("").await, Err("empty".to_owned()));
}

#[tokio::test]
async fn the_block_itself_may_be_returned() {
    let runs = Arc::new(Runs::new());
    let counted = Counted(Arc::clone(&runs));
    is_cached(&runs, |id| is_send(counted.number(id)), |id| Some(id + 1)).await;
}

#[tokio::test]
async fn recursion_runs_each_step_once() {
    assert_eq!(above(20).await, 6765);
    assert_eq!(below(20).await, 6765);
    assert_eq!(by_hand(20).await, 6765);
    assert_eq!([ABOVE.get(), BELOW.get(), BY_HAND.get()], [21; 3]);
    assert_eq!(above_entry(20).get().await.unwrap(), Some(6765));
    assert_eq!(below_entry(20).get().await.unwrap(), Some(6765));
}
