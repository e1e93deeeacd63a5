//! The images to go back to are held, and let go.

use super::real::Real;

const TO_1_1: [&str; 2] = ["--image", "n8n=n8nio/n8n:1.1.0"];

fn rollback(real: &Real, code: i32) -> serde_json::Value {
    let words = ["rollback", "my-dev-stack", "--force"];
    real.sandbox.json(&words, code)
}

/// Before the first change, by a name and a container; nobody takes them for the stack's. A refused update leaves none;
/// a check finds what is not held, and makes it so.
pub fn held(real: &Real) {
    let mut ran: Vec<String> = real.containers().into_iter().map(|c| c.image_id).collect();
    ran.sort();
    assert_eq!(real.held(), Vec::<String>::new());
    real.update(&["--image", "n8n=127.0.0.1:5000/n8nio/n8n:9.9.9"], 3);
    assert_eq!(
        real.held(),
        Vec::<String>::new(),
        "a refused one leaves none"
    );

    real.update(&TO_1_1, 0);
    assert_eq!(real.held(), ran, "what ran before");
    let status = real.sandbox.json(&["status", "my-dev-stack"], 0);
    assert!(!status.to_string().contains("geusemaker-held"), "{status}");
    let compose =
        "cd /opt/geusemaker/runtime && docker compose -p geusemaker --env-file runtime.env";
    let all = real.sh(&format!("{compose} ps -aq | wc -l"));
    assert_eq!(all.trim(), "5");
    let up = real.sh(&format!("{compose} up -d --pull never 2>&1"));
    assert!(!up.contains("orphan"), "{up}");

    // By a power-off and boot nothing of it changes, and none comes up.
    let containers =
        "docker ps -a --filter label=geusemaker.held --format '{{.Names}} {{.Status}}'";
    let made = real.sh(containers);
    assert!(made.lines().all(|l| l.ends_with(" Created")), "{made}");

    let check = |status: &str| {
        let checked = real.sandbox.json(&["check", "my-dev-stack"], 0);
        let checks = checked["data"]["plan"]["checks"]
            .as_array()
            .unwrap()
            .clone();
        let one = checks
            .iter()
            .find(|c| c["name"] == "images_held")
            .unwrap()
            .clone();
        assert_eq!(one["status"], status, "{one}");
    };
    check("ok");
    real.sh("docker container prune -f");
    check("warn");
    let fixed = real
        .sandbox
        .json(&["check", "my-dev-stack", "--fix", "--force"], 0);
    assert_eq!(
        fixed["data"]["images_held"].as_array().unwrap().len(),
        5,
        "{fixed}"
    );
    check("ok");
    assert_eq!(real.held(), ran);
}

/// Other bits under the same tag, and the registry has the old ones no more; nor has the host, but for what is held.
pub fn moved_and_lost(real: &Real) {
    real.own_registry();
    let was = real.container("n8n");
    let file = real.compose();
    let digest =
        real.sh("docker image inspect --format '{{index .RepoDigests 0}}' n8nio/n8n:1.0.0");
    real.sh("docker pull -q 127.0.0.1:5000/n8nio/n8n:1.1.0 && docker tag 127.0.0.1:5000/n8nio/n8n:1.1.0 127.0.0.1:5000/n8nio/n8n:1.0.0 && docker push -q 127.0.0.1:5000/n8nio/n8n:1.0.0 && docker rmi 127.0.0.1:5000/n8nio/n8n:1.1.0 127.0.0.1:5000/n8nio/n8n:1.0.0");
    let moved = real.update(&["--image", "n8n=n8nio/n8n:1.0.0"], 0);
    assert!(
        moved
            .to_string()
            .contains("the tag means another image now"),
        "{moved}"
    );
    assert_ne!(real.container("n8n").image_id, was.image_id);

    let old = digest.trim().rsplit(':').next().unwrap();
    let config = was.image_id.trim_start_matches("sha256:");
    let store = "/var/lib/docker-registry/docker/registry/v2";
    real.sh(&format!(
        "systemctl stop registry; rm -r {store}/repositories/n8nio/n8n/_manifests/revisions/sha256/{old} {store}/blobs/sha256/*/{old} {store}/blobs/sha256/*/{config}; systemctl start registry"
    ));
    real.registry_answers();
    assert!(
        real.try_sh(&format!(
            "docker pull -q 127.0.0.1:5000/n8nio/n8n@sha256:{old}"
        ))
        .is_none()
    );
    real.sh("docker image prune -a -f");
    let back = rollback(real, 0);
    assert_eq!(back["outcome"], "rolled_back_as_asked", "{back}");
    let is = real.container("n8n");
    assert_eq!(
        (&is.image_id, &is.image, &is.state),
        (&was.image_id, &was.image, &was.state)
    );
    assert_eq!(real.compose(), file);
}

/// With the registry down, so that nothing could be pulled.
pub fn image_prune(real: &Real) {
    let was = real.container("n8n");
    real.update(&TO_1_1, 0);
    real.sh("systemctl stop registry; docker image prune -a -f");
    let back = rollback(real, 0);
    assert_eq!(back["outcome"], "rolled_back_as_asked", "{back}");
    let is = real.container("n8n");
    assert_eq!((is.image_id, is.state), (was.image_id, was.state));
}

/// It takes stopped containers, and so what they hold: a stated limit. Without a registry the rollback is refused with
/// nothing changed; with one it pulls by digest, although the tag has moved.
pub fn system_prune(real: &Real) {
    real.own_registry();
    let was = real.container("n8n");
    real.update(&TO_1_1, 0);
    real.sh("docker system prune -a -f");
    // The reference means other bits by now.
    real.sh("docker tag n8nio/n8n:1.1.0 127.0.0.1:5000/n8nio/n8n:1.0.0 && docker push -q 127.0.0.1:5000/n8nio/n8n:1.0.0 && docker rmi 127.0.0.1:5000/n8nio/n8n:1.0.0");
    let (now, file) = (real.containers(), real.compose());

    real.sh("systemctl stop registry");
    let refused = rollback(real, 3);
    assert_eq!(refused["outcome"], "refused", "{refused}");
    let said = refused.to_string();
    assert!(said.contains("n8nio/n8n"), "{said}");
    assert_eq!(real.containers(), now);
    assert_eq!(real.compose(), file);

    real.sh("systemctl start registry");
    real.registry_answers();
    let back = rollback(real, 0);
    assert_eq!(back["outcome"], "rolled_back_as_asked", "{back}");
    assert_eq!(real.container("n8n").image_id, was.image_id);
}
