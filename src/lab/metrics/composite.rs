//! The rule language of composite alarms: states of other alarms, `AND`, `OR`, `NOT`.

use super::alarm_state::State;

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
    /// So many of these hold.
    AtLeast(Least, Vec<Rule>),
}

/// How many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Least {
    /// So many.
    Count(usize),
    /// So many of a hundred.
    Percent(f64),
}

/// Parentheses may lie this deep in each other.
const DEPTH_LIMIT: usize = 32;

/// Reads a rule.
///
/// # Errors
/// Says where it is not understood.
pub(crate) fn parse(text: &str) -> Result<Rule, String> {
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
            self.expect(")")?;
            return Ok(inner);
        }
        if self.word("AT_LEAST") {
            return self.at_least();
        }
        let state = self.state()?;
        self.expect("(")?;
        let name = self.name()?;
        self.expect(")")?;
        Ok(Rule::Is(state, name))
    }

    /// What follows `AT_LEAST`: `(2, ALARM, (a, b))` or `(50%, NOT OK, (a, b))`.
    fn at_least(&mut self) -> Result<Rule, String> {
        self.expect("(")?;
        let (least, after) = self.rest.split_once(',').ok_or_else(|| self.malformed())?;
        let least = least.trim().trim_matches('"');
        let least = match least.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| (0.0..=100.0).contains(percent)).map(Least::Percent),
            None => least.parse().ok().map(Least::Count),
        };
        let least = least.ok_or_else(|| self.malformed())?;
        self.rest = after;
        let is_not = self.word("NOT");
        let state = self.state()?;
        self.expect(",")?;
        self.expect("(")?;
        let mut all = Vec::new();
        loop {
            let one = Rule::Is(state, self.name()?);
            all.push(if is_not { Rule::Not(Box::new(one)) } else { one });
            if self.word(")") {
                self.expect(")")?;
                return Ok(Rule::AtLeast(least, all));
            }
            self.expect(",")?;
        }
    }

    fn state(&mut self) -> Result<State, String> {
        let states = [State::InsufficientData, State::Alarm, State::Ok];
        states.into_iter().find(|state| self.word(state.word())).ok_or_else(|| self.malformed())
    }

    /// An alarm by name or ARN, which may stand in quotes.
    fn name(&mut self) -> Result<String, String> {
        let rest = self.rest.trim_start();
        let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''));
        let (name, after) = match quote {
            Some(quote) => rest[1..].split_once(quote),
            None => rest.find([',', ')']).map(|end| rest.split_at(end)),
        }
        .ok_or_else(|| self.malformed())?;
        self.rest = after;
        Ok(name.trim().to_owned())
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.word(word) { Ok(()) } else { Err(self.malformed()) }
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
            Rule::AtLeast(least, all) => {
                let holding = all.iter().filter(|one| one.holds(state)).count();
                match least {
                    Least::Count(count) => holding >= *count,
                    Least::Percent(percent) => holding as f64 * 100.0 >= percent * all.len() as f64,
                }
            }
        }
    }

    /// The alarms it names.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Rule::Always(_) => Vec::new(),
            Rule::Is(_, name) => vec![name],
            Rule::Not(inner) => inner.names(),
            Rule::And(left, right) | Rule::Or(left, right) => [left.names(), right.names()].concat(),
            Rule::AtLeast(_, all) => all.iter().flat_map(Rule::names).collect(),
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
        check("OK(\"cold\") AND NOT ALARM(\"a (b), c\")", true);
    }

    #[test]
    fn so_many_of_several_alarms_ring() {
        check("AT_LEAST(2, ALARM, (hot, cold))", false);
        check("AT_LEAST(1, ALARM, (\"hot\", \"cold\")) AND TRUE", true);
        check("AT_LEAST(50%, OK, (hot, cold))", true);
        check("NOT AT_LEAST(\"51%\", NOT OK, (hot, cold))", true);
    }

    #[test]
    fn malformed_rules_are_refused() {
        let counts = ["AT_LEAST(2, ALARM, a)", "AT_LEAST(x, OK, (a))", "AT_LEAST(101%, OK, (a))", "AT_LEAST(1, (a))"];
        for rule in ["", "ALARM", "ALARM(", "ALARM(a) AND", "(OK(a)", "hot", "OK(a) OK(b)"].into_iter().chain(counts) {
            assert!(parse(rule).is_err(), "{rule}");
        }
    }
}
