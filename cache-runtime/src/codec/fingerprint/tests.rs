use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

fn shape<T: DeserializeOwned>() -> u32 {
    compute::<T>().shape
}

fn name<T: DeserializeOwned>() -> u32 {
    compute::<T>().name
}

/// Two definitions of the same name, as two releases of a program have them, must differ in their fingerprint.
macro_rules! differ {
    ($what:literal: {$($old:tt)*} {$($new:tt)*}) => {{
        #[allow(dead_code, reason = "only its shape is used")]
        #[allow(unreachable_pub, reason = "two modules of one test")]
        mod old { use super::*; #[derive(Deserialize)] $($old)* }
        #[allow(dead_code, reason = "only its shape is used")]
        #[allow(unreachable_pub, reason = "two modules of one test")]
        mod new { use super::*; #[derive(Deserialize)] $($new)* }
        assert_ne!(shape::<old::T>(), shape::<new::T>(), $what);
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
    assert_ne!(shape::<(Pair, u32)>(), shape::<(Pair, i32)>());
    assert_ne!(shape::<[(Pair, u32); 3]>(), shape::<[(Pair, i32); 3]>());
    differ!("in a variant": {pub enum T { A(Pair, u32) }} {pub enum T { A(Pair, i32) }});
    differ!("in a tuple struct": {pub struct T(Pair, u32);} {pub struct T(Pair, i32);});
}

#[test]
fn what_stands_behind_a_value_that_is_hard_to_make_up_counts() {
    assert_ne!(shape::<BTreeMap<Email, u32>>(), shape::<BTreeMap<Email, i32>>());
    assert_ne!(shape::<Vec<(Email, u32)>>(), shape::<Vec<(Email, i32)>>());
    assert_ne!(shape::<(std::net::IpAddr, u32)>(), shape::<(std::net::IpAddr, i32)>());
    // By the name of what refuses, since nothing behind it can be seen.
    assert_ne!(shape::<(Iban, u32)>(), shape::<(Iban, i32)>());
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
            #[serde(rename = "Large")]
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
    assert_ne!(shape::<Order>(), shape::<OtherOrder>());
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
    assert_ne!(shape::<(Picky, u8)>(), shape::<(Picky, i8)>());
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
    assert_ne!(shape::<Trie<u8>>(), shape::<Trie<i8>>());
    assert_ne!(shape::<Expr<u8>>(), shape::<Expr<i8>>());
    assert_ne!(shape::<[[[u8; 32]; 32]; 32]>(), shape::<[[[i8; 32]; 32]; 32]>());
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
    assert_ne!(shape::<Outer<u8>>(), shape::<Outer<u16>>());
}

#[test]
fn a_recursive_type_has_its_name_once_and_comes_to_an_end() {
    #[allow(dead_code, reason = "only its shape is used")]
    #[derive(Deserialize)]
    struct Leaf {
        next: Option<Box<Leaf>>,
    }
    #[allow(dead_code, reason = "only its shape is used")]
    #[derive(Deserialize)]
    #[serde(rename = "Leaf")]
    struct Tree {
        next: Option<Box<Tree>>,
    }
    assert_eq!(fingerprint::<Leaf>(), fingerprint::<Tree>());
    assert_eq!(name::<Leaf>(), named("Leaf"));
}

/// One definition under two names, and types that hold the one or the other.
macro_rules! twins {
    ($($(#[$attribute:meta])* $kind:ident { $($definition:tt)* })*) => {
        mod dogs { twins!(of Dog: $($(#[$attribute])* $kind { $($definition)* })*); }
        mod cats { twins!(of Cat: $($(#[$attribute])* $kind { $($definition)* })*); }
    };
    (of $pet:ident: $($(#[$attribute:meta])* $kind:ident { $($definition:tt)* })*) => {
        #[allow(dead_code, reason = "only its names are used")]
        #[derive(serde::Deserialize)]
        pub(super) struct $pet { name: String }
        pub(super) type Pet = $pet;
        $(
            #[allow(dead_code, reason = "only its names are used")]
            #[derive(serde::Deserialize)]
            $(#[$attribute])*
            pub(super) $kind $($definition)*
        )*
    };
}

twins! {
    struct { Home { pet: Pet } }
    struct { Page<T> { items: Vec<T>, next: Option<u64> } }
    struct { FlatPage<T> { items: Vec<T>, #[serde(flatten)] more: std::collections::BTreeMap<String, u8> } }
    struct { Id<T>(u64, std::marker::PhantomData<T>); }
    enum { Found<T> { One(T), None } }
}

/// The name digest of types whose names serde reports in this order.
fn named(names: &str) -> u32 {
    let once: Vec<&str> = names.split_terminator(' ').flat_map(|name| [name, "\0"]).collect();
    // Once for formats that people read and once for the rest.
    fnv(FNV_OFFSET, once.concat().repeat(2).as_bytes())
}

#[test]
fn a_type_has_the_name_that_serde_reports() {
    #[allow(dead_code, reason = "only its name is used")]
    #[derive(Deserialize)]
    #[serde(rename = "Dog")]
    struct Hound {
        name: String,
    }
    #[derive(Deserialize)]
    struct Unit;
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its name is used")]
    struct Newtype(u8);
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its name is used")]
    struct Tuple(u8, u8);
    #[derive(Deserialize)]
    enum Enum {
        #[allow(dead_code, reason = "only its name is used")]
        Variant { field: Newtype },
    }
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Transparent(#[allow(dead_code, reason = "only its name is used")] dogs::Dog);

    assert_eq!(name::<dogs::Dog>(), named("Dog"));
    assert_ne!(name::<dogs::Dog>(), name::<cats::Cat>());
    assert_eq!(compute::<Hound>(), compute::<dogs::Dog>());
    assert_eq!(name::<Unit>(), named("Unit"));
    assert_eq!(name::<Newtype>(), named("Newtype"));
    assert_eq!(name::<Tuple>(), named("Tuple"));
    assert_eq!(name::<Enum>(), named("Enum"));
    assert_eq!(name::<Transparent>(), named("Dog"));
    for nameless in [name::<u64>(), name::<String>(), name::<Vec<(u8, Option<char>)>>(), name::<BTreeMap<u8, u8>>()] {
        assert_eq!(nameless, named(""));
    }
}

#[test]
fn a_type_that_serde_looks_into_by_itself_has_the_name_that_its_visitor_expects() {
    #[allow(dead_code, reason = "only its name is used")]
    #[derive(Deserialize)]
    struct Flat {
        #[serde(flatten)]
        dog: dogs::Dog,
    }
    #[allow(dead_code, reason = "only its name is used")]
    #[derive(Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        Dog(dogs::Dog),
    }
    #[allow(dead_code, reason = "only its name is used")]
    #[derive(Deserialize)]
    #[serde(tag = "type", content = "of")]
    enum Adjacent {
        Dog(dogs::Dog),
    }
    assert_eq!(name::<Flat>(), named("Flat"));
    assert_eq!(name::<Vec<Tagged>>(), named("Tagged"));
    assert_eq!(name::<Adjacent>(), named("Adjacent"));
}

#[test]
fn the_outermost_names_count_through_what_has_none() {
    use dogs::Dog;
    assert_eq!(name::<Option<Box<Dog>>>(), named("Dog"));
    assert_eq!(name::<BTreeMap<String, Vec<Dog>>>(), named("Dog"));
    assert_eq!(name::<(Dog, u8, cats::Cat)>(), named("Dog Cat"));
    assert_eq!(name::<(cats::Cat, u8, Dog)>(), named("Cat Dog"));
    assert_eq!(name::<(dogs::Id<u8>, [Dog; 2])>(), named("Id PhantomData Dog Dog"));
}

#[test]
fn a_name_inside_a_named_type_counts_for_the_shape_alone() {
    assert_eq!(name::<dogs::Home>(), named("Home"));
    assert_eq!(name::<dogs::Home>(), name::<cats::Home>());
    assert_ne!(shape::<dogs::Home>(), shape::<cats::Home>());
}

#[test]
fn instances_of_a_generic_type_differ_by_the_names_in_it() {
    use dogs::{Dog, Found, Id, Page};
    assert_eq!(name::<Page<Dog>>(), named("Page Dog"));
    assert_eq!(name::<Page<dogs::Home>>(), named("Page Home"));
    assert_eq!(name::<Page<u8>>(), named("Page"));
    assert_eq!(name::<Found<Dog>>(), named("Found Dog"));
    assert_eq!(name::<Result<Dog, String>>(), named("Result Dog"));
    assert_eq!(name::<Option<Page<Found<Dog>>>>(), named("Page Found Dog"));
    assert_eq!(name::<Id<Dog>>(), name::<Id<cats::Cat>>(), "nothing of the type shows the parameter");
    // Where serde looks into the type by itself, the name of the visitor stands for the names in it.
    assert_ne!(name::<dogs::FlatPage<Dog>>(), name::<dogs::FlatPage<cats::Cat>>());
    assert_ne!(shape::<dogs::FlatPage<Dog>>(), shape::<dogs::FlatPage<cats::Cat>>());
}

#[test]
fn a_visitor_makes_a_generic_type_if_it_has_parameters_besides_lifetimes() {
    // As older and newer compilers spell them.
    for generic in ["a::Visitor<a::Dog>", "a::Visitor<'_, a::Dog>", "Visitor<fn() -> (a::Dog, 'b')>", "Visitor<4>"] {
        assert!(graph::is_generic(generic), "{generic}");
    }
    let of_an_instance = "<impl serde::Deserialize for a::Page<T>>::deserialize::Visitor";
    for other in ["a::Visitor", "a::Visitor<'_>", "a::Visitor<'_, 'static>", of_an_instance, "&str", ""] {
        assert!(!graph::is_generic(other), "{other}");
    }
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
    let golden = |name, shape| Fingerprint { name, shape };
    assert_eq!(compute::<u64>(), golden(0x811C_9DC5, 1_392_014_361));
    assert_eq!(compute::<User>(), golden(0x4026_D62B, 1_094_647_911));
    assert_eq!(compute::<Vec<Option<User>>>(), golden(0x4026_D62B, 2_679_236_173));
    assert_eq!(compute::<dogs::Page<cats::Cat>>(), golden(0x0776_5AB7, 1_106_727_157));
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
    fn computed<T: DeserializeOwned>() -> Fingerprint {
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
