//! A recorded series with a known truth, replayed to a machine that chooses the shares itself.
//!
//! A judge decides how much traffic the candidate gets, so no recording can hold what it would have seen. A
//! series therefore says of each slot what it would have counted **with all of the traffic**, and a replay
//! keeps each request with the chance that its slot's share gives it. Thinned so, Poisson arrivals stay Poisson,
//! and chances of failing or being slow stay what they are. Two things do change with the share, and a series
//! can say both: failures that come in bursts are kept or dropped by bursts, and a slot that behaves
//! otherwise under other loads, or before so many requests, has several [`Level`]s, between which a replay mixes.
//! The same seed and the same shares give the same counts.

use std::time::Duration;

use rand_distr::{Binomial, Distribution};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;

use super::condition::Condition;
use super::world::{Drawn, Marks, START};
use crate::domain::count::{Bin, Counts, Past};

/// What a slot is like at a load or after so many requests, had it all of the traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// The share of the traffic, 0 to 1, or the number of requests, for which this holds.
    pub at: f64,
    /// What it counts; slow answers at the series' marks.
    pub counts: Counts,
    /// How many of the requests are expected to be harmed.
    pub harmed: f64,
    /// How many failures come together, at least 1.
    pub burst: f64,
}

/// By what levels differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum By {
    /// The share of the traffic that the slot has.
    #[default]
    Load,
    /// How many requests the slot has had since the series began.
    Served,
}

/// One bin: the levels of both slots, rising; none where the slot has no data.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct SeriesBin {
    /// The stable slot.
    pub stable: Vec<Level>,
    /// The candidate.
    pub candidate: Vec<Level>,
}

/// A recorded series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The stable slot's past; its end is the candidate's first request. Its span is that of all bins.
    pub past: Past,
    /// The times at which each slot counts slow answers.
    pub marks: Marks,
    /// The bins from the candidate's first request on.
    pub bins: Vec<SeriesBin>,
    /// By what levels differ.
    pub by: By,
    /// Decides which requests are kept.
    pub seed: u64,
}

/// A series as a rollout meets it.
pub(super) struct Replay<'a> {
    series: &'a Series,
    dice: Pcg64Mcg,
    /// How many bins have been replayed since the candidate's first request.
    reached: usize,
    drawn: u32,
    /// How many requests the stable slot and the candidate have had.
    served: [f64; 2],
}

impl Series {
    /// How long it is from the candidate's first request on.
    pub fn length(&self) -> Duration {
        self.past.span * u32::try_from(self.bins.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn replay(&self) -> Replay<'_> {
        Replay { series: self, dice: Pcg64Mcg::seed_from_u64(self.seed), reached: 0, drawn: 0, served: [0.0; 2] }
    }
}

impl Replay<'_> {
    pub(super) fn span(&self) -> Duration {
        self.series.past.span
    }

    /// Requests a second and the share of them that fail, in the past.
    pub(super) fn usual(&self) -> (f64, f64) {
        let bins = &self.series.past.bins;
        let sum = |of: fn(&Counts) -> f64| bins.iter().map(|(_, counts)| of(counts)).sum::<f64>();
        let (requests, errors) = (sum(|counts| counts.requests), sum(|counts| counts.errors));
        let seconds = self.span().as_secs_f64() * bins.len() as f64;
        (requests / seconds.max(1.0), errors / requests.max(1.0))
    }

    /// The next bin. Until the candidate has requests the stable slot goes on as at the past's end; beyond
    /// the series' end there is no data.
    pub(super) fn next(&mut self, share: f64, marks: &Marks) -> Drawn {
        let series = self.series;
        let at = START + series.past.span * self.drawn;
        self.drawn += 1;
        // What is behind the counts is not known, and who meters counts does not ask.
        let unknown = Condition::default();
        let drawn = |bin, harm| Drawn { bin, harm, stable: unknown, candidate: unknown };
        let places: Vec<usize> = marks
            .stable
            .iter()
            .filter_map(|mark| series.marks.stable.iter().position(|own| (own / mark - 1.0).abs() < 1e-9))
            .collect();
        if self.reached == 0 && share <= 0.0 {
            let stable = series.past.bins.last().map(|(_, counts)| at_places(counts.clone(), &places));
            return drawn(Bin { at, stable, candidate: None }, 0.0);
        }
        let Some(bin) = series.bins.get(self.reached) else {
            return drawn(Bin { at, stable: None, candidate: None }, 0.0);
        };
        self.reached += 1;
        let (stable, _) = self.slot(&bin.stable, 1.0 - share, 0);
        let (candidate, harm) = self.slot(&bin.candidate, share, 1);
        let slot = |counts: Counts| (counts.requests > 0.0).then(|| at_places(counts, &places));
        drawn(Bin { at, stable: slot(stable), candidate: slot(candidate) }, harm)
    }

