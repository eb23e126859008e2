//! Bodies: whatever may stand in an async function may stand in a cached one, and means the same.

use std::cell::Cell;
use std::future::Future;
use std::panic::{Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use cache_runtime::redis_cached;

use crate::{Runs, is_cached, is_send};

static RUNS: [Runs; 5] = [const { Runs::new() }; 5];

#[redis_cached(key = "early:<id>")]
async fn early(id: u64) -> Result<u64, String> {
    RUNS[0].count();
    if id == 1 {
        return Ok(10);
    }
    let Some(less) = id.checked_sub(1) else { return Err("too small".to_owned()) };
    let parsed = less.to_string().parse::<u64>().map_err(|error| error.to_string())?;
    'search: loop {
        for found in parsed.. {
            if found > 0 {
                break 'search Ok(found * 10);
            }
        }
    }
}

#[redis_cached(key = "nested:<id>")]
async fn nested(id: u64) -> u64 {
    RUNS[1].count();
    let text = id.to_string();
    let length = async { text.len() };
    let parsed = async move |text: &str| -> Result<u64, std::num::ParseIntError> { Ok(text.parse::<u64>()? + 1) };
    let spawned = tokio::spawn(async move { id + 1 });
    let block = async {
        if id > 100 {
            return 0;
        }
        spawned.await.unwrap_or_default()
    };
    block.await + parsed("0").await.unwrap_or_default() + length.await as u64
}

#[redis_cached(key = "items:<id>")]
async fn items(id: u64) -> u64 {
    use std::cmp::max as largest;

    #[redis_cached(key = "items:inner:<id>")]
    async fn inner(id: u64) -> u64 {
        RUNS[2].count();
        id + LEAST
    }
    const LEAST: u64 = 3;
    struct Twice(u64);
    impl Twice {
        #[redis_cached(key = "items:twice:<self.0>")]
        async fn get(&self) -> u64 {
            self.0 * 2
        }
    }
    macro_rules! add {
        ($($number:expr),*) => { 0 $(+ $number)* };
    }
    inner_entry(99).invalidate().await.unwrap_or_default();
    add!(largest(inner(id).await, LEAST), Twice(id).get().await)
}

#[redis_cached(key = "not send:<id>")]
async fn not_send(id: u64) -> u64 {
    RUNS[3].count();
    let shared = Rc::new(Cell::new(id));
    tokio::task::yield_now().await;
    shared.get()
}

/// What a client of a web service or of a database looks like: a builder that is a future.
struct Query<'q>(&'q str, Option<u64>);

impl Query<'_> {
    fn bind(self, id: u64) -> Self {
        Self(self.0, Some(id))
    }

    async fn fetch_one<T: From<u64>>(self, pool: &Mutex<u64>) -> Result<T, String> {
        tokio::task::yield_now().await;
        let mut count = pool.lock().map_err(|error| error.to_string())?;
        *count += 1;
        self.1.map(T::from).ok_or_else(|| self.0.to_owned())
    }
}

#[redis_cached(key = "query:<id>", skip(pool))]
async fn query(pool: &Mutex<u64>, id: u64) -> Result<u64, String> {
    RUNS[4].count();
    let row: u64 = Query("SELECT id FROM users WHERE id = $1", None).bind(id).fetch_one(pool).await?;
    Ok(row)
}

/// A service as in tower: `call` returns a boxed future that owns what it needs.
trait Service<Request> {
    type Response;
    type Future: Future<Output = Self::Response>;
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()>;
    fn call(&mut self, request: Request) -> Self::Future;
}

#[derive(Clone)]
struct Doubled(Arc<Runs>);

impl Service<u64> for Doubled {
    type Response = Result<u64, String>;
    type Future = Pin<Box<dyn Future<Output = Self::Response> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    #[redis_cached(key = "tower:<request>", entry = false, skip(self))]
    fn call(&mut self, request: u64) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            this.0.count();
            Ok(request * 2)
        })
    }
}

#[redis_cached(key = "panics:<id>")]
async fn panics(id: u64) -> u64 {
    id.checked_sub(2).unwrap_or_else(|| panic!("no {id}")) // the line that is reported
}

#[redis_cached(key = "caller:<id>")]
async fn caller(id: u64) -> (u64, u32) {
    #[track_caller]
    fn here() -> u32 {
        Location::caller().line()
    }
    (id, here()) // the line of the caller
}

#[tokio::test]
async fn returns_breaks_and_question_marks() {
    is_cached(&RUNS[0], |id| is_send(early(id)), |id| Ok(id * 10 / (1 + u64::from(id == 2)))).await;
    assert_eq!(early(0).await, Err("too small".to_owned()));
}

#[tokio::test]
async fn blocks_closures_and_tasks() {
    is_cached(&RUNS[1], |id| is_send(nested(id)), |id| id + 3).await;
}

#[tokio::test]
async fn items_and_macros() {
    is_cached(&RUNS[2], |id| is_send(items(id)), |id| id + 3 + id * 2).await;
}

#[tokio::test]
async fn what_may_not_be_sent() {
    is_cached(&RUNS[3], not_send, |id| id).await;
}

#[tokio::test]
async fn queries() {
    let pool = Mutex::new(0);
    is_cached(&RUNS[4], |id| is_send(query(&pool, id)), Ok).await;
    assert_eq!(*pool.lock().unwrap(), 2);
}

#[tokio::test]
async fn services() {
    let runs = Arc::new(Runs::new());
    let mut service = Doubled(Arc::clone(&runs));
    std::future::poll_fn(|context| service.poll_ready(context)).await;
    is_cached(&runs, |id| is_send(service.call(id)), |id| Ok(id * 2)).await;
}

/// The file and the line of a panic.
fn place_of_panic(call: impl FnOnce() + std::panic::UnwindSafe) -> (String, u32) {
    static PLACE: Mutex<Option<(String, u32)>> = Mutex::new(None);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|place| (place.file().to_owned(), place.line()));
        *PLACE.lock().expect("nobody panics here") = place;
    }));
    let outcome = catch_unwind(call);
    std::panic::set_hook(before);
    assert!(outcome.is_err());
    PLACE.lock().expect("nobody panics here").take().expect("the panic had a place")
}

fn line_of(text: &str) -> u32 {
    let at = include_str!("bodies.rs").lines().position(|line| line.ends_with(text)).expect("the mark is there");
    u32::try_from(at + 1).expect("a file is short")
}

#[test]
fn a_panic_is_reported_where_it_is_in_the_body() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (file, line) = place_of_panic(|| _ = runtime.block_on(panics(1)));
    assert!(file.ends_with("bodies.rs"), "{file}");
    assert_eq!(line, line_of("// the line that is reported"));
}

#[tokio::test]
async fn a_tracked_caller_is_a_line_of_the_body() {
    assert_eq!(caller(1).await, (1, line_of("// the line of the caller")));
}
