//! hold: names and containers of ours, so that images are not pruned. Under each shell.

use std::collections::BTreeSet;

use super::machine::{Machine, image_id, machines, tag, tag_lines};
use crate::host::scripts::Verb;
use crate::host::{HoldFacts, HoldRequest, HostError, Input, Tag, parse_hold};
use crate::model::{DeploymentName, Sha256Id};

fn ids(numbers: &[u8]) -> BTreeSet<Sha256Id> {
    let id = |n: &u8| Sha256Id::new(image_id(*n)).unwrap();
    numbers.iter().map(id).collect()
}

fn hold(
    m: &Machine,
    owner: &str,
    tag: Option<&Tag>,
    numbers: &[u8],
) -> Result<HoldFacts, HostError> {
    let input = tag.map(tag_lines).unwrap_or_default();
    let input = ids(numbers)
        .iter()
        .fold(input.text("owner", owner), |input, id| {
            input.text("image", id.as_str())
        });
    parse_hold(tag.map(|t| t.fence), &m.ask(Verb::Hold, input)?)
}

fn facts(held: &[u8], missing: &[u8], gone: &[u8], extra: &[u8]) -> HoldFacts {
    HoldFacts {
        held: ids(held),
        missing: ids(missing),
        gone: ids(gone),
        extra: ids(extra),
        why: Default::default(),
    }
}

#[test]
fn exactly_what_is_wanted_is_held_and_a_look_makes_nothing() {
    for m in machines() {
        m.set("gone", &format!("{}\n", image_id(9)));
        let seen = hold(&m, "dev", None, &[1, 2, 9]).unwrap();
        assert_eq!(seen, facts(&[], &[1, 2], &[9], &[]), "{}", m.shell);
        assert_eq!(m.calls(), Vec::<String>::new(), "{}", m.shell);
        assert!(!m.root().join("var/lib/geusemaker").exists());

        let seen = hold(&m, "dev", Some(&tag(1, 1)), &[1, 2, 9]).unwrap();
        assert_eq!(seen, facts(&[1, 2], &[], &[9], &[]), "{}", m.shell);
        let one = image_id(1);
        assert_eq!(
            m.calls()[..2],
            [
                format!(
                    "create [--name] [geusemaker-held-dev-010101010101] [--label] [geusemaker.held=dev] [--network] [none] [{one}] [geusemaker-held]"
                ),
                format!("tag [{one}] [geusemaker/held:dev-010101010101]"),
            ],
            "{}",
            m.shell
        );
        // The same once more, late: nothing is left to do.
        m.forget_calls();
        let again = hold(&m, "dev", Some(&tag(1, 1)), &[1, 2, 9]).unwrap();
        assert_eq!(again.held, ids(&[1, 2]));
        assert_eq!(m.calls(), Vec::<String>::new(), "{}", m.shell);

        // A newer list: what is not in it is let go.
        let seen = hold(&m, "dev", Some(&tag(1, 2)), &[2, 3]).unwrap();
        assert_eq!(seen, facts(&[2, 3], &[], &[], &[]), "{}", m.shell);
        assert!(
            !m.stub()
                .join("containers/geusemaker-held-dev-010101010101")
                .exists()
        );
        assert!(
            !m.stub()
                .join("images/geusemaker_held:dev-010101010101")
                .exists()
        );
        // A late one with the older list is refused.
        assert_eq!(
            hold(&m, "dev", Some(&tag(1, 1)), &[1]),
            Err(HostError::Fenced { ours: 1, seen: 1 }),
            "{}",
            m.shell
        );
    }
}

#[test]
fn what_was_half_made_or_half_taken_is_mended() {
    for m in machines() {
        hold(&m, "dev", Some(&tag(1, 1)), &[1, 2]).unwrap();
        let name = |n: u8| format!("dev-{}", format!("{n:02x}").repeat(6));
        fs_err::remove_file(m.stub().join(format!("images/geusemaker_held:{}", name(1)))).unwrap();
        fs_err::remove_dir_all(
            m.stub()
                .join(format!("containers/geusemaker-held-{}", name(2))),
        )
        .unwrap();
        let seen = hold(&m, "dev", None, &[1, 2]).unwrap();
        assert_eq!(seen, facts(&[], &[1, 2], &[], &[]), "{}", m.shell);
        let seen = hold(&m, "dev", Some(&tag(1, 2)), &[1, 2]).unwrap();
        assert_eq!(seen, facts(&[1, 2], &[], &[], &[]), "{}", m.shell);
    }
}

