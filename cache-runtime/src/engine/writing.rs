//! A write of this process: it is ended once it has begun, whatever happens in between.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;

use super::{Engine, Request};
use crate::entry::{self, Token};
use crate::error::Error;
use crate::observe;
use crate::policy::{DEFAULT_WRITE, MAX_LOCK_TIME};
use crate::site::Site;
use crate::store::{Budget, EndRequest, Ended, Store, WriteRequest};

/// A write, which must be ended from the moment at which the store is asked to begin it. If it is dropped before its end,
/// it is ended in the background and stores nothing, also when the store never answered.
pub(super) struct Writing {
    engine: Arc<Engine>,
    site: &'static Site,
    key: Arc<str>,
    writer: Token,
    generation: Token,
    open: bool,
}

impl Writing {
    pub(super) fn new(engine: &Arc<Engine>, request: &Request) -> Self {
        Self {
            engine: Arc::clone(engine),
            site: request.site,
            key: Arc::from(&*request.key),
            writer: Token::random(),
            generation: Token::random(),
            open: false,
        }
    }

    /// The token to store a value under.
    pub(super) fn generation(&self) -> Token {
        self.generation
    }

    /// Begins. If the connection was dead, it asks once more, under another generation: the first request may still be on
    /// its way, and what it leaves when it arrives late must not be taken for this write. The writer stays the same, so it
    /// does not overlap with itself.
    ///
    /// After an error the write is not ended: the caller invalidates the key.
    pub(super) async fn begin(&mut self, budget: &mut Budget) -> Result<(), Error> {
        let begun = match self.ask(budget).await {
            Err(error) if error.is_unavailable() => {
                self.generation = Token::random();
                self.ask(budget).await
            }
            begun => begun,
        };
        self.generation = begun.inspect_err(|_| self.open = false)?;
        Ok(())
    }

    async fn ask(&mut self, budget: &mut Budget) -> Result<Token, Error> {
        self.open = true;
        let Self { engine, key, writer, generation, .. } = &*self;
        // The two commands of a write together may take as long as the deadline.
        let ttl = DEFAULT_WRITE.max(engine.deadline).min(MAX_LOCK_TIME);
        let request = WriteRequest::new(*writer, *generation, ttl, engine.backend.now(key))
            .overwriting_foreign(engine.overwrites_foreign);
        let begin = pin!(engine.backend.begin_write(key, &request));
        engine.step(budget, "begin_write", key, begin).await
    }

    /// Ends. The entry is stored for `ttl` if nothing else has happened to the key since the beginning.
    ///
    /// After an error the write may be left behind: the caller invalidates the key.
    pub(super) async fn end(mut self, budget: &mut Budget, entry: Bytes, ttl: Duration) -> Result<Ended, Error> {
        let entry = entry::under(self.generation, entry);
        let request = EndRequest::new(self.writer, self.generation, Some((entry, ttl)));
        let end = pin!(self.engine.backend.end_write(&self.key, &request));
        let ended = self.engine.step(budget, "end_write", &self.key, end).await;
        self.open = false;
        ended
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let (engine, site, key) = (Arc::clone(&self.engine), self.site, Arc::clone(&self.key));
        let request = EndRequest::new(self.writer, self.generation, None);
        let background = Arc::clone(&engine.background);
        let mut end = Box::pin(async move {
            let end = pin!(engine.backend.end_write(&key, &request));
            if let Err(error) = engine.step(&mut Budget::new(engine.deadline), "end_write", &key, end).await {
                observe::failed(site, &key, "end_write", &error);
            }
        });
        // An in-process store is done at once. A store that needs a runtime reports an error where there is none.
        if end.as_mut().now_or_never().is_none()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            background.run(&runtime, end);
        }
    }
}
