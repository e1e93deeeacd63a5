//! pending: what an `up` would apply besides the images, in every shell.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::machine::{Machine, image_id, machines};
use crate::containers::PendingEdits;
use crate::host::scripts::Verb;
use crate::host::{Input, LookRequest, parse_look};
use crate::model::ServiceName;

/// What Compose makes of the file now: FOO is new, PW and the command have changed, `$$` is its dollar.
const CONFIG: &str = r#"{
  "name": "p",
  "networks": {
    "default": {
      "name": "p_default"
    }
  },
  "services": {
    "web": {
      "command": [
        "serve",
        "--all \u0026 more"
      ],
      "entrypoint": null,
      "environment": {
        "FOO": "new",
        "PRICE": "1$$",
        "PW": "hunter2"
      },
      "image": "img/web:1",
      "networks": {
        "default": null
      },
      "ports": [
        {
          "mode": "ingress",
          "host_ip": "127.0.0.1",
          "target": 80,
          "published": "8080",
          "protocol": "tcp"
        }
      ],
      "restart": "always",
      "volumes": [
        {
          "type": "bind",
          "source": "/mnt/efs/web",
          "target": "/data",
          "bind": {
            "create_host_path": true
          }
        }
      ]
    }
  }
}
"#;

/// Its container, as the engine says it.
const MADE: &str = r#"E "PRICE=1$"
E "PW=old $(secret)"
E "PATH=/bin"
C "serve"
L "com.docker.compose.service" "web"
J {"user":"","working_dir":"","volumes":null,"id":"@ID@","hostname":"@SHORT@","tty":false,"stdin_open":false,"ports":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]},"restart":{"Name":"always","MaximumRetryCount":0},"privileged":false,"read_only":false,"init":null,"cap_add":null,"cap_drop":null,"dns":null,"extra_hosts":[],"network_mode":"p_default","networks":["p_default",null]}
M {"Type":"bind","Source":"/mnt/efs/web","Destination":"/data","Mode":"rw","RW":true,"Propagation":"rprivate"}
"#;

const BROUGHT: &str = "E \"PATH=/bin\"\nJ {\"user\":\"\",\"working_dir\":\"\",\"volumes\":null}\n";

/// A row of `pending.sh` for a container of project `p`.
fn row(m: &Machine, name: &str, service: &str) {
    let image = image_id(3);
    let row = format!(
        "x/{name}\txp\t{service}\t{image}\tx/srv/a b.yml,more.yml\tx/srv\tx/srv/runtime.env\n"
    );
    m.set(&format!("containers/{name}/row"), &row);
}

fn machine(m: &Machine) {
    m.container("web", 3, "running", "always");
    row(m, "web", "web False");
    // A one-off and another service: neither is asked for.
    m.container("once", 3, "exited", "no");
    row(m, "once", "web True");
    m.container("db", 3, "running", "always");
    row(m, "db", "db False");
    m.set("config.json", CONFIG);
    let id = m.get("containers/web/id");
    let made = MADE.replace("@ID@", &id).replace("@SHORT@", &id[..12]);
    m.set("containers/web/made", &made);
    m.set(&format!("brought.{}", image_id(3)), BROUGHT);
}

/// The edits, and the document that they were read from.
fn pending(m: &Machine) -> (Result<PendingEdits, String>, String) {
    let ask = LookRequest {
        pending: Some(("p".to_owned(), vec![ServiceName::new("web").unwrap()])),
        ..LookRequest::default()
    };
    let input = Input::new().text("project", "p").text("service", "web");
    let document = m.ask(Verb::LookMade, input).unwrap();
    let facts = parse_look(&ask, &document).unwrap();
    let reply: serde_json::Value = serde_json::from_str(&document).unwrap();
    let said = STANDARD.decode(reply["pending"].as_str().unwrap()).unwrap();
    let said = String::from_utf8(said).unwrap();
    (facts.pending.expect("it was asked for"), said)
}

#[test]
fn edits_are_named_and_their_values_stay_on_the_host() {
    for m in machines() {
        machine(&m);
        let (edits, said) = pending(&m);
        let edits = edits.unwrap();
        let web = ServiceName::new("web").unwrap();
        assert_eq!(edits.keys().collect::<Vec<_>>(), [&web], "{}", m.shell);
        assert_eq!(
            edits[&web],
            [
                "command: changed",
                "environment.FOO: added",
                "environment.PW: changed"
            ],
            "{}",
            m.shell
        );
        for secret in ["hunter2", "secret", "old", "new", "more"] {
            assert!(!said.contains(secret), "{}: {said}", m.shell);
        }
        // Compose is called as the container's labels say, and asked about the one service.
        assert_eq!(
            m.calls(),
            [
                "compose [version] [--short]",
                "compose [-p] [p] [--project-directory] [/srv] [-f] [/srv/a b.yml] [-f] [/srv/more.yml] [--env-file] [/srv/runtime.env] [config] [--format] [json] [web]",
            ],
            "{}",
            m.shell
        );
    }
}

#[test]
fn what_cannot_be_known_is_said() {
    for m in machines() {
        machine(&m);
        m.set("fail/config", "no such file\n");
        let (edits, _) = pending(&m);
        assert_eq!(
            edits.unwrap_err(),
            "`docker compose config` failed on the host"
        );
        fs_err::remove_file(m.stub().join("fail/config")).unwrap();
        fs_err::remove_file(m.stub().join(format!("brought.{}", image_id(3)))).unwrap();
        let (edits, _) = pending(&m);
        assert_eq!(
            edits.unwrap_err(),
            "a container or its image went away",
            "{}",
            m.shell
        );
        // A line that is none of canonical JSON gives nothing away.
        m.set("config.json", "{\n  \"services\": hunter2\n}\n");
        let (edits, said) = pending(&m);
        assert!(edits.is_err(), "{}", m.shell);
        assert!(!said.contains("hunter2"), "{}: {said}", m.shell);
    }
}
