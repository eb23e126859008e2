//! The handle of one entry, which the function beside a cached function returns.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::{Cache, Use};
use crate::codec::{Coding, OfCache};
use crate::engine::Request;
use crate::error::Error;
use crate::site::TypeName;

/// One entry of a cache: what `get_user_entry(7)` returns beside `get_user`.
///
/// `R` is what the function returns, and [`get`](#method.get) and [`put`](#method.put) speak of the value in it: a `T`
/// for functions that return `T`, `Option<T>`, `Result<T, E>` or `Result<Option<T>, E>`. They are found through
/// [`Deref`], which tells these apart by type.
///
/// Nothing happens before a method is awaited. Dropping a method's future leaves open whether it happened.
#[must_use = "an entry does nothing until one of its methods is called"]
pub struct Entry<R, C = OfCache> {
    value: OfResult<R, C>,
}

/// The entry of a function that returns a `Result`; see [`Entry`].
#[doc(hidden)]
pub struct OfResult<R, C> {
    value: OfValue<R, C>,
}

/// The entry of a function that returns a plain value; see [`Entry`].
#[doc(hidden)]
pub struct OfValue<R, C> {
    cache: Cache,
    request: Request,
    kind: PhantomData<fn() -> (R, C)>,
}

impl<R, C> Entry<R, C> {
    pub(crate) fn new(cache: Cache, request: Request) -> Self {
        Self { value: OfResult { value: OfValue { cache, request, kind: PhantomData } } }
    }
}

impl<R, C> OfValue<R, C> {
    /// The key, with the cache's prefix: what `redis-cli GET` takes.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.request.key
    }

    /// Removes the value, and the lease of whoever is loading it: a read that starts after this has returned `Ok` never
    /// gets a value loaded before, in any process that shares the store. It is a plain `UNLINK`, which removes whatever is
    /// at the key: also a string that this library did not write.
    ///
    /// # Errors
    ///
    /// Where the store did not confirm it within the cache's deadline. The invalidation is pending from then on: it is sent
    /// again until it gets through, and this process uses nothing that was loaded before. Other processes may serve the
    /// old value until then. [`Health::pending`](crate::Health::pending) says how many are pending, and why.
    pub async fn invalidate(&self) -> Result<(), Error> {
        let shared = self.cache.shared();
        if !shared.enabled {
            return Ok(());
        }
        self.uses_template(None);
        shared.engine.invalidate(&self.request).await
    }

    /// The function uses its key template, as a call of it does: for values of this type, or for none.
    fn uses_template(&self, value: Option<TypeName>) {
        let Request { site, constants, .. } = self.request;
        self.cache.admit(Use { site, value, constants });
    }
}

/// `get` and `put` of a value type: the same for all, found at the level of `Deref` where the type fits.
macro_rules! value_methods {
    ($(<$($generic:ident),*> $handle:ident<$returned:ty> => $value:ident;)*) => {$(
        impl<$($generic,)* C: Coding> $handle<$returned, C> {
            /// The value, if a fresh one is cached. An entry that cannot be read and a string that this library did not
            /// write count as none, with an event.
            ///
            /// # Errors
            ///
            /// Where the store did not answer within the cache's deadline, or answered with an error.
            pub async fn get(&self) -> Result<Option<$value>, Error>
            where
                $value: DeserializeOwned,
            {
                let shared = self.cache.shared();
                if !shared.enabled {
                    return Ok(None);
                }
                self.uses_template(Some(std::any::type_name::<$value>));
                shared.engine.peek::<C, $value>(&self.request).await
            }

            /// Stores a value under the function's TTL, whatever is cached. A fill in flight does not overwrite it.
            ///
            /// It is two steps, a beginning and an end. If the key is invalidated, or another write of it begins, between
            /// the two, nothing is stored, nothing older stays, and this is no error: the next call loads the value.
            ///
            /// # Errors
            ///
            /// Where the value cannot be encoded, is longer than the cache allows, or the TTL is zero: what is cached stays
            /// as it is. Of kind [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) where the key holds a string that this
            /// library did not write: it is left alone, unless the cache was built with
            /// [`overwrite_foreign(true)`](crate::CacheBuilder::overwrite_foreign). And where the store did not confirm both
            /// steps within the cache's deadline: then the key is invalidated as soon as the store answers. A put that
            /// returned an error never takes effect after that, nor after any later invalidation or put.
            ///
            /// # Cancellation
            ///
            /// Dropped between its steps, it ends in the background and stores nothing.
            pub async fn put(&self, value: &$value) -> Result<(), Error>
            where
                $value: Serialize + DeserializeOwned,
            {
                let shared = self.cache.shared();
                if !shared.enabled {
                    return Ok(());
                }
                self.uses_template(Some(std::any::type_name::<$value>));
                shared.engine.put::<C, $value>(&self.request, value).await
            }
        }
    )*};
}
value_methods! {
    <T, E> Entry<Result<Option<T>, E>> => T;
    <T> Entry<Option<T>> => T;
    <T, E> OfResult<Result<T, E>> => T;
    <T> OfValue<T> => T;
}

impl<R, C> Deref for Entry<R, C> {
    type Target = OfResult<R, C>;

    fn deref(&self) -> &Self::Target {
        &self.value
    }
}

impl<R, C> Deref for OfResult<R, C> {
    type Target = OfValue<R, C>;

    fn deref(&self) -> &Self::Target {
        &self.value
    }
}

impl<R, C> fmt::Debug for Entry<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("key", &self.request.key).finish_non_exhaustive()
    }
}
