//! What a request usually takes: a log-normal time, as services of the real world have it.

use super::chance::{normal, normal_below};

/// The middle of the time a request takes, in seconds.
pub(super) const MEDIAN: f64 = 0.100;
/// The standard deviation of its logarithm: one request in twenty takes longer than 0.228 s.
const SPREAD: f64 = 0.5;
/// No time lies further out than so many standard deviations.
const WITHIN: f64 = 4.0;

/// A time.
pub(super) fn time(die: &mut fastrand::Rng) -> f64 {
    MEDIAN * (SPREAD * normal(die).clamp(-WITHIN, WITHIN)).exp()
}

/// The part of all requests that takes no longer.
pub(super) fn share_within(seconds: f64) -> f64 {
    let z = if seconds > 0.0 { (seconds / MEDIAN).ln() / SPREAD } else { -WITHIN };
    if z < WITHIN { normal_below(z) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_lie_around_the_median_as_the_shares_say() {
        let mut die = fastrand::Rng::with_seed(7);
        let mut times: Vec<f64> = (0..10_001).map(|_| time(&mut die)).collect();
        times.sort_by(f64::total_cmp);
        assert!((times[5_000] - MEDIAN).abs() < 0.002);
        for (seconds, at) in [(times[500], 0.05), (times[7_500], 0.75), (times[9_500], 0.95), (times[9_900], 0.99)] {
            assert!((share_within(seconds) - at).abs() < 0.007, "{seconds}: {}", share_within(seconds));
        }
        assert_eq!(share_within(1e3), 1.0);
    }
}
