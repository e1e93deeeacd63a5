//! Boots that go wrong: the faults `boot:…`.

use serde::{Deserialize, Serialize};

use super::fault::Faults;

/// What can go wrong with a boot, and the code that says so.
pub const BOOT: [(&str, &str); 4] = [
    ("agent", "never"),
    ("checks", "impaired"),
    ("mount", "gone"),
    ("health", "unhealthy"),
];

/// What is wrong with the present boot. It is decided when the instance comes up and stays until the next boot, as on a
/// real machine: taking the fault back mends the next boot, not this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BadBoot {
    /// Its agent never comes online.
    pub agent: bool,
    /// Its instance status check fails.
    pub checks: bool,
    /// Its file system is not mounted.
    pub mount: bool,
    /// What starts in it never becomes healthy.
    pub health: bool,
}

impl BadBoot {
    /// A boot at this type: each fault that meets it is used up by one.
    pub fn strike(faults: &mut Faults, instance_type: &str) -> Self {
        let mut meets = |what: &str| {
            let key = format!("boot:{what}");
            faults.strike(&key, Some(instance_type)).is_some()
        };
        Self {
            agent: meets("agent"),
            checks: meets("checks"),
            mount: meets("mount"),
            health: meets("health"),
        }
    }

    /// What such a boot writes to the serial console, colours included, as a real one does.
    pub fn console(self) -> String {
        let lines = [
            (
                self.mount,
                "[\u{1b}[0;1;31mFAILED\u{1b}[0m] Failed to mount \u{1b}[0;1;39mmnt-efs.mount\u{1b}[0m.\r\n",
            ),
            (
                self.agent,
                "amazon-ssm-agent[412]: dial tcp 10.0.0.2:443: connect: network is unreachable\r\n",
            ),
            (
                self.checks,
                "[    3.141592] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n",
            ),
        ];
        let said = lines.into_iter().filter(|(wrong, _)| *wrong);
        said.map(|(_, line)| line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fault::Fault;

    #[test]
    fn a_boot_meets_the_faults_of_its_type_and_uses_them_up() {
        let add = |text: &str, times| Fault::parse(text, times).unwrap();
        let mut faults = Faults(vec![
            add("boot:agent@t3.large=never", Some(1)),
            add("boot:checks=impaired", None),
        ]);
        let medium = BadBoot::strike(&mut faults, "t3.medium");
        let checks = BadBoot {
            checks: true,
            ..BadBoot::default()
        };
        assert_eq!(medium, checks);
        let large = BadBoot::strike(&mut faults, "t3.large");
        assert!(large.agent && large.checks && !large.mount && !large.health);
        assert_eq!(BadBoot::strike(&mut faults, "t3.large"), checks);
        assert!(large.console().contains("Kernel panic"));
        assert_eq!(BadBoot::default().console(), "");
    }
}