    /// What a slot counts with `share` of the traffic, and how many requests it is expected to harm.
    fn slot(&mut self, levels: &[Level], share: f64, number: usize) -> (Counts, f64) {
        let at = if self.series.by == By::Load { share } else { self.served[number] };
        let above = levels.partition_point(|level| level.at <= at);
        let (mut all, mut harmed) = (Counts::default(), 0.0);
        let mut mix = |level: Option<&Level>, part: f64, dice: &mut Pcg64Mcg| {
            let Some(level) = level.filter(|_| part > 0.0) else { return };
            harmed += level.harmed * part;
            let kept = thinned(level, part, dice);
            all.requests += kept.requests;
            all.errors += kept.errors;
            all.refused += kept.refused;
            all.timed += kept.timed;
            all.slower.resize(kept.slower.len(), 0.0);
            all.slower.iter_mut().zip(kept.slower).for_each(|(sum, more)| *sum += more);
        };
        match (above.checked_sub(1).and_then(|below| levels.get(below)), levels.get(above)) {
            (Some(below), Some(above)) => {
                let part = (at - below.at) / (above.at - below.at);
                mix(Some(below), share * (1.0 - part), &mut self.dice);
                mix(Some(above), share * part, &mut self.dice);
            }
            (below, above) => mix(below.or(above), share, &mut self.dice),
        }
        self.served[number] += all.requests;
        (all, harmed)
    }
}

/// Counts whose slow answers are those at these places.
fn at_places(mut counts: Counts, places: &[usize]) -> Counts {
    counts.slower = places.iter().filter_map(|place| counts.slower.get(*place).copied()).collect();
    if counts.slower.is_empty() {
        counts.timed = 0.0;
    }
    counts
}

/// What is left of a level when each request is kept with a chance of `part`, and failures by whole bursts.
fn thinned(level: &Level, part: f64, dice: &mut Pcg64Mcg) -> Counts {
    let counts = &level.counts;
    // By how long they took: between two marks each, and those whose time was not taken.
    let timed = counts.timed.round();
    let mut left = timed;
    let mut kept = Counts { slower: Vec::with_capacity(counts.slower.len()), ..Counts::default() };
    let mut within = Vec::with_capacity(counts.slower.len() + 1);
    for slower in &counts.slower {
        let slower = slower.round().min(left);
        within.push(binomial(left - slower, part, dice));
        left = slower;
    }
    within.push(binomial(left, part, dice));
    kept.timed = within.iter().sum();
    let mut slower = kept.timed;
    for faster in &within[..counts.slower.len()] {
        slower -= faster;
        kept.slower.push(slower);
    }
    let all = counts.requests.round();
    kept.requests = kept.timed + binomial(all - timed, part, dice);
    // Who failed is not who was slow: both are drawn alone, and no more fail than there are.
    kept.errors = failed(level, part, dice).min(kept.requests);
    kept.refused = binomial(counts.refused.round(), part, dice).min(kept.requests);
    kept
}

/// How many of a level's failures are kept, by whole bursts.
fn failed(Level { counts, burst, .. }: &Level, part: f64, dice: &mut Pcg64Mcg) -> f64 {
    let errors = counts.errors.round();
    let bursts = (errors / burst).floor();
    let rest = errors - bursts * burst;
    let rest = if *burst > 1.0 { rest * binomial(1.0, part, dice) } else { binomial(rest, part, dice) };
    burst * binomial(bursts, part, dice) + rest
}

