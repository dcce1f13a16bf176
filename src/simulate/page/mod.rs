//! The result of a simulation, as a table, as JSON, and as a picture.

mod json;
mod picture;
mod suite;
mod table;

pub use json::json;
pub use picture::picture;
pub use suite::{Judged, Suite, Truth};
pub use table::table;

use super::figures::Chance;
use super::grid::{Cell, Grid};
use super::rollout::Untried;

/// All that a page tells of.
#[derive(Clone, Copy, Debug)]
pub struct PageContents<'a> {
    /// The spec's name.
    pub name: &'a str,
    /// What was simulated.
    pub grid: &'a Grid,
    /// What it came to.
    pub cells: &'a [Cell],
    /// The gates that were taken as passing.
    pub untried: &'a [Untried],
    /// The driver's word, and what it does otherwise than what was simulated.
    pub driver: (&'a str, Option<&'a str>),
}

/// What shares of so many runs are worth: `0 % (0 of 200) is in truth 0 % to 1.9 %`.
fn trust(runs: u64) -> String {
    let between = |of: u64| {
        let chance = Chance { of, runs };
        let (low, high) = chance.interval();
        format!("{} ({of} of {runs}) is in truth {} to {}", percent(chance.share()), percent(low), percent(high))
    };
    format!("{}; {} (95 % confidence)", between(0), between(runs / 2))
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || percent >= 9.95 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

/// A count with two telling digits.
fn amount(number: f64) -> String {
    match number {
        n if n >= 99_500.0 => format!("{:.0}k", n / 1000.0),
        n if n >= 9_950.0 => format!("{:.1}k", n / 1000.0),
        n if !(0.05..9.95).contains(&n) => format!("{n:.0}"),
        n => format!("{n:.1}"),
    }
}

/// `20 rps`, `0.5 rps`.
fn rate(rate: f64) -> String {
    format!("{rate} rps")
}
