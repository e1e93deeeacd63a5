//! Faults that the user adds: `sandbox fault add CALL=CODE [--times N|always]`.

use serde::{Deserialize, Serialize};

use super::boot::BOOT;
use super::{catalog, wire};
use crate::model::{ImageRef, InstanceType, ServiceName};

/// The faults in force, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults(pub Vec<Fault>);

/// One fault: what it meets, and what it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// `ec2:StartInstances`, `mount`, `boot:agent`, `pull:REF`, `health:SERVICE@REF`.
    pub key: String,
    /// The instance type it is limited to (`ec2:StartInstances@t3.large`), where it is.
    pub instance_type: Option<String>,
    /// An AWS error code, or `gone|other|readonly|hang`, `missing`, `unhealthy`, or one of [`BOOT`].
    pub code: String,
    /// How often it still strikes; None is always.
    pub times: Option<u32>,
}

impl Faults {
    /// The code of the first fault that meets this key (and type); it is used up by one.
    pub fn strike(&mut self, key: &str, instance_type: Option<&str>) -> Option<String> {
        self.strike_if(key, instance_type, |_| true)
    }

    /// [`strike`](Self::strike), by the first fault whose code also passes.
    pub fn strike_if(
        &mut self,
        key: &str,
        instance_type: Option<&str>,
        meets: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let at = self.position(key, instance_type, meets)?;
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
        self.position(key, None, |_| true)
            .map(|at| self.0[at].code.as_str())
    }

    /// Whether the first fault with this key strikes a limited number of times.
    pub fn counted(&self, key: &str) -> bool {
        self.0
            .iter()
            .find(|f| f.key == key)
            .is_some_and(|f| f.times.is_some())
    }

    fn position(
        &self,
        key: &str,
        instance_type: Option<&str>,
        meets: impl Fn(&str) -> bool,
    ) -> Option<usize> {
        self.0.iter().position(|f| {
            f.key == key
                && f.times != Some(0)
                && meets(&f.code)
                && (f.instance_type.is_none() || f.instance_type.as_deref() == instance_type)
        })
    }
}

/// A text that is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is no fault: expected {expected}, found {found}",
    crate::model::quoted(text)
)]
pub struct BadFault {
    /// The text.
    pub text: String,
    /// What would be right.
    pub expected: String,
    /// What is wrong.
    pub found: String,
}

/// The ways a mount can be wrong.
const MOUNT: [&str; 4] = ["gone", "other", "readonly", "hang"];

