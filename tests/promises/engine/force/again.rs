//! A script is killed, and the controller sends it once more.

use std::collections::BTreeSet;

use geusemaker::host::{HostError, Job, JobState};
use geusemaker::model::{RestoreState, Sha256Id};

use super::{Before, GOOD, diagnosis, points, prepare, side_by_side, spread};
use crate::engine::direct::Direct;
use crate::engine::real::Real;

/// Sends it again as often as it was killed.
fn sent<T>(ask: impl Fn() -> Result<T, HostError>) -> T {
    for _ in 0..3 {
        match ask() {
            Err(HostError::Script { code, .. }) if code == "exit 137" => {}
            answer => return answer.unwrap_or_else(|e| panic!("{e}")),
        }
    }
    panic!("killed again and again");
}

/// Every verb that changes something, as an update and `check --fix` send them.
fn whole(real: &Real) {
    real.sh("rm -f /etc/systemd/system/docker.service.d/geusemaker-mount.conf; /usr/bin/systemctl daemon-reload");
    let direct = Direct::new(real, "op");
    let tag = direct.tag();
    let ordered = sent(|| direct.order(&tag));
    assert!(ordered.holds("mnt-efs.mount"), "{ordered:?}");
    let running: BTreeSet<Sha256Id> = direct.images();
    let fewer: BTreeSet<Sha256Id> = running.iter().skip(1).cloned().collect();
    for wanted in [running, fewer] {
        let tag = direct.tag();
        let seen = sent(|| direct.hold(&tag, &wanted));
        assert_eq!(seen.held, wanted, "{seen:?}");
        assert!(seen.extra.is_empty(), "{seen:?}");
        let held: BTreeSet<String> = real.held().into_iter().collect();
        assert_eq!(
            held,
            wanted.iter().map(|id| id.as_str().to_owned()).collect()
        );
    }
    let forward = direct.forward(GOOD);
    let tag = direct.tag();
    let armed = sent(|| direct.arm_as(&tag, &forward, 600));
    assert!(matches!(armed, RestoreState::Armed { .. }), "{armed:?}");
    let (tag, job) = (direct.tag(), Job::Apply(Box::new(forward)));
    let mut state = sent(|| direct.start(&tag, &job));
    while let JobState::Running(_) = state {
        std::thread::sleep(std::time::Duration::from_millis(50));
        state = sent(|| direct.poll(&tag));
    }
    assert_eq!(state, JobState::Done);
    let tag = direct.tag();
    let committed = sent(|| direct.commit(&tag));
    assert!(
        matches!(
            committed,
            RestoreState::Committed {
                by_itself: false,
                ..
            }
        ),
        "{committed:?}"
    );
    assert_eq!(
        real.sh("systemctl is-enabled geusemaker-restore.timer || :"),
        "disabled\n"
    );
}

pub fn scripts(real: &Real) {
    let before = Before::of(real);
    prepare(real);
    whole(real);
    let all = points(&real.effects(), "script", &["group"]);
    before.again(real);
    side_by_side(real, spread(all, 4), |real, point| {
        let before = Before::of(real);
        real.kill_at(&point);
        whole(real);
        assert!(real.comes_to_that(), "{point}\n{}", diagnosis(real));
        assert_eq!(before.ends(real, &point.to_string()), "new", "{point}");
        let half = real.sh("cd /var/lib/geusemaker; ls -A files ops/op lib | grep '^\\.' || :");
        assert!(
            half.lines().all(|name| matches!(name, ".new" | ".copy")),
            "{point}: {half}"
        );
        before.again(real);
    });
}
