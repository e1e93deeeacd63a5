//! The reply of order.

use serde::Deserialize;

use super::{read, text};
use crate::host::scripts::Verb;
use crate::host::{HostError, OrderFacts};

/// Reads the document of `order`. `fence` is the one that was sent, where one was.
///
/// # Errors
/// [`HostError::Fenced`] and [`HostError::Script`] when the script refused, else [`HostError::Garbled`].
pub fn parse_order(fence: Option<u64>, document: &str) -> Result<OrderFacts, HostError> {
    #[derive(Deserialize)]
    struct Reply {
        requires: Option<String>,
        unit_file: String,
        fstab: String,
        left: bool,
    }
    let reply: Reply = read(Verb::Order, fence, document)?;
    let text = |coded: &str| text(Verb::Order, coded);
    let words = |text: String| text.split_whitespace().map(str::to_owned).collect();
    Ok(OrderFacts {
        requires: reply.requires.map(|r| text(&r).map(words)).transpose()?,
        unit_file: text(&reply.unit_file)?.trim().to_owned(),
        fstab: text(&reply.fstab)?.lines().map(str::to_owned).collect(),
        left: reply.left,
    })
}
