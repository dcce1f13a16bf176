//! When an alarm's OK says something of a step.
//!
//! An alarm that is OK has the state of its last evaluation, and CloudWatch does not tell which data that saw: the reason
//! it gives is renewed only when the state changes. With metrics that are published minutes late, an OK from before a step
//! stands long after it. So it counts once
//!
//! 1. the alarm's own metric is read to be published for a whole window of the alarm after the step took hold,
//! 2. none of what was published there breaks the alarm's own threshold, as data do that came too late for the alarm, and
//! 3. the state was read so long after that was seen first that an evaluation lies between the two.
//!
//! Of logs and PromQL nothing can be read. There the alarm's word counts once its window has passed since the step, an
//! evaluation, and the longest delay with which CloudWatch is known to publish.

use std::time::Duration;

use super::Window;
use crate::domain::clock::Timestamp;

/// How much later than due an evaluation's state may be read.
const EVALUATED_WITHIN: Duration = Duration::from_secs(15);
/// The longest delay with which CloudWatch is known to publish what happens now.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(6 * 60);

/// What makes an alarm say something whose metric is published only when something happens.
pub const SAYS_NOTHING_WITHOUT_DATA: &str = "no data is never a pass, even where the alarm treats missing data as not breaching; publish zeros too, or let the \
     alarm be the metric math FILL(m, 0) beside a metric of the same namespace that is always published";

/// How long after a step an alarm's OK is about it, for data that are published `delay` late; `None` where nobody can read
/// them.
pub fn heard_after(window: Duration, every: Duration, delay: Option<Duration>) -> Duration {
    window + every + delay.map_or(PUBLISHED_WITHIN, |delay| delay + EVALUATED_WITHIN)
}

/// One alarm on data, whose state decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its name.
    pub alarm: String,
    /// How much time of data one evaluation looks at.
    pub window: Duration,
    /// Between two evaluations.
    pub every: Duration,
    /// What can be known of its data.
    pub data: AlarmData,
}

/// What can be known of the data that an alarm looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlarmData {
    /// Its metric can be read.
    Read {
        /// The end of the newest period that is published.
        until: Option<Timestamp>,
        /// The start of the newest datapoint that breaks the alarm's own threshold, where with those before it enough do.
        broken: Option<Timestamp>,
    },
    /// Nobody can read what it looks at.
    Hidden,
    /// It does not matter: it rings, and nothing worse can be learned of it.
    Rings,
    /// Its state says nothing, for this reason.
    Blind(String),
}

/// What is remembered between two looks: for each alarm, when its data were first seen to cover a step.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Quiet {
    step: Timestamp,
    covered: Vec<(String, Timestamp)>,
}

/// Why an OK says nothing of the step yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// No alarm is known that could ring it.
    NothingWatched,
    /// The state says nothing.
    Blind {
        /// The alarm.
        alarm: String,
        /// Why.
        why: String,
    },
    /// The data are not published as far as is needed.
    Unpublished {
        /// The alarm.
        alarm: String,
        /// As far as they are, if there are any.
        until: Option<Timestamp>,
        /// As far as they must be.
        needs: Timestamp,
    },
    /// What was published breaks the threshold.
    Contradicted {
        /// The alarm.
        alarm: String,
        /// The start of the newest datapoint that does.
        at: Timestamp,
    },
    /// The data are there, and no evaluation is sure to have seen them before this moment.
    Unevaluated {
        /// The alarm.
        alarm: String,
        /// From when on one is.
        by: Timestamp,
    },
    /// Data that nobody can read have had too little time.
    Early {
        /// The alarm.
        alarm: String,
        /// When they have had enough.
        by: Timestamp,
    },
}

impl Quiet {
    /// Takes in a look that found the alarm OK at `read`: the start of the data that its state rests on, or why it is not
    /// known to rest on data from after the step.
    pub(super) fn take(&mut self, all: &[Watched], read: Timestamp, window: Window<'_>) -> Result<Timestamp, Doubt> {
        if self.step != window.step {
            *self = Self { step: window.step, covered: Vec::new() };
        }
        let mut from: Result<Option<Timestamp>, Doubt> = Ok(None);
        // Each is looked at, although one doubt is enough: those that are covered are to be evaluated meanwhile.
        for watched in all {
            let one = self.of(watched, read, window);
            from = match (from, one) {
                (Ok(so_far), Ok(one)) => Ok(so_far.into_iter().chain(one).min()),
                (Err(doubt), _) | (Ok(_), Err(doubt)) => Err(doubt),
            };
        }
        from?.ok_or(Doubt::NothingWatched)
    }

