//! Gates that somebody else answers: a webhook, or a command on the runner's machine.

use std::net::IpAddr;
use std::time::Duration;

use super::{Evidence, Outcome, Verdict, Window};
use crate::domain::clock::Timestamp;

/// After how long a gate that could not be answered is asked again, when its own interval is longer.
const AGAIN: Duration = Duration::from_secs(60);

/// A question sent to a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRule {
    /// Where to: `https://…`, or `http://…` to a private host ([`is_private_host`]). It may hold `${VAR}`,
    /// filled in when it is asked and never written down.
    pub url: String,
    /// Headers to send. Values may hold `${VAR}`, filled in when they are sent and never written down.
    pub headers: Vec<(String, String)>,
    /// How long one answer may take, in wall time.
    pub timeout: Duration,
    /// How often it is asked.
    pub every: Duration,
}

/// A question put to a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRule {
    /// The program and its arguments; no shell reads them. They may hold `${VAR}`, filled in when it is run
    /// and never written down.
    pub command: Vec<String>,
    /// The variables of tidegate's own environment that it gets beside the few that every program gets.
    pub environment: Vec<String>,
    /// How long one answer may take, in wall time.
    pub timeout: Duration,
    /// How often it is asked.
    pub every: Duration,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidReading {
    /// When it was asked: what is said is about the world as it was then.
    pub asked: Timestamp,
    /// The verdict; inconclusive when there was no answer, or none that can be understood.
    pub outcome: Outcome,
    /// Why, in one line.
    pub text: String,
}

/// When such a gate was last asked, and whether the answer said anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LastAsked(Option<(Timestamp, bool)>);

impl LastAsked {
    /// Takes in an answer.
    pub(super) fn take(&mut self, reading: &SaidReading, window: Window<'_>) -> Verdict {
        self.0 = Some((reading.asked, reading.outcome != Outcome::Inconclusive));
        if reading.asked < window.rollout {
            return Verdict::inconclusive(Evidence::SaidBefore);
        }
        let data_from = (reading.outcome == Outcome::Pass).then_some(reading.asked);
        Verdict { outcome: reading.outcome, evidence: Evidence::Said(reading.text.clone()), data_from }
    }

    /// Whether it is to be asked at `now`: at once in a step that no answer is about yet, and then every so
    /// often; sooner again when the answer said nothing.
    pub(super) fn is_due(self, every: Duration, step: Timestamp, now: Timestamp) -> bool {
        self.0.is_none_or(|(asked, said)| {
            let every = if said { every } else { every.min(AGAIN) };
            asked < step || now.since(asked) >= every
        })
    }
}

/// Whether plain HTTP may go to `host`: this machine, a private address, or a name that no public name server
/// answers for (`judge`, `judge.local`, `judge.internal`). Whoever can change an answer on its way decides
/// over production.
pub fn is_private_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => match host.rsplit_once('.') {
            None => !host.is_empty(),
            Some((_, last)) => ["localhost", "local", "internal"].contains(&last),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1000)
    }

    fn window() -> Window<'static> {
        let step = at(100);
        Window {
            rules: 1,
            rollout: at(50),
            exposed: None,
            step,
            deadline: at(900),
            course: &[],
            unseen: &[],
            now: at(300),
        }
    }

    fn said(asked: u64, outcome: Outcome) -> SaidReading {
        SaidReading { asked: at(asked), outcome, text: "because".into() }
    }

    #[test]
    fn an_answer_is_about_the_moment_of_the_question() {
        let verdict = |asked, outcome| LastAsked::default().take(&said(asked, outcome), window());
        assert!(verdict(100, Outcome::Pass).passes(at(100)));
        assert!(!verdict(99, Outcome::Pass).passes(at(100)));
        let because = || Evidence::Said("because".to_owned());
        assert_eq!(verdict(99, Outcome::Fail), Verdict::fail(because()));
        assert_eq!(verdict(99, Outcome::Inconclusive), Verdict::inconclusive(because()));
    }

    #[test]
    fn what_a_person_overruled_is_not_said_again() {
        let verdict = LastAsked::default().take(&said(49, Outcome::Fail), window());
        assert_eq!(verdict, Verdict::inconclusive(Evidence::SaidBefore));
    }

    #[test]
    fn a_gate_is_asked_once_in_its_time_and_at_once_in_a_new_step() {
        let hour = Duration::from_secs(3600);
        let due = |asked: LastAsked, step, now| asked.is_due(hour, at(step), at(now));
        assert!(due(LastAsked::default(), 100, 100));
        let passed = LastAsked(Some((at(110), true)));
        assert!(!due(passed, 100, 3709));
        assert!(due(passed, 100, 3710));
        assert!(due(passed, 111, 111));
        let silent = LastAsked(Some((at(110), false)));
        assert!(!due(silent, 100, 169));
        assert!(due(silent, 100, 170));
    }

    #[test]
    fn plain_http_goes_to_private_hosts_only() {
        for host in ["localhost", "127.0.0.1", "[::1]", "10.1.2.3", "192.168.0.9", "fd00::1", "judge", "a.b.internal."]
        {
            assert!(is_private_host(host), "{host}");
        }
        for host in ["example.com", "8.8.8.8", "172.32.0.1", "2600::1", "internal.example.com", "notlocal.org", ""] {
            assert!(!is_private_host(host), "{host}");
        }
    }
}