impl Fault {
    /// Reads `CALL=CODE`, as in `ec2:StartInstances@t3.large=InsufficientInstanceCapacity`,
    /// `efs:DescribeFileSystems=ThrottlingException`, `mount:gone`, `boot:agent@t3.large=never`, `pull:REF=missing`,
    /// `health:SERVICE@REF=unhealthy`. It splits at the last `=`. `times` None is always.
    ///
    /// # Errors
    /// [`BadFault`] for a call that the sandbox does not serve, a type that does not exist, or what cannot be
    /// a code, a reference or a service.
    pub fn parse(text: &str, times: Option<u32>) -> Result<Self, BadFault> {
        let bad = |expected: &str, found: &str| BadFault {
            text: text.to_owned(),
            expected: expected.to_owned(),
            found: crate::model::quoted(found),
        };
        if times == Some(0) {
            return Err(bad("at least one time", "0"));
        }
        let fault = |key: String, instance_type: Option<String>, code: &str| Self {
            key,
            instance_type,
            code: code.to_owned(),
            times,
        };
        let Some((kind, rest)) = text.split_once(':') else {
            return Err(bad(
                "one of ec2:, ssm:, efs:, sts:, autoscaling:, mount:, boot:, pull:, health:",
                text,
            ));
        };
        if kind == "mount" {
            return match MOUNT.contains(&rest) {
                true => Ok(fault("mount".into(), None, rest)),
                false => Err(bad(
                    "mount:gone, mount:other, mount:readonly or mount:hang",
                    rest,
                )),
            };
        }
        let Some((target, code)) = rest.rsplit_once('=') else {
            return Err(bad("CALL=CODE", rest));
        };
        match kind {
            "ec2" | "ssm" | "efs" | "elasticfilesystem" | "sts" | "autoscaling" => {
                let (action, only) = match target.split_once('@') {
                    Some((action, only)) => (action, Some(only)),
                    None => (target, None),
                };
                let service = if kind == "efs" {
                    "elasticfilesystem"
                } else {
                    kind
                };
                let call = format!("{service}:{action}");
                if !wire::serves(&call) {
                    return Err(bad("a call that the sandbox serves", action));
                }
                if only.is_some() && !matches!(service, "ec2" | "ssm") {
                    return Err(bad(
                        "no instance type (only ec2: and ssm: calls have one)",
                        target,
                    ));
                }
                if let Some(only) = only.filter(|only| !is_type(only)) {
                    return Err(bad("an instance type that exists", only));
                }
                if !is_code(code) {
                    return Err(bad(
                        "an error code such as InsufficientInstanceCapacity",
                        code,
                    ));
                }
                Ok(fault(call, only.map(str::to_owned), code))
            }
            "boot" => {
                let (what, only) = match target.split_once('@') {
                    Some((what, only)) => (what, Some(only)),
                    None => (target, None),
                };
                if !BOOT.contains(&(what, code)) {
                    let known = BOOT.map(|(what, code)| format!("boot:{what}={code}"));
                    return Err(bad(&known.join(", "), rest));
                }
                if let Some(only) = only.filter(|only| !is_type(only)) {
                    return Err(bad("an instance type that exists", only));
                }
                Ok(fault(format!("boot:{what}"), only.map(str::to_owned), code))
            }
            "pull" => {
                if ImageRef::new(target).is_err() {
                    return Err(bad("an image reference after pull:", target));
                }
                if !matches!(code, "missing" | "unreachable") {
                    return Err(bad("pull:REF=missing or pull:REF=unreachable", code));
                }
                Ok(fault(format!("pull:{target}"), None, code))
            }
            "health" => {
                let Some((service, reference)) = target.split_once('@') else {
                    return Err(bad("health:SERVICE@REF=unhealthy", target));
                };
                if ServiceName::new(service).is_err() {
                    return Err(bad("a service before the '@'", service));
                }
                if ImageRef::new(reference).is_err() {
                    return Err(bad("an image reference after the '@'", reference));
                }
                if code != "unhealthy" {
                    return Err(bad("health:SERVICE@REF=unhealthy", code));
                }
                Ok(fault(format!("health:{target}"), None, code))
            }
            other => Err(bad(
                "one of ec2:, ssm:, efs:, sts:, autoscaling:, mount:, boot:, pull:, health:",
                other,
            )),
        }
    }
}

/// Whether this type is in the catalogue.
fn is_type(name: &str) -> bool {
    InstanceType::new(name).is_ok() && catalog::find(name).is_some()
}