    /// The same of one alarm; `None` when it does not matter.
    fn of(&mut self, watched: &Watched, read: Timestamp, window: Window<'_>) -> Result<Option<Timestamp>, Doubt> {
        let alarm = watched.alarm.clone();
        let since = window.exposed.unwrap_or(window.step).min(window.step);
        match &watched.data {
            AlarmData::Rings => Ok(None),
            AlarmData::Blind(why) => Err(Doubt::Blind { alarm, why: why.clone() }),
            AlarmData::Hidden => {
                let by = window.step + watched.window + watched.every + PUBLISHED_WITHIN;
                if read < by { Err(Doubt::Early { alarm, by }) } else { Ok(Some(window.step)) }
            }
            AlarmData::Read { broken: Some(at), .. } if *at >= since => Err(Doubt::Contradicted { alarm, at: *at }),
            AlarmData::Read { until, .. } => {
                let from = until.map(|until| until.before(watched.window)).filter(|from| *from >= window.step);
                let Some(from) = from else {
                    return Err(Doubt::Unpublished { alarm, until: *until, needs: window.step + watched.window });
                };
                let by = self.covered_at(&alarm, window.now) + watched.every + EVALUATED_WITHIN;
                if read < by { Err(Doubt::Unevaluated { alarm, by }) } else { Ok(Some(from)) }
            }
        }
    }

    /// When an alarm's data were first seen to cover the step: now, if not before.
    fn covered_at(&mut self, alarm: &str, now: Timestamp) -> Timestamp {
        let known = self.covered.iter().find(|(name, _)| name == alarm).map(|(_, at)| *at);
        known.unwrap_or_else(|| {
            self.covered.push((alarm.to_owned(), now));
            now
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(6_000_000 + seconds * 1000)
    }

    fn watched(alarm: &str, data: AlarmData) -> Watched {
        let minute = Duration::from_secs(60);
        Watched { alarm: alarm.into(), window: minute * 2, every: minute, data }
    }

    fn read(until: u64, broken: Option<u64>) -> AlarmData {
        AlarmData::Read { until: Some(at(until)), broken: broken.map(at) }
    }

    /// What a look at `now` says, in a step that took hold at 100, of a candidate that has had traffic since 40.
    fn look(quiet: &mut Quiet, now: u64, watched: &[Watched]) -> Result<Timestamp, Doubt> {
        let (exposed, deadline) = (Some(at(40)), at(900));
        let window = Window {
            rules: 1,
            rollout: at(0),
            exposed,
            step: at(100),
            deadline,
            course: &[],
            unseen: &[],
            now: at(now),
        };
        quiet.take(watched, at(now), window)
    }

    fn once(now: u64, data: AlarmData) -> Result<Timestamp, Doubt> {
        look(&mut Quiet::default(), now, &[watched("5xx", data)])
    }

    #[test]
    fn an_ok_counts_once_its_window_is_published_after_the_step_and_was_evaluated_since() {
        let mut quiet = Quiet::default();
        let mut look = |now, until| look(&mut quiet, now, &[watched("5xx", read(until, None))]);
        let unpublished =
            |until| Err(Doubt::Unpublished { alarm: "5xx".into(), until: Some(at(until)), needs: at(220) });
        assert_eq!(look(900, 60), unpublished(60));
        assert_eq!(look(915, 180), unpublished(180));
        let unevaluated = Err(Doubt::Unevaluated { alarm: "5xx".into(), by: at(930 + 75) });
        assert_eq!(look(930, 240), unevaluated);
        assert_eq!(look(1004, 300), unevaluated);
        assert_eq!(look(1005, 300), Ok(at(180)));
    }

    #[test]
    fn a_new_step_needs_new_data() {
        let mut quiet = Quiet { step: at(10), covered: vec![("5xx".into(), at(20))] };
        assert!(look(&mut quiet, 900, &[watched("5xx", read(240, None))]).is_err());
    }

    #[test]
    fn data_that_break_the_threshold_speak_against_the_ok() {
        assert_eq!(once(900, read(600, Some(40))), Err(Doubt::Contradicted { alarm: "5xx".into(), at: at(40) }));
        assert!(matches!(once(900, read(600, Some(39))), Err(Doubt::Unevaluated { .. })));
    }

    #[test]
    fn what_nobody_can_read_has_the_longest_delay_to_be_published() {
        let by = at(100 + 120 + 60 + 360);
        assert_eq!(once(639, AlarmData::Hidden), Err(Doubt::Early { alarm: "5xx".into(), by }));
        assert_eq!(once(640, AlarmData::Hidden), Ok(at(100)));
    }

    #[test]
    fn without_data_nothing_counts() {
        let none = AlarmData::Read { until: None, broken: None };
        assert!(matches!(once(9_000, none), Err(Doubt::Unpublished { until: None, .. })));
        assert!(matches!(once(9_000, AlarmData::Blind("EVALUATION_ERROR".into())), Err(Doubt::Blind { .. })));
        assert_eq!(look(&mut Quiet::default(), 9_000, &[]), Err(Doubt::NothingWatched));
        assert_eq!(once(9_000, AlarmData::Rings), Err(Doubt::NothingWatched));
    }

    #[test]
    fn a_composite_alarm_waits_for_each_that_can_ring_it() {
        let mut quiet = Quiet::default();
        let mut look = |now, second| {
            let first = watched("a", read(600, None));
            look(&mut quiet, now, &[first, watched("b", second), watched("c", AlarmData::Rings)])
        };
        assert!(look(900, read(600, None)).is_err());
        assert!(matches!(look(980, AlarmData::Blind("gone".into())), Err(Doubt::Blind { alarm, .. }) if alarm == "b"));
        assert_eq!(look(980, read(660, None)), Ok(at(480)));
    }
}
