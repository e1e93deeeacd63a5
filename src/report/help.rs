//! From a code to the next step: the one place where help is added.

use super::Words;

/// `{program}` is how the program was called, `{name}` the deployment.
const HELP: &[(&str, &[&str])] = &[
    // AWS.
    (
        "credentials",
        &[
            "sign in again (aws sso login, or new keys), see that --profile is the right one, and run the command again",
            "if an operation was under way: {program} resume {name}",
        ],
    ),
    (
        "unreachable",
        &[
            "see that the network, --region and --endpoint-url are right, and run the command again",
            "if an operation was under way: {program} resume {name}",
        ],
    ),
    (
        "denied",
        &[
            "allow the call that is named in the IAM policy of these credentials, and run the command again",
        ],
    ),
    ("throttled", &["wait a minute, and run the command again"]),
    (
        "not_found",
        &["see that the name, --region and --profile are right: {program} list"],
    ),
    (
        "insufficient_capacity",
        &["AWS has none of this type in the zone now: try again later, or take another type"],
    ),
    (
        "limit_exceeded",
        &["ask for a higher quota of vCPUs in Service Quotas, or take a smaller type"],
    ),
    (
        "unsupported",
        &["AWS does not take this type with the instance's settings: take another type"],
    ),
    (
        "wrong_state",
        &[
            "see what the instance is doing, wait until it has ended, and run the command again: {program} status {name}",
        ],
    ),
    (
        "inconsistent",
        &["wait a minute, and run the command again"],
    ),
    (
        "cloud_error",
        &["what AWS says is above; its support can find the request by its id"],
    ),
    // The instance.
    (
        "instance_gone",
        &["see that --region and --profile are those of the instance: {program} inspect {name}"],
    ),
    (
        "instance_stopped",
        &["start the instance first (aws ec2 start-instances), and run the command again"],
    ),
    (
        "instance_timeout",
        &["see what the instance is doing: {program} status {name}"],
    ),
    (
        "start_fell_back",
        &["why EC2 stopped it again is above (StateReason)"],
    ),
    (
        "status_check_impaired",
        &[
            "look at the status checks in the EC2 console: AWS sees a fault of the instance or of its machine",
        ],
    ),
    (
        "type_changed",
        &[
            "somebody else changed the type meanwhile: see what is, and run the command again: {program} status {name}",
        ],
    ),
    (
        "instance_exists",
        &["the instance is another deployment's already: {program} list"],
    ),
    // The host.
    (
        "host_unreachable",
        &[
            "see that the SSM agent runs on the instance and that its role allows AmazonSSMManagedInstanceCore",
            "{program} status {name}",
        ],
    ),
    (
        "host_not_back",
        &[
            "see whether the instance boots (EC2 console, system log) and whether its SSM agent comes up",
        ],
    ),
    (
        "fenced",
        &[
            "another operation has taken over; see which: {program} history {name}",
            "if there is none, a machine without a lease was at work, and the next try has a higher number: {program} resume {name}",
        ],
    ),
    (
        "host_going_back",
        &[
            "see how the host stands, and wait for its end where it is still at it: {program} status {name}",
            "where its operation was closed already, disarm it: {program} resume {name} --accept",
        ],
    ),
    (
        "host_script",
        &["what the host printed is above, and all of it in the operation's log"],
    ),
    (
        "host_reply",
        &[
            "run the command again; if it stays so, see that nothing prints into scripts on the host (/etc/profile.d, ENV)",
        ],
    ),
    (
        "host_timeout",
        &["see how loaded the host is, and run the command again: {program} status {name}"],
    ),
    (
        "job_lost",
        &["the host went down in the middle of it; run the command again"],
    ),
    (
        "job_timeout",
        &["see how loaded the host is, and run the command again: {program} status {name}"],
    ),
    (
        "file_changed",
        &["somebody changed the compose file meanwhile: look at it, and run the command again"],
    ),
    (
        "pull_failed",
        &["see that the reference exists and that the host can reach its registry"],
    ),
    (
        "no_space",
        &[
            "free space on the host where Docker keeps its images (docker image prune), and run the command again",
        ],
    ),
    (
        "up_failed",
        &["what Docker says is above: look at the service's part of the compose file"],
    ),
    (
        "start_failed",
        &["what Docker says is above: look at the container's log on the host"],
    ),
    (
        "stop_failed",
        &["a container did not stop: look at it on the host (docker ps)"],
    ),
    (
        "no_backup",
        &[
            "the copy of the compose file is gone from the host: put the file right by hand, then {program} resume {name}",
        ],
    ),
    (
        "tag_failed",
        &[
            "the old image is gone from the host: pull it by its digest, then {program} resume {name}",
        ],
    ),
    (
        "bad_compose",
        &["see what docker compose config says of the file on the host"],
    ),
    (
        "compose_edit",
        &["this form of the image value is not edited: change the file on the host by hand"],
    ),
    (
        "compose_unreadable",
        &["see that the file is where the containers' labels say, and is text"],
    ),
    (
        "image_architecture",
        &["take an image that is built for the instance's architecture"],
    ),
    (
        "image_gone",
        &[
            "the image is gone from host and registry: take another snapshot, {program} history {name}",
        ],
    ),
    (
        "project_gone",
        &["the stack's containers are gone from the host: start it there (docker compose up -d)"],
    ),
    // Locks.
    (
        "locked",
        &["wait until it has ended; see how far it is: {program} status {name}"],
    ),
    (
        "lease_damaged",
        &[
            "a newer geusemaker may have written it: use that version; or break it: {program} unlock {name} --force",
        ],
    ),
    (
        "lock_lost",
        &["another operation took over; see which, and how it stands: {program} history {name}"],
    ),
    // State.
    (
        "state_damaged",
        &[
            "the file is left as it is: put it right at the line that is named, or take it from a backup",
        ],
    ),
    (
        "state_newer",
        &["the file was written by a newer geusemaker: use that version"],
    ),
    (
        "state_foreign",
        &["the file is not one of geusemaker: it is left as it is; move it away"],
    ),
    (
        "state_unreadable",
        &["make the state folder readable for you, or name another one with --state"],
    ),
    (
        "state_unwritable",
        &["make the state folder writable for you, or name another one with --state"],
    ),
    (
        "disk_full",
        &["free space in the state folder, and run the command again; nothing is lost"],
    ),
    (
        "no_home",
        &["name a folder: --state DIR, or GEUSEMAKER_STATE"],
    ),
    (
        "journal",
        &["see that the state folder can be written, then {program} resume {name}"],
    ),
    (
        "snapshot",
        &["see that the state folder can be written, and run the command again"],
    ),
    (
        "other_account",
        &["use the credentials of the deployment's own account: --profile"],
    ),
    (
        "name_taken",
        &["take another name, or look at the one there is: {program} inspect {name}"],
    ),
    // What is not there.
    (
        "deployment_not_found",
        &["see which there are: {program} list"],
    ),
    (
        "only_in_sandbox",
        &["this deployment is in the sandbox: add --sandbox"],
    ),
    (
        "snapshot_not_found",
        &["see which there are: {program} history {name}"],
    ),
    (
        "operation_not_found",
        &["see which there are: {program} history {name}"],
    ),
    (
        "no_snapshot",
        &["there is nothing to go back to before the first change: {program} history {name}"],
    ),
    (
        "unknown_service",
        &["see which services there are: {program} status {name}"],
    ),
    (
        "no_project",
        &[
            "start the stack with docker compose up -d on the host first; it is found by its containers' labels",
        ],
    ),
    ("several_projects", &["say which with --compose PATH"]),
    (
        "several_files",
        &["a stack of several compose files is not edited yet: make it one file"],
    ),
    (
        "no_file_system",
        &["say which with --efs fs-…, or that the data is on the root volume with --efs none"],
    ),
    ("several_file_systems", &["say which with --efs fs-…"]),
    // Operations.
    (
        "operation_unfinished",
        &[
            "go on: {program} resume {name}",
            "or go back: {program} resume {name} --unwind",
        ],
    ),
    (
        "refused",
        &["what to do stands with each check; nothing was changed"],
    ),
    (
        "unhealthy",
        &["look at the service that is named, on the host: docker logs"],
    ),
    (
        "data_lost",
        &[
            "bring the folder that is named back, on the host or from a backup; what is there now was not written by the services from before",
            "then {program} resume {name} --unwind",
        ],
    ),
    (
        "not_verified",
        &["see what is, and compare: {program} status {name}"],
    ),
    (
        "rolled_back",
        &["what failed is above; the same command can be run again once that is put right"],
    ),
    (
        "paused",
        &[
            "go on: {program} resume {name}",
            "or go back: {program} resume {name} --unwind",
        ],
    ),
    (
        "interrupted",
        &[
            "go on: {program} resume {name}",
            "or go back: {program} resume {name} --unwind",
        ],
    ),
    (
        "taken_back",
        &["nothing is left to do: see what is with {program} status {name}"],
    ),
    (
        "stuck",
        &[
            "put right what is named above, then {program} resume {name}",
            "or try to go back: {program} resume {name} --unwind",
        ],
    ),
    // Questions.
    (
        "no_terminal",
        &["add --force to answer the question with yes; every check stays"],
    ),
];

