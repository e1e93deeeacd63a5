use super::NAME;
use crate::model::{HostView, Observed, Purpose, Secret, SnapshotId};
use crate::plan::CheckStatus;
use crate::plan::fixtures::*;
use crate::plan::rules::check;

const UPDATE: &[(&str, &str)] = &[("n8n", "n8nio/n8n:1.20.0")];

/// The healthy stack with these keys in crawl4ai, and this Compose.
fn seen(keys: &str, compose: &str) -> Observed {
    let mut seen = observed();
    let HostView::Up(host) = &mut seen.host else {
        panic!("it is up");
    };
    host.compose = Some(compose.into());
    let at = "    image: unclecode/crawl4ai:0.3.74\n";
    assert!(COMPOSE.contains(at));
    let text = COMPOSE.replace(at, &format!("{at}{keys}"));
    host.projects[0].text = Some(Secret::new(text));
    seen
}

/// What the rule refuses: found, and help.
fn refused(seen: &Observed, images: &[(&str, &str)]) -> Vec<(String, String)> {
    let checks = check(seen, &desired_update(None, images), &deployment());
    let ours = checks.into_iter().filter(|c| c.name == NAME);
    ours.map(|c| {
        assert_eq!(c.status, CheckStatus::Refuse, "{c:?}");
        (c.found, c.help)
    })
    .collect()
}

#[test]
fn an_image_of_a_service_in_whose_namespace_others_live_is_refused() {
    let n8n = sha256_hex("container n8n");
    for (keys, found) in [
        ("    network_mode: service:n8n\n", "crawl4ai.network_mode"),
        (
            "    ipc: service:n8n\n    pid: \"service:n8n\"\n",
            "crawl4ai.ipc, crawl4ai.pid",
        ),
        ("    network_mode: container:n8n\n", "crawl4ai.network_mode"),
        (&format!("    pid: container:{n8n}\n"), "crawl4ai.pid"),
    ] {
        let seen = seen(keys, "2.29.7");
        let all = refused(&seen, UPDATE);
        assert_eq!(all.len(), 1, "{keys}");
        assert_eq!(all[0].0, found);
        assert!(
            all[0].1.contains("--force-recreate crawl4ai`"),
            "{}",
            all[0].1
        );
        // Also where both are made anew: a way back that begins in between would keep what has lost its namespace.
        let both = [UPDATE[0], ("crawl4ai", "unclecode/crawl4ai:0.4.0")];
        assert_eq!(refused(&seen, &both).len(), 1, "{keys}");
        // It keeps its own, and so do the others.
        assert_eq!(refused(&seen, &both[1..]), []);
        assert_eq!(refused(&seen, &[("qdrant", "qdrant/qdrant:v1.12.0")]), []);
        assert_eq!(refused(&seen, &[("n8n", "n8nio/n8n:1.19.0")]), []);
    }
    for keys in [
        "",
        "    network_mode: host\n",
        "    network_mode: service:qdrant\n",
        "    pid: container:elsewhere\n",
    ] {
        assert_eq!(refused(&seen(keys, "2.29.7"), UPDATE), [], "{keys}");
    }
}

#[test]
fn who_has_no_container_loses_no_namespace() {
    let mut seen = seen("    network_mode: service:n8n\n", "2.29.7");
    let HostView::Up(host) = &mut seen.host else {
        panic!("it is up");
    };
    // One that is stopped could not be started again.
    host.projects[0].containers[3].status = "exited".into();
    assert_eq!(refused(&seen, UPDATE).len(), 1);
    let HostView::Up(host) = &mut seen.host else {
        panic!("it is up");
    };
    host.projects[0].containers.remove(3);
    assert_eq!(refused(&seen, UPDATE), []);
}

#[test]
fn a_rollback_that_leaves_the_owner_alone_is_not_refused() {
    let seen = seen("    network_mode: service:n8n\n", "2.29.7");
    let names = |wanted: &str| {
        let mut desired = desired_update(None, &[("n8n", "n8nio/n8n:1.19.0")]);
        desired.purpose = Purpose::Rollback {
            to: SnapshotId::new("s").expect("an id"),
            green: vec![],
        };
        for want in desired.images.values_mut() {
            want.id = Some(image_id(wanted));
        }
        let checks = check(&seen, &desired, &deployment());
        checks.iter().filter(|c| c.name == NAME).count()
    };
    assert_eq!(names("n8nio/n8n:1.19.0"), 0);
    assert_eq!(names("n8nio/n8n:1.18.0"), 1);
}

#[test]
fn a_compose_that_loses_the_namespace_makes_nobody_anew_in_it() {
    let guest = [("crawl4ai", "unclecode/crawl4ai:0.4.0")];
    for (version, count) in [
        ("2.21.0", 1),
        ("v2.25.1", 1),
        ("2.26.1-4", 0),
        ("5.2.0", 0),
        ("odd", 1),
    ] {
        let seen = seen("    network_mode: service:n8n\n", version);
        assert_eq!(refused(&seen, &guest).len(), count, "{version}");
    }
    // By the name of a container nothing is looked up.
    let seen = seen("    network_mode: container:n8n\n", "2.21.0");
    assert_eq!(refused(&seen, &guest), []);
}