/// Whether this can be an error code of AWS: `InvalidInstanceID.NotFound`.
fn is_code(text: &str) -> bool {
    text.len() <= 100
        && text.bytes().next().is_some_and(|b| b.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_fault() {
        for (text, key, kind, code) in [
            (
                "ec2:StartInstances=InsufficientInstanceCapacity",
                "ec2:StartInstances",
                None,
                "InsufficientInstanceCapacity",
            ),
            (
                "ec2:StartInstances@t3.large=VcpuLimitExceeded",
                "ec2:StartInstances",
                Some("t3.large"),
                "VcpuLimitExceeded",
            ),
            (
                "ec2:StartInstances=Server.InternalError",
                "ec2:StartInstances",
                None,
                "Server.InternalError",
            ),
            (
                "ssm:SendCommand=InvalidInstanceId",
                "ssm:SendCommand",
                None,
                "InvalidInstanceId",
            ),
            (
                "efs:DescribeFileSystems=FileSystemNotFound",
                "elasticfilesystem:DescribeFileSystems",
                None,
                "FileSystemNotFound",
            ),
            (
                "elasticfilesystem:DescribeMountTargets=X",
                "elasticfilesystem:DescribeMountTargets",
                None,
                "X",
            ),
            (
                "sts:GetCallerIdentity=ExpiredToken",
                "sts:GetCallerIdentity",
                None,
                "ExpiredToken",
            ),
            ("mount:hang", "mount", None, "hang"),
            (
                "boot:agent@t3.large=never",
                "boot:agent",
                Some("t3.large"),
                "never",
            ),
            ("boot:health=unhealthy", "boot:health", None, "unhealthy"),
            (
                "pull:n8nio/n8n:9.9.9=missing",
                "pull:n8nio/n8n:9.9.9",
                None,
                "missing",
            ),
            (
                "health:n8n@n8nio/n8n:1.21.0=unhealthy",
                "health:n8n@n8nio/n8n:1.21.0",
                None,
                "unhealthy",
            ),
            (
                "health:n8n@localhost:5000/n8n@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef=unhealthy",
                "health:n8n@localhost:5000/n8n@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                None,
                "unhealthy",
            ),
        ] {
            let fault = Fault::parse(text, Some(2)).unwrap();
            let expected = Fault {
                key: key.into(),
                instance_type: kind.map(str::to_owned),
                code: code.into(),
                times: Some(2),
            };
            assert_eq!(fault, expected, "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for (text, says) in [
            ("", "one of ec2:"),
            ("nonsense", "one of ec2:"),
            ("s3:GetObject=NoSuchKey", "one of ec2:"),
            ("ec2:StartInstances", "CALL=CODE"),
            ("ec2:RunInstances=X", "a call that the sandbox serves"),
            ("ec2:=X", "a call that the sandbox serves"),
            ("ec2:StartInstances=", "an error code"),
            ("ec2:StartInstances=no such", "an error code"),
            (
                "ec2:StartInstances@t3.enormous=X",
                "an instance type that exists",
            ),
            ("ec2:StartInstances@=X", "an instance type that exists"),
            ("efs:DescribeFileSystems@t3.large=X", "no instance type"),
            ("mount:gone=yes", "mount:gone, "),
            ("mount:", "mount:gone, "),
            ("boot:agent=gone", "boot:agent=never, boot:checks=impaired"),
            ("boot:mount@t3.nano2=gone", "an instance type that exists"),
            ("pull:UPPER/case=missing", "an image reference"),
            ("pull:n8n:1=gone", "pull:REF=missing"),
            ("health:n8n=unhealthy", "health:SERVICE@REF"),
            ("health:n 8n@n8n:1=unhealthy", "a service"),
            ("health:n8n@=unhealthy", "an image reference"),
            ("health:n8n@n8n:1=sick", "health:SERVICE@REF"),
        ] {
            let error = Fault::parse(text, None).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(Fault::parse("mount:gone", Some(0)).is_err());
    }

    #[test]
    fn a_fault_is_used_up_and_an_endless_one_is_not() {
        let mut faults = Faults(vec![Fault::parse("mount:gone", Some(2)).unwrap()]);
        assert_eq!(faults.active("mount"), Some("gone"));
        assert_eq!(faults.strike("mount", None).as_deref(), Some("gone"));
        assert_eq!(faults.strike("mount", None).as_deref(), Some("gone"));
        assert_eq!(faults.strike("mount", None), None);
        let mut faults = Faults(vec![
            Fault::parse("ec2:StartInstances@t3.large=X", None).unwrap(),
        ]);
        for _ in 0..3 {
            assert_eq!(
                faults
                    .strike("ec2:StartInstances", Some("t3.large"))
                    .as_deref(),
                Some("X")
            );
            assert_eq!(faults.strike("ec2:StartInstances", Some("t3.medium")), None);
            assert_eq!(faults.strike("ec2:StartInstances", None), None);
        }
    }
}
