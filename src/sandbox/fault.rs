//! Faults that the user adds: `sandbox fault add CALL=CODE [--times N|always]`.

use serde::{Deserialize, Serialize};

/// The faults in force, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults(pub Vec<Fault>);

/// One fault: what it meets, and what it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// `ec2:StartInstances`, `mount`, `pull:REF`, `health:SERVICE@REF`.
    pub key: String,
    /// The instance type it is limited to (`ec2:StartInstances@t3.large`), where it is.
    pub instance_type: Option<String>,
    /// An AWS error code, or `gone|other|readonly|hang`, `missing`, `unhealthy`.
    pub code: String,
    /// How often it still strikes; None is always.
    pub times: Option<u32>,
}

impl Faults {
    /// The code of the first fault that meets this key (and type); it is used up by one.
    pub fn strike(&mut self, key: &str, instance_type: Option<&str>) -> Option<String> {
        let at = self.position(key, instance_type)?;
        let fault = &mut self.0[at];
        let code = fault.code.clone();
        if let Some(times) = &mut fault.times {
            *times -= 1;
            if *times == 0 {
                self.0.remove(at);
            }
        }
        Some(code)
    }

    /// The code of the first fault that meets this key; nothing is used up.
    pub fn active(&self, key: &str) -> Option<&str> {
        self.position(key, None).map(|at| self.0[at].code.as_str())
    }

    fn position(&self, key: &str, instance_type: Option<&str>) -> Option<usize> {
        self.0.iter().position(|f| {
            f.key == key
                && f.times != Some(0)
                && (f.instance_type.is_none() || f.instance_type.as_deref() == instance_type)
        })
    }
}
