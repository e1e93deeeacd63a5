use super::*;
use crate::model::DeploymentName;
use crate::plan::CheckStatus;

fn id(digit: &str) -> Sha256Id {
    Sha256Id::new(format!("sha256:{}", digit.repeat(64))).unwrap()
}

#[test]
fn what_is_not_held_warns_and_what_is_gone_is_told() {
    let name = DeploymentName::new("dev").unwrap();
    let mut facts = HoldFacts {
        held: [id("a")].into(),
        gone: [id("b")].into(),
        ..HoldFacts::default()
    };
    let check = judge(&name, &facts);
    assert_eq!(check.status, CheckStatus::Ok);
    assert!(
        check.message.contains("1 of older snapshots are not"),
        "{}",
        check.message
    );
    facts.missing.insert(id("c"));
    let check = judge(&name, &facts);
    assert_eq!(check.status, CheckStatus::Warn);
    assert_eq!(check.found, "1 of 2 are held");
    assert!(check.help.contains("check dev --fix"), "{}", check.help);
}
