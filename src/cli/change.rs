//! What `update` and `rollback` do alike: show, ask, execute.

use std::collections::BTreeSet;

use super::App;
use super::confirm::confirm;
use crate::model::{ChangeOptions, DeploymentName, ImageRef, InstanceType, Outcome, ServiceName};
use crate::orchestrator::{self, Ended, Prepared, Ready, World};
use crate::plan::{Check, Plan};
use crate::report::{Body, ChangeData, CommandError, ErrorDocument, PlanData, Reply, text};
use crate::state::{Lock, LockError, StateDir};

/// Whoever holds the deployment is named before anything is looked at: what is unfinished then is not for
/// `resume`, it goes on.
pub(super) fn not_held(world: &World, name: &DeploymentName) -> Result<(), CommandError> {
    let (state, _) = StateDir::open(&world.state_dir)?;
    match Lock::holder(&state, name)? {
        None => Ok(()),
        Some(holder) => {
            let held = LockError::Held {
                name: name.clone(),
                holder: Some(Box::new(holder)),
            };
            Err(CommandError::locked(held.to_string()))
        }
    }
}

/// Takes a prepared change to its end.
pub(super) async fn go(
    app: &App,
    world: &World,
    prepared: Prepared,
    command: &'static str,
    name: &DeploymentName,
    options: &ChangeOptions,
) -> Reply {
    match before(app, prepared, command, name, options) {
        Ok(ready) => ended(command, name, orchestrator::execute(world, *ready).await),
        Err(reply) => *reply,
    }
}

/// All that comes before the first effect. `Err`: it ends here.
fn before(
    app: &App,
    prepared: Prepared,
    command: &'static str,
    name: &DeploymentName,
    options: &ChangeOptions,
) -> Result<Box<Ready>, Box<Reply>> {
    let reply = Reply::new(command).of(name);
    match prepared {
        Prepared::Unchanged(mut data) => {
            // There was no plan: what its checks warn of stands in the result.
            data.plan.take_if(|_| !options.dry_run);
            let body = looked(data, options);
            Err(Box::new(reply.outcome(Outcome::Unchanged).body(body)))
        }
        Prepared::Refused(data, error) => Err(Box::new(
            reply
                .outcome(Outcome::Refused)
                .body(looked(data, options))
                .error(error),
        )),
        Prepared::Ready(ready) => {
            let (checks, diff) = (&ready.checks, &ready.compose_diff);
            match agreed(app, &ready.plan, checks, diff, reply, options) {
                Ok(()) => Ok(ready),
                Err(reply) => Err(reply),
            }
        }
    }
}

/// Shows the plan and asks. `Err`: it ends here, after a dry run or a no.
fn agreed(
    app: &App,
    plan: &Plan,
    checks: &[Check],
    compose_diff: &str,
    reply: Reply,
    options: &ChangeOptions,
) -> Result<(), Box<Reply>> {
    let data = Box::new(PlanData::new(Some(plan), checks.to_vec()));
    if options.dry_run {
        let ready = Some((Box::new(plan.clone()), compose_diff.to_owned()));
        return Err(Box::new(reply.body(Body::DryRun { data, ready })));
    }
    if !app.quiet {
        let checks: Vec<Check> = checks.iter().map(|c| app.words.check(c)).collect();
        app.show(&text::plan(plan, &checks, compose_diff));
    }
    let down = match plan.expected_downtime_seconds {
        0 => String::new(),
        seconds => format!(
            " Services are down for about {}.",
            text::seconds(seconds as f64)
        ),
    };
    let question = format!("{} {}?{down}", reply.command, plan.deployment);
    confirm(app.ask.as_ref(), options.force, &question).map_err(|error| {
        let body = Body::DryRun { data, ready: None };
        Box::new(reply.failed(error).body(body))
    })
}

/// The body of what ended without a plan to follow.
fn looked(data: Box<ChangeData>, options: &ChangeOptions) -> Body {
    if options.dry_run {
        let plan = data.plan.unwrap_or_else(|| PlanData::new(None, Vec::new()));
        Body::DryRun {
            data: Box::new(plan),
            ready: None,
        }
    } else {
        Body::Change(data)
    }
}

/// The reply of a change that ended.
pub(super) fn ended(command: &'static str, name: &DeploymentName, ended: Ended) -> Reply {
    let reply = Reply::new(command).of(name).outcome(ended.outcome);
    let error = ended.error.or_else(|| {
        // A script may rely on `error` wherever the exit code is not 0.
        (ended.outcome.exit_code() != 0).then(|| ErrorDocument {
            code: ended.outcome.as_str().into(),
            message: text::headline(ended.outcome, Some(name.as_str())),
            causes: Vec::new(),
            help: Vec::new(),
        })
    });
    let reply = reply.body(Body::Change(ended.data));
    match error {
        Some(error) => reply.error(error),
        None => reply,
    }
}

/// `--image` may name each service once.
pub(super) fn each_once(
    command: &[&str],
    images: &[(ServiceName, ImageRef)],
) -> Result<(), clap::Error> {
    let mut seen = BTreeSet::new();
    match images.iter().find(|(service, _)| !seen.insert(service)) {
        None => Ok(()),
        Some((service, _)) => {
            let message = format!("--image names the service '{service}' twice");
            Err(usage(command, &message))
        }
    }
}

