//! The parameters of a Query request: `InstanceId.1=…&Filter.1.Name=…`.

use super::AwsError;

/// The form, as it came.
pub(super) struct Params(Vec<(String, String)>);

/// One filter of a describe call.
pub(super) struct Filter {
    pub name: String,
    values: Vec<String>,
}

impl Params {
    pub(super) fn parse(form: &[u8]) -> Self {
        Self(form_urlencoded::parse(form).into_owned().collect())
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, AwsError> {
        self.get(name).filter(|v| !v.is_empty()).ok_or_else(|| {
            AwsError::new(
                "MissingParameter",
                format!("The request must contain the parameter {name}"),
            )
        })
    }

    /// A boolean; absent is false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, AwsError> {
        Ok(self.boolean(name)?.unwrap_or_default())
    }

    /// A boolean.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, AwsError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => parse_bool(name, value).map(Some),
        }
    }

    /// The members of a list, `NAME.1`, `NAME.2`, …
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let mut found: Vec<(u32, &str)> = self
            .0
            .iter()
            .filter_map(|(key, value)| {
                let n = key.strip_prefix(name)?.strip_prefix('.')?.parse().ok()?;
                Some((n, value.as_str()))
            })
            .collect();
        found.sort_by_key(|(n, _)| *n);
        found.into_iter().map(|(_, value)| value).collect()
    }

    /// The numbers `n` for which any `NAME.n.…` is there.
    pub(super) fn members(&self, name: &str) -> Vec<u32> {
        let mut found: Vec<u32> = self
            .0
            .iter()
            .filter_map(|(key, _)| {
                let (n, _) = key.strip_prefix(name)?.strip_prefix('.')?.split_once('.')?;
                n.parse().ok()
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// `InstanceId.N`, at least one.
    pub(super) fn instance_ids(&self) -> Result<Vec<&str>, AwsError> {
        let ids = self.list("InstanceId");
        if ids.is_empty() {
            self.need("InstanceId")?;
        }
        Ok(ids)
    }

    /// `Filter.N.Name` with `Filter.N.Value.M`, each name one of these (a trailing `:` takes any rest).
    pub(super) fn filters(&self, known: &[&str]) -> Result<Vec<Filter>, AwsError> {
        self.members("Filter")
            .into_iter()
            .map(|n| {
                let name = self.need(&format!("Filter.{n}.Name"))?;
                let fits = |k: &&str| *k == name || (k.ends_with(':') && name.starts_with(*k));
                if !known.iter().any(fits) {
                    return Err(AwsError::new(
                        "InvalidParameterValue",
                        format!("The filter '{name}' is invalid"),
                    ));
                }
                let values = self.list(&format!("Filter.{n}.Value"));
                Ok(Filter {
                    name: name.to_owned(),
                    values: values.into_iter().map(str::to_owned).collect(),
                })
            })
            .collect()
    }

    /// One page of `items`: at most `limit` (or `MaxResults`), from `NextToken` on; and the next token.
    pub(super) fn page<'a, T>(
        &self,
        items: &'a [T],
        limit: usize,
    ) -> Result<(&'a [T], Option<String>), AwsError> {
        let bad = |name: &str, value: &str| {
            AwsError::new(
                "InvalidParameterValue",
                format!("Value ({value}) for parameter {name} is invalid."),
            )
        };
        let limit = match self.get("MaxResults") {
            None => limit,
            Some(n) => match n.parse::<usize>() {
                Ok(n) if n >= 1 => n.min(limit),
                _ => return Err(bad("MaxResults", n)),
            },
        };
        let from: usize = match self.get("NextToken") {
            None | Some("") => 0,
            Some(token) => token.parse().map_err(|_| bad("NextToken", token))?,
        };
        let to = items.len().min(from.saturating_add(limit));
        let next = (to < items.len()).then(|| to.to_string());
        Ok((items.get(from..to).unwrap_or_default(), next))
    }
}

impl Filter {
    /// Whether one of the values fits; `*` and `?` are wildcards.
    pub(super) fn takes(&self, text: &str) -> bool {
        self.values
            .iter()
            .any(|v| wildcard(v.as_bytes(), text.as_bytes()))
    }

    /// The part of the name after this prefix (`tag:`).
    pub(super) fn after(&self, prefix: &str) -> Option<&str> {
        self.name.strip_prefix(prefix)
    }
}

pub(super) fn parse_bool(name: &str, value: &str) -> Result<bool, AwsError> {
    match value {
        "true" | "True" => Ok(true),
        "false" | "False" => Ok(false),
        other => Err(AwsError::new(
            "InvalidParameterValue",
            format!("Value ({other}) for parameter {name} is invalid. Expected 'true' or 'false'."),
        )),
    }
}

/// Whether a text fits a filter's value.
pub(in crate::sandbox) fn fits(pattern: &str, text: &str) -> bool {
    wildcard(pattern.as_bytes(), text.as_bytes())
}

/// Greedy matching with one place to go back to: linear in practice, never exponential.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut back) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    p = star + 1;
                    t = from + 1;
                    back = Some((star, t));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read() {
        let p =
            Params::parse(b"InstanceId.10=c&InstanceId.2=b&InstanceId.1=a%26b&DryRun=true&X=maybe");
        assert_eq!(p.list("InstanceId"), ["a&b", "b", "c"]);
        assert!(p.flag("DryRun").unwrap());
        assert!(!p.flag("Force").unwrap());
        assert_eq!(p.flag("X").unwrap_err().code, "InvalidParameterValue");
        assert_eq!(p.need("Y").unwrap_err().code, "MissingParameter");
    }

    #[test]
    fn filters_have_known_names_and_wildcards() {
        let p = Params::parse(b"Filter.1.Name=tag:Name&Filter.1.Value.1=my-*&Filter.1.Value.2=x?z");
        let filters = p.filters(&["tag:"]).unwrap();
        assert_eq!(filters[0].after("tag:"), Some("Name"));
        for (text, fits) in [
            ("my-dev-stack", true),
            ("my-", true),
            ("xyz", true),
            ("xz", false),
            ("", false),
        ] {
            assert_eq!(filters[0].takes(text), fits, "{text}");
        }
        assert!(wildcard(b"*a*b*c", b"xxaxxbxxc"));
        assert!(!wildcard(b"*a*b*c", b"xxaxxbxx"));
        assert_eq!(
            p.filters(&["tag-key"]).err().unwrap().code,
            "InvalidParameterValue"
        );
    }

    #[test]
    fn pages_end() {
        let items: Vec<u32> = (0..7).collect();
        let first = Params::parse(b"MaxResults=5");
        assert_eq!(
            first.page(&items, 100).unwrap(),
            (&items[..5], Some("5".into()))
        );
        let second = Params::parse(b"MaxResults=5&NextToken=5");
        assert_eq!(second.page(&items, 100).unwrap(), (&items[5..], None));
        let beyond = Params::parse(b"NextToken=99");
        assert_eq!(beyond.page(&items, 100).unwrap().0, &[] as &[u32]);
        assert!(Params::parse(b"NextToken=x").page(&items, 100).is_err());
    }
}
