//! The service with nothing but its own memory. A program of its own: a process has one cache.

mod service;

use service::{Reply, Service};

#[tokio::test]
async fn without_redis_a_read_is_cached_and_a_new_price_is_seen_at_once() {
    let service = Service::start().await;
    service.reads_are_cached_and_writes_are_seen().await;
}

#[tokio::test]
async fn what_is_not_there_or_not_valid_is_said_in_json() {
    let service = Service::start().await;
    let expect = |reply: Reply, status, error: &str| {
        assert_eq!((reply.status, reply.body["error"].as_str()), (status, Some(error)));
    };

    expect(service.get("/products/999999").await, 404, "there is no product 999999");
    expect(service.get("/categories/boats/top").await, 404, "there is no category `boats`");
    expect(service.get("/nowhere").await, 404, "there is nothing at /nowhere");
    expect(service.put("/products/999999/price", r#"{"price_cents":1}"#).await, 404, "there is no product 999999");
    let free = service.put("/products/1/price", r#"{"price_cents":0}"#).await;
    expect(free, 422, "`price_cents` must be from 1 to 100000000");
    assert_eq!(service.put("/products/1/price", r#"{"price_cents":-1}"#).await.status, 422);
    assert_eq!(service.get("/products/seven").await.status, 400);
}
