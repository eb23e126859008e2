//! What the behaviour tests stand on: real servers, second processes and captured events.