fn binomial(of: f64, chance: f64, dice: &mut Pcg64Mcg) -> f64 {
    Binomial::new(whole(of), chance.clamp(0.0, 1.0)).map_or(0.0, |draw| draw.sample(dice) as f64)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, rounded and cut at 0")]
fn whole(count: f64) -> u64 {
    count.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::count::Mark;

    const MINUTE: Duration = Duration::from_secs(60);

    fn counts(requests: f64, errors: f64, slow: f64) -> Counts {
        Counts { requests, errors, refused: 2.0 * errors, timed: requests, slower: vec![requests / 2.0, slow] }
    }

    fn level(at: f64, counts: Counts) -> Level {
        Level { at, counts, harmed: 60.0, burst: 1.0 }
    }

    fn series(by: By, candidate: &[Level]) -> Series {
        let stable = vec![level(0.0, counts(6000.0, 6.0, 300.0))];
        let mark = |seconds| Mark { quantile: None, seconds };
        Series {
            past: Past {
                span: MINUTE,
                marks: vec![mark(0.1), mark(0.2)],
                resolves: true,
                bins: vec![(START.before(MINUTE), counts(6000.0, 6.0, 300.0))],
            },
            marks: Marks { stable: vec![0.1, 0.2], candidate: vec![0.103, 0.206] },
            bins: vec![SeriesBin { stable, candidate: candidate.to_vec() }; 400],
            by,
            seed: 1,
        }
    }

    fn replayed(series: &Series, share: f64) -> Vec<Drawn> {
        let mut replay = series.replay();
        (0..400).map(|_| replay.next(share, &Marks { stable: vec![0.2], candidate: vec![0.206] })).collect()
    }

    fn sum(drawn: &[Drawn], of: fn(&Counts) -> f64) -> f64 {
        drawn.iter().filter_map(|drawn| drawn.bin.candidate.as_ref()).map(of).sum()
    }

    #[test]
    fn a_share_of_the_requests_is_kept_with_its_share_of_failures_and_slow_answers() {
        let series = series(By::Load, &[level(0.0, counts(6000.0, 60.0, 300.0))]);
        let drawn = replayed(&series, 0.05);
        let requests = sum(&drawn, |counts| counts.requests);
        assert!((requests / 120_000.0 - 1.0).abs() < 0.01, "{requests}");
        let (errors, slow) = (sum(&drawn, |counts| counts.errors), sum(&drawn, |counts| counts.slower[0]));
        let refused = sum(&drawn, |counts| counts.refused);
        assert!((refused / 2400.0 - 1.0).abs() < 0.1, "{refused}");
        assert!((errors / 1200.0 - 1.0).abs() < 0.1 && (slow / 6000.0 - 1.0).abs() < 0.05, "{errors}, {slow}");
        let harmed: f64 = drawn.iter().map(|drawn| drawn.harm).sum();
        assert!((harmed - 400.0 * 60.0 * 0.05).abs() < 1e-6, "{harmed}");
        let stable = drawn[0].bin.stable.as_ref().map(|counts| counts.requests).unwrap_or_default();
        assert!((5600.0..5800.0).contains(&stable), "{stable}");
        assert!(replayed(&series, 0.05) == drawn, "one seed, one story");
        assert!(replayed(&Series { seed: 2, ..series }, 0.05) != drawn);
    }

    #[test]
    fn failures_keep_their_share_however_many_there_are() {
        for (requests, errors) in [(1800.0, 9.0), (6000.0, 120.0), (18_000.0, 90.0), (120_000.0, 24_000.0)] {
            let series = series(By::Load, &[level(0.0, counts(requests, errors, 30.0))]);
            for share in [0.001, 0.05, 0.5] {
                let drawn = replayed(&series, share);
                let (kept, due) = (sum(&drawn, |counts| counts.errors), 400.0 * errors * share);
                assert!((kept - due).abs() < 5.0 * due.sqrt(), "{kept} of {errors} at {share}, {due} were due");
            }
        }
    }

    #[test]
    fn all_of_the_traffic_is_what_was_recorded() {
        let all = counts(6000.0, 60.0, 300.0);
        let drawn = replayed(&series(By::Load, &[level(0.0, all.clone())]), 1.0);
        assert_eq!(drawn[0].bin.candidate, Some(Counts { slower: vec![300.0], ..all }));
        assert_eq!(drawn[0].bin.stable, None);
    }

    #[test]
    fn bursts_are_kept_whole() {
        let drawn =
            replayed(&series(By::Load, &[Level { burst: 20.0, ..level(0.0, counts(6000.0, 60.0, 300.0)) }]), 0.1);
        let errors: Vec<f64> =
            drawn.iter().filter_map(|drawn| drawn.bin.candidate.as_ref()).map(|counts| counts.errors).collect();
        assert!(errors.iter().all(|errors| errors % 20.0 == 0.0), "{errors:?}");
        let mean = errors.iter().sum::<f64>() / 400.0;
        assert!((4.5..7.5).contains(&mean), "{mean}");
    }

    #[test]
    fn levels_are_mixed_by_load_or_by_requests_served() {
        let levels = [level(0.0, counts(6000.0, 0.0, 0.0)), level(1.0, counts(6000.0, 0.0, 3000.0))];
        let share = |drawn: &[Drawn]| sum(drawn, |counts| counts.slower[0]) / sum(drawn, |counts| counts.requests);
        let half = share(&replayed(&series(By::Load, &levels), 0.4));
        assert!((half - 0.2).abs() < 0.01, "two parts of five of 50 %: {half}");
        let warm = [level(0.0, counts(6000.0, 0.0, 3000.0)), level(6000.0, counts(6000.0, 0.0, 0.0))];
        let drawn = replayed(&series(By::Served, &warm), 0.5);
        assert!(share(&drawn[..1]) > 0.45 && (0.2..0.3).contains(&share(&drawn[1..2])), "{:?}", &drawn[..2]);
        assert_eq!(share(&drawn[3..]), 0.0);
    }

    #[test]
    fn the_series_begins_with_the_first_request_and_ends_without_data() {
        let series = series(By::Load, &[level(0.0, counts(6000.0, 60.0, 300.0))]);
        let mut replay = series.replay();
        let marks = Marks::default();
        assert!(replay.next(0.0, &marks).bin.stable.is_some_and(|counts| counts.requests == 6000.0));
        assert_eq!(replay.reached, 0);
        (0..400).for_each(|_| assert!(replay.next(0.5, &marks).bin.candidate.is_some()));
        let beyond = replay.next(0.5, &marks);
        assert_eq!((beyond.bin.stable, beyond.bin.candidate, beyond.harm), (None, None, 0.0));
    }
}
