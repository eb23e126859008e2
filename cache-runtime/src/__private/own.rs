//! Owned copies of borrowed parameters, for a body that outlives its caller.

use std::borrow::Borrow;
use std::marker::PhantomData;

/// What a body with a task of its own can hold: a copy `O` of a borrowed `T`. The bound is on this type and not on `T`,
/// since rustc would propose another borrow for one on `T`.
#[derive(Debug)]
pub struct Task;

/// A borrowed parameter can be copied for such a body. The copy is a parameter, so that nothing else is asked about a
/// type that has none, and the mistake is one error.
#[diagnostic::on_unimplemented(
    message = "`&{T}` cannot be copied for a body that runs in a task of its own",
    label = "this is borrowed, and `{T}` is not `Clone + Send + Sync + 'static`",
    note = "the body may outlive its caller under `detach`, `stale_while_revalidate`, `early_refresh` and `timeout`: derive `Clone` for \
            `{T}`, or take it by value, as in `Arc<{T}>`"
)]
pub trait Holds<T: ?Sized, O> {
    /// The copy.
    fn copy(borrowed: &T) -> O;
}

#[diagnostic::do_not_recommend]
impl<T, O> Holds<T, O> for Task
where
    T: ?Sized + ToOwned<Owned = O>,
    O: Borrow<T> + Send + Sync + 'static,
{
    fn copy(borrowed: &T) -> O {
        borrowed.to_owned()
    }
}

/// A copy of a borrowed parameter.
#[derive(Debug)]
pub struct Own<T: ?Sized, O> {
    copy: O,
    borrowed: PhantomData<fn(&T)>,
}

/// Copies a borrowed parameter.
#[must_use]
pub fn own<T: ?Sized, O>(borrowed: &T) -> Own<T, O>
where
    Task: Holds<T, O>,
{
    Own { copy: Task::copy(borrowed), borrowed: PhantomData }
}

impl<T: ?Sized, O: Borrow<T>> Own<T, O> {
    /// The copy, as the function takes it.
    #[must_use]
    pub fn get(&self) -> &T {
        self.copy.borrow()
    }
}
