//! What a key costs: through an entry function, which also makes the handle, beside `format!` without any escaping.

use std::hint::black_box;
use std::time::Instant;

use cache_runtime::redis_cached;

const CALLS: u32 = 200_000;
const PAIRS: usize = 21;

#[redis_cached(key = "user:<tenant>:<id>:v1")]
async fn user(tenant: &str, id: u64) -> u64 {
    id + tenant.len() as u64
}

#[redis_cached(key = "page:<section>/<number>/<size>")]
async fn page(section: Option<&str>, number: u32, size: u16) -> u32 {
    number + u32::from(size) + u32::from(section.is_some())
}

fn main() {
    // The default cache is made before anything is measured.
    black_box(user_entry("acme", 1).key());
    println!("a key, median of {PAIRS} alternating slices of {CALLS}; allocations of one");
    compare(
        "user:<tenant>:<id>:v1",
        || user_entry(black_box("acme"), black_box(7)).key().len(),
        || format!("user:{}:{}:v1", black_box("acme"), black_box(7_u64)).len(),
    );
    compare(
        "page:<section>/<number>/<size>",
        || page_entry(black_box(Some("new")), black_box(3), black_box(20)).key().len(),
        || format!("page:{}/{}/{}", black_box(Some("new")).unwrap_or(""), black_box(3_u32), black_box(20_u16)).len(),
    );
}

fn compare(what: &str, ours: impl Fn() -> usize, theirs: impl Fn() -> usize) {
    let allocations = |call: &dyn Fn() -> usize| allocation_counter::measure(|| assert!(call() > 0)).count_total;
    let (our_allocations, their_allocations) = (allocations(&ours), allocations(&theirs));
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        our_times.push(nanos(&ours));
        their_times.push(nanos(&theirs));
    }
    println!(
        "  {what}: {:.0} ns, {our_allocations} allocation(s); format!: {:.0} ns, {their_allocations}",
        median(our_times),
        median(their_times),
    );
}

fn nanos(call: &impl Fn() -> usize) -> f64 {
    let begun = Instant::now();
    for _ in 0..CALLS {
        black_box(call());
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
