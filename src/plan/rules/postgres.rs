//! PostgreSQL writes its data in a form of its major version. Another major refuses to start on it, or
//! has upgraded it by then: going back would not bring the data back (PostgreSQL manual, "Upgrading").

use crate::model::{ImageRef, ServiceName, major_of};
use crate::plan::Check;

/// Refuses a change of the major version, up or down; None where no PostgreSQL is involved.
pub(super) fn check(service: &ServiceName, current: &ImageRef, wanted: &ImageRef) -> Option<Check> {
    let name = "postgres_major";
    // A way out of PostgreSQL, or into it, is a change of repository, which is said elsewhere.
    let (was, is) = (major(current)?, major(wanted)?);
    let help = format!(
        "go to a {} of the same major version; for another one, dump with pg_dumpall, change the image by hand with an empty data folder, and restore",
        wanted.last_segment()
    );
    Some(match (was, is) {
        (Some(was), Some(is)) if was == is => {
            Check::ok(name, format!("{service} stays on PostgreSQL {is}"))
        }
        (Some(was), Some(is)) => Check::refuse(
            name,
            format!(
                "PostgreSQL {was} and {is} do not read each other's data, and going back would not undo what the new one did to it"
            ),
            format!("{current} to {wanted}"),
            format!("PostgreSQL {was}"),
            help,
        ),
        _ if current.normalized() == wanted.normalized() => Check::warn(
            name,
            format!(
                "{wanted} does not say its major version of PostgreSQL: it may have moved to another one"
            ),
            wanted.as_str(),
            "a tag that names the major version",
            "name the major version that runs, e.g. postgres:15; `postgres --version` in the container says it",
        ),
        _ => Check::refuse(
            name,
            "the major version of PostgreSQL is not known on both sides, so it cannot be shown to stay",
            format!("{current} to {wanted}"),
            "tags that name the same major version",
            "find it with `postgres --version` in the container, and have the tags name it (postgres:15, pgvector:pg15) before you change it",
        ),
    })
}

/// None: not PostgreSQL. `Some(None)`: PostgreSQL of an unknown major version.
fn major(image: &ImageRef) -> Option<Option<u32>> {
    let last = image.last_segment();
    if !["postgres", "pgvector", "postgis", "timescaledb", "pgvecto"]
        .iter()
        .any(|word| last.contains(word))
        || ["exporter", "backup", "pgbouncer", "operator"]
            .iter()
            .any(|word| last.contains(word))
    {
        return None;
    }
    let tag = image.tag().unwrap_or_default();
    // `pg16`, `0.8.0-pg16`: extensions count their own versions first.
    let named = tag.split(['-', '_']).find_map(|word| {
        let digits = word.strip_prefix("pg")?;
        digits.split('.').next()?.parse().ok()
    });
    // Where the extension gives the name, a leading number is the extension's.
    let leading = (last.contains("postgres") || last.contains("postgis"))
        .then(|| major_of(&tag))
        .flatten();
    Some(named.or(leading))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CheckStatus::{self, Ok, Refuse, Warn};
    use crate::plan::fixtures::{image, service};

    #[test]
    fn the_major_version_may_not_change() {
        let digest = format!("postgres@sha256:{}", "0".repeat(64));
        let both = format!("postgres:15@sha256:{}", "0".repeat(64));
        let table: &[(&str, &str, Option<CheckStatus>)] = &[
            ("postgres:15.8", "postgres:15.9", Some(Ok)),
            ("postgres:15.8", "postgres:15-alpine", Some(Ok)),
            ("postgres:15.8", "postgres:16", Some(Refuse)),
            ("postgres:16", "postgres:15.8", Some(Refuse)),
            ("postgres:9.6", "postgres:10", Some(Refuse)),
            ("docker.io/library/postgres:15", "postgres:15.8", Some(Ok)),
            (
                "bitnami/postgresql:15.1.0",
                "bitnami/postgresql:16.0.0",
                Some(Refuse),
            ),
            ("postgres:15", "pgvector/pgvector:pg15", Some(Ok)),
            ("postgres:15", "pgvector/pgvector:0.8.0-pg16", Some(Refuse)),
            (
                "pgvector/pgvector:0.7.4-pg16",
                "pgvector/pgvector:0.8.0-pg16",
                Some(Ok),
            ),
            (
                "pgvector/pgvector:pg16-trixie",
                "pgvector/pgvector:pg17",
                Some(Refuse),
            ),
            (
                "timescale/timescaledb:2.14.2-pg15",
                "timescale/timescaledb:2.16.1-pg15",
                Some(Ok),
            ),
            (
                "timescale/timescaledb:2.14.2-pg15",
                "timescale/timescaledb:2.16.1-pg16",
                Some(Refuse),
            ),
            (
                "postgis/postgis:16-3.4",
                "postgis/postgis:16-3.5-alpine",
                Some(Ok),
            ),
            ("postgres:15", "postgres:latest", Some(Refuse)),
            ("postgres:15", "postgres", Some(Refuse)),
            ("postgres:latest", "postgres:16", Some(Refuse)),
            (
                "postgres:alpine",
                "docker.io/library/postgres:alpine",
                Some(Warn),
            ),
            ("postgres:15", &digest, Some(Refuse)),
            ("postgres:15", &both, Some(Ok)),
            (
                "ankane/pgvector:v0.5.0",
                "ankane/pgvector:v0.5.1",
                Some(Refuse),
            ),
            ("n8nio/n8n:1", "n8nio/n8n:2", None),
            (
                "prometheuscommunity/postgres-exporter:v0.15.0",
                "prometheuscommunity/postgres-exporter:v1.0.0",
                None,
            ),
            ("postgres:15", "mysql:8", None),
        ];
        for (from, to, expected) in table {
            let check = check(&service("db"), &image(from), &image(to));
            assert_eq!(
                check.as_ref().map(|c| c.status),
                *expected,
                "{from} to {to}"
            );
        }
    }
}
