//! `cache = …`: an expression that is a cache, or leads to one. It is borrowed where it is, so nothing is moved.

use std::ops::Deref;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use cache_runtime::{Cache, Memory, redis_cached};
use tokio::task::yield_now;

use crate::is_send;

fn memory(prefix: &str) -> Cache {
    Cache::builder().prefix(prefix).memory(Memory::entries(100)).build().expect("a cache in this process")
}

static SHARED: LazyLock<Cache> = LazyLock::new(|| memory("static"));

#[derive(Clone)]
struct State<T>(T);

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[derive(Clone)]
struct Service {
    owned: Cache,
    shared: Arc<Cache>,
    nested: Box<State<Arc<Cache>>>,
    many: Vec<Cache>,
}

impl Service {
    fn new() -> Self {
        let shared = Arc::new(memory("shared"));
        let nested = Box::new(State(Arc::new(memory("nested"))));
        Self { owned: memory("owned"), shared, nested, many: vec![memory("many")] }
    }

    fn cache(&self) -> &Arc<Cache> {
        &self.shared
    }

    #[redis_cached(key = "field", cache = self.owned, skip(self))]
    async fn field(&self) -> u64 {
        yield_now().await;
        1
    }

    #[redis_cached(key = "reference", cache = &self.owned, skip(self))]
    async fn reference(&self) -> u64 {
        yield_now().await;
        1
    }

    #[redis_cached(key = "arc", cache = self.shared, skip(self))]
    async fn arc(&self) -> u64 {
        yield_now().await;
        1
    }

    #[redis_cached(key = "detached", cache = self.shared, skip(self), detach = true)]
    async fn detached(&self) -> usize {
        yield_now().await;
        self.many.len()
    }

    #[redis_cached(key = "nested", cache = self.nested, skip(self))]
    async fn nested(&mut self) -> u64 {
        yield_now().await;
        self.many.clear();
        1
    }

    #[redis_cached(key = "method", cache = self.cache(), skip(self))]
    async fn method(self: Rc<Self>) -> u64 {
        yield_now().await;
        1
    }

    #[redis_cached(key = "index", cache = self.many[0], skip(self))]
    async fn index(self: Box<Self>) -> u64 {
        yield_now().await;
        drop(self);
        1
    }

    #[redis_cached(key = "choice:<shared>", cache = if shared { &*self.shared } else { &self.owned }, skip(self))]
    async fn choice(&self, shared: bool) -> u64 {
        yield_now().await;
        u64::from(shared)
    }
}

#[redis_cached(key = "parameter", cache = cache, skip(cache))]
async fn parameter(cache: Cache) -> u64 {
    yield_now().await;
    drop(cache);
    1
}

#[redis_cached(key = "extracted", cache = cache, skip(cache))]
async fn extracted(State(cache): State<Arc<Cache>>) -> u64 {
    yield_now().await;
    drop(cache);
    1
}

#[redis_cached(key = "state", cache = state, skip(state))]
async fn state(state: &mut State<Arc<Cache>>) -> u64 {
    yield_now().await;
    state.0 = Arc::new(memory("other"));
    1
}

#[redis_cached(key = "of a static", cache = SHARED)]
async fn of_a_static() -> u64 {
    yield_now().await;
    1
}

#[redis_cached(key = "temporary", cache = memory("temporary"))]
async fn temporary() -> u64 {
    yield_now().await;
    1
}

#[tokio::test]
async fn a_field_is_borrowed_where_it_is() {
    let service = Service::new();
    assert_eq!(is_send(service.field()).await, 1);
    assert_eq!(service.field_entry().key(), "owned:field");
    assert_eq!(service.field_entry().get().await.unwrap(), Some(1));
    assert_eq!(is_send(service.reference()).await, 1);
    assert_eq!(service.reference_entry().key(), "owned:reference");
}

#[tokio::test]
async fn smart_pointers_lead_to_their_cache() {
    let mut service = Service::new();
    assert_eq!(is_send(service.arc()).await, 1);
    assert_eq!(service.arc_entry().key(), "shared:arc");
    assert_eq!(service.arc_entry().get().await.unwrap(), Some(1));
    assert_eq!(is_send(service.detached()).await, 1);
    assert_eq!(service.detached_entry().get().await.unwrap(), Some(1));
    assert_eq!(is_send(service.nested()).await, 1);
    assert_eq!(service.nested_entry().key(), "nested:nested");
    assert_eq!(service.nested_entry().get().await.unwrap(), Some(1));
}

#[tokio::test]
async fn an_expression_may_be_a_call_an_element_or_a_choice() {
    let service = Service::new();
    assert_eq!(service.method_entry().key(), "shared:method");
    assert_eq!(Rc::new(service.clone()).method().await, 1);
    assert_eq!(service.index_entry().key(), "many:index");
    assert_eq!(is_send(Box::new(service.clone()).index()).await, 1);
    assert_eq!(service.index_entry().get().await.unwrap(), Some(1));
    assert_eq!(service.choice_entry(true).key(), "shared:choice:true");
    assert_eq!(service.choice_entry(false).key(), "owned:choice:false");
    assert_eq!(is_send(service.choice(true)).await, 1);
}

#[tokio::test]
async fn the_body_may_use_up_the_parameter_that_is_the_cache() {
    let cache = memory("given");
    assert_eq!(is_send(parameter(cache.clone())).await, 1);
    assert_eq!(parameter_entry(cache.clone()).get().await.unwrap(), Some(1));
    let shared = Arc::new(cache);
    assert_eq!(is_send(extracted(State(Arc::clone(&shared)))).await, 1);
    assert_eq!(extracted_entry(State(Arc::clone(&shared))).get().await.unwrap(), Some(1));
    assert_eq!(is_send(state(&mut State(Arc::clone(&shared)))).await, 1);
    assert_eq!(state_entry(&mut State(shared)).get().await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_cache_may_be_a_static_or_made_for_the_call() {
    assert_eq!(is_send(of_a_static()).await, 1);
    assert_eq!(of_a_static_entry().key(), "static:of a static");
    assert_eq!(of_a_static_entry().get().await.unwrap(), Some(1));
    assert_eq!(is_send(temporary()).await, 1);
    assert_eq!(temporary_entry().key(), "temporary:temporary");
}
