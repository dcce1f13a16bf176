//! A bettor's capital against the claim that nothing is wrong, spread over experts that each look for
//! another kind of wrong.
//!
//! Every expert's stake is multiplied by its e-value; then a part of everything is dealt out again as in the
//! beginning ("fixed share"), so that trouble that begins late is found too. Neither raises the mean of the
//! capital when the claim holds, however the experts depend on each other: the capital is a nonnegative
//! supermartingale that starts at 1, and by Ville's inequality it ever reaches 1/alpha with a chance of at
//! most alpha, over all looks, steps and experts together.

use libm::{exp, log as ln};

/// Capital, and who holds it.
#[derive(Clone, Debug, PartialEq, Default)]
pub(in crate::gate) struct Capital {
    /// The natural logarithm of the whole.
    ln: f64,
    /// Each expert's part in the beginning; their sum is 1.
    prior: Vec<f64>,
    /// Each expert's part now; their sum is 1.
    parts: Vec<f64>,
}

impl Capital {
    /// A capital of 1, dealt out in proportion to `prior`.
    pub(in crate::gate) fn new(prior: Vec<f64>) -> Self {
        let sum: f64 = prior.iter().sum();
        let prior: Vec<f64> = prior.into_iter().map(|part| part / sum).collect();
        Self { ln: 0.0, parts: prior.clone(), prior }
    }

    /// The capital.
    pub(in crate::gate) fn amount(&self) -> f64 {
        exp(self.ln)
    }

    /// The expert that holds the most capital for its part in the beginning, `from` being the first that counts.
    pub(in crate::gate) fn leader(&self, from: usize) -> Option<usize> {
        let gain = |at: usize| if self.prior[at] > 0.0 { self.parts[at] / self.prior[at] } else { 0.0 };
        (from..self.parts.len()).reduce(|best, at| if gain(at) > gain(best) { at } else { best })
    }

    /// Multiplies each expert's stake by its e-value, of which `evidence` is the natural logarithm, and
    /// deals out the part `share` again.
    pub(in crate::gate) fn grow(&mut self, evidence: &[f64], share: f64) {
        if evidence.len() != self.parts.len() {
            return;
        }
        // Who holds nothing says nothing: its evidence must not set the measure, by which the others' would vanish.
        let says = |(part, evidence): (&f64, &f64)| (*part > 0.0).then_some(*evidence);
        let greatest = self.parts.iter().zip(evidence).filter_map(says).fold(f64::NEG_INFINITY, f64::max);
        if !greatest.is_finite() {
            return;
        }
        let mut sum = 0.0;
        for (part, evidence) in self.parts.iter_mut().zip(evidence).filter(|(part, _)| **part > 0.0) {
            *part *= exp(evidence - greatest);
            sum += *part;
        }
        self.ln += greatest + ln(sum);
        for (part, prior) in self.parts.iter_mut().zip(&self.prior) {
            *part = (1.0 - share) * *part / sum + share * prior;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expert_that_is_left_out_hides_nothing_however_much_it_would_say() {
        let mut capital = Capital::new(vec![1.0, 1.0, 0.0]);
        capital.grow(&[0.0, 0.0, 1000.0], 0.02);
        assert_eq!(capital.amount(), 1.0);
        capital.grow(&[0.0, 50.0, 0.0], 0.02);
        assert!(capital.amount().is_finite() && capital.amount() > 1e20, "{}", capital.amount());
        assert_eq!(capital.leader(0), Some(1));
    }

    #[test]
    fn capital_is_shared_out_again_without_a_loss() {
        let mut capital = Capital::new(vec![1.0, 3.0]);
        capital.grow(&[0.0, ln(2.0)], 0.02);
        assert!((capital.amount() - 1.75).abs() < 1e-12);
        capital.grow(&[0.0, 0.0], 0.5);
        assert!((capital.amount() - 1.75).abs() < 1e-12);
        assert_eq!(capital.leader(0), Some(1));
    }

    #[test]
    fn an_expert_that_was_ruined_can_still_find_trouble_that_begins_late() {
        let mut capital = Capital::new(vec![1.0, 1.0]);
        (0..1000).for_each(|_| capital.grow(&[0.0, -50.0], 0.02));
        let before = capital.amount();
        capital.grow(&[0.0, 20.0], 0.02);
        assert!(capital.amount() > 1e5 * before);
    }

    #[test]
    fn evidence_that_is_no_number_changes_nothing() {
        let mut capital = Capital::new(vec![1.0, 1.0]);
        capital.grow(&[f64::NAN, f64::NAN], 0.02);
        capital.grow(&[0.0], 0.02);
        assert_eq!(capital, Capital::new(vec![1.0, 1.0]));
    }
}