/// `--fallback-type` may name each type once, and not the one that is wanted.
pub(super) fn each_type_once(
    command: &[&str],
    types: &[InstanceType],
    target: Option<&InstanceType>,
) -> Result<(), clap::Error> {
    let mut seen = BTreeSet::new();
    for name in types {
        if target == Some(name) {
            let message = format!("--fallback-type names {name}, which --instance-type asks for");
            return Err(usage(command, &message));
        }
        if !seen.insert(name) {
            let message = format!("--fallback-type names {name} twice");
            return Err(usage(command, &message));
        }
    }
    Ok(())
}

/// The usage error of a command, in clap's words.
pub(super) fn usage(command: &[&str], message: &str) -> clap::Error {
    use clap::CommandFactory;
    let mut root = super::Cli::command();
    root.build();
    let mut at = &mut root;
    for name in command {
        at = at
            .find_subcommand_mut(name)
            .expect("a command of this program");
    }
    at.error(clap::error::ErrorKind::ValueValidation, message)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::confirm::Ask;
    use super::super::env::Env;
    use super::super::{Cli, Parser};
    use super::*;
    use crate::model::{Capacity, GateSettings, PROGRESS_MS};
    use crate::report::fixture;

    /// Answers as told, and counts.
    struct Told(Result<(), CommandError>, std::sync::Arc<AtomicUsize>);

    impl Ask for Told {
        fn confirm(&self, question: &str) -> Result<(), CommandError> {
            assert_eq!(
                question,
                "update my-dev-stack? Services are down for about 1 min 35 s."
            );
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.clone()
        }
    }

    fn app(answer: Result<(), CommandError>) -> (App, std::sync::Arc<AtomicUsize>) {
        let asked = std::sync::Arc::new(AtomicUsize::new(0));
        let globals = Cli::try_parse_from(["geusemaker", "list", "-q"])
            .unwrap()
            .globals;
        let env = Env {
            home: Some("/home/me".into()),
            ..Env::default()
        };
        let app = App::new(&globals, &env, Box::new(Told(answer, asked.clone()))).unwrap();
        (app, asked)
    }

    fn options(force: bool, dry_run: bool) -> ChangeOptions {
        ChangeOptions {
            progress_ms: PROGRESS_MS,
            capacity: Capacity::Prove,
            stop_ms: crate::model::STOP_MS,
            force,
            dry_run,
            no_rollback: false,
            gate: GateSettings {
                timeout_ms: 1,
                stable_ms: 1,
            },
        }
    }

    /// The reply where it ends before the first effect, and how often it asked.
    fn ready(
        answer: Result<(), CommandError>,
        force: bool,
        dry_run: bool,
    ) -> (Option<Box<Reply>>, usize) {
        let (app, asked) = app(answer);
        let (plan, checks) = (fixture::plan(), fixture::checks());
        let reply = Reply::new("update").of(&fixture::name());
        let ended = agreed(&app, &plan, &checks, "", reply, &options(force, dry_run));
        (ended.err(), asked.load(Ordering::SeqCst))
    }

    #[test]
    fn force_answers_the_question_and_a_dry_run_asks_none() {
        assert_eq!(ready(Ok(()), false, false), (None, 1));
        assert_eq!(
            ready(Err(CommandError::cannot_ask()), true, false),
            (None, 0)
        );
        for force in [true, false] {
            let (reply, asked) = ready(Ok(()), force, true);
            let reply = reply.expect("it ends here");
            assert_eq!((reply.outcome, asked), (Outcome::Done, 0));
            assert!(matches!(reply.body, Body::DryRun { ready: Some(_), .. }));
        }
    }

    #[test]
    fn no_and_nobody_to_ask_are_declined() {
        for answer in [CommandError::declined(), CommandError::cannot_ask()] {
            let code = answer.document.code.clone();
            let (reply, asked) = ready(Err(answer), false, false);
            let reply = reply.expect("it ends here");
            assert_eq!((reply.outcome, asked), (Outcome::Declined, 1));
            assert_eq!(reply.error.unwrap().code, code);
        }
        let message = CommandError::cannot_ask().document.message;
        assert!(message.contains("--force"), "{message}");
    }

    #[test]
    fn what_is_so_and_what_is_refused_asks_nobody() {
        for dry_run in [false, true] {
            for outcome in [Outcome::Unchanged, Outcome::Refused] {
                let data = Box::new(fixture::change(outcome));
                let prepared = match fixture::error(outcome) {
                    None => Prepared::Unchanged(data),
                    Some(error) => Prepared::Refused(data, error),
                };
                let (app, asked) = app(Ok(()));
                let options = options(false, dry_run);
                let Err(reply) = before(&app, prepared, "update", &fixture::name(), &options)
                else {
                    panic!("it ends here");
                };
                assert_eq!((reply.outcome, asked.load(Ordering::SeqCst)), (outcome, 0));
                let data = reply.document(&crate::report::Words::default()).data;
                if outcome == Outcome::Refused {
                    assert_eq!(data["plan"]["checks"][2]["status"], "refuse");
                }
            }
        }
    }

    #[test]
    fn what_is_not_0_has_an_error() {
        for outcome in Outcome::ALL {
            let reply = ended(
                "update",
                &fixture::name(),
                Ended {
                    outcome,
                    data: Box::new(fixture::change(outcome)),
                    error: None,
                },
            );
            assert_eq!(
                reply.error.is_some(),
                outcome.exit_code() != 0,
                "{outcome:?}"
            );
        }
    }
}
