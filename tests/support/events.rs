//! The `tracing` events of one test.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// An event as an assertion wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its level.
    pub level: Level,
    /// Its message.
    pub message: String,
    /// Its other fields, as text.
    pub fields: BTreeMap<String, String>,
}

impl Event {
    /// A field's text, or nothing when the event has no such field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// The events of this thread since [`Events::capture`]: use it in tests on a current-thread runtime.
#[derive(Debug)]
#[must_use = "nothing is captured once it is dropped"]
pub struct Events {
    seen: Seen,
    _guard: DefaultGuard,
}

impl Events {
    /// Collects this thread's events until the value is dropped.
    pub fn capture() -> Self {
        let seen = Seen::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(seen.clone()));
        Self { seen, _guard: guard }
    }

    /// Everything seen so far.
    pub fn all(&self) -> Vec<Event> {
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was seen at this level or above it.
    pub fn at_least(&self, level: Level) -> Vec<Event> {
        self.all().into_iter().filter(|event| event.level <= level).collect()
    }
}

#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<Vec<Event>>>);

impl<S: Subscriber> Layer<S> for Seen {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or_default();
        let event = Event { level: *event.metadata().level(), message, fields: fields.0 };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.0.insert(field.name().to_owned(), value.to_string());
    }
}
