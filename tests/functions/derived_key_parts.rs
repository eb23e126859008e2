//! Types of the user's own in keys, derived.

use std::borrow::Cow;

use cache_runtime::{KeyPart, redis_cached};

mod renamed {
    pub(crate) use cache_runtime as caching;
}

#[derive(KeyPart)]
struct UserId(u64);

#[derive(KeyPart)]
struct Everything;

#[derive(KeyPart)]
struct Range<'a, T> {
    from: T,
    to: Option<T>,
    r#in: Cow<'a, str>,
}

#[derive(KeyPart)]
#[key_part(crate = renamed::caching)]
enum Filter<const N: usize> {
    All,
    Named(String),
    Tagged { tags: [u8; N], key: bool },
}

#[redis_cached(key = "of:<id>:<everything>/<range>")]
async fn of(id: UserId, everything: Everything, range: Range<'_, i32>) -> u64 {
    let Range { from, to, r#in } = range;
    let Everything = everything;
    id.0 + u64::from(from < to.unwrap_or(from)) + u64::from(r#in.is_empty())
}

#[redis_cached(key = "filtered:<filter>")]
async fn filtered(filter: Filter<2>) -> usize {
    match filter {
        Filter::All => 0,
        Filter::Named(name) => name.len(),
        Filter::Tagged { tags, key } => tags.len() + usize::from(key),
    }
}

#[tokio::test]
async fn fields_and_variants_tell_values_apart() {
    let range = |to| Range { from: -1, to, r#in: Cow::Borrowed("a b") };
    assert_eq!(of_entry(UserId(7), Everything, range(None)).key(), "of:7:()/(-1,!,a%20b,)");
    assert_eq!(of_entry(UserId(7), Everything, range(Some(9))).key(), "of:7:()/(-1,9,a%20b,)");
    assert_eq!(of(UserId(7), Everything, range(Some(9))).await, 8);

    assert_eq!(filtered_entry(Filter::All).key(), "filtered:All");
    assert_eq!(filtered_entry(Filter::Named("All".to_owned())).key(), "filtered:Named(All,)");
    assert_eq!(filtered_entry(Filter::Tagged { tags: [1, 2], key: true }).key(), "filtered:Tagged([1,2,],true,)");
    assert_eq!(filtered(Filter::Tagged { tags: [1, 2], key: true }).await, 3);
    assert_eq!((filtered(Filter::All).await, filtered(Filter::Named("xy".to_owned())).await), (0, 2));
}
