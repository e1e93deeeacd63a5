use serde_json::{Value, json};

use super::super::testing::{canned, json_error};
use crate::cloud::{CloudErrorKind, Parameter};

const NAME: &str = "/geusemaker/web/lock/0000000007";

#[tokio::test]
async fn only_a_creation_names_the_type_and_only_an_overwrite_overwrites() {
    let (aws, log) = canned(|_| Ok((200, json!({"Version": 3, "Tier": "Standard"}).to_string())));
    assert_eq!(aws.parameters.create(NAME, "{}").await, Ok(true));
    assert_eq!(aws.parameters.overwrite(NAME, "{}").await, Ok(()));
    let sent: Vec<Value> = log
        .all()
        .iter()
        .map(|asked| serde_json::from_str(&asked.body).unwrap())
        .collect();
    assert_eq!(
        sent,
        [
            json!({"Name": NAME, "Value": "{}", "Type": "String"}),
            json!({"Name": NAME, "Value": "{}", "Overwrite": true}),
        ]
    );
}

#[tokio::test]
async fn a_name_that_is_taken_is_an_answer_and_so_is_one_that_is_gone() {
    let (aws, _) = canned(|_| json_error(400, "ParameterAlreadyExists", "there"));
    assert_eq!(aws.parameters.create(NAME, "{}").await, Ok(false));
    let (aws, _) = canned(|_| json_error(400, "ParameterNotFound", "gone"));
    assert_eq!(aws.parameters.delete(NAME).await, Ok(()));
    let (aws, _) = canned(|_| json_error(400, "AccessDeniedException", "no"));
    for refused in [
        aws.parameters.create(NAME, "{}").await.map(drop),
        aws.parameters.overwrite(NAME, "{}").await,
        aws.parameters
            .by_path("/geusemaker/web/lock")
            .await
            .map(drop),
        aws.parameters.delete(NAME).await,
    ] {
        assert_eq!(refused.unwrap_err().kind, CloudErrorKind::Denied);
    }
}

#[tokio::test]
async fn every_page_is_read() {
    let (aws, log) = canned(|asked| {
        let body = if asked.body.contains("page-2") {
            json!({"Parameters": [{"Name": NAME, "Value": "{}", "Type": "String", "Version": 1}]})
        } else {
            json!({"Parameters": [], "NextToken": "page-2"})
        };
        Ok((200, body.to_string()))
    });
    let expected = Parameter {
        name: NAME.into(),
        value: "{}".into(),
    };
    let found = aws.parameters.by_path("/geusemaker/web/lock").await;
    assert_eq!(found, Ok(vec![expected]));
    assert_eq!(log.calls().len(), 2);
}
