//! Methods with every receiver: in each the body has `self` as it was declared, and the key may name its fields.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use cache_runtime::redis_cached;

use crate::{Runs, is_cached, is_send};

#[derive(Clone)]
struct Service {
    tenant: String,
    step: u64,
    runs: Arc<Runs>,
}

fn service(tenant: &str) -> (Service, Arc<Runs>) {
    let runs = Arc::new(Runs::new());
    (Service { tenant: tenant.to_owned(), step: 10, runs: Arc::clone(&runs) }, runs)
}

impl Service {
    async fn load(&self, id: u64) -> u64 {
        self.runs.count();
        tokio::task::yield_now().await;
        self.step + id
    }

    #[redis_cached(key = "by_reference:<self.tenant>:<id>")]
    async fn by_reference(&self, id: u64) -> u64 {
        self.load(id).await
    }

    #[redis_cached(key = "by_named:<self.tenant>:<id>")]
    async fn by_named<'s>(&'s self, id: u64) -> u64 {
        self.load(id).await
    }

    #[redis_cached(key = "by_mutable:<self.tenant>:<id>")]
    async fn by_mutable(&mut self, id: u64) -> u64 {
        self.step += 1;
        self.load(id).await - 1
    }

    #[redis_cached(key = "by_value:<self.tenant>:<id>")]
    async fn by_value(self, id: u64) -> u64 {
        self.load(id).await
    }

    #[redis_cached(key = "by_mutable_value:<self.tenant>:<id>")]
    async fn by_mutable_value(mut self, id: u64) -> u64 {
        self.step += 1;
        self.load(id).await - 1
    }

    #[redis_cached(key = "by_arc:<self.tenant>:<id>")]
    async fn by_arc(self: Arc<Self>, id: u64) -> u64 {
        self.load(id).await
    }

    #[redis_cached(key = "by_arc_reference:<self.tenant>:<id>")]
    async fn by_arc_reference(self: &Arc<Self>, id: u64) -> u64 {
        Arc::clone(self).load(id).await
    }

    #[redis_cached(key = "by_rc:<self.tenant>:<id>")]
    async fn by_rc(self: Rc<Self>, id: u64) -> u64 {
        self.load(id).await
    }

    #[redis_cached(key = "by_box:<self.tenant>:<id>")]
    async fn by_box(self: Box<Self>, id: u64) -> u64 {
        self.load(id).await
    }

    #[redis_cached(key = "by_pin:<self.tenant>:<id>")]
    async fn by_pin(self: Pin<&mut Self>, id: u64) -> u64 {
        self.load(id).await
    }

    #[redis_cached(key = "by_skipped:<id>", skip(self))]
    async fn by_skipped(&self, id: u64) -> u64 {
        self.load(id).await
    }

    #[redis_cached(key = "associated:<id>", skip(service))]
    async fn associated(service: &Self, id: u64) -> u64 {
        service.load(id).await
    }
}

macro_rules! receivers {
    ($($name:ident, $entry:ident: $service:ident => $call:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let ($service, runs) = service(stringify!($name));
            is_cached(&runs, |id| { let $service = $service.clone(); async move { $call(id).await } }, |id| 10 + id).await;
            assert_eq!($service.$entry(1).get().await.unwrap(), Some(11));
            $service.$entry(1).invalidate().await.unwrap();
            assert_eq!($service.$entry(1).get().await.unwrap(), None);
            assert_eq!($service.$entry(2).get().await.unwrap(), Some(12));
        }
    )*};
}

receivers! {
    by_reference, by_reference_entry: service => |id| is_send(service.by_reference(id));
    by_named, by_named_entry: service => |id| is_send(service.by_named(id));
    by_value, by_value_entry: service => |id| is_send(service.clone().by_value(id));
    by_mutable_value, by_mutable_value_entry: service => |id| is_send(service.clone().by_mutable_value(id));
    by_arc, by_arc_entry: service => |id| is_send(Arc::new(service.clone()).by_arc(id));
    by_rc, by_rc_entry: service => |id| Rc::new(service.clone()).by_rc(id);
    by_box, by_box_entry: service => |id| is_send(Box::new(service.clone()).by_box(id));
    by_skipped, by_skipped_entry: service => |id| is_send(service.by_skipped(id));
}

#[tokio::test]
async fn borrowed_receivers() {
    let (service, runs) = service("borrowed");
    let mut mutable = service.clone();
    let arc = Arc::new(service.clone());
    let mut pinned = service.clone();
    for (id, runs_expected) in [(1, 4), (1, 4), (2, 8)] {
        assert_eq!(is_send(mutable.by_mutable(id)).await, 10 + id);
        mutable.step = 10;
        assert_eq!(is_send(arc.by_arc_reference(id)).await, 10 + id);
        assert_eq!(is_send(Pin::new(&mut pinned).by_pin(id)).await, 10 + id);
        assert_eq!(is_send(Service::associated(&service, id)).await, 10 + id);
        assert_eq!(runs.get(), runs_expected);
    }
    assert_eq!(mutable.by_mutable_entry(1).get().await.unwrap(), Some(11));
    assert_eq!(arc.by_arc_reference_entry(1).get().await.unwrap(), Some(11));
    assert_eq!(pinned.by_pin_entry(1).get().await.unwrap(), Some(11));
    assert_eq!(Service::associated_entry(1).get().await.unwrap(), Some(11));
}

#[tokio::test]
async fn a_field_of_self_keeps_two_services_apart() {
    let (one, runs) = service("one");
    let two = Service { tenant: "two".to_owned(), step: 20, ..one.clone() };
    assert_eq!((one.by_reference(1).await, two.by_reference(1).await), (11, 21));
    assert_eq!((one.by_reference(1).await, two.by_reference(1).await), (11, 21));
    assert_eq!(runs.get(), 2);
}
