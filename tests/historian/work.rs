//! What a task of a historian does until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, Report, State, refresh, report};
use support::{Begun, Kind};
use tokio::sync::watch;

use crate::link::Link;
use crate::load::{Failure, Origin};
use crate::variants::{VARIANTS, Variant, cache_key};

/// Keys of the origin that are read through all variants in turn, beside one of its own for each: few, so that races
/// are frequent.
const SHARED_KEYS: usize = 2;

/// One task: its origin, a connection for plain commands, and the word that it is to stop.
pub(crate) struct Hand {
    origin: Origin,
    plain: Arc<Link>,
    stopped: watch::Receiver<bool>,
}

/// A variant and a key that is read through it.
struct Place {
    variant: &'static Variant,
    key: String,
}

impl Place {
    fn any() -> Self {
        let number = fastrand::usize(..VARIANTS.len() + SHARED_KEYS);
        match VARIANTS.get(number) {
            Some(variant) => Self { variant, key: variant.name.to_owned() },
            None => Self { variant: &VARIANTS[fastrand::usize(..VARIANTS.len())], key: format!("shared-{number}") },
        }
    }
}

impl Hand {
    pub(crate) fn new(origin: Origin, plain: Arc<Link>, stopped: watch::Receiver<bool>) -> Self {
        Self { origin, plain, stopped }
    }

    fn works(&self) -> bool {
        !*self.stopped.borrow()
    }

    pub(crate) async fn reads(self) {
        while self.works() {
            let place = Place::any();
            match fastrand::u8(..100) {
                0..4 => self.reads_refreshed(&place).await,
                4..10 => self.reads_until_it_goes(&place).await,
                _ => self.reads_once(&place).await,
            }
            rest(0..12_000).await;
        }
    }

    pub(crate) async fn writes(self) {
        while self.works() {
            rest(2_000..25_000).await;
            let place = Place::any();
            match fastrand::u8(..100) {
                0..60 => self.invalidates(&place).await,
                60..90 => self.deletes(&place).await,
                _ => self.evicts(&place).await,
            }
            // A read right after is the one that an old value hurts most.
            self.reads_once(&place).await;
        }
    }

    async fn reads_once(&self, place: &Place) {
        let (begun, was_up) = (Begun::now(), is_up());
        let read = report((place.variant.read)(&self.origin, &place.key)).await;
        Self::has_read(begun, was_up, place, read);
    }

    async fn reads_refreshed(&self, place: &Place) {
        let (begun, was_up) = (Begun::now(), is_up());
        let read = refresh(report((place.variant.read)(&self.origin, &place.key))).await;
        Self::has_read(begun, was_up, place, read);
    }

    /// A caller with little patience: what it leads is abandoned.
    async fn reads_until_it_goes(&self, place: &Place) {
        let (begun, was_up) = (Begun::now(), is_up());
        let read = report((place.variant.read)(&self.origin, &place.key));
        match tokio::time::timeout(Duration::from_micros(fastrand::u64(100..10_000)), read).await {
            Ok(read) => Self::has_read(begun, was_up, place, read),
            Err(_) => begun.ended(Kind::Gone, &place.key, 0, place.variant.name),
        }
    }

    fn has_read(begun: Begun, was_up: bool, place: &Place, (returned, report): (Result<u64, Failure>, Report)) {
        if !was_up || !is_up() {
            return begun.ended(Kind::Gone, &place.key, 0, place.variant.name);
        }
        let outcome = report.calls().iter().fold(String::new(), |outcome, call| {
            outcome + " " + &call.outcome().to_string() + if call.stored() { " stored" } else { "" }
        });
        let note = format!("{}{outcome}", place.variant.name);
        match returned {
            Ok(version) => begun.ended(Kind::Read, &place.key, version, &note),
            Err(Failure) => begun.ended(Kind::Failed, &place.key, 0, &note),
        }
    }

    async fn invalidates(&self, place: &Place) {
        let begun = Begun::now();
        let version = self.origin.write(&place.key).await;
        match (place.variant.invalidate)(&place.key).await {
            Ok(()) => begun.ended(Kind::Invalidate, &place.key, version, place.variant.name),
            Err(error) => begun.ended(Kind::Unconfirmed, &place.key, version, &error.to_string()),
        }
    }

    async fn deletes(&self, place: &Place) {
        let begun = Begun::now();
        let version = self.origin.write(&place.key).await;
        match self.del(place).await {
            Ok(()) => begun.ended(Kind::Delete, &place.key, version, "-"),
            Err(error) => begun.ended(Kind::Unconfirmed, &place.key, version, &error.to_string()),
        }
    }

    async fn evicts(&self, place: &Place) {
        let begun = Begun::now();
        if self.del(place).await.is_ok() {
            begun.ended(Kind::Evict, &place.key, 0, "-");
        }
    }

    /// What any tool would do, over a connection that is made anew when it was killed.
    async fn del(&self, place: &Place) -> redis::RedisResult<()> {
        self.plain.ask(redis::cmd("DEL").arg(cache_key(&place.key))).await
    }
}

/// Whether the store is asked. Connections that are cut in a row open the breaker of this process, and its callers share
/// runs by key alone until it is closed again: that is documented, and what they read meanwhile is not judged.
fn is_up() -> bool {
    Cache::current().health().state() == State::Up
}

async fn rest(micros: std::ops::Range<u64>) {
    tokio::time::sleep(Duration::from_micros(fastrand::u64(micros))).await;
}
