//! `exec`: one command of a person's on the host, outside of any operation.

use std::time::Duration;

use tokio::sync::watch;

use super::looks::unfinished;
use super::patience::passes;
use super::shell::{running, service_container};
use super::world::World;
use crate::host::{ExecAsk, ExecStanding, ExecState, HostError, Part, Place};
use crate::model::{DeploymentName, InstanceId, ServiceName};
use crate::report::CommandError;
use crate::state::new_id;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    /// The deployment.
    pub deployment: DeploymentName,
    /// Inside the container of this service.
    pub service: Option<ServiceName>,
    /// The program and its arguments.
    pub argv: Vec<Vec<u8>>,
    /// It is ended after this time.
    pub limit: Duration,
}

/// A command that can be begun.
#[derive(Debug)]
pub struct ExecReady {
    /// Its id, also of its folder on the host.
    pub id: String,
    /// Where it runs.
    pub on: InstanceId,
    /// What a person should know before.
    pub warnings: Vec<String>,
    argv: Vec<Vec<u8>>,
    limit: Duration,
}

/// Which output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Takes the output of a command as it comes.
pub trait Sink: Send {
    /// The next bytes.
    fn take(&mut self, stream: Stream, bytes: &[u8]);

    /// So many bytes before the next ones are left out.
    fn left_out(&mut self, stream: Stream, bytes: u64);
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecEnd {
    /// Its exit code; 128 and the number of the signal that ended it.
    pub code: i32,
    /// Who ended it, where it did not end by itself: `interrupted`, `timed_out`, `output`.
    pub why: Option<String>,
    /// From the request to its end.
    pub seconds: f64,
}

/// Looks whether it can be begun.
///
/// # Errors
/// There is no such deployment or service, the instance does not run, or cannot be asked.
pub async fn prepare_exec(world: &World, request: &ExecRequest) -> Result<ExecReady, CommandError> {
    let deployment = running(world, &request.deployment).await?;
    let on = deployment.instance_id.clone();
    let id = new_id(world.clock.now(), (world.random)());
    let mut argv = request.argv.clone();
    if let Some(service) = &request.service {
        let container = service_container(world, &deployment, service).await?;
        // The mark by which it is found when it is to end.
        let mark = format!("GEUSEMAKER_EXEC={id}");
        let before = ["docker", "exec", "-e", &mark, &container];
        argv.splice(0..0, before.map(|word| word.as_bytes().to_vec()));
    }
    let open = unfinished(&world.state_dir, &request.deployment)?;
    let warnings = open.map(|open| {
        let (kind, id, status) = (open.kind, open.id, open.status);
        format!("{kind} {id} has not ended ({status}): what this command changes may be in its way")
    });
    Ok(ExecReady {
        id,
        on,
        warnings: warnings.into_iter().collect(),
        argv,
        limit: request.limit,
    })
}

/// Begins it and stays with it to its end. `stop` counts the wishes to stop: with the first it is ended on the host,
/// with the second it is left there.
///
/// # Errors
/// It could not be begun, was cut off, left, or the host fell silent.
pub async fn exec(
    world: &World,
    ready: &ExecReady,
    sink: &mut dyn Sink,
    mut stop: watch::Receiver<u32>,
) -> Result<ExecEnd, CommandError> {
    let begun_at = world.clock.awake();
    let limit_s = u32::try_from(ready.limit.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
    let (mut begun, mut end_asked, mut at) = (false, false, Place::default());
    let mut silence = None;
    loop {
        let stops = *stop.borrow_and_update();
        if stops >= 2 {
            return Err(left(ready));
        }
        let ask = if !begun {
            ExecAsk::Begin {
                argv: ready.argv.clone(),
                limit_s,
            }
        } else if stops == 1 && !end_asked {
            ExecAsk::End(at)
        } else {
            ExecAsk::Read(at)
        };
        let state = tokio::select! {
            state = world.shell.exec(&ready.on, &ready.id, &ask) => state,
            // A host that is silent is not waited for after the second.
            _ = stop.wait_for(|stops| *stops >= 2) => return Err(left(ready)),
        };
        let state = match state {
            Ok(state) => state,
            Err(error) => {
                let awake = world.clock.awake();
                let since = *silence.get_or_insert(awake);
                let over = awake.saturating_sub(since) >= world.limits.answer;
                if over || !passes(&error) {
                    return Err(broken(ready, begun, error));
                }
                world.clock.sleep(world.limits.poll).await;
                continue;
            }
        };
        silence = None;
        begun = true;
        end_asked |= matches!(ask, ExecAsk::End(_));
        let more = hand_over(sink, &mut at, &state);
        match state.standing {
            _ if more => {}
            ExecStanding::Running => {
                tokio::select! {
                    () = world.clock.sleep(world.limits.poll) => {}
                    _ = stop.changed() => {}
                }
            }
            ExecStanding::Ended { code, why } => {
                // What is left there goes by itself in two days.
                let _ = world
                    .shell
                    .exec(&ready.on, &ready.id, &ExecAsk::Forget)
                    .await;
                let seconds = world.clock.awake().saturating_sub(begun_at).as_secs_f64();
                return Ok(ExecEnd { code, why, seconds });
            }
            ExecStanding::Lost | ExecStanding::Unknown => {
                return Err(CommandError::failed(
                    "command_lost",
                    format!(
                        "the command was cut off on {}: the host went down, or it was killed there with what watched it; whether it did its work is not known",
                        ready.on
                    ),
                ));
            }
        }
    }
}

/// Gives on what is new; whether there is more to be had at once.
fn hand_over(sink: &mut dyn Sink, at: &mut Place, state: &ExecState) -> bool {
    let mut give = |stream, at: &mut u64, part: &Part| {
        if part.at > *at {
            sink.left_out(stream, part.at - *at);
        }
        if !part.bytes.is_empty() {
            sink.take(stream, &part.bytes);
        }
        *at = part.end().max(*at);
        part.end() < part.size
    };
    let err = give(Stream::Err, &mut at.err, &state.err);
    give(Stream::Out, &mut at.out, &state.out) || err
}

fn left(ready: &ExecReady) -> CommandError {
    CommandError::failed(
        "command_left",
        format!(
            "left: the command may still run on {}, until its time limit; its output is in /var/lib/geusemaker/exec/{}",
            ready.on, ready.id
        ),
    )
}

fn broken(ready: &ExecReady, begun: bool, error: HostError) -> CommandError {
    match &error {
        // The sandbox's own words (docs/sandbox.md).
        HostError::Script { message, .. } if message.contains("gives the sandbox no confinement") => {
            CommandError::refused(
                "no_confinement",
                "this system gives the sandbox no confinement, so nothing but geusemaker's own scripts runs on its host",
            )
            .because(error)
        }
        HostError::Script { .. } | HostError::Cloud(_) if !begun => error.into(),
        _ => {
            let why = error.to_string();
            let mut failed: CommandError = error.into();
            failed.document.message = format!(
                "the host fell silent; the command may still run on {}, until its time limit; its output is in /var/lib/geusemaker/exec/{}",
                ready.on, ready.id
            );
            failed.because(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;

    #[test]
    fn a_host_without_walls_refuses_and_a_silent_one_says_where_the_command_is() {
        let ready = ExecReady {
            id: "20261120-100000-beef".into(),
            on: InstanceId::new("i-0123456789abcdef0").unwrap(),
            warnings: vec![],
            argv: vec![],
            limit: Duration::from_secs(1),
        };
        let script = |code: &str, message: &str| HostError::Script {
            verb: "exec",
            code: code.into(),
            message: message.into(),
        };
        let walls = script(
            "exit 126",
            "This system gives the sandbox no confinement (unshare: no), so only geusemaker's own scripts run here.",
        );
        let silent = HostError::Unreachable("its agent is not online".into());
        for (begun, error, outcome, word, says) in [
            (
                false,
                walls,
                Outcome::Refused,
                "no_confinement",
                "no confinement",
            ),
            (
                false,
                script("no_setsid", "setsid is not on the host"),
                Outcome::Failed,
                "host_script",
                "setsid",
            ),
            (
                false,
                silent.clone(),
                Outcome::Failed,
                "host_unreachable",
                "may still run",
            ),
            (
                true,
                silent,
                Outcome::Failed,
                "host_unreachable",
                "/exec/20261120-100000-beef",
            ),
        ] {
            let found = broken(&ready, begun, error);
            assert_eq!(
                (found.outcome, found.document.code.as_str()),
                (outcome, word)
            );
            assert!(found.document.message.contains(says), "{found}");
        }
    }
}
