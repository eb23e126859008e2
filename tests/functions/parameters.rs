//! Parameters of every shape: what the key takes from them, and what the body gets.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{Debug, Display};

use cache_runtime::{KeyPart, redis_cached};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Runs, is_cached, is_send};

struct Path<T>(T);
struct State<T>(T);

struct User {
    id: u64,
    team: (u32, u64),
    r#type: u8,
}

static RUNS: [Runs; 14] = [const { Runs::new() }; 14];

#[redis_cached(key = "extracted:<id>", skip(db))]
async fn extracted(State(db): State<HashMap<u64, String>>, Path(id): Path<u64>) -> Option<String> {
    RUNS[0].count();
    db.get(&id).cloned()
}

#[redis_cached(key = "tuple:<a>:<d>", skip(b, c))]
async fn tuple((a, mut b): (u64, u64), [c, .., d]: [u64; 4], _: u8) -> u64 {
    RUNS[1].count();
    b += 1;
    a + b + c + d
}

#[redis_cached(key = "fields:<user.id>:<user.team.1>:<user.type>")]
async fn fields(user: &User) -> u64 {
    RUNS[2].count();
    user.id + u64::from(user.team.0)
}

#[redis_cached(key = "destructured:<number>:<id>")]
async fn destructured(User { id, team: (_, number), .. }: User) -> u64 {
    RUNS[3].count();
    id * number
}

#[redis_cached(key = "raw:<type>:<match>")]
async fn raw(r#type: u64, mut r#match: u64) -> u64 {
    RUNS[4].count();
    r#match += r#type;
    r#match
}

