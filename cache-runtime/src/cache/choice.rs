//! The store that a builder was given, and the one of a cache that was given none.

use std::env::VarError;

use crate::observe;
use crate::store::redis::{RedisStore, Tls};
use crate::store::{Backend, Memory};

/// The variable that names the server of a cache which was given no store.
const URL_VARIABLE: &str = "REDIS_URL";

/// What a builder was given.
pub(super) enum Choice {
    Url(String),
    Environment,
    Cluster(Vec<String>),
    Ready(Backend),
}

/// Opens the chosen store, or the default one.
///
/// # Errors
///
/// The mistakes: at least one.
pub(super) fn open(choice: Option<Choice>, tls: &Tls) -> Result<Backend, Vec<String>> {
    let store = match choice {
        Some(Choice::Url(url)) => RedisStore::open(&url, None, tls).map_err(|mistake| vec![mistake]),
        Some(Choice::Cluster(urls)) => RedisStore::cluster(&urls, tls),
        Some(Choice::Environment) => of_environment(tls).and_then(|store| store.ok_or_else(not_set)),
        Some(Choice::Ready(backend)) => return ready(backend, tls),
        None => {
            let Some(store) = of_environment(tls)? else {
                observe::default_cache("in this process");
                return ready(Backend::Memory(Memory::default()), tls);
            };
            observe::default_cache(URL_VARIABLE);
            Ok(store)
        }
    };
    store.map(Backend::Redis)
}

/// The store at `REDIS_URL`, if that is set.
fn of_environment(tls: &Tls) -> Result<Option<RedisStore>, Vec<String>> {
    let url = match std::env::var(URL_VARIABLE) {
        Ok(url) if !url.is_empty() => url,
        Ok(_) | Err(VarError::NotPresent) => return Ok(None),
        Err(VarError::NotUnicode(_)) => {
            return Err(vec![format!("{URL_VARIABLE} is not a Redis URL: it is not valid Unicode")]);
        }
    };
    RedisStore::open(&url, Some(URL_VARIABLE), tls).map(Some).map_err(|mistake| vec![mistake])
}

fn not_set() -> Vec<String> {
    vec![format!(
        "{URL_VARIABLE} is not set: set it to redis://[user:password@]host[:port][/database], or choose a store with \
         another method than `from_env`"
    )]
}

/// A store that is not connected to by a URL.
fn ready(backend: Backend, tls: &Tls) -> Result<Backend, Vec<String>> {
    let of_memory = if let Backend::Memory(memory) = &backend { memory.mistake() } else { None };
    let of_tls =
        tls.is_set().then(|| "a CA is given, and the store is not one with a URL: leave the CA out".to_owned());
    let mistakes: Vec<_> = of_memory.into_iter().chain(of_tls).collect();
    if mistakes.is_empty() { Ok(backend) } else { Err(mistakes) }
}
