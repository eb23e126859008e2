//! Methods of traits: native async functions, default methods, and `#[async_trait]`, which changes a method before the
//! attribute sees it.

use std::sync::Arc;

use async_trait::async_trait;
use cache_runtime::{KeyPart, redis_cached};

use crate::{Runs, is_cached, is_send};

struct Path<T>(T);

/// What the functions below work on.
#[derive(Default)]
struct Service {
    tenant: String,
    runs: Runs,
}

trait Native {
    async fn get(&self, id: u64) -> Result<u64, String>;
    async fn consume(self, id: u64) -> u64;
    async fn provided(&self, id: u64) -> u64;
}

impl Native for Service {
    #[redis_cached(key = "native:<self.tenant>:<id>", entry = false)]
    async fn get(&self, id: u64) -> Result<u64, String> {
        self.runs.count();
        Ok(id * 2)
    }

    #[redis_cached(key = "native:consume:<self.tenant>:<id>", entry = false)]
    async fn consume(self, id: u64) -> u64 {
        self.runs.count();
        id
    }

    #[redis_cached(key = "native:provided:<id>", entry = false, skip(self))]
    async fn provided(&self, id: u64) -> u64 {
        self.runs.count();
        id + 1
    }
}

#[tokio::test]
async fn native_async_methods_are_cached() {
    let service = Service::default();
    is_cached(&service.runs, |id| Native::get(&service, id), |id| Ok(id * 2)).await;
    let service = Service::default();
    is_cached(&service.runs, |id| Native::provided(&service, id), |id| id + 1).await;
    assert_eq!(Service::default().consume(7).await, 7);
}

#[async_trait]
trait Dynamic: Sync {
    async fn get(&self, id: u64) -> Result<u64, String>;
    async fn text(&self, name: &str, tags: &[String]) -> Option<String>;
    async fn patterns(&mut self, Path(id): Path<u64>, pair: (u64, u64), _: u8, step: u64) -> u64;
    async fn shared(self: Arc<Self>, id: u64) -> u64;
    async fn generic<K: KeyPart + Send + Sync + ToString>(&self, id: K) -> String
    where
        Self: Sized;
    async fn associated(runs: &Runs, id: u64) -> u64
    where
        Self: Sized;

    #[redis_cached(key = "dynamic:provided:<id>", skip(self))]
    async fn provided(&self, id: u64) -> u64 {
        self.counted();
        id + 1
    }

    #[redis_cached(key = "dynamic:with:entry:<id>", entry = true, skip(self))]
    async fn with_entry(&self, id: u64) -> u64 {
        self.counted();
        id + 2
    }

    fn counted(&self);
}

#[async_trait]
impl Dynamic for Service {
    #[redis_cached(key = "dynamic:<self.tenant>:<id>")]
    async fn get(&self, id: u64) -> Result<u64, String> {
        self.counted();
        if id == 0 {
            return Err("zero".to_owned());
        }
        let parsed: u64 = id.to_string().parse().map_err(|_| "no number".to_owned())?;
        Ok(parsed * 2)
    }

    #[redis_cached(key = "dynamic:text:<name>:<tags>", entry = false, ttl = 60, skip(self))]
    async fn text(&self, name: &str, tags: &[String]) -> Option<String> {
        self.counted();
        Some(format!("{name}{}", tags.concat()))
    }

    #[redis_cached(key = "dynamic:patterns:<id>:<left>", skip(self, right, step))]
    async fn patterns(&mut self, Path(id): Path<u64>, (left, mut right): (u64, u64), _: u8, mut step: u64) -> u64 {
        self.tenant.push('x');
        self.counted();
        right += left;
        step += 1;
        id + right + step
    }

    #[redis_cached(key = "dynamic:shared:<self.tenant>:<id>", lock = true)]
    async fn shared(self: Arc<Self>, id: u64) -> u64 {
        self.counted();
        tokio::task::yield_now().await;
        id
    }

    #[redis_cached(key = "dynamic:generic:<id>", skip(self))]
    async fn generic<K: KeyPart + Send + Sync + ToString>(&self, id: K) -> String {
        self.counted();
        id.to_string()
    }

    #[redis_cached(key = "dynamic:associated:<id>", skip(runs))]
    async fn associated(runs: &Runs, id: u64) -> u64 {
        runs.count();
        id
    }

    fn counted(&self) {
        self.runs.count();
    }
}

#[tokio::test]
async fn methods_under_async_trait_are_cached() {
    let service = Service::default();
    let dynamic: &dyn Dynamic = &service;
    is_cached(&service.runs, |id| is_send(dynamic.get(id)), |id| Ok(id * 2)).await;
    assert_eq!(dynamic.get(0).await, Err("zero".to_owned()));

    let service = Service::default();
    let tags = ["a".to_owned(), "b".to_owned()];
    for _ in 0..2 {
        assert_eq!(service.text("n", &tags).await.as_deref(), Some("nab"));
        assert_eq!(service.text("n", &[]).await.as_deref(), Some("n"));
    }
    assert_eq!(service.runs.get(), 2);

    let service = Arc::new(Service::default());
    is_cached(&service.runs, |id| is_send(Arc::clone(&service).shared(id)), |id| id).await;

    let service = Service::default();
    is_cached(&service.runs, |id| is_send(service.generic(id)), |id| id.to_string()).await;

    let runs = Runs::new();
    is_cached(&runs, |id| is_send(<Service as Dynamic>::associated(&runs, id)), |id| id).await;
}

#[tokio::test]
async fn default_methods_under_async_trait_are_cached() {
    let service = Service::default();
    is_cached(&service.runs, |id| Dynamic::provided(&service, id), |id| id + 1).await;
    let service = Service::default();
    is_cached(&service.runs, |id| service.with_entry(id), |id| id + 2).await;
    assert_eq!(service.with_entry_entry(1).get().await.unwrap(), Some(3));
}

#[tokio::test]
async fn patterns_under_async_trait_stay_patterns() {
    let mut service = Service::default();
    for _ in 0..2 {
        assert_eq!(service.patterns(Path(1), (2, 3), 4, 5).await, 1 + 2 + 3 + 5 + 1);
    }
    assert_eq!(service.tenant, "x", "the second call was a hit");
    assert_eq!(service.patterns(Path(1), (20, 3), 4, 5).await, 1 + 20 + 3 + 5 + 1);
}

#[async_trait(?Send)]
trait Local {
    async fn local(&self, id: u64) -> u64;
}

#[async_trait(?Send)]
impl Local for Service {
    #[redis_cached(key = "local:<id>", skip(self))]
    async fn local(&self, id: u64) -> u64 {
        let shared = std::rc::Rc::new(id);
        tokio::task::yield_now().await;
        self.runs.count();
        *shared
    }
}

#[tokio::test]
async fn a_future_that_is_not_send_stays_so() {
    let service = Service::default();
    is_cached(&service.runs, |id| service.local(id), |id| id).await;
}
