//! What comes from outside and means harm: any bytes for each reader, hostile names in every place that takes one.

mod arguments;
mod canary;
mod fields;
mod mutate;
mod on_a_stack;
mod run;
mod secrets;
mod seeds;
mod supply;

use run::run;

/// Every one of the hostile values, and not a spread of them, with `GEUSEMAKER_HOSTILE=all`.
const HOSTILE: &str = "GEUSEMAKER_HOSTILE";

/// Each so-manieth of the values, another share for each place; all of them where that is asked for.
fn spread<T>(names: &[T], place: usize, each: usize) -> impl Iterator<Item = &T> {
    let all = std::env::var(HOSTILE).is_ok_and(|all| all == "all");
    let each = if all { 1 } else { each };
    names.iter().skip(place % each).step_by(each)
}

#[test]
fn an_image_reference_of_any_bytes() {
    run("image");
}

#[test]
fn a_compose_file_of_any_bytes() {
    run("compose");
}

#[test]
fn an_output_of_a_script_of_any_bytes() {
    run("slice");
}

#[test]
fn a_host_s_document_of_any_bytes() {
    run("reply");
}

#[test]
fn a_deployment_s_document_of_any_bytes() {
    run("deployment");
}

#[test]
fn a_snapshot_of_any_bytes() {
    run("snapshot");
}

#[test]
fn a_journal_of_any_bytes() {
    run("journal");
}

#[test]
fn the_leases_of_an_account_of_any_bytes() {
    run("lease");
}

#[test]
fn a_lock_file_of_any_bytes() {
    run("holder");
}

#[test]
fn text_for_a_terminal_of_any_bytes() {
    run("console");
}

#[test]
fn a_reply_of_ec2_of_any_bytes() {
    run("wire_ec2");
}

#[test]
fn a_reply_of_systems_manager_of_any_bytes() {
    run("wire_ssm");
}

#[test]
fn a_reply_of_efs_of_any_bytes() {
    run("wire_efs");
}

#[test]
fn each_property_has_a_test_and_a_fuzz_target() {
    let here = include_str!("mod.rs");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, _) in crate::properties::ALL {
        assert!(here.contains(&format!("run(\"{name}\");")), "{name}");
        let target = root.join(format!("fuzz/targets/{name}.rs"));
        let text = fs_err::read_to_string(&target).expect("a fuzz target");
        assert!(
            text.contains(&format!("\"{name}\"")),
            "{}",
            target.display()
        );
        let manifest = fs_err::read_to_string(root.join("fuzz/Cargo.toml")).expect("a manifest");
        assert!(manifest.contains(&format!("targets/{name}.rs")), "{name}");
    }
}
