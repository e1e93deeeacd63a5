//! What a prune takes and what holds an image, as Docker Engine 20.10.24 did on an instance of the engine suite.

use super::tests::Kit;

const HELD: &str = "geusemaker/held:dev-0123456789ab";

#[test]
fn a_created_container_holds_an_image_from_a_prune_of_images_and_not_from_one_of_the_system() {
    let mut kit = Kit::new();
    kit.out(&["pull", "n8nio/n8n:1.20.0"]);
    kit.out(&["pull", "n8nio/n8n:1.21.0"]);
    let id = |kit: &mut Kit, name: &str| {
        let said = kit.out(&["image", "inspect", "--format", "{{.ID}}", name]);
        said.trim().to_owned()
    };
    let (held, other) = (
        id(&mut kit, "n8nio/n8n:1.20.0"),
        id(&mut kit, "n8nio/n8n:1.21.0"),
    );
    let words = "create --name geusemaker-held-dev --label geusemaker.held=dev --network none --tmpfs /data";
    let mut create: Vec<&str> = words.split(' ').collect();
    create.extend([held.as_str(), "geusemaker-held"]);
    let made = kit.out(&create);
    let listed = "ps -aq --no-trunc --filter label=geusemaker.held=dev";
    let list: Vec<&str> = listed.split(' ').collect();
    assert_eq!(kit.out(&list), made);
    assert_eq!(
        kit.out(&["ps", "-aq", "--filter", "label=geusemaker.held=other"]),
        ""
    );
    kit.out(&["tag", &held, HELD]);
    let names = [
        "image",
        "ls",
        "--no-trunc",
        "--format",
        "{{.Tag}} {{.ID}}",
        "geusemaker/held",
    ];
    assert_eq!(kit.out(&names), format!("dev-0123456789ab {held}\n"));

    let said = kit.out(&["image", "prune", "-a", "-f"]);
    assert!(
        said.starts_with(
            "Deleted Images:\nuntagged: n8nio/n8n:1.21.0\nuntagged: n8nio/n8n@sha256:"
        ),
        "{said}"
    );
    assert!(said.contains(&format!("deleted: {other}\n")), "{said}");
    assert!(
        said.ends_with("\n\nTotal reclaimed space: 512MB\n"),
        "{said}"
    );
    assert!(!said.contains(&held), "{said}");

    let said = kit.out(&["system", "prune", "-a", "-f"]);
    assert!(
        said.starts_with(&format!("Deleted Containers:\n{made}")),
        "{said}"
    );
    assert!(said.contains(&format!("deleted: {held}\n")), "{said}");
    let gone = kit.run(&["image", "inspect", "--format", "{{.ID}}", &held]);
    assert_eq!(gone.stderr, format!("Error: No such image: {held}\n"));
}

#[test]
fn a_name_is_taken_away_and_the_last_one_not_from_a_container_s_image() {
    let mut kit = Kit::new();
    kit.out(&["pull", "n8nio/n8n:1.20.0"]);
    kit.out(&["tag", "n8nio/n8n:1.20.0", HELD]);
    assert_eq!(kit.out(&["rmi", HELD]), format!("Untagged: {HELD}\n"));
    let again = kit.run(&["rmi", HELD]);
    assert_eq!(
        (again.code, again.stderr),
        (1, format!("Error: No such image: {HELD}\n"))
    );
    // Without any other name, and in use.
    let image = kit
        .host
        .engine
        .images
        .iter_mut()
        .find(|i| i.tags == ["n8nio/n8n:1.20.0"]);
    let image = image.unwrap();
    (image.tags, image.digests) = (vec![HELD.to_owned()], vec![]);
    kit.out(&["create", "--name", "user", HELD]);
    let kept = kit.run(&["rmi", HELD]);
    assert_eq!(kept.code, 1);
    let begins = format!(
        "Error response from daemon: conflict: unable to remove repository reference \"{HELD}\" (must force) - container "
    );
    assert!(kept.stderr.starts_with(&begins), "{}", kept.stderr);
    kit.out(&["rm", "-v", "user"]);
    let gone = kit.out(&["rmi", HELD]);
    assert!(
        gone.starts_with(&format!("Untagged: {HELD}\nDeleted: sha256:")),
        "{gone}"
    );
}

#[test]
fn containers_that_do_not_run_are_pruned_and_images_without_a_name() {
    let mut kit = Kit::new();
    kit.run(&["create", "--name", "idle", "postgres:15.8-alpine"]);
    let said = kit.out(&["container", "prune", "-f"]);
    assert!(
        said.starts_with("Deleted Containers:\n")
            && said.ends_with("\n\nTotal reclaimed space: 0B\n"),
        "{said}"
    );
    assert_eq!(
        kit.out(&["image", "prune", "-f"]),
        "Total reclaimed space: 0B\n"
    );
    assert_eq!(
        kit.run(&["system", "prune", "-a"]).code,
        125,
        "it would ask"
    );
}
