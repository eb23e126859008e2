//! The groups in which callers try again after a run that failed, or that they have waited for up to their limit.

/// Rounds after which the groups do not widen any more: 1,024 runs at a time.
const MAX_ROUND: u32 = 10;

/// Which of a key's concurrent flights: the only one at first, and in the n-th round one of 2^n.
///
/// # Why groups?
///
/// Callers that have waited in vain could all run the function at once, which is the stampede that they waited to avoid;
/// or one after the other, which takes as many times the run's duration as there are callers. With groups that double, n
/// callers are served in log2(n) rounds, and an origin that is slow or failing gets a load that grows only as long as it
/// does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Group {
    round: u32,
    index: u32,
}

impl Group {
    /// The group of a caller that was the `place`-th to join a flight that came to nothing: half of its callers stay
    /// together, half of them go. In the last round they all stay.
    pub(crate) fn widened(self, place: u32) -> Self {
        if self.round == MAX_ROUND {
            return self;
        }
        Self { round: self.round + 1, index: self.index | (place % 2) << self.round }
    }

    /// Whether flights of this group take the lease: one of the groups is enough.
    pub(crate) fn takes_lease(self) -> bool {
        self.index == 0
    }
}
