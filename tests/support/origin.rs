//! The work behind a cached function, as a test wants it.

use tokio::sync::watch;

use crate::within;

/// Counts its runs and, while it is held, keeps them from ending.
#[derive(Debug)]
pub struct Origin {
    begun: watch::Sender<u64>,
    held: watch::Sender<bool>,
}

impl Default for Origin {
    fn default() -> Self {
        Self { begun: watch::Sender::new(0), held: watch::Sender::new(false) }
    }
}

impl Origin {
    /// An origin whose runs wait for [`Origin::let_go`].
    pub fn held() -> Self {
        let origin = Self::default();
        origin.hold();
        origin
    }

    /// One run: its number, from 1, once nothing holds it.
    pub async fn run(&self) -> u64 {
        let mut number = 0;
        self.begun.send_modify(|begun| {
            *begun += 1;
            number = *begun;
        });
        // The sender is in `self`: it cannot be gone.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        number
    }

    /// Makes runs wait from now on.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Lets all runs end.
    pub fn let_go(&self) {
        self.held.send_replace(false);
    }

    /// How many runs began.
    pub fn runs(&self) -> u64 {
        *self.begun.borrow()
    }

    /// Waits until this many runs have begun.
    pub async fn has_begun(&self, runs: u64) {
        let mut begun = self.begun.subscribe();
        let _ = within(&format!("run {runs} of the origin"), begun.wait_for(|begun| *begun >= runs)).await;
    }
}
