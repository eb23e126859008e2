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

pub use crate::cache::CacheRef;

use crate::cache::Cache;
use crate::engine::{Call, Read, Request};
use crate::entry::Schema;
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

/// What the attribute says of one call, and how its value is coded.
#[derive(Debug)]
pub struct Plan<C = OfCache> {
    draft: Draft,
    coding: PhantomData<fn() -> C>,
}

/// What the attribute says of one call: function, cache, key, policy.
#[derive(Debug)]
struct Draft {
    site: &'static Site,
    cache: CacheRef,
    key: String,
    ttl: Option<Duration>,
    jitter: Option<f64>,
    lock: Lock,
}

impl Draft {
    /// The call, resolved against the cache's defaults.
    fn call(self, schema: Schema, refuses: bool) -> Call {
        let (cache, request) = self.into_parts();
        let mode = if cache.get().shared().enabled { scope::mode() } else { Mode::Bypass };
        Call::new(cache, request, schema, mode, refuses)
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

/// Room for the values in a key, so that building one allocates once.
const VALUES_LEN: usize = 48;

/// Begins a plan.
#[must_use]
pub fn plan(site: &'static Site, cache: CacheRef) -> Plan {
    let prefix = &cache.get().shared().prefix;
    let mut key = String::with_capacity(prefix.len() + site.template.len() + VALUES_LEN);
    key.push_str(prefix);
    Plan { draft: Draft { site, cache, key, ttl: None, jitter: None, lock: Lock::default() }, coding: PhantomData }
}

impl<C> Plan<C> {
    /// `ttl = …`
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.draft.ttl = Some(ttl);
        self
    }

    /// `jitter = …`
    #[must_use]
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.draft.jitter = Some(jitter);
        self
    }

    /// `lock = true`
    #[must_use]
    pub fn lock(mut self) -> Self {
        self.draft.lock.others = Others::Wait;
        self
    }

    /// `lock(wait = …)`
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.draft.lock.wait = wait;
        self
    }

    /// `lock(lease = …)`
    #[must_use]
    pub fn lock_lease(mut self, lease: Duration) -> Self {
        self.draft.lock.lease = lease;
        self
    }

    /// `codec = …`. That it is one is asked in [`read`] alone, so that a mistake is reported once.
    #[must_use]
    pub fn codec<N>(self) -> Plan<Named<N>> {
        Plan { draft: self.draft, coding: PhantomData }
    }

    /// Text of the template, as it stands.
    #[must_use]
    pub fn literal(mut self, text: &str) -> Self {
        self.draft.key.push_str(text);
        self
    }

    /// The value of a placeholder.
    #[must_use]
    pub fn part<P: KeyPart + ?Sized>(mut self, value: &P) -> Self {
        KeyWriter::new(&mut self.draft.key).part(value);
        self
    }

    /// The handle of the entry.
    pub fn entry<R>(self) -> Entry<R, C> {
        let (cache, request) = self.draft.into_parts();
        Entry::new(cache.get().clone(), request)
    }
}

/// A cached call: the function's future runs at most once.
pub fn read<K, C, B>(plan: Plan<C>, _: PhantomData<K>, body: Pin<&mut B>) -> impl Future<Output = K::Output>
where
    K: Kind,
    C: Coding,
    B: Future<Output = K::Output>,
{
    begin::<K, C, B>(plan, body, None)
}

/// A cached call under `fail_open = false`.
pub fn read_or_fail<K, C, B>(plan: Plan<C>, _: PhantomData<K>, body: Pin<&mut B>) -> impl Future<Output = K::Output>
where
    K: FailClosed,
    C: Coding,
    B: Future<Output = K::Output>,
{
    begin::<K, C, B>(plan, body, Some(K::fail))
}

fn begin<K, C, B>(plan: Plan<C>, body: Pin<&mut B>, refusal: Option<fn(Error) -> K::Output>) -> Read<'_, K, C, B>
where
    K: Kind,
    C: Coding,
    B: Future<Output = K::Output>,
{
    let Plan { draft, coding: _ } = plan;
    let schema = draft.cache.engine().schema::<C, K::Value>(draft.site);
    Read::new(draft.call(schema, refusal.is_some()), body, refusal)
}
