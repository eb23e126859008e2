//! The write protocol, in every order in which its steps can come: puts, evictions that begin before their function, and
//! invalidations, beside fills and refreshes of the same key. Functions fail before they have written or after, writers
//! are killed at any point, WRITEs expire, are evicted or removed by anybody, and commands come twice, late or never, or
//! are not answered.
//!
//! In every state, beside what holds for leases: a writer that was killed after it had written leaves no value from
//! before, unless its WRITE was taken from it meanwhile. Nobody can promise more: then nothing is left that knew of it.

use super::RULES;
use super::actor::Role::{self, Fill, Invalidation, Reader, Refresh, Removal, Writer};
use super::world::{Rules, Watch, World};
use super::writer::Leaves;
use crate::entry::{Flags, Header, Token, Writing};
use crate::explore::{Found, explore};
use crate::store::{Change, EndRequest, Ended, Expiry, WriteRequest, admit, begin, end};

const PUT: Role = Writer(Leaves::Value);
const EVICT: Role = Writer(Leaves::Nothing);
const FILL: Role = Fill { codec: 1 };

fn run(rules: Rules, trouble: u8, cast: &[Role]) -> Found {
    explore(World::new(rules, Watch::Everything, trouble, cast))
}

/// Looks at all that can come of this, with so many commands that are late or not answered.
#[track_caller]
fn holds(trouble: u8, cast: &[Role]) {
    let begun = std::time::Instant::now();
    let states = run(RULES, trouble, cast).nothing();
    println!("{states} states in {:?}", begun.elapsed());
}

#[test]
fn t_put_put_fill_0() { holds(0, &[PUT, PUT, FILL]); }
#[test]
fn t_put_put_fill_1() { holds(1, &[PUT, PUT, FILL]); }
#[test]
fn t_put_put_2() { holds(2, &[PUT, PUT]); }
#[test]
fn t_put_put_fill_2() { holds(2, &[PUT, PUT, FILL]); }
#[test]
fn t_put_put_reader_fill() { holds(0, &[PUT, PUT, FILL, Reader]); }
#[test]
fn t_put3() { holds(0, &[PUT, PUT, PUT, FILL]); }
#[test]
fn t_put_fill_inv_2() { holds(2, &[PUT, FILL, Invalidation]); }
#[test]
fn t_put_refresh() { holds(1, &[PUT, FILL, Refresh, Removal]); }
#[test]
fn t_evict2() { holds(1, &[EVICT, EVICT, FILL]); }
