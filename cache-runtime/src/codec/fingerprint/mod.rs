//! A fingerprint of the shape of a type: a hash of the calls that it makes of its deserializer.
//!
//! bincode and postcard decode the bytes of yesterday's struct into today's without a complaint when two fields changed
//! places. The fingerprint in the header makes that a miss. It is taken from what a type asks for, so it sees through
//! `rename`, `skip`, `with` and hand-written implementations, and it does not depend on the compiler or the crate.
//!
//! A type cannot be asked for its shape, only be driven along one path at a time: a struct is offered one field, an
//! enum one variant, and the next pass offers the next one, until passes show nothing new. A path ends where the type
//! refuses the made-up value it is given; what it asked for until then counts. Names of types are left out: renaming
//! one changes no bytes.

mod tracer;

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};

use once_cell::sync::Lazy;
use serde::de::DeserializeOwned;

use self::tracer::Tracer;

/// Passes without anything new after which the shape is taken as known.
const QUIET_PASSES: usize = 64;

/// Passes at the most, for types that are a maze.
const MAX_PASSES: usize = 4096;

/// The fingerprint of `T`, computed once per type and process.
///
/// Known by the address of the function that computes it: a type need not be `'static` to have one, and two types whose
/// functions a linker merged have the same fingerprint.
pub(crate) fn fingerprint<T: DeserializeOwned>() -> u32 {
    static KNOWN: Lazy<RwLock<HashMap<usize, u32>>> = Lazy::new(RwLock::default);
    let address = compute::<T> as fn() -> u32 as usize;
    if let Some(known) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&address) {
        return *known;
    }
    let computed = compute::<T>();
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(address, computed);
    computed
}

fn compute<T: DeserializeOwned>() -> u32 {
    // Some types have one shape for formats that people read and another for the rest.
    let shapes = [explore::<T>(false), explore::<T>(true)];
    shapes.iter().flatten().fold(FNV_OFFSET, |hash, path| fnv(hash, path))
}

/// All paths through `T`, in an order that does not depend on the order of the passes.
fn explore<T: DeserializeOwned>(human_readable: bool) -> BTreeSet<Vec<u8>> {
    let mut paths = BTreeSet::new();
    let mut map = Map { human_readable, ..Map::default() };
    let mut quiet = 0;
    for _ in 0..MAX_PASSES {
        // The value itself, or the refusal, tells nothing that the path does not.
        let _ = T::deserialize(Tracer::new(&mut map));
        quiet = if paths.insert(std::mem::take(&mut map.path)) { 0 } else { quiet + 1 };
        if quiet == QUIET_PASSES {
            break;
        }
    }
    paths
}

const FNV_OFFSET: u32 = 0x811C_9DC5;

/// FNV-1a, 32 bits: stable by definition, which the standard library's hashers are not.
fn fnv(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// What one pass leaves for the next.
#[derive(Default)]
struct Map {
    human_readable: bool,
    /// The calls of this pass.
    path: Vec<u8>,
    /// How often a struct or enum with these names was met: the next one it is offered.
    offered: HashMap<&'static [&'static str], usize>,
}

impl Map {
    fn call(&mut self, call: &str) {
        self.path.extend_from_slice(call.as_bytes());
        self.path.push(0);
    }

    fn names(&mut self, call: &str, names: &'static [&'static str]) {
        self.call(call);
        for name in names {
            self.call(name);
        }
        self.path.push(0);
    }

    /// The field or variant to offer this time.
    fn choose(&mut self, names: &'static [&'static str]) -> Option<&'static str> {
        let met = self.offered.entry(names).or_default();
        *met += 1;
        names.get((*met - 1).checked_rem(names.len())?).copied()
    }
}

#[cfg(test)]
mod tests;
