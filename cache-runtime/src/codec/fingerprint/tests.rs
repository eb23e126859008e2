use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

/// Two definitions of the same name, as two releases of a program have them, must differ in their fingerprint.
macro_rules! differ {
    ($what:literal: {$($old:tt)*} {$($new:tt)*}) => {{
        #[allow(dead_code, reason = "only its shape is used")]
        #[allow(unreachable_pub, reason = "two modules of one test")]
        mod old { use super::*; #[derive(Deserialize)] $($old)* }
        #[allow(dead_code, reason = "only its shape is used")]
        #[allow(unreachable_pub, reason = "two modules of one test")]
        mod new { use super::*; #[derive(Deserialize)] $($new)* }
        assert_ne!(compute::<old::T>(), compute::<new::T>(), $what);
    }};
}

#[test]
fn a_changed_shape_is_another_fingerprint() {
    differ!("reordered": {pub struct T { a: u32, b: u32 }} {pub struct T { b: u32, a: u32 }});
    differ!("renamed": {pub struct T { a: u32 }} {pub struct T { b: u32 }});
    differ!("retyped": {pub struct T { a: u32, b: u32 }} {pub struct T { a: u32, b: i32 }});
    differ!("added": {pub struct T { a: u32 }} {pub struct T { a: u32, b: Option<u32> }});
    differ!("made optional": {pub struct T { a: u32 }} {pub struct T { a: Option<u32> }});
    differ!("variants reordered": {pub enum T { A, B }} {pub enum T { B, A }});
    differ!("variant added": {pub enum T { A }} {pub enum T { A, B }});
    differ!("variant retyped": {pub enum T { A, B(u8), C { x: u8 } }} {pub enum T { A, B(u8), C { x: u16 } }});
    differ!("nested in a list in a map": {pub struct T { a: BTreeMap<String, Vec<(u8, u8)>> }}
                                         {pub struct T { a: BTreeMap<String, Vec<(u8, i8)>> }});
}

/// Counts how often it is asked for.
struct Counted;

static ASKED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        u8::deserialize(deserializer).map(|_| Self)
    }
}

#[test]
fn a_fingerprint_is_computed_once() {
    let asked = || ASKED.load(std::sync::atomic::Ordering::Relaxed);
    let first = fingerprint::<Counted>();
    let once = asked();
    assert_eq!(fingerprint::<Counted>(), first);
    assert!(once > 0 && asked() == once);
}

#[test]
fn a_field_behind_one_that_refuses_every_made_up_value_still_counts() {
    differ!("behind an address": {pub struct T { a: std::net::IpAddr, b: u8 }}
                                 {pub struct T { a: std::net::IpAddr, b: i8 }});
}

/// Two required fields, so it is a value only when both are there.
#[allow(dead_code, reason = "only its shape is used")]
#[derive(Deserialize)]
struct Pair<X = u8, Y = u8> {
    x: X,
    y: Y,
}

/// A text that most texts are not.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
struct Email(String);

impl TryFrom<String> for Email {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.contains('@') { Ok(Self(text)) } else { Err("no @") }
    }
}

/// A text that no made-up text is.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Iban(#[allow(dead_code, reason = "only its shape is used")] String);

impl TryFrom<String> for Iban {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.starts_with("DE89") { Ok(Self(text)) } else { Err("not an IBAN") }
    }
}

#[test]
fn what_stands_behind_a_struct_counts() {
    assert_ne!(compute::<(Pair, u32)>(), compute::<(Pair, i32)>());
    assert_ne!(compute::<[(Pair, u32); 3]>(), compute::<[(Pair, i32); 3]>());
    differ!("in a variant": {pub enum T { A(Pair, u32) }} {pub enum T { A(Pair, i32) }});
    differ!("in a tuple struct": {pub struct T(Pair, u32);} {pub struct T(Pair, i32);});
}

#[test]
fn what_stands_behind_a_value_that_is_hard_to_make_up_counts() {
    assert_ne!(compute::<BTreeMap<Email, u32>>(), compute::<BTreeMap<Email, i32>>());
    assert_ne!(compute::<Vec<(Email, u32)>>(), compute::<Vec<(Email, i32)>>());
    assert_ne!(compute::<(std::net::IpAddr, u32)>(), compute::<(std::net::IpAddr, i32)>());
    // By the name of what refuses, since nothing behind it can be seen.
    assert_ne!(compute::<(Iban, u32)>(), compute::<(Iban, i32)>());
}

#[test]
fn two_types_with_the_same_field_names_are_two() {
    differ!("the second field of the first": {pub struct T { a: Pair<u8, u16>, b: Pair }}
                                             {pub struct T { a: Pair<u8, u32>, b: Pair }});
}

#[test]
fn fields_far_down_in_large_structs_count() {
    macro_rules! large {
        ($name:ident, $last:ty) => {
            #[allow(dead_code, reason = "only its shape is used")]
            #[derive(Deserialize)]
            struct $name {
                a: u8,
                b: u8,
                c: u8,
                d: u8,
                e: u8,
                f: u8,
                g: u8,
                h: u8,
                i: u8,
                j: u8,
                k: u8,
                l: u8,
                m: u8,
                n: u8,
                last: $last,
            }
        };
    }
    large!(Address, u8);
    large!(OtherAddress, i8);
    large!(Customer, Address);
    large!(OtherCustomer, OtherAddress);
    large!(Order, Option<Vec<Customer>>);
    large!(OtherOrder, Option<Vec<OtherCustomer>>);
    assert_ne!(compute::<Order>(), compute::<OtherOrder>());
}

