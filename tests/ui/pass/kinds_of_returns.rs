//! Plain values, options, results, results of options, and aliases of these: told apart by type.

use cache_runtime::redis_cached;

type Outcome<T> = Result<T, Failure>;
type Maybe<T> = Option<T>;
type Found = Outcome<Maybe<String>>;

#[derive(Debug)]
pub struct Failure;

#[redis_cached(key = "plain:<id>")]
pub async fn plain(id: u64) -> String {
    id.to_string()
}

#[redis_cached(key = "option:<id>")]
pub async fn option(id: u64) -> Option<String> {
    Some(id.to_string())
}

#[redis_cached(key = "result:<id>")]
pub async fn result(id: u64) -> Result<String, Failure> {
    if id == 0 { Err(Failure) } else { Ok(id.to_string()) }
}

#[redis_cached(key = "both:<id>")]
pub async fn both(id: u64) -> Result<Option<String>, Failure> {
    Ok(Some(id.to_string()))
}

#[redis_cached(key = "outcome:<id>")]
pub async fn outcome(id: u64) -> Outcome<String> {
    Ok(id.to_string())
}

#[redis_cached(key = "maybe:<id>")]
pub async fn maybe(id: u64) -> Maybe<String> {
    Some(id.to_string())
}

#[redis_cached(key = "found:<id>")]
pub async fn found(id: u64) -> Found {
    Ok(Some(id.to_string()))
}

#[redis_cached(key = "dyn:<id>")]
pub async fn boxed(id: u64) -> Result<(String, u64), Box<dyn std::error::Error + Send + Sync>> {
    Ok((String::new(), id.to_string().parse()?))
}

#[redis_cached(key = "unit:<id>")]
pub async fn unit(id: u64) -> Result<(), Failure> {
    let _ = id;
    Ok(())
}

async fn entries() -> Result<(), cache_runtime::Error> {
    let _: Option<String> = plain_entry(1).get().await?;
    let _: Option<String> = option_entry(1).get().await?;
    let _: Option<String> = result_entry(1).get().await?;
    let _: Option<String> = both_entry(1).get().await?;
    let _: Option<String> = outcome_entry(1).get().await?;
    let _: Option<String> = maybe_entry(1).get().await?;
    let _: Option<String> = found_entry(1).get().await?;
    let _: Option<(String, u64)> = boxed_entry(1).get().await?;
    let _: Option<()> = unit_entry(1).get().await?;
    Ok(())
}

fn main() {
    drop(entries());
}
