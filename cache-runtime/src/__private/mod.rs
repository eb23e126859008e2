//! What expanded code names, and nothing else. Not part of the public interface: it changes with every version, which
//! is why `cache-runtime` and `cache-macros` pin each other exactly.

mod kind;
mod named_cache;
mod own;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

pub use self::kind::{kind_of, kind_of_load, late_of, timed_out};
pub use self::named_cache::NamedCache;
pub use self::own::{Holds, Own, Task, own};
pub use crate::codec::{Coding, Fingerprint, Format, Named, OfCache, Shape};
pub use crate::engine::{
    CachesFailures, CachesNone, Comparable, Compares, FailClosed, Fails, FailureCoding, Fallible, FallibleOptional,
    Found, Hooked, Hooks, Incomparable, Kind, Loaded, MadeOf, Optional, OrFail, Output, Plain, RoundTrip, Shared,
    SharedErrors, SharesErrors, Sharing, TimesOut, Value, errors_of, hooks,
};
pub use crate::site::Site;
use crate::site::TypeName;

pub use crate::cache::{CacheRef, Constants, Template};

use crate::cache::Use;
use crate::engine::{Call, Detached, Read, Request};
use crate::handle::Entry;
use crate::key::{KeyPart, KeyWriter};
use crate::policy::freshness::Freshness;
use crate::policy::{Failing, Lock, Others};

/// The cache of functions that name none: that of the scope that a call begins in, or the process's.
#[must_use]
pub fn current() -> CacheRef {
    CacheRef::Current
}

/// The cache that a function names. A handle of its own, so that the expression's owner may move into the body.
#[must_use]
pub fn cache<N: NamedCache + ?Sized>(named: &N) -> CacheRef {
    CacheRef::Held(named.cache().clone())
}

/// A duration that the attribute has as a literal.
#[must_use]
pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What the attribute says of one call, and how its value is coded. The call is in its box from the beginning: what a
/// caller hands on from word to word is a pointer.
pub struct Plan<C = OfCache> {
    call: Box<Call>,
    coding: PhantomData<fn() -> C>,
}

/// Room for the cache's prefix and for the values in a key, so that building one allocates once.
const ADDED_LEN: usize = 64;

/// Begins a plan.
#[must_use]
pub fn plan(site: &'static Site, cache: CacheRef) -> Plan {
    let request = Request {
        site,
        key: String::with_capacity(site.template.len() + ADDED_LEN),
        // Those of the cache come with it.
        ttl: Duration::ZERO,
        jitter: 0.0,
        lock: Lock::default(),
        freshness: Freshness::default(),
        failing: Failing::Run,
        shape: Shape::default(),
        timeout: None,
        none_ttl: None,
        err_ttl: None,
        constants: None,
    };
    Plan { call: Box::write(Box::new_uninit(), Call::new(cache, request)), coding: PhantomData }
}

