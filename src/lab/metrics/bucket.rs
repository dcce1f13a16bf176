//! What one minute of one metric holds: exact values while they are few, a sketch when they are many.

use std::collections::BTreeMap;

/// Values kept exactly; beyond that each is known to half a percent.
const EXACT_LIMIT: usize = 256;
/// The logarithm of the width of a cell of the sketch.
const CELL: f64 = 0.01;
/// Zero and below share this cell.
const LOWEST_CELL: i32 = i32::MIN;

/// The values of one minute.
#[derive(Debug, Clone)]
pub(in crate::lab) struct Bucket {
    /// The sum of all values.
    pub sum: f64,
    /// How many values there were.
    pub count: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    /// Values with how often each was seen.
    Exact(Vec<(f64, f64)>),
    /// Cells of a logarithmic scale.
    Sketch(BTreeMap<i32, f64>),
}

impl Default for Bucket {
    fn default() -> Bucket {
        Bucket {
            sum: 0.0,
            count: 0.0,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            values: Values::Exact(Vec::new()),
        }
    }
}

impl Bucket {
    /// Adds a value that was seen so often.
    pub(crate) fn add(&mut self, value: f64, times: f64) {
        self.sum += value * times;
        self.count += times;
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        self.note(value, times);
    }

    /// Adds a set whose values are not known.
    pub(crate) fn add_set(&mut self, sum: f64, count: f64, least: f64, greatest: f64) {
        self.sum += sum;
        self.count += count;
        self.least = self.least.min(least);
        self.greatest = self.greatest.max(greatest);
    }

    /// Adds another bucket.
    pub(crate) fn merge(&mut self, other: &Bucket) {
        self.add_set(other.sum, other.count, other.least, other.greatest);
        for (value, times) in other.values() {
            self.note(value, times);
        }
    }

    /// The values in order, with how often each was seen.
    pub(crate) fn values(&self) -> Vec<(f64, f64)> {
        match &self.values {
            Values::Exact(values) => {
                let mut values = values.clone();
                values.sort_by(|a, b| a.0.total_cmp(&b.0));
                values
            }
            Values::Sketch(cells) => {
                let middle = |cell: i32| match cell {
                    LOWEST_CELL => self.least,
                    _ => ((f64::from(cell) + 0.5) * CELL).exp().clamp(self.least, self.greatest),
                };
                cells.iter().map(|(cell, times)| (middle(*cell), *times)).collect()
            }
        }
    }

    fn note(&mut self, value: f64, times: f64) {
        match &mut self.values {
            Values::Exact(values) => {
                if let Some(same) = values.iter_mut().rev().take(8).find(|one| one.0 == value) {
                    same.1 += times;
                } else if values.len() < EXACT_LIMIT {
                    values.push((value, times));
                } else {
                    let mut cells = BTreeMap::new();
                    for (value, times) in values.iter() {
                        *cells.entry(cell_of(*value)).or_default() += times;
                    }
                    *cells.entry(cell_of(value)).or_default() += times;
                    self.values = Values::Sketch(cells);
                }
            }
            Values::Sketch(cells) => *cells.entry(cell_of(value)).or_default() += times,
        }
    }
}

fn cell_of(value: f64) -> i32 {
    if value > 1e-9 { (value.ln() / CELL).floor() as i32 } else { LOWEST_CELL }
}
