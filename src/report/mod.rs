//! Words out: events while it goes on, one result at the end.
//!
//! | who | what |
//! |---|---|
//! | [`Event`], [`Listener`] | one stream while it goes on, with many readers |
//! | [`Plain`], [`Bars`], [`JsonEvents`], [`OperationLog`] | the readers |
//! | [`Reply`], [`print()`] | the one document at the end, as text, JSON or YAML |
//! | [`CommandError`], [`help`] | what went wrong, and the next step, added once at the edge |
//! | [`Paper`], [`line()`] | nothing of elsewhere reaches a terminal unescaped |

mod bars;
mod cost;
mod error;
mod escape;
mod event;
mod fanout;
#[cfg(test)]
pub(crate) mod fixture;
mod from_state;
pub mod help;
mod json_events;
mod log;
mod paper;
mod plain;
mod print;
mod result;
mod stream;
#[cfg(test)]
mod tests;
pub mod text;
mod views;

pub use bars::Bars;
pub use cost::{Cost, TypeCost};
pub use error::{CommandError, cloud_code, host_code};
pub use escape::{cut, is_unsafe, line, lines};
pub use event::*;
pub use fanout::Fanout;
pub use json_events::{JsonEvents, Remark};
pub use log::{LogSink, OperationLog};
pub use paper::{Ink, Paper};
pub use plain::Plain;
pub use print::{Body, OutputFormat, Printing, Reply, Words, print};
pub use result::*;
pub use stream::Raw;
pub use views::*;
