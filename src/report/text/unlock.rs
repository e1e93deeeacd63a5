//! `unlock`.

use super::super::print::Reply;
use super::super::views::UnlockData;
use super::super::{Ink, Paper};

pub(super) fn unlock(reply: &Reply, data: &UnlockData) -> Paper {
    let mut paper = Paper::new();
    let name = reply.deployment.as_ref().map_or("it", |name| name.as_str());
    for holder in &data.holders {
        let state = if holder.alive { "alive" } else { "gone" };
        paper.line(&format!(
            "{} ({state}): {} by {} on {}, process {}, since {}",
            holder.of, holder.reason, holder.user, holder.host, holder.pid, holder.since
        ));
    }
    if let Some(open) = &data.open_operation {
        paper.line(&format!("open operation: {}", open.what()));
    }
    let said = if data.released {
        format!("{name} is free.")
    } else {
        format!("Nobody holds {name}.")
    };
    paper.put(Ink::Green, &said).end();
    paper
}
