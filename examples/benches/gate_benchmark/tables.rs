//! The tables: a policy a row, a case a column, the rates side by side in a cell.

use std::fmt::Write as _;

use super::cells::{Case, Cell, Figures};

/// All that was measured.
pub struct Results {
    /// The cells.
    pub cells: Vec<Cell>,
    /// What came of each.
    pub figures: Vec<Figures>,
}

impl Results {
    /// The figures of these cells, in their order.
    pub fn of(&self, chosen: impl Fn(&Cell) -> bool) -> impl Iterator<Item = (&Cell, &Figures)> {
        self.cells.iter().zip(&self.figures).filter(move |(cell, _)| chosen(cell))
    }

    /// The tables of the benchmark, in Markdown.
    pub fn tables(&self) -> String {
        let good = |case| matches!(case, Case::Good(_));
        let bad = |case| matches!(case, Case::Bad(_));
        [
            self.table("False rollback, %", good, |figures| percent(figures.back_percent())),
            self.table("Missed regression, %", bad, |figures| percent(100.0 - figures.back_percent())),
            self.table("Harmed requests in the first 60 min, mean", bad, |figures| count(figures.harm)),
            self.table("Seconds to rollback, median", bad, |figures| seconds(figures.to_back)),
            self.table("Seconds to 95 % of the traffic, median of those not rolled back", good, |figures| {
                seconds(figures.to_promotion)
            }),
        ]
        .concat()
    }

    fn table(&self, title: &str, chosen: fn(Case) -> bool, show: fn(&Figures) -> String) -> String {
        let mut columns: Vec<&str> = Vec::new();
        let mut rows: Vec<&str> = Vec::new();
        let mut rates: Vec<String> = Vec::new();
        for cell in self.cells.iter().filter(|cell| chosen(cell.case)) {
            note(&mut columns, cell.name);
            note(&mut rows, cell.policy.name);
            note(&mut rates, cell.rate.to_string());
        }
        if columns.is_empty() {
            return String::new();
        }
        let mut text = format!("**{title}** (in a cell: {} requests a second)\n\n", rates.join(" / "));
        let _ = writeln!(text, "| policy | {} |\n|---|{}", columns.join(" | "), "---|".repeat(columns.len()));
        for row in rows {
            let cells = columns.iter().map(|column| {
                let of = self.of(|cell| cell.policy.name == row && cell.name == *column);
                of.map(|(_, figures)| show(figures)).collect::<Vec<_>>().join(" / ")
            });
            let _ = writeln!(text, "| {row} | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
        text + "\n"
    }
}

/// Adds what is not yet there.
fn note<T: PartialEq>(known: &mut Vec<T>, one: T) {
    if !known.contains(&one) {
        known.push(one);
    }
}

fn percent(percent: f64) -> String {
    match percent {
        0.0 => "0".to_owned(),
        small if small < 10.0 => format!("{small:.1}"),
        _ => format!("{percent:.0}"),
    }
}

fn count(count: f64) -> String {
    if count < 10_000.0 { format!("{count:.0}") } else { format!("{:.0}k", count / 1000.0) }
}

fn seconds(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "–".to_owned(), |seconds| seconds.to_string())
}
