//! The fingerprint of a type: a digest of its shape, and one of its name.
//!
//! bincode and postcard decode the bytes of yesterday's struct into today's without a complaint when two fields changed
//! places, and every format decodes a stored cat into a `Dog` that has the same fields. The fingerprint in the header
//! makes both a miss. It is taken from what a type asks of its deserializer, so it sees through `rename`, `skip`, `with`
//! and hand-written implementations, and it does not depend on the compiler or on where the type is defined.
//!
//! # How a type is explored
//!
//! A type cannot be asked for its shape, only be driven along one path at a time: into one field of a struct, one
//! variant of an enum, one element of a tuple. Each pass follows the known part of the shape to a place where nobody
//! has been, and notes what is asked for there, until there is no such place. A type that is met again is known by its
//! visitor, so recursive types have an end. What stands before an element must be complete for the type to ask for the
//! element, so it is filled with values that most types accept. Where a type refuses them all, its name stands for what
//! cannot be seen: a miss too many, never a wrong value.
//!
//! # Which names count
//!
//! Two digests are kept apart because they excuse different changes. The shape holds every call, with the names of all
//! types that serde reports, so under [`Shape::Exact`] any difference is a miss. Under [`Shape::Compatible`] the shape
//! may differ and the name digest alone tells a `Dog` from a `Cat`. A digest of all names would be useless there: a new
//! field of a new type would change it. So it holds the outermost names only, those that are reached from the value
//! through what has no name: options, lists, tuples, maps, boxes. Inside a named type none counts, because its own name
//! says what it is.
//!
//! A generic type has one name for all its instances: serde reports `Page` for `Page<Dog>` and for `Page<Cat>`. So inside
//! a generic type the outermost names count as well, and a `Page<T>` that gets a field of another named type is a miss
//! for its earlier releases. That a type is generic shows in its visitor, which has its parameters.
//! `std::any::type_name` would tell all instances apart without this, but it holds the paths of modules, it ignores
//! `#[serde(rename)]`, and its text changes with the compiler (newer ones write the lifetimes out), so that an upgrade
//! would make every entry a miss.
//!
//! Serde's derive reports no name for a struct with `#[serde(flatten)]` and for an internally tagged enum, but both put
//! it into what their visitor expects, which is where it is found. What has no name anywhere has the digest of nothing:
//! primitives, texts, collections, untagged enums. A type parameter that serde does not meet, as in
//! `Id<T>(u64, PhantomData<T>)`, tells nothing apart either. Functions that share a key through such types tell their
//! entries apart by their keys.

mod graph;
mod tracer;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock};

use once_cell::sync::Lazy;
use serde::de::DeserializeOwned;

use self::graph::Graph;
use self::tracer::{Pass, Tracer};

/// Which shapes of a type a function reads: those that were written by another release of the program too, or not.
///
/// A shape is what a type asks of its deserializer: its fields with their names, types and order, its variants, and the
/// names of the types inside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Shape {
    /// An entry of another shape is a miss, and is overwritten. The default.
    #[default]
    Exact,
    /// An entry of another shape of a type of the same name is decoded, where the codec is
    /// [self-describing](crate::Codec::SELF_DESCRIBING). It is a miss where serde refuses it.
    ///
    /// This is for rolling deploys: while two releases run, each reads what the other has stored. What becomes of a
    /// difference is up to serde. A field that the entry lacks is its default under `#[serde(default)]`, `None` if it is
    /// an `Option`, and else a miss. A field that the type lacks is ignored, unless the type has
    /// `#[serde(deny_unknown_fields)]`. A number is read into another type that can hold it. What is written by position,
    /// in tuples and tuple structs, is read by position. A renamed field is one that is missing and one that is ignored,
    /// so give the new one `#[serde(alias = "…")]`, and change the key's version where a field comes to mean something
    /// else.
    Compatible,
}

/// What a type is told from others by: two digests, which are compared apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of the names of the outermost types.
    pub(crate) name: u32,
    /// Of the calls that the type makes of its deserializer.
    pub(crate) shape: u32,
}

/// The fingerprint of `T`, computed once per type and process.
///
/// Known by the address of the function that computes it: a type need not be `'static` to have one, and two types whose
/// functions a linker merged make the same calls with the same names.
pub(crate) fn fingerprint<T: DeserializeOwned>() -> Fingerprint {
    static KNOWN: Lazy<RwLock<HashMap<usize, Fingerprint>>> = Lazy::new(RwLock::default);
    let address = compute::<T> as fn() -> Fingerprint as usize;
    if let Some(known) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&address) {
        return *known;
    }
    let computed = compute::<T>();
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(address, computed);
    computed
}

fn compute<T: DeserializeOwned>() -> Fingerprint {
    let name = std::any::type_name::<T>();
    // Some types have one shape for formats that people read and another for the rest.
    [false, true].map(explore::<T>).iter().fold(Fingerprint::OF_NOTHING, |before, graph| Fingerprint {
        name: fnv(before.name, &graph.names(name)),
        shape: fnv(before.shape, &graph.written(name)),
    })
}

/// Drives `T` along all its paths.
fn explore<T: DeserializeOwned>(human_readable: bool) -> Graph {
    let mut graph = Graph::new();
    while let Some(plan) = graph.plan() {
        let mut pass = Pass::new(&mut graph, &plan, human_readable);
        // The value itself, or the refusal, tells nothing that the pass does not. A type that panics on a made-up value
        // has refused it.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(T::deserialize(Tracer::exploring(&mut pass)))));
        pass.end(&plan);
    }
    graph
}

impl Fingerprint {
    const OF_NOTHING: Self = Self { name: FNV_OFFSET, shape: FNV_OFFSET };
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
