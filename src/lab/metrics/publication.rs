//! When CloudWatch publishes what it has measured: minutes late, now and then many, and in order.

/// How late the load balancer's metrics are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publication {
    /// Always as late after the end of a minute, in milliseconds.
    Steady(u64),
    /// From one minute to three, as people see it on AWS, and six in some stretches of ten minutes; by this seed.
    Usual(u64),
}

/// A minute, in milliseconds.
const MINUTE: u64 = 60_000;
/// What is usual, in milliseconds.
const USUALLY: std::ops::RangeInclusive<u64> = 60_000..=180_000;
/// What is rare, and in how many stretches of how many minutes it is so once.
const RARELY: u64 = 360_000;
const RARE: u64 = 20;
const STRETCH: u64 = 10;

impl Publication {
    /// Up to which moment everything is published at this one, both in milliseconds.
    pub(crate) fn until(self, now: u64) -> u64 {
        if let Publication::Steady(delay) = self {
            return now.saturating_sub(delay);
        }
        // What comes later is never published earlier: the search starts where nothing can be missing.
        let mut at = now.saturating_sub(RARELY + MINUTE);
        loop {
            let minute = at / MINUTE;
            let end = (minute + 1) * MINUTE;
            let until = now.saturating_sub(self.delay(minute)).min(end);
            if until < end {
                return until.max(at);
            }
            at = end;
        }
    }

    fn delay(self, minute: u64) -> u64 {
        match self {
            Publication::Steady(delay) => delay,
            Publication::Usual(seed) => {
                let die = |of: u64| fastrand::Rng::with_seed(seed.rotate_left(32) ^ of);
                let is_rare = die(!(minute / STRETCH)).u64(0..RARE) == 0;
                if is_rare { RARELY } else { die(minute).u64(USUALLY) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_comes_in_order_after_one_to_three_minutes_and_rarely_after_six() {
        let usual = Publication::Usual(1);
        let (mut last, mut late, mut early) = (0, 0, 0);
        for second in 0..86_400_u64 {
            let now = 1_800_000_000_000 + second * 1_000;
            let until = usual.until(now);
            assert!(until >= last && (60_000..=RARELY + MINUTE).contains(&(now - until)), "{}", now - until);
            late += u64::from(now - until > 300_000);
            early += u64::from(now - until < 180_000);
            last = until;
        }
        assert!(late > 600 && early > 40_000, "{late} {early}");
    }

    #[test]
    fn what_is_steady_is_always_as_late() {
        assert_eq!(Publication::Steady(20_000).until(100_000), 80_000);
    }
}
