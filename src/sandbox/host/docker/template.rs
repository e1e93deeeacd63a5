//! The part of Go's text/template that `docker … --format` is used with.
//!
//! Actions: fields, variables, `if`/`else if`/`else`, `with`, `range`, `end`, pipes, parentheses, `{{-` and `-}}`.
//! Functions: `json len index slice eq ne and or not printf println join lower upper` (Go's own and Docker's).
//! A field that is not there is an error, as in `docker inspect`; a label that is not there is `<no value>`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::template_fn::{call, show, truth};
use super::template_parse::{Node, Operand, Pipe, parse};

/// Renders a template over a document.
///
/// # Errors
/// Docker's own wording of what is wrong with the template or the field.
pub fn render(template: &str, data: &Value) -> Result<String, String> {
    let nodes = parse(template).map_err(|e| format!("template parsing error: {e}"))?;
    let mut out = String::new();
    let mut scope = Scope {
        root: data,
        vars: BTreeMap::new(),
    };
    run(&nodes, data, &mut scope, &mut out)?;
    Ok(out)
}

struct Scope<'a> {
    root: &'a Value,
    vars: BTreeMap<String, Value>,
}

fn run(nodes: &[Node], dot: &Value, scope: &mut Scope<'_>, out: &mut String) -> Result<(), String> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Print(pipe) => out.push_str(&show(&eval(pipe, dot, scope)?)),
            Node::Set(name, pipe) => {
                let value = eval(pipe, dot, scope)?;
                scope.vars.insert(name.clone(), value);
            }
            Node::If(head, body, otherwise) => {
                let way = if truth(&eval(head, dot, scope)?) {
                    body
                } else {
                    otherwise
                };
                run(way, dot, scope, out)?;
            }
            Node::With(head, body, otherwise) => {
                let value = eval(head, dot, scope)?;
                if truth(&value) {
                    run(body, &value, scope, out)?;
                } else {
                    run(otherwise, dot, scope, out)?;
                }
            }
            Node::Range(vars, head, body, otherwise) => {
                let items: Vec<(Value, Value)> = match eval(head, dot, scope)? {
                    Value::Array(items) => (0_u64..).map(Value::from).zip(items).collect(),
                    Value::Object(map) => map
                        .into_iter()
                        .map(|(key, value)| (Value::String(key), value))
                        .collect(),
                    Value::Null => Vec::new(),
                    other => return Err(format!("range can't iterate over {}", show(&other))),
                };
                if items.is_empty() {
                    run(otherwise, dot, scope, out)?;
                }
                for (key, value) in items {
                    match vars.as_slice() {
                        [only] => {
                            scope.vars.insert(only.clone(), value.clone());
                        }
                        [first, second, ..] => {
                            scope.vars.insert(first.clone(), key);
                            scope.vars.insert(second.clone(), value.clone());
                        }
                        [] => {}
                    }
                    run(body, &value, scope, out)?;
                }
            }
        }
    }
    Ok(())
}

fn eval(pipe: &Pipe, dot: &Value, scope: &Scope<'_>) -> Result<Value, String> {
    let mut fed: Option<Value> = None;
    for command in pipe {
        let (first, rest) = command.split_first().ok_or("missing value for command")?;
        fed = Some(match first {
            Operand::Call(name) => {
                let mut args = rest
                    .iter()
                    .map(|o| operand(o, dot, scope))
                    .collect::<Result<Vec<_>, _>>()?;
                args.extend(fed.take());
                call(name, args)?
            }
            other if rest.is_empty() && fed.is_none() => operand(other, dot, scope)?,
            _ => return Err("can't give argument to non-function".to_owned()),
        });
    }
    fed.ok_or_else(|| "missing value for command".to_owned())
}

fn operand(operand: &Operand, dot: &Value, scope: &Scope<'_>) -> Result<Value, String> {
    match operand {
        Operand::Dot(path) => walk(dot, path),
        Operand::Var(name, path) if name.is_empty() => walk(scope.root, path),
        Operand::Var(name, path) => {
            let value = scope.vars.get(name);
            walk(
                value.ok_or(format!("undefined variable \"${name}\""))?,
                path,
            )
        }
        Operand::Literal(value) => Ok(value.clone()),
        Operand::Call(name) => call(name, Vec::new()),
        Operand::Group(pipe, path) => walk(&eval(pipe, dot, scope)?, path),
    }
}

