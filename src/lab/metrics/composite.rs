//! The rule language of composite alarms: states of other alarms, `AND`, `OR`, `NOT`.

use super::alarm_state::State;
use super::expression::NOT_PLAYED;

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule {
    /// `TRUE` or `FALSE`.
    Always(bool),
    /// An alarm, by name or ARN, is in a state.
    Is(State, String),
    /// Not so.
    Not(Box<Rule>),
    /// Both.
    And(Box<Rule>, Box<Rule>),
    /// Either.
    Or(Box<Rule>, Box<Rule>),
}

/// Parentheses may lie this deep in each other.
const DEPTH_LIMIT: usize = 32;

/// Reads a rule.
///
/// # Errors
/// Says where it is not understood.
pub(crate) fn parse(text: &str) -> Result<Rule, String> {
    if text.contains("AT_LEAST") {
        return Err(format!("{NOT_PLAYED}AT_LEAST in the rules of composite alarms."));
    }
    let mut reader = Reader { rest: text, depth: 0 };
    let rule = reader.either()?;
    match reader.rest.trim() {
        "" => Ok(rule),
        rest => Err(format!("AlarmRule must not be malformed: unexpected `{rest}`")),
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start();
        let Some(after) = rest.strip_prefix(word) else { return false };
        let goes_on = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if word.len() > 1 && goes_on {
            return false;
        }
        self.rest = after;
        true
    }

    fn either(&mut self) -> Result<Rule, String> {
        let mut left = self.both()?;
        while self.word("OR") {
            left = Rule::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Rule, String> {
        let mut left = self.one()?;
        while self.word("AND") {
            left = Rule::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Rule, String> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err("AlarmRule must not be nested too deeply".to_owned());
        }
        let rule = self.alone();
        self.depth -= 1;
        rule
    }

    fn alone(&mut self) -> Result<Rule, String> {
        if self.word("NOT") {
            return Ok(Rule::Not(Box::new(self.one()?)));
        }
        if self.word("TRUE") {
            return Ok(Rule::Always(true));
        }
        if self.word("FALSE") {
            return Ok(Rule::Always(false));
        }
        if self.word("(") {
            let inner = self.either()?;
            return if self.word(")") { Ok(inner) } else { Err(self.malformed()) };
        }
        let states = [State::InsufficientData, State::Alarm, State::Ok];
        let Some(state) = states.into_iter().find(|state| self.word(state.word())) else {
            return Err(self.malformed());
        };
        if !self.word("(") {
            return Err(self.malformed());
        }
        let (name, after) = self.rest.split_once(')').ok_or_else(|| self.malformed())?;
        let name = name.trim().trim_matches(['"', '\'']).to_owned();
        self.rest = after;
        Ok(Rule::Is(state, name))
    }

    fn malformed(&self) -> String {
        format!("AlarmRule must not be malformed: cannot read `{}`", self.rest.trim())
    }
}

impl Rule {
    /// Whether it holds; `state` tells the state of an alarm by name or ARN.
    pub(crate) fn holds(&self, state: &dyn Fn(&str) -> Option<State>) -> bool {
        match self {
            Rule::Always(is) => *is,
            Rule::Is(wanted, name) => state(name) == Some(*wanted),
            Rule::Not(inner) => !inner.holds(state),
            Rule::And(left, right) => left.holds(state) && right.holds(state),
            Rule::Or(left, right) => left.holds(state) || right.holds(state),
        }
    }

    /// The alarms it names.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Rule::Always(_) => Vec::new(),
            Rule::Is(_, name) => vec![name],
            Rule::Not(inner) => inner.names(),
            Rule::And(left, right) | Rule::Or(left, right) => [left.names(), right.names()].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: &str, expected: bool) {
        let state = |name: &str| match name {
            "hot" => Some(State::Alarm),
            "cold" => Some(State::Ok),
            _ => None,
        };
        assert_eq!(parse(rule).map(|rule| rule.holds(&state)), Ok(expected), "{rule}");
    }

    #[test]
    fn rules_hold_by_the_states_of_alarms() {
        check("ALARM(hot)", true);
        check("ALARM(\"hot\") AND OK('cold')", true);
        check("NOT ALARM(hot) OR OK(hot)", false);
        check("(ALARM(cold) OR ALARM(hot)) AND NOT INSUFFICIENT_DATA(hot)", true);
        check("TRUE AND NOT FALSE", true);
    }

    #[test]
    fn malformed_rules_are_refused() {
        for rule in ["", "ALARM", "ALARM(", "ALARM(a) AND", "(OK(a)", "hot", "OK(a) OK(b)"] {
            assert!(parse(rule).is_err(), "{rule}");
        }
    }
}
