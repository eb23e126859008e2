//! Servers that lie: whatever they say, the function's own value is returned, one event says why, and the next call is
//! served once they are honest again.

mod of_a_real_server;
mod on_the_wire;

use std::time::Duration;

use cache_runtime::{Cache, Outcome, redis_cached, report};
use support::{Event, Events, Origin, built, within};
use tracing::Level;

use crate::pass_a_minute;

/// What a call may spend on lies that never end: many are told here, and three in a row go unanswered before a
/// connection is given up. A busy machine that needs longer for the truth makes no difference but another event's text.
const DEADLINE: Duration = Duration::from_millis(50);

fn cache_at(url: &str) -> Cache {
    built(Cache::builder().redis_url(url).deadline(DEADLINE))
}

#[redis_cached(key = "word:<id>", ttl = 600, cache = cache, skip(cache, origin))]
async fn word(cache: &Cache, origin: &Origin, id: u64) -> String {
    format!("word {id}, run {}", origin.run().await)
}

/// Calls the function on a server that lies once.
async fn is_told_of(cache: &Cache, lie: &str) {
    let told = answers_in_spite_of(cache, lie).await;
    assert_eq!(told.len(), 1, "of {lie}: {told:?}");
}

/// Calls the function on a server that lies; what was said of it.
async fn answers_in_spite_of(cache: &Cache, lie: &str) -> Vec<Event> {
    pass_a_minute().await;
    let (events, origin) = (Events::capture(), Origin::default());
    let answer = within(&format!("a call in spite of {lie}"), word(cache, &origin, 7)).await;
    assert_eq!(answer, "word 7, run 1", "{lie}");
    let told = events.at_least(Level::WARN);
    assert!(!told.is_empty(), "nobody is told of {lie}");
    told
}

/// Calls the function until it is served what was stored.
async fn is_served_again(cache: &Cache, lie: &str) {
    let served = async {
        let origin = Origin::default();
        while report(word(cache, &origin, 7)).await.1.calls()[0].outcome() != Outcome::Hit {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within(&format!("a hit after {lie}"), served).await;
}
