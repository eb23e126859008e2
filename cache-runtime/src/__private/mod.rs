//! What expanded code names, and nothing else. Not part of the public interface: it changes with every version, which
//! is why `cache-runtime` and `cache-macros` pin each other exactly.

mod kind;

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

pub use std::time::Duration;

pub use self::kind::kind_of;
pub use crate::codec::{Coding, Format, Named, OfCache};
pub use crate::engine::{FailClosed, Fallible, FallibleOptional, Kind, Loaded, Optional, Plain, Value};
pub use crate::site::Site;

use crate::cache::Cache;
use crate::engine::{self, Call, Request};
use crate::error::Error;
use crate::handle::Entry;
use crate::key::{self, KeyPart, KeyWriter};
use crate::policy::{Lock, Others};
use crate::scope::{self, Mode};

/// The cache of functions that name none.
#[must_use]
pub fn current() -> CacheRef {
    CacheRef::Current(Cache::current())
}

/// The cache that a function names. A handle of its own, so that the expression's owner may move into the body.
#[must_use]
pub fn cache(cache: &Cache) -> CacheRef {
    CacheRef::Named(cache.clone())
}

/// A function's cache.
#[derive(Debug)]
pub enum CacheRef {
    /// The process's.
    Current(&'static Cache),
    /// The one that the function names.
    Named(Cache),
}

impl CacheRef {
    fn get(&self) -> &Cache {
        match self {
            Self::Current(cache) => cache,
            Self::Named(cache) => cache,
        }
    }
}

/// What the attribute says of one call: function, cache, key, policy.
#[derive(Debug)]
pub struct Plan<C = OfCache> {
    site: &'static Site,
    cache: CacheRef,
    key: String,
    ttl: Option<Duration>,
    jitter: Option<f64>,
    lock: Lock,
    coding: PhantomData<fn() -> C>,
}

/// Room for the values in a key, so that building one allocates once.
const VALUES_LEN: usize = 48;

/// Begins a plan.
#[must_use]
pub fn plan(site: &'static Site, cache: CacheRef) -> Plan {
    let prefix = &cache.get().shared().prefix;
    let mut key = String::with_capacity(prefix.len() + site.template.len() + VALUES_LEN);
    key.push_str(prefix);
    Plan { site, cache, key, ttl: None, jitter: None, lock: Lock::default(), coding: PhantomData }
}

impl<C> Plan<C> {
    /// `ttl = …`
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// `jitter = …`
    #[must_use]
    pub fn jitter(self, jitter: f64) -> Self {
        Self { jitter: Some(jitter), ..self }
    }

    /// `lock = true`
    #[must_use]
    pub fn lock(mut self) -> Self {
        self.lock.others = Others::Wait;
        self
    }

    /// `lock(wait = …)`
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.lock.wait = wait;
        self
    }

    /// `lock(lease = …)`
    #[must_use]
    pub fn lock_lease(mut self, lease: Duration) -> Self {
        self.lock.lease = lease;
        self
    }

    /// `codec = …`. That it is one is asked in [`read`] alone, so that a mistake is reported once.
    #[must_use]
    pub fn codec<N>(self) -> Plan<Named<N>> {
        let Self { site, cache, key, ttl, jitter, lock, coding: _ } = self;
        Plan { site, cache, key, ttl, jitter, lock, coding: PhantomData }
    }

    /// Text of the template, as it stands.
    #[must_use]
    pub fn literal(mut self, text: &str) -> Self {
        self.key.push_str(text);
        self
    }

    /// The value of a placeholder.
    #[must_use]
    pub fn part<P: KeyPart + ?Sized>(mut self, value: &P) -> Self {
        KeyWriter::new(&mut self.key).part(value);
        self
    }

    /// The handle of the entry.
    pub fn entry<R>(self) -> Entry<R, C> {
        let cache = self.cache.get().clone();
        Entry::new(cache, self.into_parts().1)
    }

    fn into_parts(self) -> (CacheRef, Request) {
        let defaults = self.cache.get().shared();
        let request = Request {
            site: self.site,
            key: key::finish(self.key),
            ttl: self.ttl.unwrap_or(defaults.ttl),
            jitter: self.jitter.unwrap_or(defaults.jitter),
            lock: self.lock.bounded(),
        };
        (self.cache, request)
    }
}

/// A cached call: the function's future runs at most once.
pub fn read<K, C, B>(plan: Plan<C>, _: PhantomData<K>, body: Pin<&mut B>) -> impl Future<Output = K::Output>
where
    K: Kind,
    C: Coding,
    B: Future<Output = K::Output>,
{
    call::<K, C, B>(plan, body, None)
}

/// A cached call under `fail_open = false`.
pub fn read_or_fail<K, C, B>(plan: Plan<C>, _: PhantomData<K>, body: Pin<&mut B>) -> impl Future<Output = K::Output>
where
    K: FailClosed,
    C: Coding,
    B: Future<Output = K::Output>,
{
    call::<K, C, B>(plan, body, Some(K::fail as fn(Error) -> K::Output))
}

async fn call<K, C, B>(plan: Plan<C>, body: Pin<&mut B>, refusal: engine::Refusal<K>) -> K::Output
where
    K: Kind,
    C: Coding,
    B: Future<Output = K::Output>,
{
    let (cache, request) = plan.into_parts();
    let shared = cache.get().shared();
    let mode = if shared.enabled { scope::mode() } else { Mode::Bypass };
    let schema = shared.engine.schema::<C, K::Value>(request.site);
    let mut call = Call::new(&shared.engine, request, schema, mode);
    engine::read::<K, C, B>(&mut call, body, refusal).await
}
