//! The unit files that this host's systemd runs: one timer and its service, and of their settings a closed list.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::files::HostFiles;

/// The only timer.
pub const TIMER: &str = "geusemaker-restore.timer";
/// What it starts.
pub const SERVICE: &str = "geusemaker-restore.service";
/// Where both are.
const FOLDER: &str = "/etc/systemd/system";

/// The pair, as it was read last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimerUnit {
    /// `OnActiveSec=`: after the timer was started.
    pub on_active: Option<SignedDuration>,
    /// `OnBootSec=`: after the boot.
    pub on_boot: Option<SignedDuration>,
    /// `OnUnitInactiveSec=`: after the service ended last.
    pub on_unit_inactive: Option<SignedDuration>,
    /// Whether `[Install]` says where it belongs; without that nothing can be enabled.
    pub wanted: bool,
    /// The service's `ExecStart=`.
    pub exec: Vec<String>,
    /// The service's `TimeoutStartSec=`.
    pub limit: Option<SignedDuration>,
    /// The service's `KillMode=process`: what its main process leaves behind lives on.
    pub spares_children: bool,
}

/// Reads the pair from the host's folder; None where there is no timer.
///
/// # Errors
/// A setting that this systemd does not know, or whose value it cannot read.
pub fn load(files: &dyn HostFiles) -> Result<Option<TimerUnit>, String> {
    let Ok(timer) = files.read(&format!("{FOLDER}/{TIMER}")) else {
        return Ok(None);
    };
    let mut unit = TimerUnit::default();
    for (section, key, value) in settings(TIMER, &timer)? {
        let unknown = || strange(TIMER, section, key, value);
        let after = || span(value).map(Some).ok_or_else(unknown);
        match (section, key) {
            ("Timer", "OnActiveSec") => unit.on_active = after()?,
            ("Timer", "OnBootSec") => unit.on_boot = after()?,
            ("Timer", "OnUnitInactiveSec") => unit.on_unit_inactive = after()?,
            ("Timer", "AccuracySec" | "RandomizedDelaySec") => _ = after()?,
            ("Timer", "Unit") if value == SERVICE => {}
            ("Install", "WantedBy") => unit.wanted = true,
            ("Unit", "Description" | "Documentation" | "After") => {}
            _ => return Err(unknown()),
        }
    }
    let Ok(service) = files.read(&format!("{FOLDER}/{SERVICE}")) else {
        return Ok(Some(unit));
    };
    for (section, key, value) in settings(SERVICE, &service)? {
        let unknown = || strange(SERVICE, section, key, value);
        match (section, key) {
            ("Service", "ExecStart") if unit.exec.is_empty() => {
                unit.exec = words(value).ok_or_else(unknown)?;
            }
            ("Service", "Type") if value == "oneshot" => {}
            ("Service", "TimeoutStartSec") if value == "infinity" => unit.limit = None,
            ("Service", "TimeoutStartSec") => unit.limit = Some(span(value).ok_or_else(unknown)?),
            ("Service", "KillMode") if value == "process" => unit.spares_children = true,
            ("Service", "KillMode") if value == "control-group" => unit.spares_children = false,
            ("Service", "StandardInput") if value == "null" => {}
            ("Service", "StandardOutput" | "StandardError") if value == "journal" => {}
            ("Unit", "Description" | "Documentation" | "After") => {}
            _ => return Err(unknown()),
        }
    }
    Ok(Some(unit))
}

fn strange(unit: &str, section: &str, key: &str, value: &str) -> String {
    format!("{unit}: this sandbox's systemd does not know [{section}] {key}={value}")
}

/// Section, key and value of each setting.
fn settings<'a>(unit: &str, text: &'a str) -> Result<Vec<(&'a str, &'a str, &'a str)>, String> {
    let mut section = "";
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name;
            continue;
        }
        match line.split_once('=') {
            Some((key, value)) if !line.ends_with('\\') => {
                found.push((section, key.trim_end(), value.trim_start()));
            }
            _ => {
                return Err(format!(
                    "{unit}: this sandbox's systemd does not know the line: {line}"
                ));
            }
        }
    }
    Ok(found)
}

