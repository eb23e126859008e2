//! Owned copies of borrowed parameters, for a body that outlives its caller.

use std::borrow::Borrow;

/// A parameter that can be copied for a body with a task of its own.
#[diagnostic::on_unimplemented(
    message = "`&{Self}` cannot be copied for a body that runs in a task of its own",
    label = "this is borrowed, and `{Self}` is not `Clone + Send + Sync + 'static`",
    note = "the body may outlive its caller under `detach`, `stale_while_revalidate`, `early_refresh` and `timeout`: derive `Clone` for \
            `{Self}`, or take it by value, as in `Arc<{Self}>`"
)]
pub trait Owning: ToOwned<Owned: Send + Sync + 'static> {}

#[diagnostic::do_not_recommend]
impl<T: ?Sized + ToOwned<Owned: Send + Sync + 'static>> Owning for T {}

/// A copy of a borrowed parameter.
#[derive(Debug)]
pub struct Own<T: ?Sized + Owning>(T::Owned);

/// Copies a borrowed parameter.
#[must_use]
pub fn own<T: ?Sized + Owning>(borrowed: &T) -> Own<T> {
    Own(borrowed.to_owned())
}

impl<T: ?Sized + Owning> Own<T> {
    /// The copy, as the function takes it.
    #[must_use]
    pub fn get(&self) -> &T {
        self.0.borrow()
    }
}