#[test]
fn a_type_that_panics_on_a_made_up_value_has_a_fingerprint() {
    #[derive(Deserialize)]
    struct Picky {
        #[serde(deserialize_with = "first")]
        #[allow(dead_code, reason = "only its shape is used")]
        first: u8,
    }
    fn first<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        String::deserialize(deserializer).map(|text| text.as_bytes()[0])
    }
    assert_ne!(compute::<(Picky, u8)>(), compute::<(Picky, i8)>());
}

#[test]
fn recursive_arrays_and_trees_come_to_an_end() {
    #[allow(dead_code, reason = "only its shape is used")]
    #[derive(Deserialize)]
    struct Trie<V> {
        next: [Option<Box<Trie<V>>>; 26],
        value: V,
    }
    #[allow(dead_code, reason = "only its shape is used")]
    #[derive(Deserialize)]
    enum Expr<V> {
        Add(Box<Expr<V>>, Box<Expr<V>>, u8),
        All(Vec<Expr<V>>),
        Literal(V),
    }
    assert_ne!(compute::<Trie<u8>>(), compute::<Trie<i8>>());
    assert_ne!(compute::<Expr<u8>>(), compute::<Expr<i8>>());
    assert_ne!(compute::<[[[u8; 32]; 32]; 32]>(), compute::<[[[i8; 32]; 32]; 32]>());
}

#[test]
fn every_variant_of_a_nested_enum_counts() {
    #[allow(dead_code, reason = "only its shape is used")]
    #[derive(Deserialize)]
    enum Inner<L> {
        A(u8),
        B(u8),
        C(u8),
        D(L),
    }
    #[allow(dead_code, reason = "only its shape is used")]
    #[derive(Deserialize)]
    enum Outer<L> {
        X,
        Y,
        Z { inner: Vec<Inner<L>>, other: u8 },
    }
    assert_ne!(compute::<Outer<u8>>(), compute::<Outer<u16>>());
}

#[test]
fn names_of_types_do_not_count_and_recursion_ends() {
    #[allow(dead_code, reason = "only its shape is used")]
    #[derive(Deserialize)]
    struct Leaf {
        next: Option<Box<Leaf>>,
    }
    #[allow(dead_code, reason = "only its shape is used")]
    #[derive(Deserialize)]
    struct Tree {
        next: Option<Box<Tree>>,
    }
    assert_eq!(compute::<Leaf>(), compute::<Tree>());
    assert_eq!(fingerprint::<Leaf>(), fingerprint::<Tree>());
}

#[test]
fn golden_fingerprints() {
    // A change here makes every deployed entry a miss: it needs a word in the changelog.
    #[allow(dead_code, reason = "only its shape is used")]
    #[derive(Deserialize)]
    struct User {
        id: u64,
        name: String,
    }
    assert_eq!(compute::<u64>(), 1_392_014_361);
    assert_eq!(compute::<User>(), 3_549_945_973);
}

macro_rules! wide {
    ($name:ident, $last:ty, $($field:ident)*) => {
        #[allow(dead_code, reason = "only its shape is used")]
        #[derive(Deserialize)]
        struct $name {
            $($field: Option<String>,)*
            last: $last,
        }
    };
    ($name:ident, $last:ty) => {
        wide!($name, $last, a b c d e f g h i j k l m n o p q r s t aa ab ac ad ae af ag ah ai aj ak al am an ao ap aq);
    };
}
wide!(Tree, Vec<Tree>);
wide!(List, Option<Box<List>>);
wide!(Endless, Box<Endless>);
wide!(Last, More);

/// Takes 64 KiB more of stack than what it is around.
struct Hungry<T>(#[allow(dead_code, reason = "only its shape is used")] T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Hungry<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[expect(clippy::large_stack_arrays, reason = "it is the stack that is to be taken")]
        let room = [0_u8; 64 << 10];
        let value = T::deserialize(deserializer).map(Self);
        std::hint::black_box(&room);
        value
    }
}

#[allow(dead_code, reason = "only its shape is used")]
#[derive(Deserialize)]
enum More {
    Yes(Box<Last>),
    No,
}

#[allow(dead_code, reason = "only its shape is used")]
#[derive(Deserialize)]
struct Hungriest(Box<Hungry<Hungriest>>);

#[test]
fn a_type_that_takes_much_stack_has_a_fingerprint_on_what_is_left_of_a_thread() {
    /// Takes half of the stack of a thread of tokio first.
    fn computed<T: DeserializeOwned>() -> u32 {
        #[expect(clippy::large_stack_arrays, reason = "it is the stack that is to be taken")]
        let room = [0_u8; 1 << 20];
        let fingerprint = compute::<T>();
        std::hint::black_box(&room);
        fingerprint
    }
    let computed = || {
        // What stands before another value is made up as a whole.
        let alone = [computed::<Tree>(), computed::<List>(), computed::<Endless>(), computed::<Last>()];
        let before = [computed::<(Tree, u8)>(), computed::<(List, u8)>(), computed::<(Endless, u8)>()];
        let last = [computed::<(Last, u8)>(), computed::<BTreeMap<String, (Vec<Last>, u8)>>()];
        (alone, before, last, computed::<Hungriest>(), computed::<(Hungriest, u8)>())
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(computed).expect("a thread starts");
    thread.join().expect("it has them all");
}
