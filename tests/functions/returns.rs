//! What functions return: told apart by type, under whatever alias; and errors of every kind.

use std::error::Error as StdError;
use std::io;

use cache_runtime::redis_cached;

use crate::{Runs, is_cached, is_send};

type Outcome<T, E = Failure> = Result<T, E>;
type Found = Outcome<Option<u64>>;

#[derive(Debug, PartialEq)]
struct Failure;

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

impl StdError for Failure {}

static RUNS: [Runs; 6] = [const { Runs::new() }; 6];

#[redis_cached(key = "alias:<id>")]
async fn alias(id: u64) -> Outcome<u64> {
    RUNS[0].count();
    Ok(id)
}

#[redis_cached(key = "found:<id>")]
async fn found(id: u64) -> Found {
    RUNS[1].count();
    Ok((id < 10).then_some(id))
}

#[redis_cached(key = "boxed error:<text>")]
async fn boxed_error(text: String) -> Result<u64, Box<dyn StdError + Send + Sync>> {
    RUNS[2].count();
    let number: u64 = text.parse()?;
    if number == 0 {
        return Err("zero".into());
    }
    Ok(number)
}

#[redis_cached(key = "anyhow:<text>")]
async fn with_anyhow(text: String) -> anyhow::Result<u64> {
    use anyhow::Context as _;

    RUNS[3].count();
    let number: u64 = text.parse().with_context(|| format!("no number: {text}"))?;
    anyhow::ensure!(number > 0, "zero");
    Ok(number)
}

#[redis_cached(key = "opaque error:<id>")]
async fn opaque_error(id: u64) -> Result<Vec<u64>, impl StdError + Send + use<>> {
    RUNS[4].count();
    if id == 0 { Err(Failure) } else { Ok((0..id).collect()) }
}

#[redis_cached(key = "unit:<id>")]
async fn unit(id: u64) -> io::Result<()> {
    RUNS[5].count();
    let _ = id;
    Ok(())
}

#[tokio::test]
async fn aliases() {
    is_cached(&RUNS[0], |id| is_send(alias(id)), Ok).await;
    assert_eq!(alias_entry(1).get().await.unwrap(), Some(1));
    is_cached(&RUNS[1], |id| is_send(found(id)), |id| Ok(Some(id))).await;
    assert_eq!(found_entry(1).get().await.unwrap(), Some(1));
    assert_eq!((found(10).await, found(10).await), (Ok(None), Ok(None)));
    assert_eq!(RUNS[1].get(), 4, "`None` is not cached");
}

#[tokio::test]
async fn boxed_errors() {
    is_cached(&RUNS[2], |id| async move { is_send(boxed_error(id.to_string())).await.unwrap() }, |id| id).await;
    assert_eq!(boxed_error("0".to_owned()).await.unwrap_err().to_string(), "zero");
    assert_eq!(boxed_error("x".to_owned()).await.unwrap_err().to_string(), "invalid digit found in string");
    assert_eq!(boxed_error_entry("1".to_owned()).get().await.unwrap(), Some(1));
}

#[tokio::test]
async fn errors_of_anyhow() {
    is_cached(&RUNS[3], |id| async move { is_send(with_anyhow(id.to_string())).await.unwrap() }, |id| id).await;
    assert_eq!(with_anyhow("0".to_owned()).await.unwrap_err().to_string(), "zero");
    assert_eq!(with_anyhow("x".to_owned()).await.unwrap_err().to_string(), "no number: x");
    assert_eq!(with_anyhow_entry("1".to_owned()).get().await.unwrap(), Some(1));
}

#[tokio::test]
async fn an_error_without_a_name() {
    is_cached(&RUNS[4], |id| async move { is_send(opaque_error(id)).await.unwrap() }, |id| (0..id).collect()).await;
    assert_eq!(opaque_error(0).await.unwrap_err().to_string(), "failed");
    assert_eq!(opaque_error_entry(2).get().await.unwrap(), Some(vec![0, 1]));
}

#[tokio::test]
async fn nothing_but_success() {
    is_cached(&RUNS[5], |id| async move { is_send(unit(id)).await.unwrap() }, |_| ()).await;
}
