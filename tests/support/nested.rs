//! A value that is nested as deep as a test wants, and takes much stack for each level.

use serde::{Deserialize, Serialize};

macro_rules! wide {
    ($($field:ident)*) => {
        /// Forty texts and a list of the same: an ordinary row of a tree, which takes 56 KiB of stack for each level to
        /// decode in a debug build.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct Wide {
            $($field: Option<String>,)*
            children: Vec<Wide>,
        }
    };
}
wide! {
    a b c d e f g h i j k l m n o p q r s t u v w x y z
    aa ab ac ad ae af ag ah ai aj ak al am an
}

impl Wide {
    /// A value around another one, so many times.
    pub fn nested(levels: usize) -> Self {
        (0..levels).fold(Self::default(), |inner, _| Self { children: vec![inner], ..Self::default() })
    }

    /// How many values it is around.
    pub fn levels(&self) -> usize {
        std::iter::successors(self.children.first(), |inner| inner.children.first()).count()
    }
}

/// The stack of a thread of tokio, and of the standard library.
pub const THREAD_STACK: usize = 2 << 20;

/// Runs a test in a thread that has no more stack than those of tokio have.
pub fn on_a_small_stack(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(THREAD_STACK).spawn_scoped(scope, test);
        thread.expect("a thread starts").join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}
