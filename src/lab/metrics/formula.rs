//! Metric math by itself: one expression over series that somebody else brings.

use std::collections::BTreeMap;

use super::expression::{self, Expression};
use super::math::{Scope, Worth};

/// A metric math expression, read once and computed as often as one likes.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula(Expression);

impl Formula {
    /// Reads an expression.
    ///
    /// # Errors
    /// Says what is not understood, and names functions that are not computed here.
    pub fn parse(text: &str) -> Result<Self, String> {
        expression::parse(text).map(Self)
    }

    /// Computes it over series by the ids it names: values by the second their period of `period` seconds
    /// starts at.
    ///
    /// # Errors
    /// When an id has no series, or the expression is worth something else than one series.
    pub fn compute(
        &self,
        series: BTreeMap<String, BTreeMap<u64, f64>>,
        period: u64,
    ) -> Result<BTreeMap<u64, f64>, String> {
        let mut grid: Vec<u64> = series.values().flat_map(BTreeMap::keys).copied().collect();
        grid.sort_unstable();
        grid.dedup();
        let metrics = series.keys().map(|id| (id.clone(), period)).collect();
        let known = series.into_iter().map(|(id, series)| (id, Worth::One(series))).collect();
        let scope = Scope { known: &known, metrics: &metrics, grid: &grid, period };
        match scope.compute(&self.0)? {
            Worth::One(series) => Ok(series),
            Worth::Scalar(_) | Worth::Many(_) => Err("Error in expression: it is not one series".to_owned()),
        }
    }
}
