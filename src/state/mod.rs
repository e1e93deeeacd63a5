//! What is on disk: deployments, snapshots, journals, and the lock of this machine.
//!
//! Looks never write, and folders are made only when something is written into them. A document that
//! this version cannot read is an error that names file and line, and is left as it is.

mod atomic;
mod dir;
pub mod disk;
mod document;
mod error;
#[cfg(test)]
mod format_tests;
mod id;
pub mod lease;
mod lock;
mod modes;
mod operations;

pub(crate) use dir::file_names;
pub use dir::{Listing, StateDir};
pub use document::{Document, parse, read, write, write_new};
pub(crate) use document::{check_schema, line_of};
pub use error::StateError;
pub(crate) use error::no_space;
pub use id::new_id;
pub use lock::{Holder, Lock, LockError};
pub use modes::wide_modes;
pub use operations::Operation;

pub(crate) use atomic::{make_folder, sync_folder, write_atomically, write_new as write_new_file};
