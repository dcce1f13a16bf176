//! Numbers by chance: of the normal distribution, and counts of what happens at a rate.

/// Above this mean a Poisson count is taken as normal.
const NORMAL_FROM: f64 = 40.0;

/// A number of the standard normal distribution.
pub(super) fn normal(die: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - die.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * die.f64()).cos()
}

/// A waiting time of a Poisson process.
pub(super) fn wait(die: &mut fastrand::Rng, mean: f64) -> f64 {
    -(1.0 - die.f64()).ln() * mean
}

/// How often something happens that happens so often in the mean.
pub(super) fn count(die: &mut fastrand::Rng, mean: f64) -> f64 {
    if mean >= NORMAL_FROM {
        return (mean + mean.sqrt() * normal(die)).round().max(0.0);
    }
    // Inversion: one number, compared with the sum of the probabilities.
    let (mut left, mut here, mut times) = (die.f64(), (-mean).exp(), 0.0);
    while left >= here && here > 0.0 {
        left -= here;
        times += 1.0;
        here *= mean / times;
    }
    times
}

/// The part of a standard normal distribution that lies below `z`: Abramowitz and Stegun 26.2.17, right to
/// 8e-8.
pub(super) fn normal_below(z: f64) -> f64 {
    const FACTORS: [f64; 5] = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let sum = FACTORS.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    let tail = sum * (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    if z > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_the_mean_and_the_variance_of_their_rate() {
        let mut die = fastrand::Rng::with_seed(3);
        for mean in [0.05, 1.0, 20.0, 400.0] {
            let counts: Vec<f64> = (0..20_000).map(|_| count(&mut die, mean)).collect();
            let found = counts.iter().sum::<f64>() / 20_000.0;
            let variance = counts.iter().map(|count| (count - found).powi(2)).sum::<f64>() / 20_000.0;
            assert!((found / mean - 1.0).abs() < 0.1 && (variance / mean - 1.0).abs() < 0.1, "{mean}: {found}");
        }
        assert_eq!(count(&mut die, 0.0), 0.0);
    }

    #[test]
    fn the_normal_distribution_is_as_in_the_books() {
        for (z, below) in [(0.0, 0.5), (1.0, 0.841_345), (-1.0, 0.158_655), (1.644_854, 0.95), (-4.0, 0.000_032)] {
            assert!((normal_below(z) - below).abs() < 1e-6, "{z}: {}", normal_below(z));
        }
    }
}
