//! The states of alarms.

/// The state of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Within the threshold.
    Ok,
    /// Beyond the threshold.
    Alarm,
    /// Not known.
    InsufficientData,
}

impl State {
    /// The word on the wire.
    pub(crate) fn word(self) -> &'static str {
        match self {
            State::Ok => "OK",
            State::Alarm => "ALARM",
            State::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// Reads the word on the wire.
    pub(crate) fn parse(word: &str) -> Option<State> {
        [State::Ok, State::Alarm, State::InsufficientData].into_iter().find(|s| s.word() == word)
    }
}
