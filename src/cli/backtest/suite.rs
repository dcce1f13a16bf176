//! `tidegate backtest SPEC --suite FOLDER`: many recorded series whose truth is known, judged in one run.

use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use serde::Deserialize;

use super::super::recording::{Bins, Wrong, harmed_in, read_series};
use super::past::PastBins;
use super::trial::{End, Rules};
use super::{check_tolerance, judge, open, rules, told};
use crate::cli::context::Context;
use crate::cli::{Exit, Failure, terminal};
use crate::gate::Check;
use crate::simulate::page::{Judged, Suite, Truth};
use crate::simulate::{Course, Figures, Rehearsal};
use crate::spec::Spec;

/// The most bytes of one series.
const SERIES_LIMIT: usize = 256 << 20;
/// The most files of a folder.
const FILES_LIMIT: usize = 100_000;

/// What a suite's files look like, for `--help`.
pub(super) const FORMAT: &str = r#"A suite is a folder of .jsonl files, or - for one on standard input. A file holds one series or more.
Each begins with a line that says what is known of it, followed by the lines of a metrics file:
  {"world": "1 % errors", "truth": "bad", "rate": 30}
  world        its name in the table
  truth        healthy, or bad: the candidate is worse
  rate         requests a second, both slots together
  shares       optional: chosen, or recorded (chosen)
Where shares are recorded, a series is judged like a metrics file. Where they are chosen, the spec's
steps or ramp give the candidate its share, by the machine of a real rollout, in virtual time. Each line
then says what its slot would have counted with all of the traffic; a request is kept with the chance
that the slot's share gives it, and the same --seed keeps the same ones. The candidate's first line is
its first request. Further fields of a line:
  load         optional: the slot's share in percent for which the line holds; a bin may have several
               lines of a slot, and what lies between is mixed
  served       optional: the same by the number of requests the slot has had
  burst        optional: how many of the failures come together, and are kept together (1)
  harmed       optional: how many of the requests are expected to be harmed by a bad candidate"#;

/// The first line of a series.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    world: String,
    truth: Known,
    rate: f64,
    #[serde(default)]
    shares: Shares,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Known {
    Healthy,
    Bad,
}

/// Whose shares a series is judged at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shares {
    #[default]
    Chosen,
    Recorded,
}

/// One series as it was read.
struct Job {
    number: u64,
    header: Header,
    path: Arc<PathBuf>,
    /// The header's line.
    line: u64,
    lines: Vec<u8>,
}

/// What came of it.
type Done = (u64, Header, Result<Course, Failure>);

/// What all series are judged with.
struct Judge {
    rehearsal: Rehearsal,
    /// The gates for shares as they were recorded.
    rules: Result<Rules, Failure>,
    /// By how much the candidate may be slower.
    tolerated: Option<f64>,
    seed: u64,
}

pub(super) fn run(context: &Context, spec: &Spec, folder: &Path, seed: u64) -> Result<Exit, Failure> {
    let rehearsal = Rehearsal::new(spec)?.on_counts();
    let tolerated = spec.gates.iter().find_map(|gate| match &gate.check {
        Check::Compare(rule) => Some(rule.latency.slower),
        _ => None,
    });
    let judge = Judge { rehearsal, rules: rules(spec), tolerated, seed };
    let mut done = judge.all(&files(folder)?)?;
    done.sort_unstable_by_key(|(number, ..)| *number);
    let cells = cells(done)?;
    if cells.is_empty() {
        let wrong = format!("{} holds no series", folder.display());
        return Err(Failure::new(Exit::Usage, wrong).hint("`tidegate backtest --help` has the format of a suite"));
    }
    let untried = judge.rehearsal.untried();
    let suite = Suite { name: spec.name.as_str(), cells: &cells, untried: &untried };
    if context.json() {
        terminal::print_json(&suite.json())?;
    } else {
        terminal::print(&suite.text())?;
    }
    Ok(Exit::Done)
}

/// The files of a suite, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if folder.as_os_str() == "-" {
        return Ok(vec![folder.to_owned()]);
    }
    let wrong = |error: std::io::Error| {
        Failure::new(Exit::Usage, format!("cannot read the suite {}: {error}", folder.display()))
            .hint("a suite is a folder of .jsonl files, or - for standard input")
    };
    let entries = fs::read_dir(folder).map_err(wrong)?.take(FILES_LIMIT);
    let mut files =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    Ok(files)
}

/// The cells in the order of their first series.
fn cells(done: Vec<Done>) -> Result<Vec<Judged>, Failure> {
    let mut cells: Vec<(Header, Vec<Course>)> = Vec::new();
    for (_, header, course) in done {
        let course = course?;
        let same = |(known, _): &&mut (Header, Vec<Course>)| {
            known.world == header.world && known.rate.total_cmp(&header.rate).is_eq()
        };
        match cells.iter_mut().find(same) {
            Some((_, courses)) => courses.push(course),
            None => cells.push((header, vec![course])),
        }
    }
    let judged = cells.into_iter().map(|(header, courses)| Judged {
        world: header.world,
        truth: match header.truth {
            Known::Healthy => Truth::Healthy,
            Known::Bad => Truth::Bad,
        },
        rate: header.rate,
        figures: Figures::of(&courses),
    });
    Ok(judged.collect())
}

