//! Ctrl-C and SIGTERM. The first asks the operation to pause where nothing is down; the second leaves at once.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::model::Outcome;

/// Listens from here on, and says what an interrupt does. The flag is read between two steps.
pub fn listen(flag: &Arc<AtomicBool>) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // Without a handler a signal ends the process: the journal is what `resume` goes on from.
        return;
    };
    let heard = Arc::clone(flag);
    tokio::spawn(async move {
        let mut first = true;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if !first {
                let _ = writeln!(
                    std::io::stderr(),
                    "interrupted again: leaving at once; `resume` goes on from here"
                );
                std::process::exit(i32::from(Outcome::Paused.exit_code()));
            }
            first = false;
            heard.store(true, Ordering::Relaxed);
            let _ = writeln!(
                std::io::stderr(),
                "interrupted: pausing before anything is changed; what has begun goes on to its end, \
                 where the stack is up (once more leaves at once)"
            );
        }
    });
}
