//! `sandbox …`: the sandbox's own settings. Needs no `--sandbox`.

mod fault;
mod latency;

pub use latency::{LatencyChange, LatencyKey};

use super::{App, world};
use crate::report::{Body, CommandError, Reply};
use crate::sandbox::fault::Fault;

/// Look at the built-in sandbox, make it fail, make it slow
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  geusemaker sandbox status
  geusemaker sandbox fault add ec2:StartInstances@t3.large=InsufficientInstanceCapacity
  geusemaker sandbox latency set stop=2s start=5s")]
pub struct SandboxArgs {
    /// What is to be done with it.
    #[command(subcommand)]
    pub command: SandboxCommand,
}

/// What can be done with the sandbox.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum SandboxCommand {
    /// Throw the sandbox away and make it anew, with its one deployment
    #[command(after_help = "Example:\n  geusemaker sandbox reset")]
    Reset,
    /// Show its folder, instances, faults and latencies
    #[command(after_help = "Example:\n  geusemaker sandbox status -o json")]
    Status,
    /// Serve EC2, SSM and EFS on loopback until it is ended; prints one JSON line first
    #[command(after_help = "Example:\n  geusemaker sandbox serve --port 4566")]
    Serve {
        /// The port on 127.0.0.1 [default: any that is free]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
    },
    /// Faults: what AWS, a mount, a registry or a service is to fail with
    #[command(after_help = "Example:\n  geusemaker sandbox fault add mount:hang --times 1")]
    Fault {
        /// What is to be done with them.
        #[command(subcommand)]
        command: FaultCommand,
    },
    /// Latencies: how long things take
    #[command(after_help = "Example:\n  geusemaker sandbox latency real")]
    Latency {
        /// What is to be done with them.
        #[command(subcommand)]
        command: LatencyCommand,
    },
}

/// What can be done with faults.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum FaultCommand {
    /// Add a fault
    ///
    /// CALL=CODE is like ec2:StartInstances=InsufficientInstanceCapacity, or with a type
    /// ec2:StartInstances@t3.large=…; or pull:REF=missing, health:SERVICE@REF=unhealthy,
    /// mount:gone, mount:other, mount:readonly, mount:hang.
    #[command(after_help = "\
Examples:
  geusemaker sandbox fault add ec2:StartInstances@t3.large=InsufficientInstanceCapacity --times 1
  geusemaker sandbox fault add health:n8n@n8nio/n8n:1.21.0=unhealthy")]
    Add {
        /// What fails, and how
        #[arg(value_name = "CALL=CODE", value_parser = fault::parse)]
        fault: Fault,
        /// How often: a number, or 'always'
        #[arg(long, value_name = "N|always", default_value = "always", value_parser = fault::times)]
        times: fault::Times,
    },
    /// Take every fault away
    #[command(after_help = "Example:\n  geusemaker sandbox fault clear")]
    Clear,
    /// List the faults
    #[command(after_help = "Example:\n  geusemaker sandbox fault list -o json")]
    List,
}

/// What can be done with latencies.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum LatencyCommand {
    /// A tenth of a second or less each
    #[command(after_help = "Example:\n  geusemaker sandbox latency fast")]
    Fast,
    /// What EC2 takes
    #[command(after_help = "Example:\n  geusemaker sandbox latency real")]
    Real,
    /// Set some: stop, start, agent, status_checks, pull, healthy, restore
    #[command(
        after_help = "Example:\n  geusemaker sandbox latency set stop=2s start=5s healthy=500ms"
    )]
    Set {
        /// Which, and how long
        #[arg(value_name = "KEY=DUR", required = true, value_parser = latency::pair)]
        pairs: Vec<(LatencyKey, u64)>,
    },
}

/// What is asked of the sandbox, once understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxRequest {
    /// `reset`.
    Reset,
    /// `status` and `fault list`: a look.
    Look,
    /// `fault add`.
    FaultAdd(Fault),
    /// `fault clear`.
    FaultClear,
    /// `latency …`.
    Latency(LatencyChange),
}

impl SandboxArgs {
    /// What clap cannot check by itself.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        if let SandboxCommand::Latency {
            command: LatencyCommand::Set { pairs },
        } = &self.command
        {
            for (at, (key, _)) in pairs.iter().enumerate() {
                if pairs[..at].iter().any(|(earlier, _)| earlier == key) {
                    let message = format!("'{}' is set twice", key.as_str());
                    return Err(super::change::usage(
                        &["sandbox", "latency", "set"],
                        &message,
                    ));
                }
            }
        }
        Ok(())
    }

    /// The request; `Err` is the port of `serve`, which is no request but a life.
    fn request(self) -> Result<SandboxRequest, Option<u16>> {
        Ok(match self.command {
            SandboxCommand::Reset => SandboxRequest::Reset,
            SandboxCommand::Status => SandboxRequest::Look,
            SandboxCommand::Serve { port } => return Err(port),
            SandboxCommand::Fault { command } => match command {
                FaultCommand::Add { mut fault, times } => {
                    fault.times = times.0;
                    SandboxRequest::FaultAdd(fault)
                }
                FaultCommand::Clear => SandboxRequest::FaultClear,
                FaultCommand::List => SandboxRequest::Look,
            },
            SandboxCommand::Latency { command } => SandboxRequest::Latency(match command {
                LatencyCommand::Fast => LatencyChange::Fast,
                LatencyCommand::Real => LatencyChange::Real,
                LatencyCommand::Set { pairs } => LatencyChange::Set(pairs),
            }),
        })
    }

    pub(super) async fn run(self, app: &App) -> Result<Reply, CommandError> {
        let only_faults = matches!(self.command, SandboxCommand::Fault { .. });
        match self.request() {
            Ok(request) => {
                let data = world::sandbox(app, request)?;
                Ok(Reply::new("sandbox").body(Body::Sandbox {
                    data: Box::new(data),
                    only_faults,
                }))
            }
            Err(port) => {
                world::serve(app, port).await?;
                Ok(Reply::new("sandbox").body(Body::Written))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command, Parser};
    use super::*;
    use crate::sandbox::latency::Latency;

    fn request(argv: &[&str]) -> SandboxRequest {
        let argv = ["geusemaker", "sandbox"].iter().chain(argv);
        let Command::Sandbox(args) = Cli::try_parse_from(argv).unwrap().command.unwrap() else {
            panic!("sandbox");
        };
        args.check().unwrap();
        args.request().unwrap()
    }

    #[test]
    fn words_become_requests() {
        assert_eq!(request(&["reset"]), SandboxRequest::Reset);
        assert_eq!(request(&["fault", "list"]), SandboxRequest::Look);
        assert_eq!(request(&["fault", "clear"]), SandboxRequest::FaultClear);
        let SandboxRequest::FaultAdd(fault) = request(&[
            "fault",
            "add",
            "ec2:StartInstances@t3.large=X",
            "--times",
            "2",
        ]) else {
            panic!("fault add");
        };
        assert_eq!(fault.times, Some(2));
        let SandboxRequest::Latency(change) = request(&["latency", "set", "stop=2s", "pull=0s"])
        else {
            panic!("latency");
        };
        let latency = change.apply(Latency::FAST);
        assert_eq!(
            (latency.stop, latency.pull, latency.start),
            (2000, 0, Latency::FAST.start)
        );
        let SandboxRequest::Latency(real) = request(&["latency", "real"]) else {
            panic!("latency");
        };
        assert_eq!(real.apply(Latency::FAST), Latency::REAL);
    }
}
