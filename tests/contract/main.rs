//! One suite of cases for every store.