/// The words of a command line without quotes, variables, specifiers and prefixes.
fn words(line: &str) -> Option<Vec<String>> {
    let plain = line.starts_with('/') && !line.contains(['"', '\'', '\\', '$', '%', ';']);
    plain.then(|| line.split_whitespace().map(str::to_owned).collect())
}

/// A time span of systemd's: `15s`, `1min 30s`, `500ms`; a bare number is seconds.
fn span(text: &str) -> Option<SignedDuration> {
    let mut sum = SignedDuration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (word, after) = after.split_at(letters);
        let ms: i64 = match word {
            "ms" | "msec" => 1,
            "" | "s" | "sec" | "second" | "seconds" => 1000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "h" | "hr" | "hour" | "hours" => 3_600_000,
            _ => return None,
        };
        let ms = number.parse::<i64>().ok()?.checked_mul(ms)?;
        sum = sum.checked_add(SignedDuration::from_millis(ms))?;
        rest = after.trim_start();
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::host::MemoryFiles;

    fn files(timer: &str, service: &str) -> MemoryFiles {
        let mut files = MemoryFiles::default();
        for (name, text) in [(TIMER, timer), (SERVICE, service)] {
            files.write(&format!("{FOLDER}/{name}"), text).unwrap();
        }
        files
    }

    #[test]
    fn time_spans_are_systemd_s() {
        for (text, ms) in [
            ("15s", Some(15_000)),
            ("15", Some(15_000)),
            ("1min 30s", Some(90_000)),
            ("1h2min3sec4ms", Some(3_723_004)),
            ("500 ms", Some(500)),
            ("", None),
            ("s", None),
            ("1.5s", None),
            ("1 fortnight", None),
            ("99999999999999999h", None),
        ] {
            let found = span(text).map(|d| d.as_millis());
            assert_eq!(found, ms, "{text}");
        }
    }

    #[test]
    fn the_pair_is_read_and_what_is_not_known_is_named() {
        assert_eq!(load(&MemoryFiles::default()), Ok(None));
        let timer = "# ours\n[Unit]\nDescription=x\n\n[Timer]\nOnBootSec=20s\nOnActiveSec=15s\n\
            OnUnitInactiveSec=1min\nAccuracySec=1s\n[Install]\nWantedBy=timers.target\n";
        let service = "[Unit]\nAfter=docker.service\n[Service]\nType=oneshot\n\
            ExecStart=/bin/sh /var/lib/x/restore.sh tick\n";
        let unit = load(&files(timer, service)).unwrap().unwrap();
        assert_eq!(unit.exec, ["/bin/sh", "/var/lib/x/restore.sh", "tick"]);
        let spans = [unit.on_active, unit.on_boot, unit.on_unit_inactive];
        assert_eq!(
            spans,
            [15, 20, 60].map(|s| Some(SignedDuration::from_secs(s)))
        );
        assert!(unit.wanted && !unit.spares_children);
        for (timer, service, named) in [
            ("[Timer]\nOnCalendar=daily\n", "", "OnCalendar=daily"),
            ("[Timer]\nOnBootSec=soon\n", "", "OnBootSec=soon"),
            ("[Timer]\nUnit=ssh.service\n", "", "Unit=ssh.service"),
            ("[Timer]\nOnBootSec\n", "", "the line: OnBootSec"),
            (
                "",
                "[Service]\nExecStart=-/bin/sh x\n",
                "ExecStart=-/bin/sh x",
            ),
            ("", "[Service]\nExecStart=/bin/echo $HOME\n", "$HOME"),
            (
                "",
                "[Service]\nExecStart=/bin/a\nExecStart=/bin/b\n",
                "ExecStart=/bin/b",
            ),
            ("", "[Service]\nUser=nobody\n", "User=nobody"),
        ] {
            let why = load(&files(timer, service)).unwrap_err();
            assert!(why.contains(named), "{why}");
        }
    }
}