fn walk(from: &Value, path: &[String]) -> Result<Value, String> {
    let mut at = from;
    for (depth, name) in path.iter().enumerate() {
        at = match at.get(name) {
            Some(value) => value,
            None if depth > 0 && path[depth - 1] == "Labels" => return Ok(Value::Null),
            None => {
                let whole: String = path.iter().map(|p| format!(".{p}")).collect();
                return Err(format!(
                    "template: :1: executing \"\" at <{whole}>: map has no entry for key {name:?}"
                ));
            }
        };
    }
    Ok(at.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_that_docker_knows() {
        let data = json!({
            "Id": "abc", "N": 3, "Up": true,
            "State": {"Status": "running", "Health": {"Log": [{"Output": "a"}, {"Output": "b\n"}]}},
            "Config": {"Labels": {"com.x": "y", "plain": "z"}},
            "None": null, "Empty": [], "Tags": ["n8nio/n8n:1", "x"],
        });
        let table: &[(&str, Result<&str, &str>)] = &[
            ("{{.Id}} {{.N}} {{.Up}}", Ok("abc 3 true")),
            ("{{json .State.Status}}", Ok("\"running\"")),
            ("{{json .None}}|{{.None}}", Ok("null|<no value>")),
            ("{{.Tags}}", Ok("[n8nio/n8n:1 x]")),
            ("{{if .None}}A{{else}}B{{end}}", Ok("B")),
            ("{{if .None}}A{{else if .Up}}C{{else}}B{{end}}!", Ok("C!")),
            (
                "{{if not .Up}}A{{end}}{{if and .Up (eq .N 3)}}Z{{end}}",
                Ok("Z"),
            ),
            ("{{range .Tags}}<{{.}}>{{end}}", Ok("<n8nio/n8n:1><x>")),
            (
                "{{range $i, $t := .Tags}}{{$i}}={{$t}};{{end}}",
                Ok("0=n8nio/n8n:1;1=x;"),
            ),
            ("{{range .Empty}}x{{else}}none{{end}}", Ok("none")),
            (
                "{{len .Tags}} {{index .Tags 1}} {{.Tags | len}}",
                Ok("2 x 2"),
            ),
            ("{{index .Config.Labels \"com.x\"}}", Ok("y")),
            ("[{{index .Config.Labels \"com.none\"}}]", Ok("[]")),
            (
                "{{.Config.Labels.plain}} {{.Config.Labels.none}}",
                Ok("z <no value>"),
            ),
            (
                "{{with .State.Health}}{{range .Log}}{{$.Id}}{{json .Output}}{{end}}{{end}}",
                Ok("abc\"a\"abc\"b\\n\""),
            ),
            (
                "{{$l := \"\"}}{{range .State.Health.Log}}{{$l = .Output}}{{end}}{{json $l}}",
                Ok("\"b\\n\""),
            ),
            (
                "{{slice .Id 0 2}} {{printf \"%.2s-%s-%d\" .Id .Id .N}}",
                Ok("ab ab-abc-3"),
            ),
            ("a {{- .Id -}} b", Ok("aabcb")),
            (
                "{{println .Id}}{{join .Tags \",\"}}",
                Ok("abc\nn8nio/n8n:1,x"),
            ),
            ("{{(index .State.Health.Log 0).Output}}", Ok("a")),
            (
                "{{.None.Status}}",
                Err("map has no entry for key \"Status\""),
            ),
            ("{{.Nope}}", Err("map has no entry for key \"Nope\"")),
            ("{{if .Up}}", Err("unexpected EOF")),
            ("{{.Up", Err("unclosed action")),
            (
                "{{frobnicate .Up}}",
                Err("function \"frobnicate\" not defined"),
            ),
            ("{{index .Tags 9}}", Err("index out of range")),
        ];
        for (template, expected) in table {
            match (render(template, &data), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(&found, expected, "{template}"),
                (Err(found), Err(expected)) => {
                    assert!(found.contains(expected), "{template}: {found}");
                }
                (found, _) => panic!("{template}: {found:?}, expected {expected:?}"),
            }
        }
    }
}