#[redis_cached(key = "borrowed:<name>:<tags>:<note>:<numbers>")]
async fn borrowed(name: &str, tags: &[Cow<'_, str>], note: Option<&String>, numbers: [u8; 2]) -> String {
    RUNS[5].count();
    format!("{name}{}{note:?}{numbers:?}", tags.concat())
}

#[redis_cached(key = "opaque:parameter:<id>", skip(convert))]
async fn opaque(id: impl KeyPart + Display, convert: impl Fn(&str) -> String) -> String {
    RUNS[6].count();
    convert(&id.to_string())
}

#[redis_cached(key = "generic:<id>:<bytes>")]
async fn generic<T, I, const N: usize>(id: I, bytes: [u8; N]) -> Result<T, T::Err>
where
    T: std::str::FromStr + Serialize + DeserializeOwned + Send + Sync + 'static,
    I: KeyPart + Into<u64> + Copy,
{
    RUNS[7].count();
    let sum: u64 = bytes.iter().copied().map(u64::from).sum();
    (sum + id.into()).to_string().parse()
}

#[redis_cached(key = "lifetimes:<a>:<b>")]
async fn lifetimes<'a: 'b, 'b>(a: &'a str, b: &'b str) -> Cow<'b, str> {
    RUNS[8].count();
    Cow::Owned(format!("{a}{b}"))
}

#[redis_cached(key = "names:<__plan>:<__body>:<__r>:<plan>:<entry>")]
async fn names(__plan: u64, __body: u64, __r: u64, plan: u64, entry: u64) -> u64 {
    RUNS[9].count();
    __plan + __body + __r + plan + entry
}

#[redis_cached(key = "function:<id>", skip(callback, _unused))]
async fn function(id: u64, callback: fn(u64) -> u64, _unused: &dyn Debug) -> u64 {
    RUNS[10].count();
    callback(id)
}

#[redis_cached(key = "owned:<name>:<pairs>")]
async fn owned(name: String, pairs: Vec<(u64, Option<char>)>) -> (String, usize) {
    RUNS[11].count();
    let moved = name;
    (moved, pairs.into_iter().filter_map(|pair| pair.1).count())
}

/// One is there, and the other is not.
#[redis_cached(key = "conditional:<id>", skip(trace, gone))]
async fn conditional(#[cfg(not(any()))] trace: &str, id: u64, #[cfg(any())] gone: Missing) -> u64 {
    RUNS[12].count();
    #[cfg(any())]
    drop(gone);
    id + trace.len() as u64
}

#[redis_cached(key = "conditional:detached:<id>", detach = true, skip(trace, name, gone))]
async fn conditional_detached(
    #[cfg(not(any()))] trace: &str,
    #[cfg(not(any()))] Path(name): &Path<String>,
    id: u64,
    #[cfg(any())] gone: &Missing,
) -> u64 {
    RUNS[13].count();
    #[cfg(any())]
    drop(gone);
    id + (trace.len() + name.len()) as u64
}

#[tokio::test]
async fn parameters_under_cfg_that_do_not_select_the_value() {
    is_cached(&RUNS[12], |id| is_send(conditional("abc", id)), |id| id + 3).await;
    assert_eq!(conditional_entry(1).get().await.unwrap(), Some(4));
    let name = Path("de".to_owned());
    is_cached(&RUNS[13], |id| is_send(conditional_detached("abc", &name, id)), |id| id + 5).await;
    assert_eq!(conditional_detached_entry(1).get().await.unwrap(), Some(6));
}

#[tokio::test]
async fn extractors() {
    let db = HashMap::from([(1, "one".to_owned()), (2, "two".to_owned())]);
    let expected = db.clone();
    is_cached(&RUNS[0], |id| is_send(extracted(State(db.clone()), Path(id))), |id| expected.get(&id).cloned()).await;
    assert_eq!(extracted_entry(Path(2)).get().await.unwrap().as_deref(), Some("two"));
}

#[tokio::test]
async fn tuples_and_slices() {
    is_cached(&RUNS[1], |id| is_send(tuple((id, 2), [3, 0, 0, 4], 9)), |id| id + 10).await;
    assert_eq!(tuple_entry((1, 99), [99, 99, 99, 4]).get().await.unwrap(), Some(11));
}

#[tokio::test]
async fn fields_of_a_parameter() {
    let user = |id| User { id, team: (5, 6), r#type: 7 };
    is_cached(&RUNS[2], |id| async move { fields(&user(id)).await }, |id| id + 5).await;
    assert_eq!(fields_entry(&user(1)).key(), "fields:1:6:7");
}

#[tokio::test]
async fn destructured_structs() {
    is_cached(&RUNS[3], |id| is_send(destructured(User { id, team: (5, 6), r#type: 7 })), |id| id * 6).await;
}

#[tokio::test]
async fn raw_identifiers() {
    is_cached(&RUNS[4], |id| is_send(raw(id, 5)), |id| id + 5).await;
    assert_eq!(raw_entry(1, 5).key(), "raw:1:5");
}

#[tokio::test]
async fn borrows() {
    let note = "note".to_owned();
    for _ in 0..2 {
        let tags = [Cow::Borrowed("a"), Cow::Owned("b".to_owned())];
        assert_eq!(is_send(borrowed("n", &tags, Some(&note), [1, 2])).await, "nabSome(\"note\")[1, 2]");
        assert_eq!(borrowed("n", &tags, None, [1, 2]).await, "nabNone[1, 2]");
    }
    assert_eq!(RUNS[5].get(), 2);
    assert_eq!(borrowed_entry("n", &[], None, [1, 2]).key(), "borrowed:n:[]:!:[1,2,]");
}

#[tokio::test]
async fn opaque_parameters() {
    is_cached(&RUNS[6], |id| is_send(opaque(id, |text| text.repeat(2))), |id| id.to_string().repeat(2)).await;
    assert_eq!(opaque_entry("1").get().await.unwrap().as_deref(), Some("11"));
}

#[tokio::test]
async fn generics() {
    is_cached(&RUNS[7], |id| is_send(generic::<u64, u64, 2>(id, [1, 2])), |id| Ok(id + 3)).await;
    assert_eq!(generic_entry::<u64, u64, 2>(1, [1, 2]).get().await.unwrap(), Some(4));
}

#[tokio::test]
async fn named_lifetimes() {
    is_cached(&RUNS[8], |id| async move { lifetimes("a", &id.to_string()).await.into_owned() }, |id| format!("a{id}"))
        .await;
    assert_eq!(lifetimes_entry("a", "1").get().await.unwrap().as_deref(), Some("a1"));
}

#[tokio::test]
async fn names_that_the_expansion_uses() {
    is_cached(&RUNS[9], |id| is_send(names(id, 2, 3, 4, 5)), |id| id + 14).await;
}

#[tokio::test]
async fn functions_as_parameters() {
    is_cached(&RUNS[10], |id| function(id, |id| id * 3, &"x"), |id| id * 3).await;
}

#[tokio::test]
async fn owned_parameters() {
    is_cached(
        &RUNS[11],
        |id| is_send(owned(id.to_string(), vec![(1, None), (2, Some('x'))])),
        |id| (id.to_string(), 1),
    )
    .await;
}
