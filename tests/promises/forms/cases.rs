//! What is asked, in order, of a host with the stack of five: each form of the scripts, where it goes well and where it
//! fails in a way that they look at.

use super::hosts::{ENV_FILE, FILE};

/// One thing after another.
#[derive(Debug, Clone)]
pub enum Step {
    /// A call of a script; the answer is in the record.
    Ask {
        script: &'static str,
        name: &'static str,
        /// The words. `<n8n>` is a container's id, `<all>` those of all, `<image:REF>` an image's; `$NAME:N` the Nth
        /// template that the script has under this name.
        call: String,
        /// What the sandbox leaves out on purpose; see `limits`.
        limit: Option<&'static str>,
    },
    /// Makes the state that is wanted. The words are as above, and it must go well.
    Do(String),
    /// In the compose file.
    Edit(&'static str, &'static str),
    /// A whole text of the compose file; None is the one of before.
    File(Option<&'static str>),
    /// The env file.
    Env(&'static str),
    /// Until this container says so.
    Wait(&'static str, &'static str),
    /// The registry is there, or not.
    Registry(bool),
    /// The engine is there, or not.
    Engine(bool),
}

fn ask(script: &'static str, name: &'static str, call: impl Into<String>) -> Step {
    Step::Ask {
        script,
        name,
        call: call.into(),
        limit: None,
    }
}

fn except(limit: &'static str, step: Step) -> Step {
    match step {
        Step::Ask {
            script, name, call, ..
        } => Step::Ask {
            script,
            name,
            call,
            limit: Some(limit),
        },
        other => other,
    }
}

fn run(call: &str) -> Step {
    Step::Do(call.to_owned())
}

const LOOK: &str = "look.sh";
const FACTS: &str = "facts.sh";
const PENDING: &str = "pending.sh";
const HOLD: &str = "hold.sh";
const APPLY: &str = "job_apply.sh";
const JOB: &str = "job.sh";
const QUIESCE: &str = "job_quiesce.sh";
const TICK: &str = "job_tick.sh";
const PULL: &str = "job_pull.sh";
const LOGS: &str = "logs.sh";

const INSPECT: &str = "inspect --type container --format";
const GONE: &str = "<image:none>";

fn compose(rest: &str) -> String {
    format!(
        "compose -p geusemaker --project-directory /opt/geusemaker/runtime -f {FILE} --env-file {ENV_FILE} {rest}"
    )
}

fn up(service: &str) -> String {
    compose(&format!(
        "up -d --no-deps --pull never --no-build {service}"
    ))
}

/// All of it.
pub fn steps() -> Vec<Step> {
    let mut all = looks();
    all.extend(plans());
    all.extend(words());
    all.extend(stops());
    all.extend(files());
    all.extend(pulls());
    all.extend(ups());
    all.extend(holds());
    all.extend(down());
    all
}

fn looks() -> Vec<Step> {
    let images = "<image:n8nio/n8n:1.0.0> <image:postgres:15.1>";
    let digests = "image inspect --format '{{.ID}} {{json .RepoDigests}}'";
    let about = r#"image inspect --format '{"id":{{json .ID}},"digests":{{json .RepoDigests}},"architecture":{{json .Architecture}}}'"#;
    vec![
        ask(LOOK, "info", "info --format $_f:0"),
        ask("poll.sh", "root", "info --format '{{.DockerRootDir}}'"),
        ask(LOOK, "compose_version", "compose version --short"),
        ask(FACTS, "ps", "ps -aq --no-trunc"),
        ask(FACTS, "ps_again", "ps -aq --no-trunc"),
        ask(FACTS, "containers", format!("{INSPECT} $FORMAT:0 <all>")),
        ask(
            FACTS,
            "one_is_gone",
            format!("{INSPECT} $FORMAT:0 <n8n> gone"),
        ),
        ask(FACTS, "all_are_gone", format!("{INSPECT} $FORMAT:0 gone")),
        ask(LOOK, "digests", format!("{digests} {images}")),
        ask(
            LOOK,
            "digests_one_is_gone",
            format!("{digests} <image:n8nio/n8n:1.0.0> {GONE}"),
        ),
        ask(LOOK, "image", format!("{about} n8nio/n8n:1.0.0")),
        ask(
            LOOK,
            "image_of_the_library",
            format!("{about} docker.io/library/postgres:15.1"),
        ),
        ask(LOOK, "no_such_image", format!("{about} n8nio/n8n:9.9.9")),
        ask(
            LOOK,
            "why_no_such_image",
            "image inspect --format '{{.ID}}' n8nio/n8n:9.9.9",
        ),
        ask(
            LOOK,
            "why_no_such_id",
            format!("image inspect --format '{{{{.ID}}}}' {GONE}"),
        ),
    ]
}

fn plans() -> Vec<Step> {
    vec![
        ask(PENDING, "ps", "ps -aq --no-trunc"),
        ask(PENDING, "rows", format!("{INSPECT} $ROW:0 <all>")),
        ask(PENDING, "config", compose("config --format json n8n")),
        ask(
            PENDING,
            "config_of_two",
            compose("config --format json qdrant crawl4ai"),
        ),
        ask(
            PENDING,
            "config_no_such_service",
            compose("config --format json nope"),
        ),
        Step::Env("OTHER=1\n"),
        ask(
            PENDING,
            "config_without_a_variable",
            compose("config --format json n8n"),
        ),
        Step::Env("POSTGRES_PASSWORD=s3cret\n"),
        ask(PENDING, "made", format!("{INSPECT} $MADE:0 n8n")),
        ask(
            PENDING,
            "made_with_a_limit",
            format!("{INSPECT} $MADE:0 crawl4ai"),
        ),
        ask(PENDING, "made_gone", format!("{INSPECT} $MADE:0 gone")),
        ask(
            PENDING,
            "brought",
            "image inspect --format $OF_BOTH:0} <image:n8nio/n8n:1.0.0>",
        ),
        ask(
            PENDING,
            "brought_gone",
            format!("image inspect --format $OF_BOTH:0}} {GONE}"),
        ),
    ]
}

/// What containers say, and what is run in them.
fn words() -> Vec<Step> {
    let logs = "logs --timestamps --tail";
    vec![
        ask("probe.sh", "last_words", "logs --tail 20 n8n"),
        ask("probe.sh", "last_words_gone", "logs --tail 20 gone"),
        ask(LOGS, "last", format!("{logs} 1 <n8n>")),
        ask(LOGS, "all", format!("{logs} all <n8n>")),
        ask(
            LOGS,
            "since",
            format!("{logs} all --since 2020-01-01T00:00:00.000000000Z <n8n>"),
        ),
        ask(
            LOGS,
            "since_the_future",
            format!("{logs} all --since 2999-01-01T00:00:00.000000000Z <n8n>"),
        ),
        ask(LOGS, "gone", format!("{logs} 1 gone")),
        ask(LOGS, "why", "logs --tail 0 <n8n>"),
        ask(LOGS, "why_gone", "logs --tail 0 gone"),
        ask("asks.sh", "good", "exec n8n true"),
        except("exec_runs_nothing", ask("asks.sh", "bad", "exec n8n false")),
        except(
            "exec_runs_nothing",
            ask("asks.sh", "no_such_program", "exec n8n nope"),
        ),
        ask("asks.sh", "gone", "exec gone true"),
    ]
}

fn stops() -> Vec<Step> {
    let one = r#"'{{.Name}} {{.ID}} {{.Image}} {{.State.Status}} {{index .Config.Labels "com.docker.compose.project.working_dir"}}'"#;
    let policy =
        "'{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}'";
    vec![
        ask(JOB, "one", format!("{INSPECT} {one} n8n")),
        ask(
            JOB,
            "by_the_beginning_of_an_id",
            format!("{INSPECT} {one} <short:n8n>"),
        ),
        ask(JOB, "gone", format!("{INSPECT} {one} gone")),
        ask(
            QUIESCE,
            "policy_with_a_limit",
            format!("{INSPECT} {policy} crawl4ai"),
        ),
        ask(QUIESCE, "policy", format!("{INSPECT} {policy} ollama")),
        ask(QUIESCE, "policy_gone", format!("{INSPECT} {policy} gone")),
        ask(QUIESCE, "keep_down", "update --restart=no crawl4ai"),
        ask(QUIESCE, "keep_down_gone", "update --restart=no gone"),
        ask(QUIESCE, "stop", "stop crawl4ai"),
        ask(QUIESCE, "stop_again", "stop crawl4ai"),
        ask(QUIESCE, "stop_gone", "stop gone"),
        run("stop qdrant"),
        ask(JOB, "stopped", format!("{INSPECT} {one} crawl4ai")),
        ask(
            FACTS,
            "stopped",
            format!("{INSPECT} $FORMAT:0 crawl4ai qdrant"),
        ),
        ask("asks.sh", "stopped", "exec crawl4ai true"),
        ask(LOGS, "stopped", "logs --timestamps --tail 1 <crawl4ai>"),
        ask(TICK, "ps", "ps -aq --no-trunc"),
        ask(TICK, "green", format!("{INSPECT} $_f:0 n8n")),
        ask(
            TICK,
            "green_without_a_check",
            format!("{INSPECT} $_f:0 ollama"),
        ),
        ask(TICK, "declared", format!("{INSPECT} $_f:1 ollama")),
        ask(TICK, "stopped", format!("{INSPECT} $_f:0 crawl4ai")),
        ask(
            TICK,
            "stopped_with_a_check",
            format!("{INSPECT} $_f:0 qdrant"),
        ),
        ask(TICK, "gone", format!("{INSPECT} $_f:0 gone")),
        ask(
            APPLY,
            "policy",
            format!("{INSPECT} '{{{{.HostConfig.RestartPolicy.Name}}}}' crawl4ai"),
        ),
        ask(
            APPLY,
            "policy_gone",
            format!("{INSPECT} '{{{{.HostConfig.RestartPolicy.Name}}}}' gone"),
        ),
        ask(
            APPLY,
            "policy_back",
            "update --restart=on-failure:3 crawl4ai",
        ),
        ask(
            QUIESCE,
            "policy_is_back",
            format!("{INSPECT} {policy} crawl4ai"),
        ),
        ask(APPLY, "policy_is_none", "update --restart=maybe crawl4ai"),
        ask(APPLY, "start", "start qdrant"),
        ask(APPLY, "start_again", "start qdrant"),
        ask(APPLY, "start_gone", "start gone"),
        Step::Wait("qdrant", "running healthy"),
    ]
}

fn files() -> Vec<Step> {
    let config = || compose("config -q");
    vec![
        ask(APPLY, "config", config()),
        Step::Env("OTHER=1\n"),
        ask(APPLY, "config_without_a_variable", config()),
        ask(APPLY, "up_without_a_variable", up("n8n")),
        Step::Env("POSTGRES_PASSWORD=s3cret\n"),
        Step::File(Some("services: [\n")),
        ask(APPLY, "config_no_yaml", config()),
        Step::File(Some("services:\n  n8n: {imagee: x}\n")),
        ask(APPLY, "config_unknown_key", config()),
        Step::File(Some("services:\n  n8n: {restart: always}\n")),
        ask(APPLY, "config_without_an_image", config()),
        Step::File(Some("services:\n  n8n: {image: x, depends_on: [nope]}\n")),
        ask(APPLY, "config_depends_on_nothing", config()),
        Step::File(Some("services:\n  n8n: {image: x, env_file: gone.env}\n")),
        ask(APPLY, "config_env_file_is_gone", config()),
        Step::File(Some("services:\n  n8n: {image: x, command: '$NOPE'}\n")),
        ask(APPLY, "config_variable_is_not_set", config()),
        Step::File(Some("services:\n  n8n: {image: x, command: '${'}\n")),
        ask(APPLY, "config_bad_interpolation", config()),
        Step::File(Some(
            "services:\n  a: {image: x, container_name: c}\n  b: {image: x, container_name: c}\n",
        )),
        ask(APPLY, "config_one_name_for_two", config()),
        Step::File(Some("a: 1\n")),
        ask(APPLY, "config_unknown_section", config()),
        Step::File(Some("x-more: 1\n")),
        ask(APPLY, "config_without_services", config()),
        Step::File(None),
        ask(
            APPLY,
            "config_file_is_gone",
            config().replace("docker-compose.yml", "gone.yml"),
        ),
        ask(
            APPLY,
            "config_env_file_of_the_command_is_gone",
            config().replace("runtime.env", "gone.env"),
        ),
    ]
}

fn pulls() -> Vec<Step> {
    vec![
        ask(PULL, "new", "pull n8nio/n8n:1.1.0"),
        ask(PULL, "known", "pull n8nio/n8n:1.1.0"),
        ask(PULL, "no_such_tag", "pull 127.0.0.1:5000/n8nio/n8n:9.9.9"),
        ask(
            PULL,
            "no_such_repository",
            "pull 127.0.0.1:5000/nobody/nothing:1",
        ),
        ask(
            PULL,
            "no_such_host",
            "pull registry.invalid/n8nio/n8n:1.0.0",
        ),
        ask(PULL, "no_reference", "pull N8N/UPPER:1"),
        ask(PULL, "another_architecture", "pull n8nio/n8n:1.1.0-s390x"),
        Step::Registry(false),
        ask(PULL, "registry_down", "pull 127.0.0.1:5000/n8nio/n8n:1.1.0"),
        ask(PULL, "hub_unreachable", "pull qdrant/qdrant:1.1.0"),
        Step::Registry(true),
    ]
}

fn ups() -> Vec<Step> {
    let id = "image inspect --format '{{.ID}}'";
    vec![
        ask(APPLY, "image_id", format!("{id} n8nio/n8n:1.1.0")),
        ask(APPLY, "image_id_gone", format!("{id} n8nio/n8n:9.9.9")),
        ask(APPLY, "up_as_it_is", up("qdrant")),
        ask(APPLY, "up_as_it_is_with_an_env_file", up("postgres")),
        ask(APPLY, "up_as_it_is_without_its_dependencies", up("n8n")),
        ask(
            PENDING,
            "rows_without_dependencies",
            format!("{INSPECT} $ROW:0 n8n"),
        ),
        // How soon it is healthy is not the question.
        Step::Wait("n8n", "running healthy"),
        ask(
            FACTS,
            "without_dependencies",
            format!("{INSPECT} $FORMAT:0 n8n"),
        ),
        ask(APPLY, "up_once_more", up("n8n")),
        Step::Wait("n8n", "running healthy"),
        ask(APPLY, "up_stopped", up("crawl4ai")),
        ask(APPLY, "up_no_such_service", up("nope")),
        Step::Edit("n8nio/n8n:1.0.0", "n8nio/n8n:9.9.9"),
        ask(APPLY, "up_without_the_image", up("n8n")),
        ask(
            JOB,
            "untouched",
            format!(
                "{INSPECT} '{{{{.Name}}}} {{{{.ID}}}} {{{{.Image}}}} {{{{.State.Status}}}} {{{{index .Config.Labels \"com.docker.compose.project.working_dir\"}}}}' n8n"
            ),
        ),
        Step::File(None),
        Step::Edit("n8nio/n8n:1.0.0", "n8nio/n8n:1.1.0"),
        ask(APPLY, "up", up("n8n")),
        ask(TICK, "starting", format!("{INSPECT} $_f:1 n8n")),
        Step::Wait("n8n", "running healthy"),
        ask(FACTS, "new_container", format!("{INSPECT} $FORMAT:0 <n8n>")),
        ask(
            APPLY,
            "tag_back",
            "tag <image:n8nio/n8n:1.0.0> n8nio/n8n:1.1.0",
        ),
        ask(APPLY, "tag_gone", format!("tag {GONE} n8nio/n8n:1.1.0")),
        ask(APPLY, "up_the_tag_has_moved", up("n8n")),
        Step::Wait("n8n", "running healthy"),
        run("tag <image:n8nio/n8n:1.1.0> n8nio/n8n:1.1.0"),
        run("create --name 0123456789ab_n8n --network none <image:postgres:15.1> x"),
        ask(APPLY, "ps", "ps -aq --no-trunc"),
        ask(APPLY, "names", format!("{INSPECT} '{{{{.Name}}}}' <all>")),
        ask(
            APPLY,
            "the_name_of_half_made_is_taken",
            "rename 0123456789ab_n8n n8n",
        ),
        ask(
            APPLY,
            "half_made_gets_its_name",
            "rename 0123456789ab_n8n half",
        ),
        ask(
            APPLY,
            "half_made_has_its_name",
            "rename 0123456789ab_n8n half",
        ),
        run("rename half 0123456789ab_n8n"),
        ask(APPLY, "half_made_is_removed", "rm 0123456789ab_n8n"),
        ask(APPLY, "half_made_is_gone", "rm 0123456789ab_n8n"),
        ask(APPLY, "what_runs_is_not_removed", "rm ollama"),
        run("rm -f crawl4ai"),
        run("create --name crawl4ai --network none <image:postgres:15.1> x"),
        ask(APPLY, "up_the_name_is_taken", up("crawl4ai")),
        run("rm crawl4ai"),
        Step::Edit("unclecode/crawl4ai:1.0.0", "unclecode/crawl4ai:9.9.9"),
        ask(APPLY, "up_from_nothing_without_the_image", up("crawl4ai")),
        Step::File(None),
        ask(APPLY, "up_from_nothing", up("crawl4ai")),
        ask(
            FACTS,
            "from_nothing",
            format!("{INSPECT} $FORMAT:0 crawl4ai"),
        ),
    ]
}

fn holds() -> Vec<Step> {
    let held = "--filter label=geusemaker.held=my-dev-stack";
    let create = "create --name geusemaker-held-my-dev-stack-0123456789ab --label geusemaker.held=my-dev-stack --network none";
    let name = "geusemaker/held:my-dev-stack-0123456789ab";
    let image = "<image:n8nio/n8n:1.0.0>";
    let of_compose =
        "--label com.docker.compose.project=geusemaker-held --label com.docker.compose.service=";
    vec![
        ask(HOLD, "nothing_held", format!("ps -aq --no-trunc {held}")),
        ask(
            HOLD,
            "no_names",
            "image ls --no-trunc --format $_f:1 geusemaker/held",
        ),
        ask(
            HOLD,
            "wanted",
            format!("image inspect --format $_f:2 {image} <image:postgres:15.1>"),
        ),
        ask(
            HOLD,
            "wanted_one_is_gone",
            format!("image inspect --format $_f:2 {image} {GONE}"),
        ),
        ask(HOLD, "hold", format!("{create} {image} geusemaker-held")),
        ask(
            HOLD,
            "hold_again",
            format!("{create} {image} geusemaker-held"),
        ),
        ask(
            HOLD,
            "hold_gone",
            format!("{} {GONE} geusemaker-held", create.replace("ab ", "ac ")),
        ),
        ask(
            HOLD,
            "hold_with_volumes",
            format!(
                "{} {of_compose} --tmpfs /data <image:postgres:15.1> geusemaker-held",
                create.replace("ab ", "ad ")
            ),
        ),
        ask(HOLD, "name", format!("tag {image} {name}")),
        ask(HOLD, "name_gone", format!("tag {GONE} {name}")),
        ask(HOLD, "held", format!("ps -aq --no-trunc {held}")),
        ask(
            HOLD,
            "boxes",
            format!(
                "{INSPECT} $_f:0 geusemaker-held-my-dev-stack-0123456789ab geusemaker-held-my-dev-stack-0123456789ad"
            ),
        ),
        ask(
            HOLD,
            "boxes_one_is_gone",
            format!("{INSPECT} $_f:0 geusemaker-held-my-dev-stack-0123456789ab gone"),
        ),
        ask(
            HOLD,
            "names",
            "image ls --no-trunc --format $_f:1 geusemaker/held",
        ),
        ask(
            FACTS,
            "a_box",
            format!("{INSPECT} $FORMAT:0 geusemaker-held-my-dev-stack-0123456789ab"),
        ),
        ask(HOLD, "let_name_go", format!("rmi {name}")),
        ask(HOLD, "let_name_go_again", format!("rmi {name}")),
        ask(
            HOLD,
            "let_box_go",
            "rm -v geusemaker-held-my-dev-stack-0123456789ab",
        ),
        ask(
            HOLD,
            "let_box_go_again",
            "rm -v geusemaker-held-my-dev-stack-0123456789ab",
        ),
        // The last name of an image that a container has, and then of one that none has.
        run("tag <image:n8nio/n8n:1.1.0> geusemaker/held:my-dev-stack-0123456789ae"),
        run(
            "create --name geusemaker-held-my-dev-stack-0123456789ae --network none <image:n8nio/n8n:1.1.0> x",
        ),
        run("rmi n8nio/n8n:1.1.0"),
        ask(
            HOLD,
            "last_name_of_a_box",
            "rmi geusemaker/held:my-dev-stack-0123456789ae",
        ),
        run("rm -v geusemaker-held-my-dev-stack-0123456789ae"),
        ask(
            HOLD,
            "last_name",
            "rmi geusemaker/held:my-dev-stack-0123456789ae",
        ),
    ]
}

/// The scripts look at systemd's word first, and do not ask a Docker that is down: its socket would start it.
fn down() -> Vec<Step> {
    let mut all = vec![Step::Engine(false)];
    all.extend(
        [
            ask(LOOK, "engine_down", "info --format $_f:0"),
            ask(FACTS, "engine_down", "ps -aq --no-trunc"),
            ask(
                FACTS,
                "engine_down_inspect",
                format!("{INSPECT} $FORMAT:0 n8n"),
            ),
            ask(
                LOOK,
                "engine_down_image",
                "image inspect --format '{{.ID}}' n8nio/n8n:1.0.0",
            ),
            ask(PULL, "engine_down", "pull n8nio/n8n:1.0.0"),
            ask(QUIESCE, "engine_down", "stop n8n"),
            ask(APPLY, "engine_down", up("n8n")),
            ask(LOGS, "engine_down", "logs --timestamps --tail 1 n8n"),
        ]
        .map(|step| except("engine_down", step)),
    );
    all.push(Step::Engine(true));
    all
}
