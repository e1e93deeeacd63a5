//! The promises, one test each. One binary: each further one would link the SDK again.

mod asleep;
mod bad_input;
mod bad_world;
mod check;
mod credentials;
mod deadlines;
mod drift;
mod engine;
mod faults;
mod held;
mod host_alone;
mod killed;
mod lease;
mod locks;
mod predecessor;
mod readme;
mod redelivered;
mod restore;
mod road;
mod safety;
mod saga;
mod shell;
mod signals;
mod support;
mod taken_up;
