//! The state machine: a function of (store, now).