impl<C> Plan<C> {
    /// `ttl = …`
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.call.given.ttl = Some(ttl);
        self
    }

    /// `jitter = …`
    #[must_use]
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.call.given.jitter = Some(jitter);
        self
    }

    /// `lock = true`
    #[must_use]
    pub fn lock(mut self) -> Self {
        self.call.request.lock.others = Others::Wait;
        self
    }

    /// `lock(wait = …)`
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        let lock = &mut self.call.request.lock;
        *lock = Lock { wait, ..*lock }.bounded();
        self
    }

    /// `lock(lease = …)`
    #[must_use]
    pub fn lock_lease(mut self, lease: Duration) -> Self {
        let lock = &mut self.call.request.lock;
        *lock = Lock { lease, ..*lock }.bounded();
        self
    }

    /// `stale_while_revalidate = …`
    #[must_use]
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.call.request.freshness.stale_while_revalidate = window;
        self
    }

    /// `stale_if_error = …`
    #[must_use]
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.call.request.freshness.stale_if_error = window;
        self
    }

    /// `early_refresh = …`
    #[must_use]
    pub fn early_refresh(mut self, beta: f64) -> Self {
        self.call.request.freshness.early_refresh = beta;
        self
    }

    /// `timeout = …`
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.call.request.timeout = Some(timeout);
        self
    }

    /// `shed = true`
    #[must_use]
    pub fn shed(mut self) -> Self {
        self.call.request.failing = Failing::Shed;
        self
    }

    /// `none_ttl = …`
    #[must_use]
    pub fn none_ttl(mut self, ttl: Duration) -> Self {
        self.call.request.none_ttl = Some(ttl);
        self
    }

    /// `err_ttl = …`
    #[must_use]
    pub fn err_ttl(mut self, ttl: Duration) -> Self {
        self.call.request.err_ttl = Some(ttl);
        self
    }

    /// `shape = …`
    #[must_use]
    pub fn shape(mut self, shape: Shape) -> Self {
        self.call.given.shape = Some(shape);
        self
    }

    /// `codec = …`. That it is one is asked in [`read`] alone, so that a mistake is reported once.
    #[must_use]
    pub fn codec<N>(self) -> Plan<Named<N>> {
        Plan { call: self.call, coding: PhantomData }
    }

    /// How the template is written where it has constants of the function's types in it, as in `row:<T::NAME>:<id>`: with
    /// these rendered, and with its placeholders as they are. A closure that names the generics and captures nothing.
    #[must_use]
    pub fn constants(mut self, write: Constants) -> Self {
        self.call.request.constants = Some(write);
        self
    }

    /// Text of the template, as it stands.
    #[must_use]
    pub fn literal(mut self, text: &str) -> Self {
        self.call.request.key.push_str(text);
        self
    }

    /// The value of a placeholder.
    #[must_use]
    pub fn part<P: KeyPart + ?Sized>(mut self, value: &P) -> Self {
        KeyWriter::new(&mut self.call.request.key).part(value);
        self
    }

    /// The call of a function with these hooks, which begins; whether it has an error for a cache that fails.
    fn call<H: Hooks>(mut self, has_error: bool) -> Box<Call>
    where
        C: Coding,
    {
        self.call.complete();
        let Call { cache, request, .. } = &*self.call;
        let value = Some(std::any::type_name::<<H::Kind as Kind>::Value> as TypeName);
        cache.get().admit(Use { site: request.site, value, constants: request.constants });
        let failure = H::Failures::fingerprint();
        let expected = cache.engine().expected::<C, <H::Kind as Kind>::Value>(request, failure);
        self.call.begin(expected, has_error);
        self.call
    }

    /// The handle of the entry.
    pub fn entry<R>(self) -> Entry<R, C> {
        let (cache, request) = self.call.into_parts();
        Entry::new(cache.get().clone(), request)
    }
}

impl<C> fmt::Debug for Plan<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("key", &self.call.request.key).finish_non_exhaustive()
    }
}

/// A cached call: the function's future runs at most once.
pub fn read<K, Q, C, B>(plan: Plan<C>, kind: Found<K, Q>, body: Pin<&mut B>) -> impl Future<Output = K::Output>
where
    K: Kind,
    Q: Compares<K::Value>,
    C: Coding,
    B: Future<Output = K::Output>,
{
    Read::<_, C, B>::new(plan.call::<Found<K, Q>>(false), kind, body)
}

/// A cached call under `fail_open = false` or `shed = true`.
pub fn read_or_fail<K, Q, C, B>(plan: Plan<C>, kind: Found<K, Q>, body: Pin<&mut B>) -> impl Future<Output = K::Output>
where
    K: FailClosed,
    Q: Compares<K::Value>,
    C: Coding,
    B: Future<Output = K::Output>,
{
    Read::<_, C, B>::new(plan.call::<OrFail<K, Q>>(true), OrFail(kind), body)
}

/// A cached call with hooks.
pub fn read_with<H, C, B>(plan: Plan<C>, hooks: H, body: Pin<&mut B>) -> impl Future<Output = Output<H::Kind>>
where
    H: Hooks,
    C: Coding,
    B: Future<Output = Output<H::Kind>>,
{
    Read::<_, C, B>::new(plan.call::<H>(hooks.refusal().is_some()), hooks, body)
}

/// A cached call whose body, once `load` has made it, has a task of its own.
pub fn read_detached<H, C, F, B>(plan: Plan<C>, hooks: H, load: F) -> impl Future<Output = Output<H::Kind>>
where
    H: Hooks + Send + 'static,
    C: Coding + 'static,
    F: FnOnce() -> B,
    B: Future<Output = Output<H::Kind>> + Send + 'static,
    Output<H::Kind>: Send + 'static,
{
    Detached::<_, C, F, B>::new(plan.call::<H>(hooks.refusal().is_some()), hooks, load)
}
