//! Many values in little room: how many fell into each cell of a logarithmic scale.

use super::cell::Cell;

/// The logarithm of the width of a cell.
const WIDTH: f64 = 0.01;
/// Values at or below this, and at or above the other, are not told apart.
const LEAST: f64 = 1e-9;
const GREATEST: f64 = 1e15;

/// How many values fell into each cell, from the first cell that has any to the last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sketch {
    /// Those at or below [`LEAST`].
    low: f64,
    first: i32,
    cells: Vec<f64>,
}

/// The cell a value falls into.
pub(crate) fn place_of(value: f64) -> i32 {
    (value.clamp(LEAST, GREATEST).ln() / WIDTH).floor() as i32
}

/// The least value of a cell.
pub(crate) fn edge_of(place: i32) -> f64 {
    (f64::from(place) * WIDTH).exp()
}

impl Sketch {
    /// So many values in each cell from the first on.
    pub(crate) fn from_cells(first: i32, mut cells: Vec<f64>) -> Sketch {
        let filled = |times: &f64| *times > 0.0;
        cells.truncate(cells.iter().rposition(filled).map_or(0, |last| last + 1));
        let empty = cells.iter().position(filled).unwrap_or(0);
        cells.drain(..empty);
        cells.shrink_to_fit();
        Sketch { low: 0.0, first: first + empty as i32, cells }
    }

    /// Adds a value that was seen so often.
    pub(crate) fn add(&mut self, value: f64, times: f64) {
        if value > LEAST {
            let place = place_of(value);
            self.reach(place, place);
            self.cells[(place - self.first) as usize] += times;
        } else {
            self.low += times;
        }
    }

    /// Adds another sketch.
    pub(crate) fn merge(&mut self, other: &Sketch) {
        self.low += other.low;
        if other.cells.is_empty() {
            return;
        }
        self.reach(other.first, other.first + other.cells.len() as i32 - 1);
        let offset = (other.first - self.first) as usize;
        for (mine, times) in self.cells[offset..].iter_mut().zip(&other.cells) {
            *mine += times;
        }
    }

    /// The cells that hold anything, in order; no bound lies beyond the least or the greatest value.
    pub(crate) fn cells(&self, least: f64, greatest: f64) -> impl Iterator<Item = Cell> {
        let lowest = least.min(LEAST);
        let low = (self.low > 0.0).then_some(Cell { low: lowest, high: lowest, times: self.low });
        let (mut edge, step) = (edge_of(self.first), WIDTH.exp());
        let cells = self.cells.iter().filter_map(move |times| {
            let (low, high) = (edge, edge * step);
            edge = high;
            (*times > 0.0).then(|| Cell { low: low.max(least), high: high.min(greatest), times: *times })
        });
        low.into_iter().chain(cells)
    }

    /// How many values are greater than a bound, no value lying beyond the least or the greatest.
    pub(crate) fn above(&self, bound: f64, least: f64, greatest: f64) -> f64 {
        if bound <= LEAST {
            let low = if least.min(LEAST) > bound { self.low } else { 0.0 };
            return low + self.cells.iter().sum::<f64>();
        }
        let place = place_of(bound);
        let index = i64::from(place) - i64::from(self.first);
        let (Ok(index), true) = (usize::try_from(index), bound < GREATEST) else {
            return if index < 0 { self.cells.iter().sum() } else { 0.0 };
        };
        let beyond: f64 = self.cells.get(index + 1..).unwrap_or_default().iter().sum();
        let (low, high) = (edge_of(place).max(least), edge_of(place + 1).min(greatest));
        let cut = self.cells.get(index).map_or(0.0, |times| Cell { low, high, times: *times }.above(bound));
        beyond + cut
    }

    /// Makes room from one cell to another.
    fn reach(&mut self, first: i32, last: i32) {
        if self.cells.is_empty() {
            self.first = first;
        }
        if first < self.first {
            let missing = (self.first - first) as usize;
            self.cells.splice(..0, std::iter::repeat_n(0.0, missing));
            self.first = first;
        }
        let wanted = (last - self.first + 1) as usize;
        if wanted > self.cells.len() {
            self.cells.resize(wanted, 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(sketch: &Sketch) -> Vec<(f64, f64)> {
        let cells = sketch.cells(f64::NEG_INFINITY, f64::INFINITY);
        cells.map(|cell| ((cell.middle() * 100.0).round() / 100.0, cell.times)).collect()
    }

    #[test]
    fn values_are_found_in_order_whatever_order_they_came_in() {
        let mut sketch = Sketch::default();
        for value in [1.0, 100.0, 0.1, 0.0, 100.0] {
            sketch.add(value, 1.0);
        }
        let found = told(&sketch);
        assert_eq!(found.iter().map(|(_, times)| *times).collect::<Vec<_>>(), [1.0, 1.0, 1.0, 2.0]);
        assert!((found[1].0 / 0.1 - 1.0).abs() < 0.01 && (found[3].0 / 100.0 - 1.0).abs() < 0.006, "{found:?}");
    }

    #[test]
    fn two_sketches_are_one_of_all_their_values() {
        let (mut one, mut other) = (Sketch::default(), Sketch::default());
        for value in 1..50 {
            one.add(f64::from(value), 1.0);
            other.add(f64::from(value) / 50.0, 2.0);
        }
        other.merge(&Sketch::default());
        one.merge(&other);
        assert_eq!(told(&one).iter().map(|(_, times)| times).sum::<f64>(), 49.0 + 98.0);
    }

    #[test]
    fn what_lies_above_a_bound_is_what_lies_in_the_cells_above_it() {
        let mut sketch = Sketch::default();
        for value in [0.0, 0.5, 1.0, 1.004, 2.0, 2.0, 50.0, 1e20] {
            sketch.add(value, 1.0);
        }
        let (least, greatest) = (0.0, 1e20);
        for bound in [-1.0, 0.0, 1e-12, 0.4, 0.5, 1.001, 1.5, 2.0, 49.0, 60.0, 1e16, 1e30] {
            let cells: f64 = sketch.cells(least, greatest).map(|cell| cell.above(bound)).sum();
            let found = sketch.above(bound, least, greatest);
            assert!((found - cells).abs() < 1e-6 || bound >= GREATEST, "{bound}: {found}, not {cells}");
        }
        assert_eq!(sketch.above(1e30, least, greatest), 0.0);
    }

    #[test]
    fn empty_cells_at_the_ends_take_no_room() {
        let sketch = Sketch::from_cells(10, vec![0.0, 0.0, 3.0, 0.0, 1.0, 0.0]);
        assert_eq!((sketch.first, sketch.cells.len()), (12, 3));
        assert!(told(&Sketch::from_cells(10, vec![0.0])).is_empty());
    }
}
