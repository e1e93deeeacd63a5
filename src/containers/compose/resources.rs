//! What a service asks of the machine: a GPU, memory.

use serde_yaml::{Mapping, Value};

/// What one container of a service asks for (Compose specification, `deploy.resources`, `mem_limit`, `mem_reservation`,
/// `runtime`, `gpus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    /// Whether it needs a GPU.
    pub gpu: bool,
    /// Whether that GPU has to be one of NVIDIA's: `runtime: nvidia`, or a device of the driver `nvidia`.
    pub nvidia: bool,
    /// What it may use at most, in bytes.
    pub limit: Option<u64>,
    /// What is to be kept for it, in bytes.
    pub reservation: Option<u64>,
    /// Whether a size is said that cannot be read here (`${MEMORY}`).
    pub unknown: bool,
}

impl Resources {
    /// What this service says.
    pub(super) fn of(service: &Mapping) -> Self {
        let resources = service.get("deploy").and_then(|d| d.get("resources"));
        let part = |name: &str| resources.and_then(|r| r.get(name));
        let mut out = Self::default();
        let runtime = service.get("runtime").and_then(Value::as_str);
        out.nvidia = runtime == Some("nvidia");
        out.gpu = out.nvidia;
        let devices = part("reservations").and_then(|r| r.get("devices"));
        for device in devices.and_then(Value::as_sequence).into_iter().flatten() {
            let driver = device.get("driver").and_then(Value::as_str);
            // `nvidia` has drivers for nothing else.
            let gpu = driver == Some("nvidia") || device.get("capabilities").is_some_and(names_gpu);
            out.gpu |= gpu;
            out.nvidia |= driver == Some("nvidia");
        }
        out.gpu |= service.get("gpus").is_some_and(asks);
        let old = |name: &str| service.get(name);
        let limit = part("limits").and_then(|l| l.get("memory"));
        out.limit = out.size(limit.or_else(|| old("mem_limit")));
        let kept = part("reservations").and_then(|r| r.get("memory"));
        out.reservation = out.size(kept.or_else(|| old("mem_reservation")));
        out
    }

    /// A later file over an earlier one.
    pub(super) fn overlay(&mut self, later: Self) {
        self.gpu |= later.gpu;
        self.nvidia |= later.nvidia;
        self.limit = later.limit.or(self.limit);
        self.reservation = later.reservation.or(self.reservation);
        self.unknown |= later.unknown;
    }

    fn size(&mut self, said: Option<&Value>) -> Option<u64> {
        let said = said.filter(|v| !v.is_null())?;
        let bytes = match said {
            Value::Number(n) => n.as_u64().or_else(|| n.as_i64().map(|_| 0)),
            Value::String(text) => bytes(text),
            _ => None,
        };
        self.unknown |= bytes.is_none();
        // None and negative ones mean no limit (Docker, `docker run --memory`).
        bytes.filter(|n| *n > 0)
    }
}

/// `[gpu]`, `[gpu, utility]`, also nested as the Engine's API has it.
fn names_gpu(capabilities: &Value) -> bool {
    match capabilities {
        Value::String(word) => word == "gpu",
        Value::Sequence(words) => words.iter().any(names_gpu),
        _ => false,
    }
}

/// `gpus: all`, or a list of devices.
fn asks(gpus: &Value) -> bool {
    match gpus {
        Value::Sequence(list) => !list.is_empty(),
        Value::Null => false,
        _ => true,
    }
}

/// A size as Compose writes it: a number and `b`, `k`, `kb`, `m`, `mb`, `g` or `gb`, in powers of 1024.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = (text[..end].parse::<f64>().ok()?, text[end..].trim());
    let power = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let all = number * 1024_f64.powi(power);
    (all.is_finite() && all < 2_f64.powi(63)).then_some(all as u64)
}

#[cfg(test)]
mod tests {
    use super::super::{read_project, read_services};
    use super::*;
    use crate::plan::fixtures::service;

    fn of(body: &str) -> Resources {
        let text = format!("services:\n  a:\n    image: x\n    {body}\n");
        read_services(&text).expect(body)[&service("a")].resources
    }

    #[test]
    fn reads_whether_a_gpu_is_needed() {
        let device = |inner: &str| {
            format!("deploy: {{resources: {{reservations: {{devices: [{{{inner}}}]}}}}}}")
        };
        for (body, gpu, nvidia) in [
            ("restart: always".to_owned(), false, false),
            (device("capabilities: [gpu]"), true, false),
            (
                device("driver: nvidia, count: all, capabilities: [gpu]"),
                true,
                true,
            ),
            (
                device("driver: nvidia, count: 1, capabilities: [[gpu, utility]]"),
                true,
                true,
            ),
            (
                device("driver: nvidia, capabilities: [compute]"),
                true,
                true,
            ),
            (device("driver: cdi, capabilities: [tpu]"), false, false),
            (
                "deploy: {resources: {reservations: {}}}".into(),
                false,
                false,
            ),
            ("runtime: nvidia".into(), true, true),
            ("runtime: runc".into(), false, false),
            ("gpus: all".into(), true, false),
            ("gpus: [{count: 1}]".into(), true, false),
            ("gpus: []".into(), false, false),
        ] {
            let read = of(&body);
            assert_eq!((read.gpu, read.nvidia), (gpu, nvidia), "{body}");
        }
    }

    #[test]
    fn reads_sizes_as_compose_writes_them() {
        const M: u64 = 1 << 20;
        for (said, bytes, unknown) in [
            ("512m", Some(512 * M), false),
            ("512M", Some(512 * M), false),
            ("'1gb'", Some(1024 * M), false),
            ("1.5g", Some(1536 * M), false),
            ("2048k", Some(2 * M), false),
            ("300MiB", Some(300 * M), false),
            ("1073741824", Some(1024 * M), false),
            ("'10b'", Some(10), false),
            ("0", None, false),
            ("-1", None, false),
            ("${MEMORY:-1g}", None, true),
            ("much", None, true),
            ("[1g]", None, true),
            ("1e300g", None, true),
        ] {
            for body in [
                format!("mem_limit: {said}"),
                format!(
                    "deploy: {{resources: {{limits: {{memory: \"{}\"}}}}}}",
                    said.trim_matches('\'')
                ),
            ] {
                if body.starts_with("deploy") && (said.starts_with('[') || said == "-1") {
                    continue;
                }
                let read = of(&body);
                assert_eq!((read.limit, read.unknown), (bytes, unknown), "{body}");
            }
        }
        let both = of("mem_reservation: 1g\n    deploy: {resources: {reservations: {memory: 2g}}}");
        assert_eq!((both.limit, both.reservation), (None, Some(2048 * M)));
        assert_eq!(of("mem_reservation: 1g").reservation, Some(1024 * M));
    }

    #[test]
    fn a_later_file_says_it_over() {
        let base = "services:\n  a: {image: x, mem_limit: 1g, runtime: nvidia}\n";
        let over = "services:\n  a: {mem_limit: 2g}\n";
        let read = read_project(&[base, over]).expect("both")[&service("a")].resources;
        assert_eq!((read.limit, read.gpu), (Some(2 << 30), true));
    }
}
