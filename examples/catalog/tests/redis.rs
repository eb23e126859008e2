//! The service on a Redis of the test's own. A program of its own: a process has one cache.

mod service;

use cache_runtime::Cache;
use service::Service;
use support::RedisServer;

#[tokio::test]
async fn on_redis_a_read_is_cached_a_new_price_is_seen_at_once_and_an_outage_is_survived() {
    let mut redis = RedisServer::start().await;
    let cache = Cache::builder().redis_url(redis.url()).prefix("catalog").build().expect("the URL is well formed");
    cache.install().expect("nothing is installed yet");
    let service = Service::start().await;

    service.reads_are_cached_and_writes_are_seen().await;
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut redis.client().await).await.expect("the server is up");
    assert!(keys > 0, "the values are in this Redis");

    redis.kill();
    assert_eq!(service.get("/products/7").await.status, 200, "reads do without Redis");
    let unheard = service.put("/products/7/price", r#"{"price_cents":4321}"#).await;
    assert_eq!(unheard.status, 503, "a failed invalidation is said aloud");
    assert_eq!(unheard.header("retry-after"), Some("1"));
    assert_eq!(service.get("/products/7").await.body["price_cents"], 4321, "the price itself is changed");
}
