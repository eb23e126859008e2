//! A store of the user's own behind one type: its futures are boxed, its calls virtual.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Commit, EndRequest, Ended, LeaseRequest, Leased, Store, Swept, WriteRequest};
use crate::entry::Token;
use crate::error::Error;

/// A store of the user's own.
pub(crate) struct OwnStore(Arc<dyn ErasedStore>);

impl OwnStore {
    pub(crate) fn new(store: impl Store) -> Self {
        Self(Arc::new(store))
    }

    /// The store, to call [`Store`]'s methods on.
    pub(super) fn erased(&self) -> &dyn ErasedStore {
        &*self.0
    }
}

type BoxFuture<'f, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'f>>;

/// [`Store`] with boxed futures, so that a store of the user's own can stand behind one type.
pub(super) trait ErasedStore: Send + Sync {
    fn get<'f>(&'f self, key: &'f str) -> BoxFuture<'f, Option<Bytes>>;
    fn lease<'f>(&'f self, key: &'f str, request: &'f LeaseRequest) -> BoxFuture<'f, Leased>;
    fn renew<'f>(&'f self, key: &'f str, token: Token, ttl: Duration) -> BoxFuture<'f, bool>;
    fn commit<'f>(&'f self, key: &'f str, token: Token, entry: Bytes, ttl: Duration) -> BoxFuture<'f, Commit>;
    fn release<'f>(&'f self, key: &'f str, token: Token, hold_off: Duration) -> BoxFuture<'f, ()>;
    fn begin_write<'f>(&'f self, key: &'f str, request: &'f WriteRequest) -> BoxFuture<'f, Token>;
    fn renew_write<'f>(&'f self, key: &'f str, writer: Token, ttl: Duration) -> BoxFuture<'f, bool>;
    fn end_write<'f>(&'f self, key: &'f str, request: &'f EndRequest) -> BoxFuture<'f, Ended>;
    fn remove<'f>(&'f self, key: &'f str) -> BoxFuture<'f, ()>;
    fn sweep<'f>(&'f self, prefix: &'f str, cursor: u64) -> BoxFuture<'f, Swept>;
}

impl<S: Store> ErasedStore for S {
    fn get<'f>(&'f self, key: &'f str) -> BoxFuture<'f, Option<Bytes>> {
        Box::pin(Store::get(self, key))
    }

    fn lease<'f>(&'f self, key: &'f str, request: &'f LeaseRequest) -> BoxFuture<'f, Leased> {
        Box::pin(Store::lease(self, key, request))
    }

    fn renew<'f>(&'f self, key: &'f str, token: Token, ttl: Duration) -> BoxFuture<'f, bool> {
        Box::pin(Store::renew(self, key, token, ttl))
    }

    fn commit<'f>(&'f self, key: &'f str, token: Token, entry: Bytes, ttl: Duration) -> BoxFuture<'f, Commit> {
        Box::pin(Store::commit(self, key, token, entry, ttl))
    }

    fn release<'f>(&'f self, key: &'f str, token: Token, hold_off: Duration) -> BoxFuture<'f, ()> {
        Box::pin(Store::release(self, key, token, hold_off))
    }

    fn begin_write<'f>(&'f self, key: &'f str, request: &'f WriteRequest) -> BoxFuture<'f, Token> {
        Box::pin(Store::begin_write(self, key, request))
    }

    fn renew_write<'f>(&'f self, key: &'f str, writer: Token, ttl: Duration) -> BoxFuture<'f, bool> {
        Box::pin(Store::renew_write(self, key, writer, ttl))
    }

    fn end_write<'f>(&'f self, key: &'f str, request: &'f EndRequest) -> BoxFuture<'f, Ended> {
        Box::pin(Store::end_write(self, key, request))
    }

    fn remove<'f>(&'f self, key: &'f str) -> BoxFuture<'f, ()> {
        Box::pin(Store::remove(self, key))
    }

    fn sweep<'f>(&'f self, prefix: &'f str, cursor: u64) -> BoxFuture<'f, Swept> {
        Box::pin(Store::sweep(self, prefix, cursor))
    }
}
