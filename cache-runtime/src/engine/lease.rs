//! A lease that this process asked for: kept while the function runs, given back whatever happens.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::Engine;
use super::call::Call;
use crate::entry::Token;
use crate::observe;
use crate::policy::{MAX_RENEWALS, RENEW_AFTER};
use crate::site::Site;
use crate::store::{Budget, Store};

/// A lease that must be given back, from the moment it is asked for. Dropped while it is open, it is given back in the
/// background: also when the store never said whether it was granted.
pub(super) struct Lease {
    engine: Arc<Engine>,
    site: &'static Site,
    key: Arc<str>,
    token: Token,
    open: bool,
}

impl Lease {
    pub(super) fn new(call: &mut Call) -> Self {
        let key = Arc::clone(call.shared_key());
        Self {
            engine: Arc::clone(call.cache.engine()),
            site: call.request.site,
            key,
            token: Token::random(),
            open: true,
        }
    }

    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// There is nothing to give back: it was not granted, or the store has settled it.
    pub(super) fn settle(&mut self) {
        self.open = false;
    }

    /// Renews the lease until it is lost or has been renewed often enough.
    pub(super) fn keep(&self, ttl: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (engine, site, key, token) = (Arc::clone(&self.engine), self.site, Arc::clone(&self.key), self.token);
        Box::pin(async move {
            for _ in 0..MAX_RENEWALS {
                tokio::time::sleep(ttl.mul_f64(RENEW_AFTER)).await;
                let renewal = pin!(engine.backend.renew(&key, token, ttl));
                match engine.step(&mut Budget::new(engine.deadline), "renew", &key, renewal).await {
                    Ok(true) => {}
                    Ok(false) => return observe::lease_lost(site, &key),
                    Err(error) => engine.step_failed(site, &key, "renew", &error),
                }
            }
            observe::lease_given_up(site, &key);
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let (engine, site, key, token) = (Arc::clone(&self.engine), self.site, Arc::clone(&self.key), self.token);
        let background = Arc::clone(&engine.background);
        let mut release = Box::pin(async move {
            let release = pin!(engine.backend.release(&key, token, Duration::ZERO));
            if let Err(error) = engine.step(&mut Budget::new(engine.deadline), "release", &key, release).await {
                engine.step_failed(site, &key, "release", &error);
            }
        });
        // An in-process store is done at once, and what needs a runtime that is not there says so.
        if release.as_mut().now_or_never().is_none()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            background.run(&runtime, release);
        }
    }
}
