//! What the instance costs, before and after.

use serde::Serialize;

use crate::instance::price;
use crate::model::InstanceType;

/// List prices before and after. Where one is not known it is null, and never guessed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// While it ran as it was.
    pub before: Option<TypeCost>,
    /// While it runs as it is now.
    pub after: Option<TypeCost>,
    /// The day of the price list: `2026-07-20`; None where neither price is known.
    pub as_of: Option<&'static str>,
    /// What the prices are, in words.
    pub basis: &'static str,
}

/// What a type costs while it runs. A stopped instance costs nothing by the hour; its volumes go on costing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TypeCost {
    /// The type.
    #[serde(rename = "type")]
    pub instance_type: InstanceType,
    /// US dollars an hour.
    pub hourly_usd: f64,
    /// US dollars a month of 730 hours.
    pub monthly_usd: f64,
    #[serde(skip)]
    said: String,
}

const BASIS: &str =
    "on-demand list price, Linux, shared tenancy, instance alone; a month is 730 hours";

impl Cost {
    /// Of these types in this region. `list`: whether list prices are what it pays (not on Spot, not on dedicated
    /// hardware).
    pub fn of(
        before: &InstanceType,
        after: Option<&InstanceType>,
        region: &str,
        list: bool,
    ) -> Self {
        let known = |name: &InstanceType| price(name, region).filter(|_| list);
        let prices = [Some(before), after].map(|name| name.and_then(known));
        let cost = |name: Option<&InstanceType>| {
            let (name, price) = name.and_then(|name| Some((name, known(name)?)))?;
            let monthly_usd = price.monthly_usd();
            Some(TypeCost {
                instance_type: name.clone(),
                hourly_usd: price.hourly_usd(),
                monthly_usd,
                said: format!("{} an hour, ${monthly_usd:.2} a month", price.hourly()),
            })
        };
        Self {
            before: cost(Some(before)),
            after: cost(after),
            as_of: prices.iter().flatten().map(|p| p.as_of).next(),
            basis: BASIS,
        }
    }

    /// In words: one line.
    pub fn said(&self) -> String {
        let say = |cost: &Option<TypeCost>| match cost {
            Some(cost) => cost.said.clone(),
            None => "not known".to_owned(),
        };
        let (before, after) = (say(&self.before), say(&self.after));
        let day = match self.as_of {
            Some(day) => format!("list price of {day}"),
            None => return "not known".to_owned(),
        };
        if before == after {
            return format!("{after} ({day})");
        }
        format!("{after}; it was {before} ({day})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_(name: &str) -> InstanceType {
        InstanceType::new(name).unwrap()
    }

    #[test]
    fn what_is_known_is_said_with_its_day_and_what_is_not_is_not_guessed() {
        let (medium, large) = (type_("t3.medium"), type_("t3.large"));
        let cost =
            |after: Option<&InstanceType>, region, list| Cost::of(&medium, after, region, list);
        for (cost, said) in [
            (
                cost(Some(&large), "us-east-1", true),
                "$0.0832 an hour, $60.74 a month; it was $0.0416 an hour, $30.37 a month (list price of 2026-07-20)",
            ),
            (
                cost(Some(&medium), "us-east-1", true),
                "$0.0416 an hour, $30.37 a month (list price of 2026-07-20)",
            ),
            (
                cost(None, "us-east-1", true),
                "not known; it was $0.0416 an hour, $30.37 a month (list price of 2026-07-20)",
            ),
            (cost(Some(&large), "eu-central-1", true), "not known"),
            // Spot, or dedicated hardware.
            (cost(Some(&large), "us-east-1", false), "not known"),
        ] {
            assert_eq!(cost.said(), said);
        }
        let document = serde_json::to_value(cost(Some(&large), "us-east-1", true)).unwrap();
        assert_eq!(document["before"]["hourly_usd"], 0.0416);
        assert_eq!(document["after"]["type"], "t3.large");
        assert_eq!(document["after"]["monthly_usd"], 60.736);
        assert_eq!(document["as_of"], "2026-07-20");
        let unknown = serde_json::to_value(cost(Some(&large), "eu-central-1", true)).unwrap();
        assert!(unknown["after"].is_null() && unknown["as_of"].is_null());
    }
}
