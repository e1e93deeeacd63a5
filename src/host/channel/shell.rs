//! [`Shell`] over Run Command: a person's command, and what containers wrote.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{RunCommandHost, request};
use crate::host::reply::{parse_exec, parse_logs};
use crate::host::scripts::Verb;
use crate::host::shell::{ExecAsk, ExecState, LogAsk, LogPage, Place, Shell};
use crate::host::{HostError, Input};
use crate::model::InstanceId;

#[async_trait]
impl Shell for RunCommandHost {
    async fn exec(&self, on: &InstanceId, id: &str, ask: &ExecAsk) -> Result<ExecState, HostError> {
        let input = request::fits(Verb::Exec, exec(id, ask))?;
        let document = self.document(on, Verb::Exec, None, input, 0).await?;
        parse_exec(&document)
    }

    async fn logs(&self, on: &InstanceId, asks: &[LogAsk]) -> Result<Vec<LogPage>, HostError> {
        let input = request::fits(Verb::Logs, logs(asks))?;
        let document = self.document(on, Verb::Logs, None, input, 0).await?;
        parse_logs(asks.len(), &document)
    }
}

pub(crate) fn exec(id: &str, ask: &ExecAsk) -> Input {
    let input = Input::new().text("id", id);
    let place = |input: Input, at: &Place| {
        input
            .text("out", &at.out.to_string())
            .text("err", &at.err.to_string())
    };
    match ask {
        ExecAsk::Begin { argv, limit_s } => {
            let input = input
                .text("do", "begin")
                .text("limit", &limit_s.to_string());
            argv.iter().fold(input, |input, arg| {
                input.coded("arg", &STANDARD.encode(arg))
            })
        }
        ExecAsk::Read(at) => place(input.text("do", "read"), at),
        ExecAsk::End(at) => place(input.text("do", "end"), at),
        ExecAsk::Forget => input.text("do", "forget"),
    }
}

pub(crate) fn logs(asks: &[LogAsk]) -> Input {
    asks.iter().fold(Input::new(), |input, ask| {
        let tail = ask.tail.map_or("all".to_owned(), |n| n.to_string());
        input.fields(
            "log",
            &[
                &ask.container,
                ask.since.as_deref().unwrap_or_default(),
                &tail,
                &ask.skip_lines.to_string(),
                &ask.skip_bytes.to_string(),
                &ask.most.to_string(),
            ],
        )
    })
}