#[test]
fn two_deployments_on_one_host_leave_each_other_s() {
    for m in machines() {
        hold(&m, "dev", Some(&tag(1, 1)), &[1, 2]).unwrap();
        let other = hold(&m, "dev-two", Some(&tag(1, 2)), &[2]).unwrap();
        assert_eq!(other, facts(&[2], &[], &[], &[]), "{}", m.shell);
        let none = hold(&m, "dev-two", Some(&tag(1, 3)), &[]).unwrap();
        assert_eq!(none, HoldFacts::default(), "{}", m.shell);
        let first = hold(&m, "dev", None, &[1]).unwrap();
        assert_eq!(first, facts(&[1], &[], &[], &[2]), "{}", m.shell);
    }
}

/// Volumes of the image would be made and filled, and labels of Compose would make it a container of the project.
#[test]
fn a_container_that_holds_has_no_volumes_and_is_no_project_s() {
    for m in machines() {
        m.set(
            &format!("about.{}", image_id(7)),
            "L\nV /data\nV /with space\nV /odd:ro\n",
        );
        m.set(&format!("about.{}", image_id(8)), "V /other\n");
        hold(&m, "dev", Some(&tag(1, 1)), &[7]).unwrap();
        let call = m.calls()[0].clone();
        for part in [
            "[--label] [com.docker.compose.project=geusemaker-held] [--label] [com.docker.compose.service=]",
            "[--tmpfs] [/data] [--tmpfs] [/with space]",
        ] {
            assert!(call.contains(part), "{}: {call}", m.shell);
        }
        assert!(
            !call.contains("odd") && !call.contains("other"),
            "{}: {call}",
            m.shell
        );
    }
}

#[test]
fn what_docker_does_not_make_is_said_and_the_rest_is_held() {
    for m in machines() {
        // Somebody has a container of that name.
        let name = "geusemaker-held-dev-010101010101";
        m.container(name, 5, "exited", "no");
        let seen = hold(&m, "dev", Some(&tag(1, 1)), &[1, 2]).unwrap();
        assert_eq!(
            (seen.held, seen.missing),
            (ids(&[2]), ids(&[1])),
            "{}",
            m.shell
        );
        let why = seen.why.values().next().unwrap();
        assert!(why.contains("Conflict"), "{}: {why}", m.shell);
        assert!(m.stub().join("containers").join(name).exists());
    }
}

#[test]
fn a_docker_that_does_not_answer_is_not_taken_for_an_image_that_is_gone() {
    for m in machines() {
        m.set("fail/image", "Cannot connect to the Docker daemon\n");
        let error = hold(&m, "dev", Some(&tag(1, 1)), &[1])
            .unwrap_err()
            .to_string();
        assert!(error.contains("docker_failed"), "{}: {error}", m.shell);
        for (key, value) in [("owner", "a/b"), ("owner", ""), ("image", "sha256:x;y")] {
            let input = Input::new().text("owner", "dev").text(key, value);
            let error = m.ask(Verb::Hold, input).and_then(|d| parse_hold(None, &d));
            let error = error.unwrap_err().to_string();
            assert!(error.contains("bad_request"), "{}: {error}", m.shell);
        }
    }
}

#[test]
fn the_names_of_a_deployment_fit_a_tag_and_differ() {
    let owner = |name: String| {
        HoldRequest {
            deployment: DeploymentName::new(name).unwrap(),
            images: ids(&[]),
        }
        .owner()
    };
    assert_eq!(owner("my-dev-stack".into()), "my-dev-stack");
    let (a, b) = (
        owner(format!("{}a", "x".repeat(127))),
        owner(format!("{}b", "x".repeat(127))),
    );
    assert_ne!(a, b);
    assert!(a.len() <= 64 && b.len() <= 64);
}
