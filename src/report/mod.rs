//! Words out: events while it goes on, one result at the end.

mod event;
mod result;

pub use event::*;
pub use result::*;
