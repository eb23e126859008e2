//! What is known of a cached function before it is called.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use once_cell::sync::OnceCell;
use serde::de::DeserializeOwned;

use crate::codec::{self, Fingerprint};
use crate::observe::Notices;

/// A cached function: made by the attribute, one `static` each in the function and in its entry function.
#[derive(Debug)]
pub struct Site {
    pub(crate) function: &'static str,
    pub(crate) module: &'static str,
    pub(crate) template: &'static str,
    /// Where the attribute stands.
    pub(crate) place: &'static Location<'static>,
    /// `shared = true`: another function uses the same template, on purpose.
    pub(crate) is_shared: bool,
    /// The fingerprint of the first type that this function was called with, and the function that computes it: a
    /// generic function has one site and many types.
    first: OnceCell<(usize, Fingerprint)>,
    /// Which events of this function were emitted lately.
    pub(crate) notices: Notices,
    /// Whether it was told that its cache is in place of one that could not be built.
    pub(crate) told: AtomicBool,
    /// Whether it is known that it uses a cache without a prefix.
    pub(crate) bare: AtomicBool,
    /// The uses of the template that were admitted last, by their tokens; zero where there is room.
    admitted: [AtomicU64; ADMITTED],
    /// The types whose values were followed on their way to the store and back, by the addresses of [`TypeName`]s.
    followed: Mutex<Vec<usize>>,
}

/// How many uses of its template a site remembers. Nearly every function has one: one cache, one type. Four are enough
/// for two caches that take turns and for a generic function of a few types; raising it makes the search longer for
/// functions that have more.
const ADMITTED: usize = 4;

/// A function that names a type: a type need not be `'static` to have one, and two types have two.
pub(crate) type TypeName = fn() -> &'static str;

impl Site {
    /// The function of this name, in this module, with this key template. Its place is that of the attribute, for the
    /// function and for its entry function: the caller of an expansion is what was expanded.
    #[must_use]
    #[track_caller]
    pub const fn new(function: &'static str, module: &'static str, template: &'static str) -> Self {
        Self {
            function,
            module,
            template,
            place: Location::caller(),
            is_shared: false,
            first: OnceCell::new(),
            notices: Notices::new(),
            told: AtomicBool::new(false),
            bare: AtomicBool::new(false),
            admitted: [const { AtomicU64::new(0) }; ADMITTED],
            followed: Mutex::new(Vec::new()),
        }
    }

    /// `shared = true`
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.is_shared = true;
        self
    }

    /// The fingerprint of the value's type.
    pub(crate) fn fingerprint<T: DeserializeOwned>(&self) -> Fingerprint {
        let address = codec::fingerprint::<T> as fn() -> Fingerprint as usize;
        match self.first.get_or_init(|| (address, codec::fingerprint::<T>())) {
            (first, fingerprint) if *first == address => *fingerprint,
            _ => codec::fingerprint::<T>(),
        }
    }

    /// Whether this is the other site of the same function, or the same one. Crates are left out: a file that is a module
    /// of a library and of a program holds one function, compiled twice.
    pub(crate) fn is_of_the_function_of(&self, other: &Self) -> bool {
        let within_crate = |module: &'static str| module.split_once("::").map_or("", |(_, path)| path);
        self.place == other.place
            && self.function == other.function
            && within_crate(self.module) == within_crate(other.module)
    }

    /// Whether a use of the template was admitted lately. What is not remembered is looked up in the cache.
    pub(crate) fn has_admitted(&self, token: u64) -> bool {
        self.admitted.iter().any(|admitted| admitted.load(Ordering::Relaxed) == token)
    }

    /// Remembers a use of the template: where there is room, else in the place of another one.
    pub(crate) fn admits(&self, token: u64) {
        let is_free = |slot: &&AtomicU64| slot.compare_exchange(0, token, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if self.admitted.iter().find(is_free).is_none() {
            let slot = usize::try_from(token % ADMITTED as u64).unwrap_or_default();
            self.admitted[slot].store(token, Ordering::Relaxed);
        }
    }

    /// Whether values of this type were followed on their way to the store and back.
    pub(crate) fn has_followed(&self, value: TypeName) -> bool {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).contains(&(value as usize))
    }

    /// Values of this type need not be followed any more; whether nobody had said so.
    pub(crate) fn followed(&self, value: TypeName) -> bool {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !followed.contains(&(value as usize));
        if is_first {
            followed.push(value as usize);
        }
        is_first
    }
}
