//! Bodies in tasks of their own: what they get of every kind of parameter, and that a hit copies nothing.

use std::borrow::Cow;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cache_runtime::{KeyPart, redis_cached};
use tokio::task::yield_now;

use crate::{Runs, is_cached, is_send};

/// Counts how often it was copied.
struct Counted {
    name: String,
    copies: Arc<AtomicUsize>,
    runs: Arc<Runs>,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.copies.fetch_add(1, Ordering::SeqCst);
        Self { name: self.name.clone(), copies: Arc::clone(&self.copies), runs: Arc::clone(&self.runs) }
    }
}

fn counted(name: &str) -> Counted {
    Counted { name: name.to_owned(), copies: Arc::default(), runs: Arc::default() }
}

impl Counted {
    fn copies(&self) -> usize {
        self.copies.load(Ordering::SeqCst)
    }

    #[redis_cached(key = "detached:named:<self.name>:<id>", stale_while_revalidate = 60)]
    async fn named<'s>(&'s self, id: u64) -> String {
        fn of(name: &str, id: u64) -> String {
            struct Pair<'n>(&'n str, u64);
            impl Pair<'_> {
                fn text(&self) -> String {
                    format!("{}{}", self.0, self.1)
                }
            }
            Pair(name, id).text()
        }
        use self::yield_now as pause;
        self.runs.count();
        pause().await;
        let text = async { of(&self.name, id) };
        let Self { name, .. } = self;
        assert_eq!(format!("{name}{}", id), format!("{}{id}", self.name));
        text.await
    }

    #[redis_cached(key = "detached:unused:<id>", detach = true, skip(self))]
    async fn unused(&self, id: u64) -> u64 {
        yield_now().await;
        id
    }
}

#[redis_cached(key = "detached:borrowed:<name>:<ids>", timeout = "5s", stale_if_error = 60, skip(db, suffix))]
async fn borrowed(db: &Counted, name: &str, ids: &[u64], suffix: &'static str) -> String {
    db.runs.count();
    yield_now().await;
    format!("{name}{}{suffix}", ids.iter().sum::<u64>())
}

struct Path<T>(T);

#[redis_cached(key = "detached:patterns:<id>:<a>:<b>", detach = true, skip(db, text))]
async fn patterns(
    mut db: &Counted,
    Path(mut id): Path<u64>,
    (a, Path(b)): (u64, Path<u64>),
    _: &mut u64,
    text: Cow<'static, str>,
) -> u64 {
    db.runs.count();
    id += 1;
    let other = db.clone();
    db = &other;
    yield_now().await;
    id + a + b + (db.name.len() + text.len()) as u64
}

#[redis_cached(key = "detached:below:a:reference:<id>:<b>:<x>:<first>", detach = true, skip(rest, runs))]
async fn below_a_reference(
    &(id, b): &(u64, u64),
    Path(x): &Path<u64>,
    [first, rest @ ..]: &[u64; 3],
    runs: &Arc<Runs>,
) -> u64 {
    runs.count();
    yield_now().await;
    id + b + x + first + rest.iter().sum::<u64>()
}

#[redis_cached(key = "detached:generic:<id>", early_refresh = 1.0, skip(db, name))]
async fn generic<D, I>(db: &D, id: I, name: &impl Named) -> String
where
    D: Display + Clone + Send + Sync + 'static,
    I: KeyPart + Display + Send + 'static,
{
    yield_now().await;
    format!("{db}{id}{}", name.name())
}

trait Named: Clone + Send + Sync + 'static {
    fn name(&self) -> &str;
}

impl Named for Counted {
    fn name(&self) -> &str {
        &self.name
    }
}

#[redis_cached(key = "detached:boxed:<id>:<name>", detach = true, skip(db))]
fn boxed<'f>(db: &'f Counted, id: u64, name: &'f str) -> Pin<Box<dyn Future<Output = u64> + Send + 'f>> {
    let name = name.len() as u64;
    let runs = Arc::clone(&db.runs);
    Box::pin(async move {
        runs.count();
        yield_now().await;
        id + name
    })
}

#[async_trait]
trait Dynamic {
    async fn text(&self, name: &str, id: u64, db: &Counted) -> String;
    async fn pattern(&self, Path(id): Path<u64>, _: u8) -> String;
}

