//! What a type costs, from a dated table: AWS's on-demand list prices for Linux on shared tenancy, in
//! us-east-1. What the table does not hold is not known, and never guessed.
//!
//! `prices.json` comes from the generated price table of aws/karpenter-provider-aws (Apache-2.0), which are
//! facts published by AWS. It is parsed at the first question, not before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::model::InstanceType;

/// AWS counts a month as so many hours (Pricing Calculator: 730).
const HOURS_PER_MONTH: u64 = 730;

/// A list price, and the day it was one. It prints as `$0.0416 an hour (list price of 2026-07-20)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Millionths of a US dollar an hour.
    pub micro_usd: u64,
    /// The day of the table: `2026-07-20`.
    pub as_of: &'static str,
}

impl Price {
    /// US dollars an hour.
    pub fn hourly_usd(&self) -> f64 {
        self.micro_usd as f64 / 1e6
    }

    /// US dollars a month of 730 hours.
    pub fn monthly_usd(&self) -> f64 {
        (self.micro_usd * HOURS_PER_MONTH) as f64 / 1e6
    }

    /// `$0.0416`: an hour, with the digits that it has.
    pub fn hourly(&self) -> String {
        dollars(self.micro_usd)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, day) = (self.hourly(), self.as_of);
        write!(f, "{hour} an hour (list price of {day})")
    }
}

impl std::ops::Add for Price {
    type Output = Self;
    /// Both together.
    fn add(self, other: Self) -> Self {
        let micro_usd = self.micro_usd + other.micro_usd;
        Self { micro_usd, ..self }
    }
}

/// The price of a type in a region; None: not known.
pub fn price(instance_type: &InstanceType, region: &str) -> Option<Price> {
    let table = table();
    let micro_usd = *table.prices.get(region)?.get(instance_type.as_str())?;
    let as_of = table.as_of;
    Some(Price { micro_usd, as_of })
}

struct Table {
    as_of: &'static str,
    prices: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
}

fn table() -> &'static Table {
    #[derive(Deserialize)]
    struct File {
        as_of: &'static str,
        prices: BTreeMap<&'static str, BTreeMap<&'static str, f64>>,
    }
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let file: File =
            serde_json::from_str(include_str!("prices.json")).expect("tests parse the table");
        let micro = |usd: f64| (usd * 1e6).round() as u64;
        let prices = file.prices.into_iter().map(|(region, types)| {
            let types = types.into_iter().map(|(name, usd)| (name, micro(usd)));
            (region, types.collect())
        });
        Table {
            as_of: file.as_of.split('T').next().unwrap_or(file.as_of),
            prices: prices.collect(),
        }
    })
}

/// Millionths of a dollar as `$0.0416`: at least two digits behind the point, at most six.
pub fn dollars(micro: u64) -> String {
    let mut text = format!("${}.{:06}", micro / 1_000_000, micro % 1_000_000);
    let least = text.len() - 4;
    while text.len() > least && text.ends_with('0') {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, region: &str) -> Option<Price> {
        price(&InstanceType::new(name).unwrap(), region)
    }

    #[test]
    fn a_price_is_the_published_one_with_its_day() {
        for (name, hour, month) in [
            ("t3.medium", "$0.0416", 30.368),
            ("t3.large", "$0.0832", 60.736),
            ("a1.medium", "$0.0255", 18.615),
            ("c3.4xlarge", "$0.84", 613.2),
        ] {
            let price = of(name, "us-east-1").unwrap();
            assert_eq!(price.hourly(), hour);
            assert_eq!(price.monthly_usd(), month);
            assert_eq!(price.as_of, "2026-07-20");
        }
        let price = of("t3.medium", "us-east-1").unwrap();
        assert_eq!(price.hourly_usd(), 0.0416);
        assert_eq!(
            price.to_string(),
            "$0.0416 an hour (list price of 2026-07-20)"
        );
    }

    #[test]
    fn what_the_table_does_not_hold_is_not_known() {
        assert_eq!(of("t3.medium", "eu-central-1"), None);
        assert_eq!(of("t3.enormous", "us-east-1"), None);
    }

    #[test]
    fn digits_that_say_nothing_are_left_out() {
        for (micro, text) in [
            (0, "$0.00"),
            (4_200, "$0.0042"),
            (84_000, "$0.084"),
            (1_500_000, "$1.50"),
            (12_000_001, "$12.000001"),
        ] {
            assert_eq!(dollars(micro), text);
        }
    }
}
