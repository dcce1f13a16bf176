//! What many simulated rollouts come to, each figure with what it is worth.

use std::time::Duration;

use super::rollout::{Course, End};

/// How many of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance {
    /// So many.
    pub of: u64,
    /// Of so many.
    pub runs: u64,
}

/// The standard normal deviate of a 95 % interval.
const CERTAIN: f64 = 1.959_964;

impl Chance {
    /// The share, 0 to 1.
    pub fn share(self) -> f64 {
        if self.runs == 0 { 0.0 } else { self.of as f64 / self.runs as f64 }
    }

    /// Between which shares the truth lies with 95 % confidence: Wilson's score interval (Journal of the
    /// American Statistical Association 22, 1927), which is right for none and all of a few, too.
    pub fn interval(self) -> (f64, f64) {
        let n = self.runs.max(1) as f64;
        let (p, z2) = (self.share(), CERTAIN * CERTAIN);
        let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let reach = CERTAIN / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        ((centre - reach).max(0.0), (centre + reach).min(1.0))
    }
}

/// What the rollouts of one cell came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// How many went back on a verdict.
    pub rolled_back: Chance,
    /// How many got no verdict in time.
    pub undecided: Chance,
    /// How many were promoted.
    pub promoted: Chance,
    /// Harmed requests, on average.
    pub harmed: f64,
    /// By how much that average may be off, at 95 % confidence.
    pub harmed_within: f64,
    /// In 95 of 100 rollouts at most so many.
    pub harmed_p95: f64,
    /// From the candidate's first request to the decision to go back: the median of those that did.
    pub detected: Option<Duration>,
    /// In 95 of 100 of those at most so long.
    pub detected_p95: Option<Duration>,
    /// From the candidate's first request to 95 % of them: the median of those that were promoted.
    pub to_promotion: Option<Duration>,
}

impl Figures {
    /// Of all courses of a cell.
    pub fn of(courses: &[Course]) -> Self {
        let runs = courses.len() as u64;
        let ended = |end: End| Chance { of: courses.iter().filter(|course| course.end == end).count() as u64, runs };
        let mut harmed: Vec<f64> = courses.iter().map(|course| course.harmed).collect();
        harmed.sort_by(f64::total_cmp);
        let n = (runs as f64).max(1.0);
        let mean = harmed.iter().sum::<f64>() / n;
        let variance = harmed.iter().map(|harm| (harm - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let sorted = |span: fn(&Course) -> Option<Duration>| {
            let mut spans: Vec<Duration> = courses.iter().filter_map(span).collect();
            spans.sort_unstable();
            spans
        };
        let detected = sorted(|course| course.detected);
        let promoted = sorted(|course| course.promoted);
        Self {
            rolled_back: ended(End::RolledBack),
            undecided: ended(End::Undecided),
            promoted: ended(End::Promoted),
            harmed: mean,
            harmed_within: CERTAIN * (variance / n).sqrt(),
            harmed_p95: quantile(&harmed, 95).unwrap_or_default(),
            detected: quantile(&detected, 50),
            detected_p95: quantile(&detected, 95),
            to_promotion: quantile(&promoted, 50),
        }
    }
}

/// The least of `sorted` that `percent` of 100 do not exceed.
fn quantile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chance_says_what_it_is_worth() {
        let none = Chance { of: 0, runs: 200 }.interval();
        assert!(none.0 < 1e-12 && (0.018..0.02).contains(&none.1), "{none:?}");
        let all = Chance { of: 200, runs: 200 }.interval();
        assert!(all.1 > 1.0 - 1e-12 && (0.98..0.982).contains(&all.0), "{all:?}");
        let half = Chance { of: 100, runs: 200 }.interval();
        assert!((0.43..0.432).contains(&half.0) && (0.568..0.57).contains(&half.1), "{half:?}");
        assert!(Chance { of: 0, runs: 0 }.share().abs() < 1e-12);
    }

    #[test]
    fn figures_are_of_those_they_name() {
        let seconds = |n: u64| Some(Duration::from_secs(n));
        let back = |n: u64, harmed| Course { end: End::RolledBack, detected: seconds(n), promoted: None, harmed };
        let mut courses: Vec<Course> = (1..=98).map(|n| back(n, n as f64)).collect();
        courses.push(Course { end: End::Promoted, detected: None, promoted: seconds(600), harmed: 1000.0 });
        courses.push(Course { end: End::Undecided, detected: None, promoted: None, harmed: 0.0 });
        let figures = Figures::of(&courses);
        assert_eq!((figures.rolled_back.of, figures.undecided.of, figures.promoted.of), (98, 1, 1));
        assert_eq!((figures.detected, figures.detected_p95), (seconds(49), seconds(94)));
        assert_eq!(figures.to_promotion, seconds(600));
        assert!((figures.harmed - 58.51).abs() < 1e-9 && (figures.harmed_p95 - 94.0).abs() < 1e-9, "{figures:?}");
        assert!(figures.harmed_within > 15.0 && figures.harmed_within < 25.0, "{figures:?}");
        assert_eq!(Figures::of(&[]).detected, None);
    }
}
