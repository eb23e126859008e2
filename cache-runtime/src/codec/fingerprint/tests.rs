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

#[test]
fn a_field_behind_one_that_refuses_every_made_up_value_still_counts() {
    differ!("behind an address": {pub struct T { a: std::net::IpAddr, b: u8 }}
                                 {pub struct T { a: std::net::IpAddr, b: i8 }});
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
    assert_eq!(compute::<u64>(), 2_194_755_553);
    assert_eq!(compute::<User>(), 3_988_021_077);
}
