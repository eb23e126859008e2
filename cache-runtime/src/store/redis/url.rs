//! The URLs of servers. One that is refused is described without any part of it but its scheme: what looks like a host or
//! a port may be a password whose `@` was forgotten or encoded.

use redis::Client;

use super::tls::Tls;

/// How a URL is written.
const FORM: &str = "redis://[user:password@]host[:port][/database]";

/// Reads the URL of a server; `name` is what it is called where it is refused, without a part of it.
///
/// # Errors
///
/// What is wrong, and what to write.
pub(super) fn client(url: &str, name: &str, tls: &Tls) -> Result<Client, String> {
    match scheme(url) {
        Some("rediss" | "valkeys") => tls.is_available().map_err(|why| format!("{name} asks for TLS, and {why}"))?,
        Some(scheme) if tls.is_set() => {
            let cure = "write `rediss://`, or leave the CA out";
            return Err(format!("a CA is given, and {name} does not ask for TLS, but for `{scheme}://`: {cure}"));
        }
        _ => {}
    }
    let client = read(url).map_err(|why| format!("{name} is not a Redis URL: {why}; write {FORM}"))?;
    tls.of(client).map_err(|why| format!("the CA for {name} cannot be used: {why}"))
}

/// What a URL is called that is one of a list, or the only one.
pub(super) fn name(url: &str, position: Option<(usize, usize)>) -> String {
    let shown = scheme(url).map_or_else(|| "the URL".to_owned(), |scheme| format!("the URL `{scheme}://…`"));
    match position {
        Some((at, of)) => format!("{shown} ({at} of {of})"),
        None => shown,
    }
}

/// The scheme, if it is one of Redis.
fn scheme(url: &str) -> Option<&'static str> {
    let (scheme, _) = url.trim().split_once("://")?;
    ["redis", "rediss", "valkey", "valkeys", "unix", "redis+unix", "valkey+unix"]
        .into_iter()
        .find(|known| scheme.eq_ignore_ascii_case(known))
}

fn read(url: &str) -> Result<Client, String> {
    let Some(scheme) = scheme(url) else { return Err(begins_otherwise(url).to_owned()) };
    let parsed = redis::parse_redis_url(url).ok_or(
        "its parts cannot be told apart (in a user or a password write `%40` for `@`, `%3A` for `:`, `%2F` for `/`, `%3F` \
         for `?`, `%23` for `#` and `%25` for `%`; a port is a number of at most 65535)",
    )?;
    if !scheme.ends_with("unix") {
        match parsed.host_str() {
            None | Some("") => return Err("there is no host in it".to_owned()),
            Some(host) if host.contains(|c: char| !(c.is_ascii_alphanumeric() || ".-_:[]".contains(c))) => {
                return Err(
                    "its host has characters that no host has (the user and the password are percent-encoded, \
                            but not the `:` between them, nor the `@` behind them)"
                        .to_owned(),
                );
            }
            Some(_) if parsed.fragment().is_some() => {
                return Err(
                    "there is a `#` in it (in a password it is `%23`; certificates are always verified)".to_owned()
                );
            }
            Some(_) => {}
        }
    }
    // The client's own reason may contain what it is about.
    Client::open(url).map_err(|_| "its database is not a number, or a part of it is not valid UTF-8".to_owned())
}

