//! What the record of the engine's answers (`tests/data/docker/engine.txt`) showed to be otherwise, one by one.

use super::tests::{COMPOSE, Kit};
use crate::model::ImageRef;
use crate::sandbox::fault::Fault;

fn depends_on(kit: &mut Kit, name: &str) -> String {
    let labels = &kit.host.engine.container(name).unwrap().labels;
    labels["com.docker.compose.depends_on"].clone()
}

fn id(kit: &mut Kit, name: &str) -> String {
    kit.host.engine.container(name).unwrap().id.clone()
}

#[test]
fn an_up_without_dependencies_forgets_them_and_makes_the_container_anew_once() {
    let mut kit = Kit::new();
    assert_eq!(
        depends_on(&mut kit, "n8n"),
        "postgres:service_healthy:false"
    );
    let old = id(&mut kit, "n8n");
    assert!(kit.up(&["n8n"]).stderr.contains("Recreated"));
    assert_eq!(depends_on(&mut kit, "n8n"), "");
    let labels = &kit.host.engine.container("n8n").unwrap().labels;
    assert_eq!(labels["com.docker.compose.replace"], old);
    assert_eq!(kit.up(&["n8n"]).stderr, " Container n8n  Running\n");
}

#[test]
fn an_image_that_is_gone_is_missed_by_the_engine_and_not_before() {
    let mut kit = Kit::new();
    kit.edit("n8nio/n8n:1.19.4", "n8nio/n8n:9.9.9");
    let old = id(&mut kit, "n8n");
    let why = "Error response from daemon: no such image: n8nio/n8n:9.9.9: No such image: n8nio/n8n:9.9.9\n";
    let said = kit.up(&["n8n"]);
    assert_eq!(said.stderr, format!(" Container n8n  Recreate\n{why}"));
    assert_eq!(id(&mut kit, "n8n"), old);
    kit.out(&["rm", "-f", "n8n"]);
    let said = kit.up(&["n8n"]);
    assert_eq!(
        (said.code, said.stderr),
        (1, format!(" Container n8n  Creating\n{why}"))
    );
}

#[test]
fn compose_has_exit_codes_of_its_own() {
    let mut kit = Kit::new();
    let mut config = COMPOSE.to_vec();
    config.extend(["config", "-q"]);
    let with = |from: &str, to: &'static str| -> Vec<&str> {
        config
            .iter()
            .map(|w| if *w == from { to } else { w })
            .collect()
    };
    let gone = kit.run(&with(COMPOSE[6], "/opt/geusemaker/runtime/gone.yml"));
    assert_eq!(gone.code, 14, "{}", gone.stderr);
    let gone = kit.run(&with(COMPOSE[8], "/gone.env"));
    assert_eq!(
        (gone.code, gone.stderr.as_str()),
        (1, "Couldn't find env file: /gone.env\n")
    );
    kit.edit("\nservices:", "\nservicess:");
    assert_eq!(kit.run(&config).code, 15);
    // Without any service there is nothing wrong.
    kit.edit("\nservicess:", "\nx-services:");
    assert_eq!(kit.run(&config).code, 0);
}

#[test]
fn compose_ends_its_json_without_a_newline_and_its_warnings_have_a_time() {
    let mut kit = Kit::new();
    let mut config = COMPOSE.to_vec();
    config.extend(["config", "--format", "json", "qdrant"]);
    assert!(kit.out(&config).ends_with('}'));
    kit.edit("name: geusemaker\n", "name: geusemaker${NOPE}\n");
    config.truncate(COMPOSE.len());
    config.extend(["config", "-q"]);
    assert_eq!(
        kit.run(&config).stderr,
        "time=\"2023-11-14T22:13:20Z\" level=warning msg=\"The \\\"NOPE\\\" variable is not set. Defaulting to a blank string.\"\n"
    );
}

#[test]
fn what_is_not_there_is_said_by_the_client_of_rm_and_by_the_engine_of_create() {
    let mut kit = Kit::new();
    for rm in [&["rm", "gone"][..], &["rm", "-v", "gone"]] {
        assert_eq!(kit.run(rm).stderr, "Error: No such container: gone\n");
    }
    // By its id nothing can be pulled.
    let none = format!("sha256:{}", "0".repeat(64));
    assert_eq!(
        kit.run(&["create", "--name", "a", &none]).stderr,
        format!("Error response from daemon: No such image: {none}\n")
    );
}

#[test]
fn an_image_alone_under_its_reference_is_pulled_whatever_it_is_for() {
    let mut kit = Kit::new();
    let reference = ImageRef::new("n8nio/n8n:1.1.0-s390x").unwrap();
    let mut image = kit.registry.find(&reference, "amd64").unwrap();
    image.architecture = "s390x".to_owned();
    kit.registry.add(&reference, image);
    kit.out(&["pull", "n8nio/n8n:1.1.0-s390x"]);
    let format = ["image", "inspect", "--format", "{{.Architecture}}"];
    let asked = [&format[..], &["n8nio/n8n:1.1.0-s390x"]].concat();
    assert_eq!(kit.out(&asked), "s390x\n");
}

#[test]
fn a_registry_that_does_not_answer_is_no_missing_tag() {
    let mut kit = Kit::new();
    for (reference, why) in [
        (
            "qdrant/qdrant:1.1.0",
            "\"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
        ),
        (
            "127.0.0.1:5000/a/b:1",
            "\"http://127.0.0.1:5000/v2/\": dial tcp 127.0.0.1:5000: connect: connection refused",
        ),
    ] {
        let fault = Fault::parse(&format!("pull:{reference}=unreachable"), None).unwrap();
        kit.faults.0.push(fault);
        assert_eq!(
            kit.run(&["pull", reference]).stderr,
            format!("Error response from daemon: Get {why}\n")
        );
    }
}
