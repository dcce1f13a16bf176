//! How traffic divides between two slots: shares in tenths of a percent, because load balancer
//! weights run from 0 to 999.

use std::fmt;

/// The greatest weight a load balancer takes.
pub const WEIGHT_LIMIT: u16 = 999;

/// A share of the traffic in tenths of a percent, 0 to 1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

impl Share {
    /// Nothing.
    pub const NONE: Share = Share(0);
    /// Everything.
    pub const ALL: Share = Share(1000);

    /// A share of `permille` tenths of a percent; `None` above 1000.
    pub const fn from_permille(permille: u16) -> Option<Self> {
        if permille <= 1000 { Some(Self(permille)) } else { None }
    }

    /// The share that `part` of `whole` is, to the nearest tenth of a percent, but never rounded to
    /// nothing or to everything; `None` when `whole` is zero or less than `part`.
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        if whole == 0 || part > whole {
            return None;
        }
        let rounded = (part * 1000 + whole / 2) / whole;
        let floor = u64::from(part > 0);
        let ceiling = 1000 - u64::from(part < whole);
        u16::try_from(rounded.clamp(floor, ceiling)).ok().map(Self)
    }

    /// Parses `10`, `10%` or `0.5%`.
    ///
    /// # Errors
    /// Says in words what a share may be when `text` is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = text.trim().strip_suffix('%').unwrap_or(text.trim()).trim_end();
        let percent: f64 = number
            .parse()
            .ok()
            .filter(|p: &f64| p.is_finite())
            .ok_or_else(|| format!("a share is a percentage such as 10 or 0.5%, not `{}`", text.escape_debug()))?;
        Self::from_percent(percent)
    }

    /// The share that `percent` percent is.
    ///
    /// # Errors
    /// Says in words why it is none: out of 0 to 100, or finer than a tenth.
    pub fn from_percent(percent: f64) -> Result<Self, String> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(format!("a share is between 0 and 100 percent, got {percent}"));
        }
        let permille = (percent * 10.0).round();
        if (percent * 10.0 - permille).abs() > 1e-6 {
            return Err(format!(
                "a share has at most one decimal, got {percent}: load balancer weights go no finer than 0.1 %"
            ));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000, checked above")]
        Ok(Self(permille as u16))
    }

    /// In tenths of a percent.
    pub const fn permille(self) -> u16 {
        self.0
    }

    /// In percent.
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 10.0
    }

    /// What is left of the whole.
    pub const fn rest(self) -> Share {
        Share(1000 - self.0)
    }

    /// How many of `full` tasks carry this share; at least one when the share is not nothing.
    pub fn need(self, full: u32) -> u32 {
        let exact = u64::from(full) * u64::from(self.0);
        let need = u32::try_from(exact.div_ceil(1000)).unwrap_or(u32::MAX);
        if self == Share::NONE { 0 } else { need.max(1) }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(10) { write!(f, "{}%", self.0 / 10) } else { write!(f, "{:.1}%", self.percent()) }
    }
}

/// The weights (stable, candidate) that give the candidate `share`, when they were `recorded` before
/// the rollout. Nothing and everything are the recorded pair as it was, or mirrored. In between the
/// weights are tenths of a percent, unless `others` says that further target groups of the rule carry
/// weight: then the two keep their recorded sum, so that the others keep their part.
///
/// # Errors
/// Says in words why no weights give this share: neither slot had weight, or the recorded sum is too
/// coarse for it.
pub fn weights(share: Share, recorded: (u16, u16), others: bool) -> Result<(u16, u16), String> {
    let sum = u32::from(recorded.0) + u32::from(recorded.1);
    let Some(whole) = u16::try_from(sum).ok().filter(|sum| *sum > 0) else {
        return Err("neither slot had weight before the rollout".to_owned());
    };
    let whole = if others { whole } else { whole.min(WEIGHT_LIMIT) };
    let (stable, candidate) = match share {
        Share::NONE => (whole, 0),
        Share::ALL => (0, whole),
        _ if !others => (share.rest().permille(), share.permille()),
        _ => divided(share, whole)?,
    };
    if stable.max(candidate) > WEIGHT_LIMIT {
        return Err(format!("a weight is at most {WEIGHT_LIMIT}, and the two slots together have {whole}"));
    }
    Ok((stable, candidate))
}

/// `whole` divided so that the candidate's part is `share` to within a twentieth of a percent.
fn divided(share: Share, whole: u16) -> Result<(u16, u16), String> {
    let exact = u32::from(whole) * u32::from(share.permille());
    let candidate = (exact + 500) / 1000;
    let error = (candidate * 1000).abs_diff(exact);
    let part = u16::try_from(candidate).unwrap_or(whole);
    if error * 2 > u32::from(whole) || part == 0 || part >= whole {
        return Err(format!(
            "other target groups of the rule carry weight, so the two slots keep their sum of {whole}, \
             and that is too coarse for {share}"
        ));
    }
    Ok((whole - part, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_parsed_to_a_tenth_of_a_percent() {
        let check = |text, permille| assert_eq!(Share::parse(text).map(Share::permille).ok(), permille, "{text}");
        check("10", Some(100));
        check("0.1%", Some(1));
        check("100 %", Some(1000));
        check("0.05", None);
        check("101", None);
        check("-1", None);
        check("NaN", None);
        check("ten", None);
    }

    #[test]
    fn a_rounded_share_never_hides_traffic() {
        assert_eq!(Share::of(1, 10_000), Share::from_permille(1));
        assert_eq!(Share::of(9_999, 10_000), Share::from_permille(999));
        assert_eq!(Share::of(1, 1), Some(Share::ALL));
        assert_eq!(Share::of(0, 0), None);
    }

    #[test]
    fn any_share_needs_a_task() {
        let tenth = Share::from_permille(100).unwrap();
        assert_eq!((tenth.need(4), Share::ALL.need(4), Share::NONE.need(4)), (1, 4, 0));
    }

    #[test]
    fn weights_give_the_share_and_keep_what_was_recorded() {
        let check = |permille, recorded, others, expected: Option<(u16, u16)>| {
            let share = Share::from_permille(permille).unwrap();
            assert_eq!(weights(share, recorded, others).ok(), expected, "{share} of {recorded:?}, others {others}");
        };
        check(0, (1, 0), false, Some((1, 0)));
        check(1000, (100, 0), false, Some((0, 100)));
        check(100, (1, 0), false, Some((900, 100)));
        check(1, (100, 0), false, Some((999, 1)));
        check(999, (100, 0), false, Some((1, 999)));
        check(100, (100, 0), true, Some((90, 10)));
        check(5, (100, 0), true, None);
        check(1, (100, 0), true, None);
        check(500, (1, 0), true, None);
        check(333, (999, 0), true, Some((666, 333)));
        check(0, (900, 100), false, Some((999, 0)));
        check(0, (900, 100), true, None);
        check(0, (0, 0), false, None);
    }

    #[test]
    fn weights_say_the_share_they_were_made_for() {
        for permille in 0..=1000 {
            let share = Share::from_permille(permille).unwrap();
            let (stable, candidate) = weights(share, (100, 0), false).unwrap();
            assert_eq!(Share::of(u64::from(candidate), u64::from(stable + candidate)), Some(share));
            if let Ok((stable, candidate)) = weights(share, (300, 0), true) {
                let part = f64::from(candidate) / f64::from(stable + candidate);
                assert!((part * 100.0 - share.percent()).abs() <= 0.05 + 1e-9, "{share}: {stable}/{candidate}");
            }
        }
    }
}