/// The next steps for a code; none for a code that is not known, or that explains itself.
pub fn help(code: &str, words: &Words, name: Option<&str>) -> Vec<String> {
    HELP.iter()
        .find(|(known, _)| *known == code)
        .map(|(_, texts)| {
            texts
                .iter()
                .map(|text| {
                    text.replace("{program}", &words.program)
                        .replace("{name}", name.unwrap_or("NAME"))
                })
                .collect()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cloud::{CloudError, CloudErrorKind};
    use crate::report::cloud_code;

    #[test]
    fn every_code_stands_once_and_says_something() {
        let mut seen = BTreeSet::new();
        for (code, texts) in HELP {
            assert!(seen.insert(code), "{code} twice");
            assert!(!texts.is_empty(), "{code}");
            for text in help(code, &Words::default(), Some("my-stack")) {
                assert!(!text.contains(['{', '}']), "{code}: {text}");
            }
        }
    }

    #[test]
    fn every_kind_of_aws_error_has_a_next_step() {
        use CloudErrorKind::*;
        for kind in [
            Credentials,
            Unreachable,
            Denied,
            Throttled,
            NotFound,
            Capacity,
            WrongState,
            LockLost,
            Inconsistent,
            Other,
        ] {
            let error = CloudError {
                call: "ec2:StartInstances",
                code: Some("X".into()),
                message: String::new(),
                request_id: None,
                kind,
            };
            let code = cloud_code(&error);
            assert!(!help(code, &Words::default(), None).is_empty(), "{code}");
        }
    }

    #[test]
    fn every_command_in_a_help_text_exists() {
        use clap::Parser;
        let mut commands = 0;
        for (code, texts) in HELP {
            for text in *texts {
                for rest in text.split("{program} ").skip(1) {
                    let argv = format!("geusemaker {}", rest.replace("{name}", "x"));
                    let argv = argv.split(' ');
                    let parsed = crate::cli::Cli::try_parse_from(argv);
                    assert!(parsed.is_ok(), "{code}: {}", parsed.unwrap_err());
                    commands += 1;
                }
            }
        }
        assert!(commands > 10);
    }
}
