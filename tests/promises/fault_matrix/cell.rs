//! One cell of the matrix: an operation with one thing wrong, its end judged by the world.

use std::time::Duration;

use geusemaker::cloud::Clock;
use geusemaker::model::Outcome;
use geusemaker::orchestrator::{Ended, Way};
use geusemaker::report::CommandError;

use super::line::Fault;
use super::scene::{Scene, Stack, When, clean};
use super::table::Wrong;

/// One cell.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub fault: Fault,
    pub when: When,
}

/// How a cell ended, before anything was mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The call was never made from then on.
    NotMet,
    /// Before anything was begun.
    CouldNotBegin,
    Ended(How),
}

/// [`Outcome`], in the order of its exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    AsAsked,
    Failed,
    Refused,
    RolledBack,
    Stuck,
    Paused,
    Locked,
}

/// No operation with one thing wrong may take longer, by the virtual clock.
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);
/// A cell that hangs is ended by the real clock.
const HANGS: Duration = Duration::from_secs(120);

/// All that a command said.
fn said(result: &Result<Ended, CommandError>) -> String {
    match result {
        Err(error) => format!("{:?}", error.document),
        Ok(ended) => format!(
            "{:?} {:?} {:?}",
            ended.error, ended.data.warnings, ended.data.plan
        ),
    }
}

impl Cell {
    /// Runs it. `Err` is what is wrong with its end.
    pub async fn run(self) -> Result<End, String> {
        match tokio::time::timeout(HANGS, self.ends()).await {
            Ok(Ok(end)) => Ok(end),
            Ok(Err(why)) => Err(format!("{self:?}: {why}")),
            Err(_) => Err(format!("{self:?}: it hangs")),
        }
    }

    async fn ends(self) -> Result<End, String> {
        let Self { fault, when } = self;
        let wanted = clean(fault.call).await.updated.clone();
        let mut scene = Scene::new(fault.call);
        if when == When::Rollback {
            scene.command(When::Update).await.expect("nothing is wrong");
        }
        let before = scene.rig.stack();
        let began = scene.rig.clock.now();
        scene.broken(when, Some(fault));
        let result = scene.command(when).await;
        let text = said(&result);
        scene.mend();
        let took = scene.rig.clock.now().duration_since(began);
        if took.as_secs() > LONGEST.as_secs() as i64 {
            return Err(format!("it took {took:#}: {text}"));
        }
        let struck = scene.line.struck();
        let now = scene.rig.stack();
        let as_before = |end: &str| {
            let differs = differs(&before, &scene.rig.stack());
            differs.map_or(Ok(()), |d| {
                Err(format!("{end}, and not as before: {d}; {text}"))
            })
        };
        let names_it = || {
            let code = match fault.wrong {
                Wrong::Code(code) => code,
                _ => "",
            };
            (text.contains(fault.call) && text.contains(code))
                || said_in_our_words(fault.call, code, &text)
        };
        let (outcome, end) = match &result {
            Err(error) => {
                as_before(&format!("it could not begin ({:?})", error.outcome))?;
                if !names_it() {
                    return Err(format!("it could not begin, and why is not said: {text}"));
                }
                return self.again(&scene, wanted, End::CouldNotBegin).await;
            }
            Ok(ended) => (
                ended.outcome,
                match ended.outcome {
                    Outcome::Updated | Outcome::RolledBackAsAsked => How::AsAsked,
                    Outcome::Refused => How::Refused,
                    Outcome::RolledBack => How::RolledBack,
                    Outcome::Stuck => How::Stuck,
                    Outcome::Paused => How::Paused,
                    Outcome::Locked => How::Locked,
                    // The network is gone before the journal is open.
                    Outcome::Failed => How::Failed,
                    other => return Err(format!("{other:?}: {text}")),
                },
            ),
        };
        if struck == 0 {
            return Ok(End::NotMet);
        }
        match outcome {
            Outcome::Updated => {
                let differs = wanted.as_ref().map(|wanted| differs(wanted, &now));
                if differs != Some(None) {
                    return Err(format!("updated, and it is not so: {differs:?}"));
                }
            }
            Outcome::RolledBackAsAsked => {}
            Outcome::Failed | Outcome::Refused | Outcome::RolledBack => as_before("it ended")?,
            _ => {}
        }
        // The way back begins with a failure of its own: that of the health, and is named first.
        let is_named = matches!(end, How::AsAsked)
            // Refused also with nothing wrong.
            || wanted.is_none() && outcome == Outcome::Refused
            || (when == When::Back && outcome == Outcome::RolledBack)
            || fault.call == "ec2:GetConsoleOutput"
            || names_it();
        if !is_named {
            return Err(format!("{outcome:?}, and why is not said: {text}"));
        }
        match outcome {
            Outcome::Stuck if fault.once && when != When::Back => {
                Err(format!("stuck after one failure: {text}"))
            }
            Outcome::Paused | Outcome::Stuck | Outcome::Locked => self
                .goes_on(&scene, outcome, &before, wanted)
                .await
                .map(|()| End::Ended(end)),
            Outcome::Failed | Outcome::Refused => self.again(&scene, wanted, End::Ended(end)).await,
            _ => {
                let left = scene.rig.reserved();
                if left.is_empty() || text.contains("reserv") {
                    Ok(End::Ended(end))
                } else {
                    Err(format!("reserved and not said: {left:?}; {text}"))
                }
            }
        }
    }

