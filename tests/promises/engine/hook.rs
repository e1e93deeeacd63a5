//! Kills a script or a job of ours on a real instance at a call that is named beforehand.

use std::process::Command;

use super::proxy::{self, Phase};
use super::real::Real;

const HOOK: &str = include_str!("hook.sh");
const HOOKED: [&str; 5] = ["docker", "mv", "ln", "systemctl", "systemd-run"];

/// Where somebody is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Who, and at its which call: `apply 3`.
    pub call: String,
    /// `before`, `after`; or `request N before|after`, at a request of that call to the engine.
    pub phase: String,
    /// `group`, or `unit`: all of the systemd unit; `engine`: nobody is killed, the engine is restarted; `plug` and `off`:
    /// the power goes.
    pub how: &'static str,
}

impl Point {
    pub fn new(call: &str, phase: &str, how: &'static str) -> Self {
        Self {
            call: call.to_owned(),
            phase: phase.to_owned(),
            how,
        }
    }
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}, the {}", self.call, self.phase, self.how)
    }
}

impl Real {
    /// Puts it in front of the programs that have an effect, on the path of scripts and jobs.
    pub fn hook(&self) {
        let to = "/usr/local/sbin";
        self.write(&format!("{to}/.hook"), HOOK);
        let links = HOOKED.map(|name| format!("ln -sf .hook {to}/{name};"));
        self.sh(&format!("chmod 755 {to}/.hook; {}", links.concat()));
        self.forget();
    }

    /// As if no script of ours had ever been here; the containers of the stack stay.
    pub fn forget(&self) {
        self.sh(
            "/usr/bin/systemctl disable --now geusemaker-restore.timer 2>/dev/null
            /usr/bin/docker ps -aq --filter label=geusemaker.held | xargs -r /usr/bin/docker rm -v >/dev/null
            /usr/bin/docker image ls --format '{{.Repository}}:{{.Tag}}' geusemaker/held | xargs -r /usr/bin/docker rmi >/dev/null
            rm -rf /var/lib/geusemaker /srv/force /etc/systemd/system/geusemaker-restore.*
            /usr/bin/systemctl daemon-reload; mkdir /srv/force",
        );
    }

    /// Only the count begins anew.
    pub fn count_anew(&self) {
        self.sh("rm -rf /srv/force; mkdir /srv/force");
    }

    /// Names the point.
    pub fn kill_at(&self, point: &Point) {
        let words: Vec<&str> = point.phase.split(' ').collect();
        if let ["request", at, phase] = words[..] {
            let phase = match phase {
                "before" => Phase::Before,
                _ => Phase::After,
            };
            self.proxy(at.parse().unwrap(), phase, point.how);
        }
        let at = format!("{} {} {}\n", point.call, words[0], point.how);
        self.write("/srv/force/at", &at);
    }

    fn proxy(&self, at: usize, phase: Phase, how: &'static str) {
        let root = self.root();
        let host = self.host().to_owned();
        let kill = move || {
            let said = how;
            let how = match how {
                "unit" => {
                    "unit=$(sed -n 's,.*/\\(geusemaker-[^/]*\\.service\\)$,\\1,p' /proc/$group/cgroup | head -n 1); if [ -n \"$unit\" ]; then systemctl kill -s KILL --kill-who=all \"$unit\"; else kill -s KILL -- -$group; fi"
                }
                "engine" => "systemctl restart docker",
                // Who struck takes the power away.
                "plug" | "off" => "echo struck power >>/srv/force/log; sleep 600",
                _ => "kill -s KILL -- -$group",
            };
            let script = format!(
                "read -r group </srv/force/group; {how}; echo struck {said} >>/srv/force/log"
            );
            let _ = Command::new(super::real::UP)
                .arg(&host)
                .args(["run", "/bin/sh", "-c", &script])
                .status();
        };
        proxy::listen(
            &root.join("srv/force/docker.sock"),
            &root.join("run/docker.sock"),
            at,
            phase,
            Box::new(kill),
        );
    }

    /// What was done with effect since it was forgotten.
    pub fn effects(&self) -> Vec<String> {
        let log = self.read("/srv/force/log");
        log.lines().map(str::to_owned).collect()
    }

    /// Waits until it has come to that: the last steps of somebody come after all is said.
    pub fn comes_to_that(&self) -> bool {
        let begun = std::time::Instant::now();
        while !self.was_struck() && begun.elapsed() < std::time::Duration::from_secs(20) {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        self.was_struck()
    }

    /// Whether somebody was killed, and will not come to an end.
    pub fn is_cut_off(&self) -> bool {
        let cut_off = |line: &String| line.starts_with("struck") && line != "struck engine";
        self.effects().iter().any(cut_off)
    }

    /// Whether it has come to that.
    pub fn was_struck(&self) -> bool {
        self.effects().iter().any(|line| line.starts_with("struck"))
    }
}
