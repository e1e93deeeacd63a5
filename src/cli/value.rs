//! Values of the command line, parsed into the model's types. Each parser's error completes clap's
//! "invalid value '…' for '…': ", so it does not repeat the text that was typed.

use std::str::FromStr;

use crate::model::{BadName, ImageRef, ServiceName};

/// Any of the model's names.
///
/// # Errors
/// What is wrong with it, without the text itself.
pub fn name<T: FromStr<Err = BadName>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|bad: BadName| why(&bad))
}

fn why(bad: &BadName) -> String {
    format!("not {}: {}", bad.what, bad.expected)
}

/// `SERVICE=REF`, split at the first `=`.
///
/// # Errors
/// Which half is wrong, and how it should look.
pub fn image(text: &str) -> Result<(ServiceName, ImageRef), String> {
    let Some((service, reference)) = text.split_once('=') else {
        return Err("not SERVICE=REF: like n8n=n8nio/n8n:1.20.0".into());
    };
    let service = ServiceName::new(service).map_err(|bad| format!("SERVICE is {}", why(&bad)))?;
    let reference = ImageRef::new(reference).map_err(|bad| format!("REF is {}", why(&bad)))?;
    Ok((service, reference))
}

/// `fs-…` or `none`.
///
/// # Errors
/// What is wrong with it.
pub fn efs(text: &str) -> Result<crate::model::EfsChoice, String> {
    if text == "none" {
        return Ok(crate::model::EfsChoice::None);
    }
    name(text)
        .map(crate::model::EfsChoice::FileSystem)
        .map_err(|why| format!("{why}; or 'none'"))
}

pub use crate::model::duration_ms as millis;

/// A duration in milliseconds that is not zero.
///
/// # Errors
/// What a duration looks like, or that zero is none.
pub fn positive_millis(text: &str) -> Result<u64, String> {
    match millis(text)? {
        0 => Err("a check that takes no time checks nothing: more than zero, like 10s".into()),
        ms => Ok(ms),
    }
}

/// A region, e.g. `us-east-1`; only the alphabet is checked.
///
/// # Errors
/// What a region looks like.
pub fn region(text: &str) -> Result<String, String> {
    let ok = !text.is_empty()
        && text.len() <= 40
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.as_bytes()[0].is_ascii_lowercase();
    ok.then(|| text.to_owned())
        .ok_or_else(|| "not a region: like us-east-1".into())
}

/// The name of a profile of the AWS configuration.
///
/// # Errors
/// What is wrong with it.
pub fn profile(text: &str) -> Result<String, String> {
    let ok = !text.is_empty() && text.len() <= 256 && !text.chars().any(crate::report::is_unsafe);
    ok.then(|| text.to_owned())
        .ok_or_else(|| "not a profile of the AWS configuration".into())
}

/// An endpoint: `http://` or `https://` with a host.
///
/// # Errors
/// What an endpoint looks like.
pub fn endpoint(text: &str) -> Result<String, String> {
    text.parse::<http::Uri>()
        .ok()
        .filter(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        })
        .map(|_| text.to_owned())
        .ok_or_else(|| "not an endpoint: like http://127.0.0.1:4566".into())
}

/// An absolute path on the host.
///
/// # Errors
/// What is wrong with it.
pub fn host_path(text: &str) -> Result<String, String> {
    let ok = text.starts_with('/') && text.len() <= 4096 && !text.chars().any(char::is_control);
    ok.then(|| text.to_owned())
        .ok_or_else(|| "not an absolute path on the host: like /root/docker-compose.yml".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("10s", Some(10_000)),
            ("5m", Some(300_000)),
            ("1m30s", Some(90_000)),
            ("1h", Some(3_600_000)),
            ("1h2m3s4ms", Some(3_723_004)),
            ("500ms", Some(500)),
            ("90s", Some(90_000)),
            ("0s", Some(0)),
            ("24h", Some(86_400_000)),
            ("", None),
            ("10", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
            ("+1s", None),
            ("1s1m", None),
            ("1s1s", None),
            ("1 m", None),
            ("1S", None),
            ("24h1ms", None),
            ("25h", None),
            ("99999999999999999999s", None),
            ("1d", None),
            ("１s", None),
        ] {
            assert_eq!(millis(text).ok(), expected, "{text:?}");
        }
        assert!(positive_millis("0s").unwrap_err().contains("zero"));
        assert!(positive_millis("0m0s").is_err());
        assert_eq!(positive_millis("1ms"), Ok(1));
    }

    #[test]
    fn images_split_at_the_first_equals_sign() {
        let (service, reference) = image("n8n=n8nio/n8n:1.20.0").unwrap();
        assert_eq!(
            (service.as_str(), reference.as_str()),
            ("n8n", "n8nio/n8n:1.20.0")
        );
        for (text, part) in [
            ("n8n", "not SERVICE=REF"),
            ("", "not SERVICE=REF"),
            ("n8nio/n8n:1.20.0", "not SERVICE=REF"),
            ("=n8nio/n8n", "SERVICE is not a service name"),
            ("a b=n8nio/n8n", "SERVICE is not a service name"),
            ("n8n=", "REF is not an image reference"),
            ("n8n=a=b", "REF is not an image reference"),
            ("n8n=n8nio/n8n:1;rm -rf /", "REF is not an image reference"),
            ("n8n=N8NIO/n8n", "REF is not an image reference"),
            ("n8n='x'", "REF is not an image reference"),
        ] {
            let error = image(text).unwrap_err();
            assert!(error.starts_with(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn places() {
        for (text, ok) in [
            ("us-east-1", true),
            ("us-gov-west-1", true),
            ("US-EAST-1", false),
            ("", false),
            ("us east", false),
            ("../x", false),
        ] {
            assert_eq!(region(text).is_ok(), ok, "{text:?}");
        }
        for (text, ok) in [
            ("http://127.0.0.1:4566", true),
            ("https://vpce.example.com/x", true),
            ("127.0.0.1:4566", false),
            ("ftp://x", false),
            ("http://", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(endpoint(text).is_ok(), ok, "{text:?}");
        }
        for (text, ok) in [
            ("/root/docker-compose.yml", true),
            ("docker-compose.yml", false),
            ("/root/a\nb", false),
        ] {
            assert_eq!(host_path(text).is_ok(), ok, "{text:?}");
        }
        assert_eq!(efs("none"), Ok(crate::model::EfsChoice::None));
        assert!(efs("fs-0123456789abcdef0").is_ok());
        assert!(efs("None").unwrap_err().ends_with("or 'none'"));
        assert!(profile("dev").is_ok());
        assert!(profile("\u{1b}[2J").is_err());
    }
}
