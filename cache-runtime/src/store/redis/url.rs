//! The URLs of servers, and how they are shown.

use redis::Client;

use crate::error::{Error, ErrorKind};

/// Reads the URL of a server.
pub(super) fn client(url: &str) -> Result<Client, Error> {
    Client::open(url).map_err(|error| {
        let context = format!("`{}` is not a Redis URL like redis://127.0.0.1:6379/", redacted(url));
        Error::new(ErrorKind::Configuration, context).with_source(error)
    })
}

/// A URL with everything hidden that may be a secret: what stands before the `@`, the query, and all behind the scheme
/// where it is not clear which is which.
fn redacted(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let divider = if scheme.is_empty() { "" } else { "://" };
    let shown = match rest.split('@').collect::<Vec<_>>()[..] {
        [host] if is_host(host) => host.split(['?', '#']).next().unwrap_or_default().to_owned(),
        [user, host] if !user.contains(['?', '#']) => {
            format!("***@{}", host.split(['?', '#']).next().unwrap_or_default())
        }
        _ => "***".to_owned(),
    };
    if scheme.contains('@') { "***".to_owned() } else { format!("{scheme}{divider}{shown}") }
}

/// Whether this can be `host[:port][/…]`: else a password may stand in it whose `@` was forgotten.
fn is_host(text: &str) -> bool {
    let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    authority.starts_with('[') || port.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_their_secrets() {
        for (url, shown) in [
            ("redis://:hunter2@db:6379/1", "redis://***@db:6379/1"),
            ("redis://ada:p@ss:w/rd@db", "redis://***"),
            ("redis://ada:hun?ter2@db", "redis://***"),
            ("rediss://db/?token=hunter2", "rediss://db/"),
            ("ada:hunter2@db", "***@db"),
            ("localhost:6379", "localhost:6379"),
            ("redis://:hunter2", "redis://***"),
            ("redis://default:hunter2/1", "redis://***"),
        ] {
            assert_eq!(redacted(url), shown);
        }
        let error = client("http://ada:hunter2@db/?p=hunter2").expect_err("not a Redis URL");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
