//! Input made of other input: deterministic, so that what failed once fails again.

use std::time::{Duration, Instant};

/// For how long a target runs where nobody says: what CI waits for.
const SECONDS: u64 = 1;

/// Longer than this no input grows.
const MAX_LEN: usize = 4_096;

/// The numbers behind the turns that are taken (splitmix64).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound that is not zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or_default()
    }

    pub(crate) fn pick<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len())]
    }

    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let (one, other) = (self.below(len + 1), self.below(len + 1));
        one.min(other)..one.max(other)
    }
}

/// Runs a target on one mutation of the seeds after the other.
pub(crate) fn fuzz(seeds: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(SECONDS);
    let (begun, mut numbers, mut runs) = (Instant::now(), Numbers::new(1), 0_u64);
    while begun.elapsed() < Duration::from_secs(seconds) {
        let mut input = numbers.pick(seeds).clone();
        for _ in 0..=numbers.below(4) {
            mutate(&mut input, seeds, &mut numbers);
        }
        input.truncate(MAX_LEN);
        let shown = Shown(&input);
        target(&input);
        drop(shown);
        runs += 1;
    }
    println!("{runs} inputs");
}

/// Input, printed where its target panics.
struct Shown<'i>(&'i [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input was b\"{}\"", self.0.escape_ascii());
        }
    }
}

/// Bytes that formats take for lengths, ends, or marks of what follows.
const TELLING: [&[u8]; 12] = [
    &[0],
    &[0x7F],
    &[0x80],
    &[0xFF],
    &[0xFF; 4],
    &[0xFF; 9],
    b"\xDD\xFF\xFF\xFF\xFF",
    b"\xDF\x7F\xFF\xFF\xFF",
    b"\xC6\xFF\xFF\xFF\xFF",
    b"\xFD\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F",
    b"[[[[[[[[",
    b"<>",
];

fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], numbers: &mut Numbers) {
    let (at, range) = (numbers.below(input.len() + 1), numbers.range(input.len()));
    match numbers.below(9) {
        0 | 1 if at < input.len() => input[at] ^= 1 << numbers.below(8),
        2 if at < input.len() => input[at] = u8::try_from(numbers.below(256)).unwrap_or_default(),
        3 => drop(input.splice(at..at, numbers.pick(&TELLING).iter().copied())),
        4 => {
            let telling = *numbers.pick(&TELLING);
            let end = input.len().min(at + telling.len());
            input.splice(at..end, telling.iter().copied());
        }
        5 => drop(input.drain(range)),
        6 => input.truncate(at),
        7 if !range.is_empty() => {
            let (part, most) = (input[range].to_vec(), MAX_LEN);
            input.splice(at..at, part.repeat(numbers.below(most / part.len() + 1)));
        }
        _ => {
            let other = numbers.pick(seeds);
            let part = other[numbers.range(other.len())].to_vec();
            input.splice(range, part);
        }
    }
}
