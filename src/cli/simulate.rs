//! `tidegate simulate SPEC`: what a spec would do to good and bad releases, at little and much traffic.

use std::path::PathBuf;

use super::context::Context;
use super::{Exit, Failure, target, terminal};
use crate::domain::text::{count, escape_json, many};
use crate::simulate::page::{self, PageContents};
use crate::simulate::world::Service;
use crate::simulate::{Grid, Regression, Rehearsal};

/// The most rollouts that one command simulates.
const ROLLOUTS_LIMIT: u64 = 10_000_000;

/// Say what a spec would do: how likely it finds a bad release and how many requests that costs.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Requests are synthetic, the rollout is not: the spec is compiled and driven by the machine of a real
rollout, in virtual time, with the delays of the spec's feed. The same seed gives the same figures.

Examples:
  tidegate simulate rollout.yaml
  tidegate simulate rollout.yaml --rps 20,200 --regression errors=1%,latency=+10% --runs 1000
  tidegate simulate rollout.yaml --format svg --out simulation.svg"
)]
pub(super) struct Args {
    /// The spec.
    spec: PathBuf,
    /// Requests a second, both slots together.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "2,20,200,2000", value_parser = rps)]
    rps: Vec<f64>,
    /// What is wrong with the release: none, errors=1%, latency=+10%, latency=+20ms, grows=30m, joined by
    /// commas; once for each row [default: none and seven others].
    #[arg(long = "regression", value_name = "WORDS")]
    regressions: Vec<Regression>,
    /// What the stable slot is like; spread is the standard deviation of the logarithm of response times, bursts the mean
    /// number of failures that come together, wander how far a slot's speed is off from minute to minute. `plan` says
    /// these words of a live service.
    #[arg(long, value_name = "WORDS", default_value = "errors=0.1%,median=100ms,spread=0.5,bursts=1,wander=0%")]
    stable: Service,
    /// How many hosts a slot has: few may be slower by chance, which is no regression then [default: many].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    hosts: Option<u32>,
    /// How often each regression is rolled out at each rate.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    runs: u64,
    /// Where every die starts.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// A table for people, everything for programs, or a picture.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Svg,
}

fn rps(text: &str) -> Result<f64, String> {
    let rate = text.trim().parse().ok().filter(|rate: &f64| (0.01..=1_000_000.0).contains(rate));
    rate.ok_or_else(|| "a rate is a number of requests a second, from 0.01 to 1000000".to_owned())
}

pub(super) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let spec = target::spec(context, &args.spec)?;
    let rehearsal = Rehearsal::new(&spec)?.on_hosts(args.hosts);
    let Args { rps: rates, stable: service, runs, seed, out, .. } = args;
    let regressions = if args.regressions.is_empty() { Regression::usual() } else { args.regressions };
    let grid = Grid { rates, regressions, runs, seed, service };
    if grid.rollouts() > ROLLOUTS_LIMIT {
        let wrong = format!("{} rollouts are more than {}", count(grid.rollouts()), count(ROLLOUTS_LIMIT));
        return Err(Failure::new(Exit::Usage, wrong).hint("fewer `--runs`, `--rps` or `--regression`"));
    }
    if !context.json() {
        terminal::say(&format!("simulating {}", many(grid.rollouts(), "rollout")));
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cells = grid.run(&rehearsal, threads);
    let untried = rehearsal.untried();
    let driver = (spec.driver.kind().word(), rehearsal.otherwise());
    let told = PageContents { name: spec.name.as_str(), grid: &grid, cells: &cells, untried: &untried, driver };
    let json = || format!("{}\n", escape_json(&page::json(&told).to_string()));
    let text = match args.format {
        _ if context.json() => json(),
        Format::Text => page::table(&told),
        Format::Json => json(),
        Format::Svg => page::picture(&told),
    };
    terminal::deliver(&text, out.as_deref())?;
    Ok(Exit::Done)
}
