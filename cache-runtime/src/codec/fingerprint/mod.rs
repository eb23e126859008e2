//! A fingerprint of the shape of a type: a hash of the calls that it makes of its deserializer.
//!
//! bincode and postcard decode the bytes of yesterday's struct into today's without a complaint when two fields changed
//! places. The fingerprint in the header makes that a miss. It is taken from what a type asks for, so it sees through
//! `rename`, `skip`, `with` and hand-written implementations, and it does not depend on the compiler or the crate.
//!
//! A type cannot be asked for its shape, only be driven along one path at a time: into one field of a struct, one
//! variant of an enum, one element of a tuple. Each pass follows the known part of the shape to a place where nobody
//! has been, and notes what is asked for there, until there is no such place; a type that is met again is known by its
//! visitor, so recursive types have an end. What stands before an element must be complete for the type to ask for the
//! element, so it is filled with values that most types accept; where a type refuses them all, its name stands for what
//! cannot be seen: a miss too many, never a wrong value. Names of types are left out otherwise: renaming one changes no
//! bytes.

mod graph;
mod tracer;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock};

use once_cell::sync::Lazy;
use serde::de::DeserializeOwned;

use self::graph::Graph;
use self::tracer::{Pass, Tracer};

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
    shapes.iter().fold(FNV_OFFSET, |hash, shape| fnv(hash, shape))
}

/// The shape of `T`, written down.
fn explore<T: DeserializeOwned>(human_readable: bool) -> Vec<u8> {
    let mut graph = Graph::new();
    while let Some(plan) = graph.plan() {
        let mut pass = Pass::new(&mut graph, &plan, human_readable);
        // The value itself, or the refusal, tells nothing that the pass does not. A type that panics on a made-up value
        // has refused it.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(T::deserialize(Tracer::exploring(&mut pass)))));
        pass.end(&plan);
    }
    graph.written(std::any::type_name::<T>())
}

const FNV_OFFSET: u32 = 0x811C_9DC5;

/// FNV-1a, 32 bits: stable by definition, which the standard library's hashers are not.
fn fnv(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wild;
