//! Facts of the tenant's limits that runs have learned. They hold for all later runs, until they are old or forgotten.

use std::time::Duration;

use super::error::CoordinationError;
use super::now::{Now, nanos};
use super::store::{Coordination, Table};
use crate::pacer::{Learned, QuotaScope, Shape};
use crate::wire::QuotaClass;

/// The time for which something is believed that was learned. Then it is tried anew, at the price of a few refusals.
const BELIEVED: Duration = Duration::from_secs(30 * 24 * 3600);

/// The same for a limit: another program may have used a part of it for some time only.
const LIMIT_BELIEVED: Duration = Duration::from_secs(600);

/// Something that was learned of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The fact.
    pub learned: Learned,
    /// The time at which it was learned, in nanoseconds of the wall clock.
    pub at: i64,
}

impl Coordination {
    /// Returns what was learned of the tenant in the last thirty days; limits only of the last ten minutes.
    ///
    /// # Errors
    /// [`CoordinationError`] if the table cannot be read.
    pub fn learned(&self, now: Now) -> Result<Vec<Fact>, CoordinationError> {
        self.change(now, |table| {
            let mut statement = table
                .transaction
                .prepare("SELECT fact, value, at FROM learned ORDER BY fact")?;
            let rows = statement.query_map((), |row| {
                let (name, value): (String, String) = (row.get(0)?, row.get(1)?);
                Ok((parse(&name, &value), row.get(2)?))
            })?;
            let mut facts = Vec::new();
            for row in rows {
                let (learned, at): (Option<Learned>, i64) = row?;
                let believed = match learned {
                    Some(Learned::Limit(..)) => LIMIT_BELIEVED,
                    _ => BELIEVED,
                };
                let is_new = at >= now.wall.saturating_sub(nanos(believed));
                facts.extend(
                    learned
                        .filter(|_| is_new)
                        .map(|learned| Fact { learned, at }),
                );
            }
            Ok(facts)
        })
    }

    /// Forgets what was learned of the tenant.
    ///
    /// # Errors
    /// [`CoordinationError`] if the table cannot be written.
    pub fn forget_learned(&self, now: Now) -> Result<(), CoordinationError> {
        self.change(now, |table| {
            table.transaction.execute("DELETE FROM learned", ())?;
            Ok(())
        })
    }
}

impl Table<'_> {
    /// Notes what was learned of the tenant.
    ///
    /// # Errors
    /// A [`rusqlite::Error`] if the table cannot be written.
    pub fn learn(&self, learned: Learned) -> rusqlite::Result<()> {
        const NOTE: &str = "INSERT OR REPLACE INTO learned VALUES (?1, ?2, ?3)";
        let (fact, value) = match learned {
            Learned::Scope(scope) => ("scope".to_owned(), scope.to_string()),
            Learned::Shape(class, shape) => (format!("shape {class}"), shape.to_string()),
            Learned::Limit(class, calls) => (format!("limit {class}"), calls.to_string()),
        };
        self.transaction
            .execute(NOTE, (fact, value, self.now.wall))?;
        Ok(())
    }
}

/// Reads a fact as [`Table::learn`] writes it. What another version of the program wrote may be `None`.
fn parse(name: &str, value: &str) -> Option<Learned> {
    let (what, of) = name.split_once(' ').unwrap_or((name, ""));
    let class = || match of {
        "read" => Some(QuotaClass::Read),
        "write" => Some(QuotaClass::Write),
        _ => None,
    };
    match what {
        "scope" => {
            let scope = value.parse().ok();
            let scope = scope.filter(|scope| *scope != QuotaScope::Auto);
            scope.map(Learned::Scope)
        }
        "shape" => {
            let shape = value.parse().ok().filter(|shape| *shape == Shape::Smooth);
            Some(Learned::Shape(class()?, shape?))
        }
        "limit" => Some(Learned::Limit(class()?, value.parse().ok()?)),
        _ => None,
    }
}
