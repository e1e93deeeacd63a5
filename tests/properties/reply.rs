//! The document of a script: `VERB`, a line end, and the document. A string in it that begins with `b64:` stands for its
//! base64, so that a change of an input changes what the host says and not only how it is coded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use geusemaker::containers::pending_edits;
use geusemaker::host::scripts::Verb;
use geusemaker::host::{
    HostError, HostProbe, LookRequest, ProbeRequest, SampleFolder, SampleRequest, parse_exec,
    parse_hold, parse_job, parse_logs, parse_look, parse_mount, parse_order, parse_probe,
    parse_put, parse_restore, parse_sample,
};
use geusemaker::model::{Probe, ServiceName};
use serde_json::Value;

pub fn holds(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let (verb, document) = text.split_once('\n').unwrap_or(("look", &text));
    let document = match serde_json::from_str(document) {
        Ok(mut value) => {
            coded(&mut value);
            value.to_string()
        }
        Err(_) => document.to_owned(),
    };
    let list = |key: &str| {
        let value: Option<Value> = serde_json::from_str(&document).ok();
        let found = value.and_then(|v| Some(v.get(key)?.as_array()?.len()));
        found.unwrap_or_default().min(1000)
    };
    // As many as the document has and one less: a list ends with a null.
    let answered = match verb {
        "mount" => parse_mount(None, &document).map(drop),
        "probe" => parse_probe(&probes(list("probes")), &document).map(drop),
        "sample" => parse_sample(&folders(list("folders")), &document).map(drop),
        "hold" => parse_hold(Some(1), &document).map(drop),
        "order" => parse_order(None, &document).map(drop),
        "arm" => parse_restore(Verb::Arm, 1, &document).map(drop),
        "commit" => parse_restore(Verb::Commit, 1, &document).map(drop),
        "start" => parse_job(Verb::Start, 1, &document).map(drop),
        "poll" => parse_job(Verb::Poll, 1, &document).map(drop),
        "put" => parse_put(1, &document).map(drop),
        "exec" => parse_exec(&document).map(drop),
        "logs" => parse_logs(list("logs").saturating_sub(1), &document).map(drop),
        "pending" => match pending_edits(&document) {
            Ok(_) => Ok(()),
            Err(why) => {
                super::said(&why, 3000);
                return false;
            }
        },
        "boot" => look(&document, true),
        _ => look(&document, false),
    };
    match answered {
        Ok(()) => true,
        Err(error) => {
            super::said(&error, 17_000);
            false
        }
    }
}

fn look(document: &str, only_boot: bool) -> Result<(), HostError> {
    let ask = LookRequest {
        only_boot,
        mount_point: Some("/mnt/efs".into()),
        pending: Some(("stack".into(), vec![ServiceName::new("n8n").expect("one")])),
        ..LookRequest::default()
    };
    let facts = parse_look(&ask, document)?;
    assert!(!facts.boot_id.is_empty());
    // A text of the host's files is in nothing that is printed by accident.
    for project in &facts.projects {
        if let Some(text) = project.text.as_ref().filter(|t| t.expose().len() > 40) {
            assert!(!format!("{facts:?}").contains(text.expose()));
        }
    }
    Ok(())
}

fn probes(listed: usize) -> ProbeRequest {
    let probe = HostProbe {
        container: "c".into(),
        probe: Probe::Tcp {
            host: "localhost".into(),
            port: 1,
        },
        timeout_s: 1,
    };
    ProbeRequest {
        probes: vec![probe; listed.saturating_sub(1)],
        logs: Vec::new(),
    }
}

fn folders(listed: usize) -> SampleRequest {
    SampleRequest {
        folders: vec![SampleFolder::default(); listed.saturating_sub(1)],
        ..SampleRequest::default()
    }
}

fn coded(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(plain) = text.strip_prefix("b64:") {
                *text = STANDARD.encode(plain);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(coded),
        Value::Object(all) => all.values_mut().for_each(coded),
        _ => {}
    }
}
