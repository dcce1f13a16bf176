//! What one stretch of one metric holds: exact values while they are few, a sketch when they are many.

use super::cell::Cell;
use super::sketch::Sketch;

/// Values kept exactly; beyond that each is known to half a percent.
const EXACT_LIMIT: usize = 256;

/// The values of one stretch of time.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    /// The sum of all values.
    pub sum: f64,
    /// How many values there were.
    pub count: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
    /// How many of the values are known, and not only part of a set.
    known: f64,
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    /// Values in order, with how often each was seen.
    Exact(Vec<(f64, f64)>),
    Many(Sketch),
}

impl Default for Bucket {
    fn default() -> Bucket {
        Bucket {
            sum: 0.0,
            count: 0.0,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            known: 0.0,
            values: Values::Exact(Vec::new()),
        }
    }
}

impl Bucket {
    /// Adds a value that was seen so often.
    pub(crate) fn add(&mut self, value: f64, times: f64) {
        self.add_set(value * times, times, value, value);
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
        match &other.values {
            Values::Exact(values) => values.iter().for_each(|(value, times)| self.note(*value, *times)),
            Values::Many(sketch) => {
                self.known += other.known;
                self.many().merge(sketch);
            }
        }
    }

    /// How many values are known.
    pub(crate) fn known(&self) -> f64 {
        self.known
    }

    /// How many of the known values are greater than a bound.
    pub(crate) fn above(&self, bound: f64) -> f64 {
        match &self.values {
            Values::Exact(values) => {
                let place = values.partition_point(|(value, _)| *value <= bound);
                values[place..].iter().map(|(_, times)| times).sum()
            }
            Values::Many(sketch) => sketch.above(bound, self.least, self.greatest),
        }
    }

    /// The values in order.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> {
        let (exact, many) = match &self.values {
            Values::Exact(values) => (values.as_slice(), None),
            Values::Many(sketch) => (&[][..], Some(sketch)),
        };
        let exact = exact.iter().map(|(value, times)| Cell { low: *value, high: *value, times: *times });
        exact.chain(many.into_iter().flat_map(|sketch| sketch.cells(self.least, self.greatest)))
    }

    fn note(&mut self, value: f64, times: f64) {
        self.known += times;
        if let Values::Exact(values) = &mut self.values {
            let place = values.partition_point(|(had, _)| *had < value);
            if let Some(same) = values.get_mut(place).filter(|same| same.0 == value) {
                same.1 += times;
                return;
            }
            if values.len() < EXACT_LIMIT {
                values.insert(place, (value, times));
                return;
            }
        }
        self.many().add(value, times);
    }

    /// The sketch; what was kept exactly goes into it.
    fn many(&mut self) -> &mut Sketch {
        if let Values::Exact(values) = &self.values {
            let mut sketch = Sketch::default();
            for (value, times) in values {
                sketch.add(*value, *times);
            }
            self.values = Values::Many(sketch);
        }
        match &mut self.values {
            Values::Many(sketch) => sketch,
            Values::Exact(_) => unreachable!("it was made one above"),
        }
    }
}

impl From<Sketch> for Bucket {
    /// A bucket of values that are known only by their cells.
    fn from(sketch: Sketch) -> Bucket {
        let mut bucket = Bucket::default();
        for cell in sketch.cells(f64::NEG_INFINITY, f64::INFINITY) {
            bucket.add_set(cell.middle() * cell.times, cell.times, cell.low, cell.high);
        }
        bucket.known = bucket.count;
        bucket.values = Values::Many(sketch);
        bucket
    }
}
