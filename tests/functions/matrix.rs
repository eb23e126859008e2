//! Every receiver, in every place where a method stands, with every kind of return, with the caller and in a task: 132
//! functions, each called by two keys, its entry read and invalidated where it has one.
//! All of them have one template: what tells their keys apart is the tenant, which is the module of the function.

fn plain(id: u64) -> u64 {
    id
}

fn both(id: u64) -> Result<Option<u64>, std::fmt::Error> {
    if id == 0 { Err(std::fmt::Error) } else { Ok(Some(id)) }
}

/// A method in an `impl`, in an `impl` of a trait, and in one under `#[async_trait]`.
macro_rules! method {
    (inherent, [$($argument:tt)*], $this:ident, [$($receiver:tt)*], $returned:ty, $wrap:expr) => {
        impl Service {
            #[redis_cached(key = "<self.tenant>:<id>", entry = found, shared = true, $($argument)*)]
            async fn get($($receiver)*, id: u64) -> $returned {
                $this.runs.count();
                tokio::task::yield_now().await;
                $wrap(id)
            }
        }

        async fn check_entry(service: Service) {
            assert_eq!(service.found(1).get().await.unwrap(), Some(1));
            service.found(1).invalidate().await.unwrap();
            assert_eq!(service.found(1).get().await.unwrap(), None);
        }
    };
    (native, [$($argument:tt)*], $this:ident, [$($receiver:tt)*], $returned:ty, $wrap:expr) => {
        trait Get {
            async fn get($($receiver)*, id: u64) -> $returned;
        }

        impl Get for Service {
            #[redis_cached(key = "<self.tenant>:<id>", entry = false, shared = true, $($argument)*)]
            async fn get($($receiver)*, id: u64) -> $returned {
                $this.runs.count();
                tokio::task::yield_now().await;
                $wrap(id)
            }
        }

        async fn check_entry(_: Service) {}
    };
    (boxed, [$($argument:tt)*], $this:ident, [$($receiver:tt)*], $returned:ty, $wrap:expr) => {
        #[async_trait::async_trait]
        trait Get: Sized {
            async fn get($($receiver)*, id: u64) -> $returned;
        }

        #[async_trait::async_trait]
        impl Get for Service {
            #[redis_cached(key = "<self.tenant>:<id>", shared = true, $($argument)*)]
            async fn get($($receiver)*, id: u64) -> $returned {
                $this.runs.count();
                tokio::task::yield_now().await;
                $wrap(id)
            }
        }

        async fn check_entry(_: Service) {}
    };
}

macro_rules! case {
    ($name:ident, $place:ident, $arguments:tt, $this:ident, $receiver:tt, $make:expr, $returned:ty, $wrap:expr) => {
        mod $name {
            use std::sync::Arc;

            use cache_runtime::redis_cached;

            use crate::Runs;

            #[derive(Clone)]
            struct Service {
                tenant: &'static str,
                runs: Arc<Runs>,
            }

            method! { $place, $arguments, $this, $receiver, $returned, $wrap }

            #[tokio::test]
            async fn is_cached() {
                let runs = Arc::new(Runs::new());
                let service = || Service { tenant: module_path!(), runs: Arc::clone(&runs) };
                let make: fn(Service) -> _ = $make;
                let wrap: fn(u64) -> $returned = $wrap;
                for (id, expected) in [(1, 1), (2, 2), (1, 2), (2, 2)] {
                    #[allow(unused_mut, reason = "for `&mut self`")]
                    let mut receiver = make(service());
                    assert_eq!(crate::is_send(receiver.get(id)).await, wrap(id));
                    assert_eq!(runs.get(), expected);
                }
                check_entry(service()).await;
            }
        }
    };
}

macro_rules! returns {
    ($place:ident, $this:ident, $receiver:tt, $make:expr) => {
        case! { plain, $place, [], $this, $receiver, $make, u64, crate::matrix::plain }
        case! { option, $place, [ttl = 60, jitter = 0.0], $this, $receiver, $make, Option<u64>, Some }
        case! { result, $place, [lock = true, ttl = "1m"], $this, $receiver, $make, Result<u64, String>, Ok }
        case! {
            both, $place, [lock(wait = 5), codec = cache_runtime::MessagePack, fail_open = true], $this, $receiver, $make,
            Result<Option<u64>, std::fmt::Error>, crate::matrix::both
        }
    };
}

macro_rules! detached_returns {
    ($place:ident, $this:ident, $receiver:tt, $make:expr) => {
        case! { plain, $place, [detach = true], $this, $receiver, $make, u64, crate::matrix::plain }
        case! {
            option, $place, [stale_while_revalidate = 60, none_ttl = 5, cache_if = |id| *id < 9], $this, $receiver, $make,
            Option<u64>, Some
        }
        case! {
            result, $place, [timeout = "5s", stale_if_error = 60, err_ttl = 1, ttl = |id| std::time::Duration::from_secs(*id)], $this, $receiver,
            $make, Result<u64, String>, Ok
        }
        case! {
            both, $place, [early_refresh = 1, stale_if_error = "1h", lock = true, ttl = 60], $this, $receiver, $make,
            Result<Option<u64>, std::fmt::Error>, crate::matrix::both
        }
    };
}

macro_rules! receivers {
    ($($place:ident)*) => {$(
        mod $place {
            mod reference { returns! { $place, self, [&self], |service| service } }
            mod mutable { returns! { $place, self, [&mut self], |service| service } }
            mod value { returns! { $place, self, [self], |service| service } }
            mod boxed { returns! { $place, self, [self: Box<Self>], Box::new } }
            mod arc { returns! { $place, self, [self: Arc<Self>], Arc::new } }
            mod arc_reference { returns! { $place, self, [self: &Arc<Self>], Arc::new } }

            mod detached_reference { detached_returns! { $place, self, [&self], |service| service } }
            mod detached_value { detached_returns! { $place, self, [self], |service| service } }
            mod detached_boxed { detached_returns! { $place, self, [self: Box<Self>], Box::new } }
            mod detached_arc { detached_returns! { $place, self, [self: Arc<Self>], Arc::new } }
            mod detached_arc_reference { detached_returns! { $place, self, [self: &Arc<Self>], Arc::new } }
        }
    )*};
}

receivers! { inherent native boxed }
