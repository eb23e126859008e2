//! The scripts of the Redis store say in Lua what the transitions say in Rust. A store of a user's own decides with the
//! transitions alone: whatever is asked of both, both answer the same, and leave the same bytes.

use std::time::Duration;

use bytes::Bytes;
use cache_runtime::Error;
use cache_runtime::store::{HEADER_LEN, Token};
use cache_runtime::test_util::{Displaces, StoreKey, token, value};
use fastrand::Rng;
use support::Stage;

const KEY: &str = "k";

/// How many operations are played, and after how many the key is empty again.
const OPERATIONS: u32 = 4_000;
const GAME: u32 = 25;

/// One operation on both stores.
#[derive(Clone, Debug)]
enum Operation {
    Lease(u64, Duration, Take),
    Renew(u64, Duration),
    Commit(u64),
    Release(u64, Duration),
    Begin { writer: u64, generation: u64, ttl: Duration, late: Duration },
    RenewWrite(u64, Duration),
    End { writer: u64, generation: Token, stores: bool },
    Remove,
}

/// What a lease may displace: what is there now, in three ways.
#[derive(Clone, Copy, Debug)]
enum Take {
    Nothing,
    Unusable,
    Refresh,
    Anything,
}

impl Take {
    fn of(self, current: Option<&Bytes>) -> Displaces {
        let current = || current.cloned().unwrap_or_default();
        match self {
            Self::Nothing => Displaces::Nothing,
            Self::Unusable => Displaces::Unusable(current()),
            Self::Refresh => Displaces::Refresh(current()),
            Self::Anything => Displaces::Anything,
        }
    }
}

/// Few fills and few writers, so that they meet; and all of it lasts for longer than the test, unless it is late.
fn draw(rng: &mut Rng, generations: &[Token]) -> Operation {
    let ttl = Duration::from_secs(rng.u64(60..70));
    let (fill, writer) = (rng.u64(1..4), rng.u64(10..14));
    let take = [Take::Nothing, Take::Unusable, Take::Refresh, Take::Anything][rng.usize(..4)];
    let generation = *rng.choice(generations).unwrap_or(&token(99));
    match rng.u32(..22) {
        0..4 => Operation::Lease(fill, ttl, take),
        4 => Operation::Renew(fill, ttl),
        5..8 => Operation::Commit(fill),
        8 => Operation::Release(fill, if rng.bool() { ttl } else { Duration::ZERO }),
        9..14 => {
            let late = Duration::from_secs(if rng.u32(..4) == 0 { 3_600 } else { 0 });
            Operation::Begin { writer, generation: rng.u64(100..), ttl, late }
        }
        14 => Operation::RenewWrite(writer, ttl),
        15..21 => Operation::End { writer, generation, stores: rng.bool() },
        _ => Operation::Remove,
    }
}

/// Plays an operation, and returns what it is answered with. What is found in place of a lease is in the store too.
async fn play(key: StoreKey<'_>, operation: Operation, current: Option<&Bytes>) -> Result<String, Error> {
    let minute = Duration::from_secs(60);
    Ok(match operation {
        Operation::Lease(fill, ttl, take) => {
            let leased = key.lease(fill, ttl, take.of(current)).await?;
            format!("{}", leased == cache_runtime::store::Leased::Granted)
        }
        Operation::Renew(fill, ttl) => format!("{}", key.renew(fill, ttl).await?),
        Operation::Commit(fill) => format!("{:?}", key.commit(fill, value(fill, KEY), minute).await?),
        Operation::Release(fill, hold_off) => format!("{:?}", key.release(fill, hold_off).await?),
        Operation::Begin { writer, generation, ttl, late } => {
            format!("{:?}", key.begin_write_late(writer, generation, ttl, late).await?)
        }
        Operation::RenewWrite(writer, ttl) => format!("{}", key.renew_write(writer, ttl).await?),
        Operation::End { writer, generation, stores } => {
            let stored = || (value(u64::from_be_bytes(*generation.as_bytes()), KEY), minute);
            format!("{:?}", key.end_write(writer, generation, stores.then(stored)).await?)
        }
        Operation::Remove => format!("{:?}", key.remove().await?),
    })
}

/// The bytes without the times in them, which pass between the two; of a deadline it is left whether it is there, and
/// whether it has passed.
fn timeless(entry: &Bytes) -> Vec<u8> {
    const HOUR: u64 = 60 * 60 * 100;
    let mut entry = entry.to_vec();
    let now = value(1, KEY)[17..22].iter().fold(0, |ticks, byte| ticks << 8 | u64::from(*byte));
    let (header, rest) = entry.split_at_mut(HEADER_LEN);
    let kind = header[2];
    let mut places: Vec<&mut [u8]> =
        if kind == 2 { rest.chunks_mut(13).map(|place| &mut place[8..]).collect() } else { vec![] };
    places.push(&mut header[12..17]);
    for place in places {
        let ticks = place.iter().fold(0, |ticks, byte| ticks << 8 | u64::from(*byte));
        let told = if ticks == 0 { 0 } else { 1 + u8::from(ticks + HOUR / 2 > now) };
        place.fill(told);
    }
    // Of a value: when it is fresh until, and the checksum over that.
    header[17..22].fill(0);
    header[44..].fill(0);
    entry
}

#[tokio::test]
async fn whatever_is_asked_of_the_scripts_they_answer_and_leave_what_the_transitions_do() {
    let (redis, own) = (Stage::redis().await, Stage::own().await);
    let (redis, own) = (StoreKey::new(&redis.cache, KEY), StoreKey::new(&own.cache, KEY));
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let (mut generations, mut played) = (Vec::new(), Vec::new());
    for number in 0..OPERATIONS {
        if number % GAME == 0 {
            redis.remove().await.expect("the server is up");
            own.remove().await.expect("the store is up");
            generations.clear();
            played.clear();
        }
        let operation = draw(&mut rng, &generations);
        if let Operation::Begin { generation, .. } = operation {
            generations.push(token(generation));
        }
        let current = (redis.get().await.expect("the server is up"), own.get().await.expect("the store is up"));
        played.push(operation.clone());
        let answers = (
            play(redis, operation.clone(), current.0.as_ref()).await.expect("the server is up"),
            play(own, operation, current.1.as_ref()).await.expect("the store is up"),
        );
        let left = (redis.get().await.expect("the server is up"), own.get().await.expect("the store is up"));
        assert_eq!(answers.0, answers.1, "seed {seed}, after {played:#?}");
        assert_eq!(left.0.as_ref().map(timeless), left.1.as_ref().map(timeless), "seed {seed}, after {played:#?}");
    }
}
