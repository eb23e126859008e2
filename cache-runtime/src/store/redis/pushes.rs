//! Who waits for a change of which key, and the pushes that wake them: one registry for each connection, because the
//! server tracks by connection.
//!
//! The server pushes once for each registration, when the key is written, removed, renewed or evicted, and says only
//! which key it was: who is woken looks. A connection that is lost takes its registrations with it, so everybody is
//! woken, and registers anew on the next one.
//!
//! Only waiters and pushes come here; a hit does not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::aio::{AsyncPushSender, SendError};
use redis::{PushInfo, PushKind, Value};
use tokio::sync::watch;

/// What is waited for on one connection. Dropping a sender wakes who holds its receivers.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    waited: Mutex<Waited>,
    silent: AtomicBool,
}

type Waited = HashMap<Arc<str>, watch::Sender<()>>;

impl Pushes {
    /// Waits for the next push of this key; `None` where there will be none.
    pub(super) fn watch(self: &Arc<Self>, key: &str) -> Option<Watch> {
        if self.silent.load(Ordering::Relaxed) {
            return None;
        }
        let mut waited = self.waited();
        let known = waited.get_key_value(key).map(|(key, _)| Arc::clone(key));
        let key = known.unwrap_or_else(|| Arc::from(key));
        let woken = waited.entry(Arc::clone(&key)).or_default().subscribe();
        drop(waited);
        Some(Watch { pushes: Arc::clone(self), key, woken: Some(woken) })
    }

    /// The connection turned out not to track (any more).
    pub(super) fn fall_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
        self.wake_all();
    }

    /// Wakes everybody: the registrations are gone, or everything changed.
    pub(super) fn wake_all(&self) {
        let woken = std::mem::take(&mut *self.waited());
        drop(woken);
    }

    fn wake(&self, key: &Value) {
        if let Value::BulkString(key) = key
            && let Ok(key) = std::str::from_utf8(key)
        {
            let woken = self.waited().remove(key);
            drop(woken);
        }
    }

    fn waited(&self) -> MutexGuard<'_, Waited> {
        self.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncPushSender for Pushes {
    fn send(&self, push: PushInfo) -> Result<(), SendError> {
        match (push.kind, push.data.first()) {
            (PushKind::Invalidate, Some(Value::Array(keys))) => keys.iter().for_each(|key| self.wake(key)),
            // All keys, as after FLUSHALL; or the connection is lost.
            (PushKind::Invalidate | PushKind::Disconnection, _) => self.wake_all(),
            _ => {}
        }
        Ok(())
    }
}

/// One who waits for a push. Dropped, it leaves nothing behind; what it registered with the server comes to nothing.
#[derive(Debug)]
pub(crate) struct Watch {
    pushes: Arc<Pushes>,
    key: Arc<str>,
    /// Taken only by the drop.
    woken: Option<watch::Receiver<()>>,
}

impl Watch {
    /// Waits for a push, or for the end of the connection.
    pub(crate) async fn woken(&mut self) {
        if let Some(woken) = &mut self.woken {
            // Nothing is ever sent: the sender goes.
            let _ = woken.changed().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waited = self.pushes.waited();
        // Under the lock, so that of two that go together the second sees that it is the last.
        drop(self.woken.take());
        if waited.get(&self.key).is_some_and(|sender| sender.receiver_count() == 0) {
            waited.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn invalidate(keys: Value) -> PushInfo {
        PushInfo { kind: PushKind::Invalidate, data: vec![keys] }
    }

    fn keys(keys: &[&str]) -> Value {
        Value::Array(keys.iter().map(|key| Value::BulkString(key.as_bytes().to_vec())).collect())
    }

    fn is_woken(watch: &mut Watch) -> bool {
        watch.woken().now_or_never().is_some()
    }

    fn registry() -> (Arc<Pushes>, impl Fn(&str) -> Watch, impl Fn(PushInfo)) {
        let pushes = Arc::new(Pushes::default());
        let (registry, server) = (Arc::clone(&pushes), Arc::clone(&pushes));
        let watch = move |key: &str| registry.watch(key).expect("the connection tracks");
        (pushes, watch, move |push| server.send(push).expect("a push is always taken"))
    }

    #[test]
    fn a_push_wakes_all_who_wait_for_its_keys_and_nobody_else() {
        let (_, watch, push) = registry();
        let (mut one, mut two, mut other) = (watch("k"), watch("k"), watch("other"));
        assert!(!is_woken(&mut one) && !is_woken(&mut two));
        push(invalidate(keys(&["unknown", "k"])));
        assert!(is_woken(&mut one) && is_woken(&mut two) && !is_woken(&mut other));
        assert!(!is_woken(&mut watch("k")), "who comes after the push waits for the next one");
    }

    #[test]
    fn a_flush_and_a_lost_connection_wake_everybody() {
        for all in [invalidate(Value::Nil), PushInfo { kind: PushKind::Disconnection, data: Vec::new() }] {
            let (_, watch, push) = registry();
            let (mut one, mut two) = (watch("one"), watch("two"));
            push(PushInfo { kind: PushKind::Message, data: vec![keys(&["one"])] });
            assert!(!is_woken(&mut one));
            push(all);
            assert!(is_woken(&mut one) && is_woken(&mut two));
        }
    }

    #[test]
    fn who_goes_leaves_nothing_behind_and_takes_nobody_along() {
        let (pushes, watch, push) = registry();
        let (gone, mut stays) = (watch("k"), watch("k"));
        drop(gone);
        assert!(!is_woken(&mut stays));
        push(invalidate(keys(&["k"])));
        let mut next = watch("k");
        drop(stays);
        assert!(!is_woken(&mut next), "one who was woken before takes nothing from the next");
        drop(next);
        assert!(pushes.waited().is_empty());
    }

    #[test]
    fn a_connection_that_does_not_track_is_not_waited_on() {
        let (pushes, watch, _) = registry();
        let mut waits = watch("k");
        pushes.fall_silent();
        assert!(is_woken(&mut waits));
        assert!(pushes.watch("k").is_none());
    }
}
