//! Measures how well gates tell good releases from bad ones, beside what other tools do by default.
//! `cargo bench --bench gate_benchmark -- --help`; `figures.md` beside this file has the long run.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    unreachable_pub,
    reason = "counts, shares and seconds are small and not negative; nobody imports a benchmark"
)]

mod cells;
mod play;
mod policy;
mod speed;
mod tables;
mod targets;

use clap::Parser;

use cells::{Case, Cell, cases, fill};
use policy::Entry;
use tables::Results;

/// Measures how often gates roll back good releases and miss bad ones, and how much harm is done meanwhile.
#[derive(Parser)]
#[command(name = "gate_benchmark")]
struct Options {
    /// Rollouts per cell of a bad release.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,
    /// Rollouts per cell of a good release.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    healthy_runs: u32,
    /// Requests a second, both slots together.
    #[arg(long, value_delimiter = ',', default_values_t = [2.0, 20.0, 200.0, 2000.0], value_parser = rate)]
    rates: Vec<f64>,
    /// Policies by name; all when none is given.
    #[arg(long, value_delimiter = ',', value_parser = named)]
    policies: Vec<&'static Entry>,
    /// Scenarios and faults by name; all when none is given.
    #[arg(long, value_delimiter = ',', value_parser = case)]
    cases: Vec<&'static str>,
    /// Only policies on this feed, in seconds.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=60))]
    feed: Option<u64>,
    /// Decides every draw; the same seed gives the same tables whatever the number of threads.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; as many as there are cores when not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// 40 rollouts per cell of a bad release, 100 of a good one.
    #[arg(long, conflicts_with_all = ["runs", "healthy_runs"])]
    quick: bool,
    /// Only measure what one verdict costs.
    #[arg(long)]
    speed: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.01..=1e6).contains(rate));
    rate.ok_or_else(|| "a rate is between 0.01 and 1000000 requests a second".to_owned())
}

fn named(text: &str) -> Result<&'static Entry, String> {
    let known = || policy::ALL.iter().map(|entry| format!("\n  {:14} {}", entry.name, entry.about));
    policy::ALL
        .iter()
        .find(|entry| entry.name == text)
        .ok_or_else(|| format!("there is no such policy; there are:{}", known().collect::<String>()))
}

fn case(text: &str) -> Result<&'static str, String> {
    let names: Vec<&str> = cases().into_iter().map(|(name, _)| name).collect();
    let found = names.iter().find(|name| **name == text).copied();
    found.ok_or_else(|| format!("there is no such case; there are: {}", names.join(", ")))
}

impl Options {
    fn cells(&self) -> Vec<Cell> {
        let (runs, healthy_runs) = if self.quick { (40, 100) } else { (self.runs, self.healthy_runs) };
        let asked = |entry: &&Entry| {
            let named = self.policies.is_empty() || self.policies.iter().any(|asked| asked.name == entry.name);
            named && self.feed.is_none_or(|feed| feed == entry.timing.span)
        };
        let mut cells = Vec::new();
        for policy in policy::ALL.iter().filter(asked) {
            for (name, case) in cases() {
                let good = matches!(case, Case::Good(_));
                let unasked = !self.cases.is_empty() && !self.cases.contains(&name);
                if unasked || (good && policy.knows_the_fault) {
                    continue;
                }
                let runs = if good { healthy_runs } else { runs };
                cells.extend(self.rates.iter().map(|rate| Cell { policy, name, case, rate: *rate, runs }));
            }
        }
        cells
    }
}

fn main() {
    // Cargo tells each benchmark that it is one.
    let options = Options::parse_from(std::env::args().filter(|argument| argument != "--bench"));
    if options.speed {
        println!("{}", speed::measure());
        return;
    }
    let cells = options.cells();
    let threads = options.threads.map(usize::from);
    let threads = threads.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
    let count = cells.len();
    let figures = fill(&cells, options.seed, threads, &|done| eprint!("\r{done} of {count} cells"));
    eprintln!();
    let results = Results { cells, figures };
    print!("{}{}", results.tables(), targets::table(&results));
}
