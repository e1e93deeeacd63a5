//! What a person is told who has to go on: what is where, and the commands to run. Pure.

use crate::journal::{Entry, Failure, Line, fallback, no_start};
use crate::model::{Deployment, InstanceType};
use crate::plan::{Plan, duration};
use crate::report::ErrorDocument;

/// The type that the services are up on, where going back found none but a fallback.
pub(super) fn up_on<'p>(plan: &'p Plan, lines: &[Line]) -> Option<&'p InstanceType> {
    let up = fallback(plan, lines.iter().map(|l| &l.entry))?;
    // Said only of what was read back.
    let seen = lines
        .iter()
        .any(|l| matches!(l.entry, Entry::ConfirmDone { .. }));
    seen.then_some(up)
}

/// The error of an operation that ended on a fallback; `error` is that of what began it.
pub(super) fn on_fallback(
    plan: &Plan,
    up: &InstanceType,
    deployment: &Deployment,
    error: ErrorDocument,
) -> ErrorDocument {
    let name = &deployment.name;
    let (old, new) = (&plan.before.instance_type, &plan.after.instance_type);
    let down = match plan.expected_downtime_seconds {
        0 => String::new(),
        seconds => format!(
            ", which takes the services down for about {}",
            duration(seconds * 1000)
        ),
    };
    ErrorDocument {
        code: "services_up_on_fallback".into(),
        message: format!(
            "services up on {up}, as healthy as before; neither {new} nor {old} could be started: {}",
            error.message
        ),
        causes: error.causes,
        help: vec![
            format!("geusemaker status {name}            # what is where now"),
            format!("geusemaker resume {name} --unwind   # tries again to go back to {old}{down}"),
            format!(
                "geusemaker resume {name} --accept   # stays on {up}: closes it on what is there"
            ),
            format!("then: geusemaker update {name} --instance-type {new}"),
        ],
    }
}

/// The error of an operation that could not be undone: what shows and mends the cause, then how it is ended.
pub(super) fn by_hand(
    deployment: &Deployment,
    last: &Failure,
    mut error: ErrorDocument,
) -> ErrorDocument {
    let name = &deployment.name;
    error.help.splice(0..0, commands(deployment, last));
    error.help.extend([
        format!("geusemaker status {name}            # what is where now"),
        format!(
            "geusemaker resume {name} --unwind   # tries again to go back, when the cause is mended"
        ),
        format!(
            "geusemaker resume {name} --accept   # closes it on what is there; nothing is undone"
        ),
    ]);
    error
}

/// The commands that show and mend what an undo was stuck on, before `resume --unwind`.
fn commands(deployment: &Deployment, last: &Failure) -> Vec<String> {
    let (region, id, name) = (
        &deployment.region,
        &deployment.instance_id,
        &deployment.name,
    );
    let aws = |call: &str, option: &str| format!("aws ec2 {call} --region {region} {option} {id}");
    if no_start(last) {
        return vec![format!(
            "{} --query 'Reservations[].Instances[].[InstanceType,State.Name,StateReason.Message]'    # the type and why it is stopped",
            aws("describe-instances", "--instance-ids")
        )];
    }
    match last.code.as_str() {
        "host_not_back" => vec![
            format!(
                "{} --latest --output text    # what the boot wrote",
                aws("get-console-output", "--instance-id")
            ),
            format!(
                "{}    # boots it anew; then resume --unwind",
                aws("reboot-instances", "--instance-ids")
            ),
        ],
        "status_check_impaired" => vec![
            aws("describe-instance-status", "--instance-ids"),
            format!(
                "{} && {} && {}    # puts it on another machine; then resume --unwind",
                aws("stop-instances", "--instance-ids"),
                aws("wait instance-stopped", "--instance-ids"),
                aws("start-instances", "--instance-ids")
            ),
        ],
        "unhealthy" | "not_verified" => {
            vec![format!(
                "geusemaker logs {name}              # what the services say"
            )]
        }
        _ => vec![],
    }
}
