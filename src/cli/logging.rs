//! Logs: to stderr with `-v`, and always to the operation's log.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::report::LogSink;

/// Starts logging, once a process.
pub(super) fn start(verbose: u8, color: bool) -> LogSink {
    // The SDK logs bodies at trace, and a body may hold a compose file with secrets: never that far.
    let filter = match verbose {
        0 => "off",
        1 => "geusemaker=info",
        2 => "geusemaker=debug",
        _ => "geusemaker=trace,aws_config=debug,aws_runtime=info,aws_smithy_runtime=info",
    };
    let targets = |of: &str| of.parse::<Targets>().expect("a constant of this function");
    let sink = LogSink::default();
    let writer = sink.clone();
    // The default of `log_internal_errors` prints with eprintln!, which panics on a closed pipe.
    let stderr = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(color)
        .log_internal_errors(false)
        .with_filter(targets(filter));
    let file = tracing_subscriber::fmt::layer()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .log_internal_errors(false)
        .with_filter(targets("geusemaker=debug"));
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry()
        .with(stderr)
        .with(file)
        .try_init();
    sink
}