#[async_trait]
impl Dynamic for Counted {
    #[redis_cached(key = "detached:dynamic:<self.name>:<name>:<id>", stale_while_revalidate = 60, skip(db))]
    async fn text(&self, name: &str, id: u64, db: &Counted) -> String {
        self.runs.count();
        yield_now().await;
        format!("{}{name}{id}{}", self.name, db.name)
    }

    #[redis_cached(key = "detached:dynamic:<self.name>:<id>", detach = true)]
    async fn pattern(&self, Path(id): Path<u64>, _: u8) -> String {
        self.runs.count();
        yield_now().await;
        format!("{}{id}", self.name)
    }
}

#[redis_cached(key = "detached:question:<text>", detach = true)]
async fn question(text: &str) -> Result<Option<u64>, Box<dyn std::error::Error + Send + Sync>> {
    if text.is_empty() {
        return Ok(None);
    }
    yield_now().await;
    Ok(Some(text.parse()?))
}

#[tokio::test]
async fn a_miss_copies_what_is_borrowed_and_a_hit_nothing() {
    let db = counted("a");
    for _ in 0..3 {
        assert_eq!(is_send(db.named(1)).await, "a1");
        assert_eq!((db.runs.get(), db.copies()), (1, 1));
    }
    assert_eq!(db.named_entry(1).get().await.unwrap().as_deref(), Some("a1"));
}

#[tokio::test]
async fn texts_and_slices_are_copied() {
    let db = counted("a");
    for _ in 0..2 {
        assert_eq!(is_send(borrowed(&db, &String::from("n"), &[1, 2], "!")).await, "n3!");
    }
    assert_eq!(db.runs.get(), 1);
}

#[tokio::test]
async fn what_the_body_does_not_use_is_not_copied() {
    let db = counted("a");
    assert_eq!((is_send(db.unused(1)).await, db.copies()), (1, 0));
}

#[tokio::test]
async fn patterns_hold_what_they_bind() {
    let db = counted("abc");
    let call = async |id| {
        let mut unused = 0;
        is_send(patterns(&db, Path(id), (2, Path(3)), &mut unused, Cow::Borrowed("text"))).await
    };
    is_cached(&db.runs, call, |id| id + 1 + 2 + 3 + 3 + 4).await;
}

#[tokio::test]
async fn patterns_below_a_reference_hold_copies() {
    let runs = Arc::new(Runs::new());
    let call = async |id| is_send(below_a_reference(&(id, 2), &Path(3), &[4, 5, 6], &runs)).await;
    is_cached(&runs, call, |id| id + 2 + 3 + 4 + 5 + 6).await;
}

#[tokio::test]
async fn generics_are_copied_by_their_bounds() {
    assert_eq!(is_send(generic(&"db".to_owned(), 7_u64, &counted("n"))).await, "db7n");
    assert_eq!(generic_entry(7_u64).get().await.unwrap().as_deref(), Some("db7n"));
}

#[tokio::test]
async fn a_returned_future_holds_what_its_block_holds() {
    let db = counted("a");
    is_cached(&db.runs, |id| is_send(boxed(&db, id, "ab")), |id| id + 2).await;
    assert_eq!(db.copies(), 0);
}

#[tokio::test]
async fn methods_under_async_trait() {
    let db = counted("a");
    let dynamic: &(dyn Dynamic + Sync) = &db;
    is_cached(&db.runs, |id| is_send(dynamic.text("n", id, &db)), |id| format!("an{id}a")).await;
    let db = counted("b");
    is_cached(&db.runs, |id| is_send(db.pattern(Path(id), 0)), |id| format!("b{id}")).await;
}

#[tokio::test]
async fn returns_and_question_marks() {
    assert_eq!(is_send(question("")).await.unwrap(), None);
    assert_eq!(question("7").await.unwrap(), Some(7));
    assert!(question("x").await.is_err());
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_the_body() {
    static ENDED: Runs = Runs::new();
    #[redis_cached(key = "detached:left:<id>", detach = true)]
    async fn left(id: u64) -> u64 {
        for _ in 0..10 {
            yield_now().await;
        }
        ENDED.count();
        id
    }
    let mut call = Box::pin(left(1));
    let first = std::future::poll_fn(|context| std::task::Poll::Ready(call.as_mut().poll(context).is_pending()));
    assert!(first.await);
    drop(call);
    while ENDED.get() == 0 {
        yield_now().await;
    }
    assert_eq!((left(1).await, ENDED.get()), (1, 1));
}
