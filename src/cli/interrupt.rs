//! Ctrl-C, SIGTERM and SIGHUP. The first asks the operation to stop where it may, the second leaves at once; a
//! terminal that goes away stops nothing that was begun.

use std::io::Write;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

use super::App;
use super::app::Progress;
use super::run::finish;
use crate::cloud::{Clock, SystemClock};
use crate::orchestrator::{Interrupt, Standing};
use crate::report::{
    CommandError, EVENT_SCHEMA, Event, EventKind, LogSink, Printing, Remark, Reply,
};

/// Leaving waits so long for what it prints: nobody may be reading.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What was heard.
enum Heard {
    /// SIGINT or SIGTERM.
    Stop,
    /// SIGHUP.
    HungUp,
}

struct Ears {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Ears {
    /// None: without a handler a signal ends the process, and the journal is what `resume` goes on from.
    fn open() -> Option<Self> {
        Some(Self {
            interrupt: signal(SignalKind::interrupt()).ok()?,
            terminate: signal(SignalKind::terminate()).ok()?,
            hang_up: signal(SignalKind::hangup()).ok()?,
        })
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.interrupt.recv() => Heard::Stop,
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.hang_up.recv() => Heard::HungUp,
        }
    }
}

/// Counts Ctrl-C and SIGTERM from here on, for a command that is no operation; says this at the first. SIGHUP ends the
/// process as it always does.
pub(super) fn stops(app: &App, first: &'static str) -> watch::Receiver<u32> {
    let (count, stops) = watch::channel(0);
    let say = app.voice();
    let ears = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    if let (Ok(mut interrupt), Ok(mut terminate)) = ears {
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if !first.is_empty() && *count.borrow() == 0 {
                    let (say, message) = (say.clone(), first.to_owned());
                    drop(std::thread::spawn(move || {
                        say(Remark::Message { message });
                    }));
                }
                count.send_modify(|count| *count += 1);
            }
        });
    }
    stops
}

/// Prints what came of it, to its exit code. Nobody may be reading: who stops it meanwhile leaves with that code.
pub(super) async fn last_words(reply: Reply, printing: Printing, log: Option<LogSink>) -> u8 {
    let code = reply.outcome.exit_code();
    let ears = Ears::open();
    let (said, over) = oneshot::channel();
    std::thread::spawn(move || said.send(finish(&reply, &printing, log.as_ref())));
    let stopped = async {
        let Some(mut ears) = ears else {
            return std::future::pending().await;
        };
        while !matches!(ears.next().await, Heard::Stop) {}
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        done = over => done.unwrap_or(code),
        () = stopped => code,
    }
}

/// What the listening needs to know.
struct Voice {
    interrupt: Arc<Interrupt>,
    /// No reader of the events prints: what is said goes to stderr by itself.
    alone: bool,
    blank: Reply,
    printing: Printing,
}

/// Listens from here on. `blank` is the reply that leaving prints.
pub(super) fn listen(app: &App, blank: &Reply, printing: &Printing) {
    let Some(mut ears) = Ears::open() else {
        return;
    };
    let voice = Arc::new(Voice {
        interrupt: Arc::clone(&app.interrupt),
        alone: app.progress == Progress::None,
        blank: blank.clone(),
        printing: printing.clone(),
    });
    tokio::spawn(async move {
        loop {
            let heard = ears.next().await;
            let begun = voice.interrupt.has_begun();
            let again = voice.interrupt.is_asked();
            let voice = Arc::clone(&voice);
            // On a thread of its own: nobody may be reading what is said, and the next signal is still heard.
            match heard {
                Heard::Stop if again => drop(std::thread::spawn(move || voice.leave())),
                Heard::HungUp if begun => drop(std::thread::spawn(move || voice.hung_up())),
                Heard::Stop | Heard::HungUp => {
                    voice.interrupt.ask();
                    drop(std::thread::spawn(move || voice.first()));
                }
            }
        }
    });
}

impl Voice {
    /// Before an operation has begun nothing is said here: the command ends with its own words.
    fn first(&self) {
        if let Some(standing) = self.interrupt.standing() {
            self.say(&standing, &standing.first);
        }
    }

    fn hung_up(&self) {
        if let Some(standing) = self.interrupt.standing() {
            self.say(
                &standing,
                "the terminal is gone (SIGHUP): going on; the log of the operation has the rest",
            );
        }
    }

    fn say(&self, standing: &Standing, message: &str) {
        let message = self.printing.words.say(message);
        if self.alone {
            let line = format!("{}\n", crate::report::line(&message));
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        standing.listener.event(&Event {
            schema: EVENT_SCHEMA,
            at: SystemClock.now(),
            operation_id: standing.operation.clone(),
            kind: EventKind::Warning { message },
        });
    }

    /// The second one: the terminal as it was, one document, and out. The journal is as after a kill.
    fn leave(&self) {
        self.interrupt.leave(|standing| {
            let (error, listener) = match standing {
                None => (CommandError::interrupted(), None),
                Some(standing) => {
                    let paused = CommandError::paused("interrupted", standing.second.clone());
                    let help = standing.help.iter().cloned();
                    let error = help.fold(paused, CommandError::help);
                    (error, Some(Arc::clone(&standing.listener)))
                }
            };
            let code = error.outcome.exit_code();
            let (reply, printing) = (self.blank.clone().failed(error), self.printing.clone());
            let (said, over) = mpsc::channel::<()>();
            std::thread::spawn(move || {
                if let Some(listener) = listener {
                    listener.leave();
                }
                finish(&reply, &printing, None);
                drop(said);
            });
            let _ = over.recv_timeout(LAST_WORDS);
            std::process::exit(i32::from(code));
        });
    }
}
