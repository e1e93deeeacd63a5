//! `fault add CALL=CODE`

use crate::sandbox::fault::Fault;

/// `--times`; None is always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times(pub Option<u32>);

/// A number from 1, or `always`.
pub fn times(text: &str) -> Result<Times, String> {
    if text == "always" {
        return Ok(Times(None));
    }
    match text.parse() {
        Ok(n) if n > 0 => Ok(Times(Some(n))),
        _ => Err("a number from 1, or 'always'".into()),
    }
}

/// One fault, as the sandbox understands it.
pub fn parse(text: &str) -> Result<Fault, String> {
    // clap says the text itself.
    Fault::parse(text, None).map_err(|bad| {
        format!(
            "not a fault: expected {}, found {}",
            bad.expected, bad.found
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_often() {
        assert_eq!(times("always"), Ok(Times(None)));
        assert_eq!(times("3"), Ok(Times(Some(3))));
        for text in ["0", "-1", "", "never", "1.5"] {
            assert!(times(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_fault_is_what_the_sandbox_takes() {
        let fault = parse("ec2:StartInstances@t3.large=VcpuLimitExceeded").unwrap();
        assert_eq!(fault.instance_type.as_deref(), Some("t3.large"));
        assert_eq!(fault.times, None);
        let error = parse("ec2:StartInstance=X").unwrap_err();
        assert_eq!(
            error,
            "not a fault: expected a call that the sandbox serves, found 'StartInstance'"
        );
        assert!(!parse("mount:\u{1b}[2J").unwrap_err().contains('\u{1b}'));
    }
}
