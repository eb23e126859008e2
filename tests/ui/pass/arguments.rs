//! Every argument in each of its forms.
#![deny(warnings)]

use std::time::Duration;

use cache_runtime::{Cache, MessagePack, redis_cached};

const TTL: Duration = Duration::from_secs(5);

pub struct Service {
    cache: Cache,
    ttl: Duration,
}

#[redis_cached(key = "a:<id>", ttl = 600, jitter = 0.2, lock = false, fail_open = true, shed = false, entry = true,)]
pub async fn numbers(id: u64) -> u64 {
    id
}

#[redis_cached(ttl = "1h30m", key = "b:<id>", lock(wait = "5s", lease = 10), codec = MessagePack)]
pub async fn texts(id: u64) -> u64 {
    id
}

#[redis_cached(key = "c:<id>", ttl = TTL * 2, jitter = f64::from(1_u8) / 10.0, lock(lease = TTL))]
pub async fn expressions(id: u64) -> u64 {
    id
}

#[redis_cached(key = "d:<id>", ttl = 0.5, jitter = 0, lock(wait = 0.1), fail_open = false, entry = named, shared = true)]
pub async fn fractions(id: u64) -> Result<u64, cache_runtime::Error> {
    Ok(id)
}

#[redis_cached(key = "e:<id>", entry = false)]
pub async fn no_entry(id: u64) -> u64 {
    id
}

#[redis_cached(key = "f:<id>", cache = cache, skip(cache))]
pub async fn given(cache: &Cache, id: u64) -> u64 {
    id
}

#[redis_cached(key = "g:<id>", ttl = service.ttl, cache = &service.cache, skip(service, _reason))]
pub async fn of_parameter(_reason: &str, service: Service, id: u64) -> u64 {
    drop(service);
    id
}

fn is_even(value: &u64) -> bool {
    value.is_multiple_of(2)
}

#[redis_cached(key = "j:<id>", stale_while_revalidate = 60, stale_if_error = "1h", timeout = 2, early_refresh = 1)]
pub async fn durations(id: u64) -> u64 {
    id
}

#[redis_cached(key = "k:<id>", early_refresh = 0.5, none_ttl = "500ms", err_ttl = 0.5, detach = true)]
pub async fn kept(id: u64) -> Result<Option<u64>, String> {
    Ok(Some(id))
}

#[redis_cached(key = "l:<id>", stale_if_error = service.ttl, none_ttl = TTL, timeout = service.ttl, skip(service))]
pub async fn of_expressions(service: &Service, id: u64) -> Option<u64> {
    Some(id)
}

#[redis_cached(key = "m:<id>", ttl = |value| Duration::from_secs(*value), cache_if = is_even, detach = false)]
pub async fn of_value(id: u64) -> Option<u64> {
    Some(id)
}

#[redis_cached(key = "n:<id>", cache_if = move |value| *value > least, fail_open = false, skip(least))]
pub async fn of_parameters(least: u64, id: u64) -> Result<u64, cache_runtime::Error> {
    Ok(id)
}

#[redis_cached(key = "o:<id>", timeout = "2s", fail_open = false, err_ttl = 1, ttl = |_| TTL)]
pub async fn late(id: u64) -> Result<u64, Late> {
    Ok(id)
}

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Late;

impl From<cache_runtime::Error> for Late {
    fn from(_: cache_runtime::Error) -> Self {
        Self
    }
}

impl Service {
    #[redis_cached(key = "h:<id>", cache = &self.cache, ttl = self.ttl, skip(self))]
    pub async fn method(&self, id: u64) -> u64 {
        id
    }
}

pub trait Users {
    fn user(&self, id: u64) -> impl Future<Output = u64>;
}

impl Users for Service {
    #[redis_cached(key = "i:<id>", entry = false, skip(self))]
    async fn user(&self, id: u64) -> u64 {
        id
    }
}

async fn entries(cache: &Cache, service: &Service) {
    let _ = numbers_entry(1).invalidate().await;
    let _: Option<u64> = texts_entry(1).get().await.unwrap();
    let _ = expressions_entry(1).invalidate().await;
    let _ = named(1).invalidate().await;
    let _ = given_entry(cache, 1).invalidate().await;
    let _ = service.method_entry(1).invalidate().await;
    let _ = durations_entry(1).invalidate().await;
    let _ = kept_entry(1).invalidate().await;
    let _ = of_expressions_entry(service, 1).invalidate().await;
    let _ = of_value_entry(1).invalidate().await;
    let _ = of_parameters_entry(1).invalidate().await;
    let _ = late_entry(1).invalidate().await;
    let _ = no_entry(1).await;
    let _ = service.user(1).await;
}

fn main() {
    let service = Service { cache: Cache::disabled(), ttl: TTL };
    drop(entries(&service.cache, &service));
    drop(of_parameter_entry(Service { cache: Cache::disabled(), ttl: TTL }, 1));
}