    /// Nothing was changed, and nothing is in the way: the same command does what was asked, once the fault is gone.
    async fn again(self, scene: &Scene, wanted: Option<Stack>, end: End) -> Result<End, String> {
        let Some(wanted) = wanted else {
            return Ok(end);
        };
        if self.when == When::Rollback || self.fault.once && end != End::Ended(How::Failed) {
            return Ok(end);
        }
        let result = scene.command(When::Update).await;
        let text = said(&result);
        match result.map(|ended| ended.outcome) {
            Ok(Outcome::Updated) => match differs(&wanted, &scene.rig.stack()) {
                None => Ok(end),
                Some(differs) => Err(format!("updated in the second try, and not: {differs}")),
            },
            _ => Err(format!("{end:?}, and then it cannot be done again: {text}")),
        }
    }

    /// The fault is gone: `resume` ends it.
    async fn goes_on(
        self,
        scene: &Scene,
        from: Outcome,
        before: &Stack,
        wanted: Option<Stack>,
    ) -> Result<(), String> {
        let way = match from {
            Outcome::Stuck => Way::Unwind,
            _ => Way::On,
        };
        let result = scene.resume(way).await;
        let text = said(&result);
        let now = scene.rig.stack();
        let differs = match result.map(|ended| ended.outcome) {
            Ok(Outcome::Updated) => differs(&wanted.unwrap_or_default(), &now),
            Ok(Outcome::RolledBack | Outcome::Refused) => differs(before, &now),
            Ok(Outcome::RolledBackAsAsked) => None,
            // Nothing was open: it is as it was before the command.
            Ok(Outcome::Unchanged) => differs(before, &now),
            _ => return Err(format!("{from:?}, and resume cannot end it: {text}")),
        };
        match differs {
            None => Ok(()),
            Some(differs) => Err(format!("{from:?}, and after resume: {differs}; {text}")),
        }
    }
}

/// The first difference.
fn differs(expected: &Stack, found: &Stack) -> Option<String> {
    let keys = expected.keys().chain(found.keys());
    let mut differing = keys.filter(|key| expected.get(*key) != found.get(*key));
    differing.next().map(|key| {
        let of = |stack: &Stack| {
            stack.get(key).map_or("nothing".into(), |v| {
                v.chars().take(120).collect::<String>()
            })
        };
        format!("{key}: expected {}, found {}", of(expected), of(found))
    })
}

/// What is told as a fact about the stack, and not as a call that failed.
fn said_in_our_words(call: &str, code: &str, text: &str) -> bool {
    let says = |words: &str| text.contains(words);
    match (call, code) {
        ("ec2:DescribeInstances", "InvalidInstanceID.NotFound") => {
            says("does not exist") || says("expected the instance i-") && says("found none")
        }
        ("ec2:DescribeInstanceTypes", "InvalidInstanceType") => says("has no instance type"),
        (
            "elasticfilesystem:DescribeFileSystems" | "elasticfilesystem:DescribeMountTargets",
            "FileSystemNotFound" | "MountTargetNotFound",
        ) => says("does not exist in this region"),
        ("ssm:GetCommandInvocation", "InvocationDoesNotExist") => says("has no invocation after"),
        // Whatever it is, it could not be read: the call is named, and the code is not kept.
        (
            "autoscaling:DescribeAutoScalingInstances" | "autoscaling:DescribeAutoScalingGroups",
            _,
        ) => says(call) && says("could not be read"),
        // A dry run that is denied once makes another plan than the next look.
        _ => says("changed_meanwhile"),
    }
}
