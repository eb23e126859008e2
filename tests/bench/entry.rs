//! What stands beside the value in an entry costs: the fingerprint of its type, once; the checksum, and compression by lz4
//! and by zstd, each beside the decoding that every hit does anyway.
//!
//! The payloads are rows as a database returns them: numbers, names, addresses, times, flags, a sentence of text.

use std::hint::black_box;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Memory, redis_cached};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

/// How long one figure is measured.
const SLICE: Duration = Duration::from_millis(200);

/// Payload sizes, roughly.
const SIZES: [usize; 4] = [1 << 10, 10 << 10, 100 << 10, 1 << 20];

#[derive(Serialize, Deserialize)]
struct Row {
    id: u64,
    sku: String,
    name: String,
    email: String,
    price_cents: u32,
    rating: f64,
    created_at: String,
    tags: Vec<String>,
    is_active: bool,
    note: Option<String>,
}

const WORDS: [&str; 24] = [
    "amber", "basin", "candle", "delta", "ember", "fern", "garnet", "harbor", "iris", "juniper", "kettle", "lantern",
    "maple", "nectar", "opal", "pebble", "quartz", "river", "saddle", "teapot", "umber", "velvet", "willow", "zephyr",
];

/// Numbers that look random and are the same in every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound)).unwrap_or_default()
    }

    fn words(&mut self, count: u32) -> String {
        let words: Vec<&str> = (0..count).map(|_| WORDS[self.below(24) as usize]).collect();
        words.join(" ")
    }
}

fn row(id: u64, numbers: &mut Numbers) -> Row {
    let name = numbers.words(2);
    let (length, tags) = (6 + numbers.below(12), numbers.below(4));
    Row {
        id,
        sku: format!("{:016x}", numbers.next()),
        email: format!("{}.{}@example.org", name.replace(' ', "."), numbers.below(1_000)),
        name,
        price_cents: numbers.below(100_000),
        rating: f64::from(numbers.below(500)) / 100.0,
        created_at: format!(
            "2026-{:02}-{:02}T{:02}:15:00Z",
            1 + numbers.below(12),
            1 + numbers.below(28),
            numbers.below(24)
        ),
        tags: (0..tags).map(|_| numbers.words(1)).collect(),
        is_active: numbers.below(2) == 0,
        note: (numbers.below(3) > 0).then(|| numbers.words(length)),
    }
}

/// As many rows as make a payload of about `size` bytes.
fn rows(size: usize, encode: impl Fn(&[Row]) -> Vec<u8>) -> Vec<u8> {
    let (mut numbers, mut rows) = (Numbers(7), Vec::new());
    loop {
        rows.push(row(rows.len() as u64 + 1_000, &mut numbers));
        let encoded = encode(&rows);
        if encoded.len() >= size {
            return encoded;
        }
        // Most of what is missing at once: encoding after each row would take longer than the benchmark.
        let missing = (size - encoded.len()) / (encoded.len() / rows.len()) * 9 / 10;
        for _ in 0..missing {
            rows.push(row(rows.len() as u64 + 1_000, &mut numbers));
        }
    }
}

/// Microseconds that one call takes: the least of many short runs, so that a noisy neighbour does not count.
fn micros<T>(mut call: impl FnMut() -> T) -> f64 {
    let (begun, mut best) = (Instant::now(), f64::MAX);
    while begun.elapsed() < SLICE {
        let started = Instant::now();
        for _ in 0..16 {
            black_box(call());
        }
        best = best.min(started.elapsed().as_secs_f64() * 1e6 / 16.0);
    }
    best
}

fn ratio(part: usize, whole: usize) -> f64 {
    let float = |bytes: usize| u32::try_from(bytes).map_or(f64::NAN, f64::from);
    float(part) / float(whole)
}

/// Encodes rows.
type Encode = fn(&[Row]) -> Vec<u8>;

/// Decodes rows, and counts them.
type Decode = fn(&[u8]) -> usize;

/// As many types as a figure takes: a fingerprint is computed once for each.
#[derive(Serialize, Deserialize)]
struct Numbered<const N: usize>(Row);

#[redis_cached(key = "numbered:<id>", cache = cache, skip(cache))]
async fn numbered<const N: usize>(cache: &Cache, id: u64) -> Numbered<N> {
    Numbered(row(id, &mut Numbers(id)))
}

/// Microseconds of the first look at an entry of a type that was not cached before, and of the second one.
fn looks<const N: usize>(runtime: &Runtime, cache: &Cache) -> (f64, f64) {
    let look = || {
        let started = Instant::now();
        let found = runtime.block_on(numbered_entry::<N>(cache, 1).get());
        assert!(found.expect("memory does not fail").is_none());
        started.elapsed().as_secs_f64() * 1e6
    };
    (look(), look())
}

/// What the fingerprint of a type costs: once, and then with each look.
fn fingerprints() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let cache = Cache::builder().memory(Memory::entries(1)).build().expect("the configuration is valid");
    macro_rules! each {
        ($($number:literal)+) => { [$(looks::<$number>(&runtime, &cache)),+] };
    }
    let mut looks = each!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20);
    let mut median = |of: fn(&(f64, f64)) -> f64| {
        looks.sort_by(|one, other| of(one).total_cmp(&of(other)));
        of(&looks[looks.len() / 2])
    };
    let (first, second) = (median(|looks| looks.0), median(|looks| looks.1));
    println!("the first look at an entry of a type with ten fields: {first:.1} µs, the second one: {second:.1} µs");
}

fn main() {
    fingerprints();
    let formats: [(&str, Encode, Decode); 2] = [
        (
            "MessagePack",
            |rows| rmp_serde::to_vec_named(rows).expect("rows encode"),
            |bytes| rmp_serde::from_slice::<Vec<Row>>(bytes).expect("rows decode").len(),
        ),
        (
            "JSON",
            |rows| serde_json::to_vec(rows).expect("rows encode"),
            |bytes| serde_json::from_slice::<Vec<Row>>(bytes).expect("rows decode").len(),
        ),
    ];
    for (format, encode, decode) in formats {
        println!("{format}: µs to decode the value, µs of the checksum and what they are to the decoding");
        for size in SIZES {
            let payload = rows(size, encode);
            let decoding = micros(|| decode(&payload));
            let summing = micros(|| crc32fast::hash(&payload));
            println!("  {:>7} bytes: {decoding:>8.2}, {summing:>6.2}, x{:.4}", payload.len(), summing / decoding);
        }
        println!("{format}: what is left of the bytes, µs to compress, µs to decompress");
        for size in SIZES {
            let payload = rows(size, encode);
            print!("  {:>7} bytes", payload.len());
            let packed = lz4_flex::block::compress(&payload);
            shown("lz4", &payload, &packed, lz4_flex::block::compress, |packed, len| {
                lz4_flex::block::decompress(packed, len).expect("it was compressed")
            });
            for level in [1, 3] {
                let compress = |payload: &[u8]| zstd::bulk::compress(payload, level).expect("bytes compress");
                shown(&format!("zstd {level}"), &payload, &compress(&payload), compress, |packed, len| {
                    zstd::bulk::decompress(packed, len).expect("it was compressed")
                });
            }
            println!();
        }
    }
}

fn shown(
    what: &str,
    payload: &[u8],
    packed: &[u8],
    compress: impl Fn(&[u8]) -> Vec<u8>,
    decompress: impl Fn(&[u8], usize) -> Vec<u8>,
) {
    let (there, back) = (micros(|| compress(payload)), micros(|| decompress(packed, payload.len())));
    print!("; {what} {:.3} {there:.1} {back:.1}", ratio(packed.len(), payload.len()));
}