/// Why a URL is none of Redis, as far as its beginning says so.
fn begins_otherwise(url: &str) -> &'static str {
    let url = url.trim().to_ascii_lowercase();
    if url.is_empty() {
        "it is empty"
    } else if url.contains("%3a%2f%2f") {
        "it is percent-encoded as a whole (only the user and the password are)"
    } else {
        "it does not begin with `redis://`, `rediss://` or `unix://`"
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(url: &str) -> String {
        client(url, &name(url, None), &Tls::default()).expect_err("it is refused")
    }

    #[test]
    fn urls_are_refused_with_the_reason_and_the_cure() {
        for (url, why) in [
            ("localhost:6379", "the URL is not a Redis URL: it does not begin with `redis://`"),
            ("http://ada:hunter2@db", "the URL is not a Redis URL: it does not begin with"),
            ("", "it is empty"),
            ("redis%3A%2F%2Fada%3Ahunter2%40db", "percent-encoded as a whole"),
            ("redis://ada%3Ahunter2%40db", "the URL `redis://…` is not a Redis URL: its host has characters"),
            ("redis://ada:hunter2", "`%40` for `@`"),
            ("redis://:hunter2@", "the URL `redis://…`"),
            ("redis://ada:hun/ter2@db", "its parts cannot be told apart"),
            ("redis://db/hunter2", "its database is not a number"),
            ("redis://db/#insecure", "certificates are always verified"),
            ("redis://db:65536", "at most 65535"),
        ] {
            let refused = refused(url);
            assert!(
                refused.contains(why) && refused.ends_with("write redis://[user:password@]host[:port][/database]"),
                "{url}: {refused}"
            );
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn urls_of_redis_are_read() {
        for url in [
            "redis://127.0.0.1/",
            "REDIS://ada:p%40ss@cache-1.internal:6380/3",
            "redis://[::1]:6379",
            "valkey://cache_2/?protocol=resp3",
            "redis+unix:///run/redis.sock?pass=hunter2",
            "unix:///run/redis.sock",
        ] {
            assert_eq!(client(url, "it", &Tls::default()).map(drop), Ok(()), "{url}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_without_its_feature_is_refused_with_the_name_of_the_feature() {
        let refused = refused("rediss://ada:hunter2@db");
        assert!(refused.contains("features = [\"tls\"]") && !refused.contains("hunter2"), "{refused}");
    }

    /// What a percent-encoded text stands for.
    fn decoded(text: &str) -> String {
        let digits = |at: usize| u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok();
        let (mut bytes, mut at) = (Vec::new(), 0);
        while let Some(plain) = text.as_bytes().get(at) {
            let encoded = digits(at).filter(|_| *plain == b'%');
            bytes.push(encoded.unwrap_or(*plain));
            at += if encoded.is_some() { 3 } else { 1 };
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
    }

    /// What a URL becomes under the hands of those who write it.
    fn written(form: usize, [user, password, host, query]: [&str; 4]) -> String {
        let whole = format!("redis://{user}:{password}@{host}/0?{query}");
        match form {
            0 => whole,
            1 => format!("{user}:{password}@{host}"),
            2 => format!("redis://{user}:{password}"),
            3 => format!("redis://:{password}@"),
            4 => format!("redis://{host}:{password}@/"),
            5 => format!("rediss://{user}:{password}@{host}:port"),
            6 => format!("http://{user}:{password}@{host}"),
            7 => format!("{password}://{user}@{host}"),
            8 => format!("redis:/{user}:{password}@{host}"),
            9 => format!("redis://{user}:{password}%40{host}"),
            10 => format!("redis://{user}%3A{password}%40{host}"),
            11 => format!("redis://{user}:{}%40{host}", encoded(password)),
            12 => format!("redis://{host}/{password}"),
            13 => format!("redis://{host}/?protocol={password}"),
            14 => format!("redis://{host}/0#{password}"),
            15 => format!("unix://{host}?pass={password}&db={password}"),
            16 => format!("redis://{user}:{password}@{host}:99999/{query}"),
            17 => format!("redis://{user}:{password}@{password}@{host}"),
            18 => format!(" \"redis://{user}:{password}@{host}\""),
            19 => format!("REDIS_URL=redis://{user}:{password}@{host}"),
            20 => password.to_owned(),
            21 => whole.replace(':', "%3A"),
            22 => whole.replace('@', "%40"),
            _ => encoded(&whole),
        }
    }

    proptest! {
        #[test]
        fn no_password_is_shown_of_a_url_that_is_refused_nor_as_the_address_of_one_that_is_not(
            form in 0..24_usize,
            user in "[a-z]{0,4}",
            // Not digits alone, which cannot be told from a port.
            password in "[a-zA-Z0-9@:/?#%&=+. \\\\\\[\\]-]{0,6}[A-Z][!-~]{0,6}[0-9][A-Z]",
            host in "([a-z]{1,5}(\\.[a-z]{1,4})?|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]{1,5})?",
            query in "([a-z]{1,3}=[0-9]{1,3})?",
        ) {
            let url = written(form, [&user, &password, &host, &query]);
            let shown = match client(&url, &name(&url, None), &Tls::default()) {
                Err(refused) => refused,
                Ok(client) => super::super::slots::PerRuntime::new(client).address(),
            };
            for shown in [decoded(&shown), shown] {
                prop_assert!(!shown.contains(&password) && !shown.contains(&decoded(&password)), "{url}: {shown}");
                prop_assert!(!shown.contains(&encoded(&password)), "{url}: {shown}");
            }
        }
    }
}
