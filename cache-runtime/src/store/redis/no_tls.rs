//! TLS without the feature `tls`: none.

use std::error::Error as StdError;

use redis::Client;

/// What connections over TLS trust.
#[derive(Clone, Default)]
pub(crate) struct Tls {}

#[expect(clippy::unused_self, reason = "called like the one that there is with the feature")]
impl Tls {
    pub(crate) fn is_set(&self) -> bool {
        false
    }

    pub(super) fn is_available(&self) -> Result<(), String> {
        Err("the feature `tls` of cache-runtime is not on: write cache-runtime = { …, features = [\"tls\"] }"
            .to_owned())
    }

    #[expect(clippy::unnecessary_wraps, reason = "likewise")]
    pub(super) fn of(&self, client: Client) -> Result<Client, String> {
        Ok(client)
    }
}

pub(super) fn prepare(_: &Client) {}

pub(super) fn unanswered(_: &Client) -> &'static str {
    ""
}

pub(super) fn described(_: &(dyn StdError + 'static)) -> Option<&'static str> {
    None
}
