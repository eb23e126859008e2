//! What a value has cost so far, and the bounds on it.

use std::cell::Cell;
use std::fmt;

use super::{BUFFERED_LEVELS, FREE, LEVELS, PLAIN_LEVELS, PLAIN_STACK, STACK, STORED_STACK};

/// Measures one encoding or decoding.
#[doc(hidden)]
#[derive(Debug)]
pub struct Meter {
    /// The address of a local where the measurement began.
    began: usize,
    /// The most stack that was taken, where that is more than [`PLAIN_STACK`].
    stack: Cell<usize>,
    /// The levels that the current call is inside of.
    level: Cell<u32>,
    /// The most of them, where that is more than [`PLAIN_LEVELS`].
    levels: Cell<u32>,
    /// How many more elements may take no bytes.
    free: Cell<usize>,
    /// How many elements of a list a type may be told to expect.
    expected: usize,
    /// Whether anything that takes bytes was called for since this was last set to `false`.
    paid: Cell<bool>,
    passed: Cell<Option<Bound>>,
}

/// A bound that a value passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Levels,
    Stack,
    StoredStack,
    Free,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kibibytes = |bytes| bytes >> 10;
        match self {
            Self::Levels => write!(
                f,
                "it is nested more than {LEVELS} levels deep, or {} where it is buffered (`untagged`, `flatten`, `tag`, \
                 `serde_json::Value`)",
                LEVELS / BUFFERED_LEVELS
            ),
            Self::Stack => write!(f, "it is nested so deep that it takes more than {} KiB of stack", kibibytes(STACK)),
            Self::StoredStack => write!(
                f,
                "it is nested so deep that decoding it takes more than {} KiB of stack",
                kibibytes(STORED_STACK)
            ),
            Self::Free => write!(f, "it has more than {FREE} elements that take no bytes"),
        }
    }
}

/// An address in the frame of the caller, or close to it.
#[inline]
pub(in crate::codec) fn address() -> usize {
    let local = 0_u8;
    std::ptr::from_ref(&local).addr()
}

impl Meter {
    /// Begins a measurement of a value that has no more elements than `expected`, those that take no bytes aside.
    pub(super) fn new(expected: usize) -> Self {
        Self {
            began: address(),
            stack: Cell::new(PLAIN_STACK),
            level: Cell::new(0),
            levels: Cell::new(PLAIN_LEVELS),
            free: Cell::new(FREE),
            expected,
            paid: Cell::new(false),
            passed: Cell::new(None),
        }
    }

    /// Begins so many levels.
    #[inline]
    pub(super) fn enter(&self, levels: u32) -> Result<(), Bound> {
        let (stack, level) = (self.began.abs_diff(address()), self.level.get() + levels);
        if stack > self.stack.get() || level > self.levels.get() {
            self.deeper(stack, level)?;
        }
        self.level.set(level);
        Ok(())
    }

    #[cold]
    fn deeper(&self, stack: usize, level: u32) -> Result<(), Bound> {
        self.stack.set(self.stack.get().max(stack));
        self.levels.set(self.levels.get().max(level));
        if level > LEVELS {
            return Err(self.pass(Bound::Levels));
        }
        if stack > STACK {
            return Err(self.pass(Bound::Stack));
        }
        Ok(())
    }

    /// Ends so many levels.
    #[inline]
    pub(super) fn leave(&self, levels: u32) {
        self.level.set(self.level.get() - levels);
    }

    /// What a type is told of the length that a list claims. It may allocate for all of that before the first element.
    #[inline]
    pub(super) fn expects(&self, hint: Option<usize>) -> Option<usize> {
        hint.map(|hint| hint.min(self.expected))
    }

    /// Notes a call for something that takes at least a byte in any format.
    #[inline]
    pub(super) fn pay(&self) {
        self.paid.set(true);
    }

    /// Begins to note such calls.
    #[inline]
    pub(super) fn begin(&self) {
        self.paid.set(false);
    }

    /// Counts so many elements, and begins anew; they are free unless there was such a call.
    #[inline]
    pub(super) fn count(&self, elements: usize) -> Result<(), Bound> {
        if self.paid.replace(false) { Ok(()) } else { self.spend(elements) }
    }

    #[cold]
    fn spend(&self, elements: usize) -> Result<(), Bound> {
        let left = self.free.get().checked_sub(elements).ok_or_else(|| self.pass(Bound::Free))?;
        self.free.set(left);
        Ok(())
    }

    fn pass(&self, bound: Bound) -> Bound {
        self.passed.set(self.passed.get().or(Some(bound)));
        bound
    }

    /// The bound that was passed first.
    pub(super) fn passed(&self) -> Option<Bound> {
        self.passed.get()
    }

    /// The most stack that was taken, and at least [`PLAIN_STACK`].
    pub(super) fn stack(&self) -> usize {
        self.stack.get()
    }

    /// The most levels that were inside of each other, and at least [`PLAIN_LEVELS`].
    pub(super) fn levels(&self) -> u32 {
        self.levels.get()
    }

    /// Takes over what another meter measured.
    pub(super) fn adopt(&self, other: &Self) {
        self.stack.set(other.stack());
        self.levels.set(other.levels());
        self.passed.set(other.passed());
    }
}
