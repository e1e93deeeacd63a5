//! The scripts, run for real: in every shell of this machine, with a folder as the host's root.

mod apply;
mod exec;
mod facts;
mod hold;
mod jobs;
mod limits;
mod logs;
pub(crate) mod machine;
mod order;
mod pending;
mod probe;
mod restore;
mod sample;
mod verbs;