impl Judge {
    /// Judges every series of these files, on as many threads as there are. What comes of it does not depend on them.
    fn all(&self, files: &[PathBuf]) -> Result<Vec<Done>, Failure> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(64);
        std::thread::scope(|scope| {
            let (send, jobs) = sync_channel(threads);
            let jobs = Arc::new(Mutex::new(jobs));
            let spawn = |_| {
                let jobs = Arc::clone(&jobs);
                scope.spawn(move || self.work(&jobs))
            };
            let workers: Vec<_> = (0..threads).map(spawn).collect();
            let mut number = 0;
            let read = files.iter().try_for_each(|file| split(file, &mut number, &send));
            drop(send);
            let join = |worker: std::thread::ScopedJoinHandle<'_, Vec<Done>>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            let done = workers.into_iter().flat_map(join).collect();
            read.map(|()| done)
        })
    }

    fn work(&self, jobs: &Mutex<Receiver<Job>>) -> Vec<Done> {
        let next = || jobs.lock().ok()?.recv().ok();
        let judge = |job: Job| {
            let course = self.one(&job).map_err(|wrong| {
                let line = wrong.line.unwrap_or_default() + job.line;
                told(&job.path, Wrong { line: Some(line), ..wrong })
            });
            (job.number, job.header, course)
        };
        std::iter::from_fn(next).map(judge).collect()
    }

    fn one(&self, job: &Job) -> Result<Course, Wrong> {
        if job.header.shares == Shares::Recorded {
            return self.recorded(&job.lines);
        }
        let span = self.rehearsal.span();
        let mut series = read_series(&job.lines, span, |bins, marks, resolves| {
            let mut past = PastBins::new(span);
            for (at, counts) in bins {
                past.add(at, counts);
            }
            past.into_past(marks, resolves)
        })?;
        if let Some(tolerated) = self.tolerated {
            check_tolerance(tolerated, &series.marks.stable, &series.marks.candidate)?;
        }
        series.seed = self.seed_of(job.number);
        self.rehearsal.replay(&series).map_err(|refused| Wrong::new(refused.to_string()))
    }

    /// Judged at the shares it was recorded at.
    fn recorded(&self, lines: &[u8]) -> Result<Course, Wrong> {
        let rules = self.rules.as_ref().map_err(|failure| Wrong::new(failure.wrong.clone()))?;
        let span = rules.span();
        let account = judge(&mut Bins::new(lines, span), rules.clone(), PastBins::new(span))?.account(Vec::new());
        let (end, until) = match account.end {
            End::Promote(_) => (crate::simulate::End::Promoted, None),
            End::RollBack { at, .. } => (crate::simulate::End::RolledBack, Some(at)),
            End::Undecided => (crate::simulate::End::Undecided, None),
        };
        let took = |at: crate::domain::clock::Timestamp| at.since(account.first);
        let promoted = match account.end {
            End::Promote(at) => Some(took(at)),
            _ => None,
        };
        Ok(Course { end, detected: until.map(took), promoted, harmed: harmed_in(lines, until)? })
    }

    /// A seed of its own for every series, by the finaliser of SplitMix64.
    fn seed_of(&self, number: u64) -> u64 {
        let mut seed = self.seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        seed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        seed ^ (seed >> 31)
    }
}

/// Sends each series of a file on.
fn split(path: &Path, number: &mut u64, send: &SyncSender<Job>) -> Result<(), Failure> {
    let mut source = open(path)?;
    let shared = Arc::new(path.to_owned());
    let wrong =
        |line: u64, what: String, right: &str| told(path, Wrong { line: Some(line), ..Wrong::new(what).right(right) });
    let mut job: Option<Job> = None;
    // Nobody takes a series any more only if a worker's panic is about to be told.
    let pass = |job: Option<Job>| job.is_none_or(|job| send.send(job).is_ok());
    let mut buffer = Vec::new();
    for line in 1.. {
        buffer.clear();
        let read = source.read_until(b'\n', &mut buffer);
        if read.map_err(|error| wrong(line, format!("it cannot be read: {error}"), "a suite is text"))? == 0 {
            break;
        }
        if is_header(&buffer) {
            let header: Header = serde_json::from_slice(&buffer).map_err(|error| {
                wrong(line, format!("it is no series' first line: {error}"), "`--help` has its fields")
            })?;
            *number += 1;
            let next = Job { number: *number, header, path: Arc::clone(&shared), line, lines: Vec::new() };
            pass(job.replace(next));
            continue;
        }
        let Some(job) = &mut job else {
            let right = "{\"world\": name, \"truth\": \"healthy\" or \"bad\", \"rate\": requests a second} comes first";
            return Err(wrong(line, "no line says what series this is of".to_owned(), right));
        };
        if job.lines.len() + buffer.len() > SERIES_LIMIT {
            return Err(wrong(line, format!("the series is longer than {SERIES_LIMIT} bytes"), "split it"));
        }
        job.lines.extend_from_slice(&buffer);
    }
    pass(job);
    Ok(())
}

/// Whether a line is the first of a series: none of the others names a world.
fn is_header(line: &[u8]) -> bool {
    const WORLD: &[u8] = b"\"world\"";
    line.windows(WORLD.len()).any(|part| part == WORLD)
}
