//! The power goes at a step, and comes back.

use std::time::{Duration, Instant};

use super::{Before, Begun, diagnosis, expire, judged, points, prepare, side_by_side, spread};
use crate::engine::power::off_and_on;
use crate::engine::real::Real;

/// The plug is pulled, or the instance powers off in good order; then it is started again, and nobody else comes.
pub fn power(real: &Real) {
    let before = Before::of(real);
    prepare(real);
    Begun::Apply.runs(real);
    judged(real, "nothing");
    let effects = real.effects();
    before.again(real);
    let all = points(&effects, "apply", &["plug", "off"]);
    side_by_side(real, spread(all, 2), |real, point| {
        let before = Before::of(real);
        let at = point.to_string();
        real.kill_at(&point);
        Begun::Apply.begins(real);
        assert!(real.comes_to_that(), "{at}\n{}", diagnosis(real));
        real.up(&[if point.how == "plug" { "kill" } else { "off" }]);
        off_and_on(real);
        counts_anew(real, &at);
        expire(real);
        judged(real, &at);
        before.ends(real, &at);
        let left = real.sh("ls /var/lib/geusemaker/policies 2>/dev/null || :");
        assert_eq!(left, "", "{at}");
        before.again(real);
    });
}

/// After a boot the host waits the whole time again; it has said so in its state.
fn counts_anew(real: &Real, at: &str) {
    let boot = real.sh("cat /proc/sys/kernel/random/boot_id");
    let begun = Instant::now();
    loop {
        let state = real.read("/var/lib/geusemaker/restore/state");
        if !state.starts_with("armed") || state.trim_end().ends_with(boot.trim_end()) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{at}: {state}\n{}",
            diagnosis(real)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}
