//! The grammar of metric math: text in, tree out, every refusal naming what is not understood.

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    /// A number.
    Number(f64),
    /// A text in quotes; only `METRICS` takes one.
    Text(String),
    /// The id of another query, or a bare word such as `REPEAT`.
    Id(String),
    /// A list of expressions in brackets.
    List(Vec<Expression>),
    /// Unary minus.
    Minus(Box<Expression>),
    /// Two sides and what is between them.
    Binary(Operator, Box<Expression>, Box<Expression>),
    /// A function of arguments.
    Call(Function, Vec<Expression>),
}

/// What stands between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Divide,
    /// `^`
    Power,
}

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    /// The magnitude of each value.
    Abs,
    /// Each value rounded up.
    Ceil,
    /// Each value rounded down.
    Floor,
    /// The change from the value before.
    Diff,
    /// The change from the value before, by the second.
    Rate,
    /// A value for the periods that have none.
    Fill,
    /// One of two, by a condition.
    If,
    /// The mean.
    Average,
    /// The sum.
    Sum,
    /// The least.
    Least,
    /// The greatest.
    Greatest,
    /// All metrics of the request.
    Metrics,
    /// The length of a metric's period in seconds.
    Period,
    /// How many values there are.
    Count,
    /// The seconds since the value before.
    DiffTime,
    /// The first series of a list.
    First,
    /// The last series of a list.
    Last,
    /// The natural logarithm.
    Log,
    /// The logarithm to the base of ten.
    Log10,
    /// The sum up to each value.
    RunningSum,
    /// A number in every period.
    TimeSeries,
    /// A list without the series that have no values.
    RemoveEmpty,
    /// The standard deviation.
    Deviation,
    /// How many series a list has.
    MetricCount,
    /// The time of every period, in this unit.
    Time(Unit),
}

/// A part of a time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds since 1970.
    Epoch,
    /// 0 to 59.
    Minute,
    /// 0 to 23.
    Hour,
    /// 1 to 7, from Monday on.
    Day,
    /// The day of the month.
    Date,
    /// 1 to 12.
    Month,
    /// The year.
    Year,
}

/// Functions of CloudWatch that the lab does not compute.
const UNPLAYED: [&str; 8] = [
    "ANOMALY_DETECTION_BAND",
    "DB_PERF_INSIGHTS",
    "INSIGHT_RULE_METRIC",
    "LAMBDA",
    "SEARCH",
    "SERVICE_QUOTA",
    "SLICE",
    "SORT",
];
/// How the message begins about what CloudWatch computes and the lab does not.
pub(crate) const NOT_PLAYED: &str = "The lab does not play ";

const FUNCTIONS: [(&str, Function); 31] = [
    ("ABS", Function::Abs),
    ("CEIL", Function::Ceil),
    ("FLOOR", Function::Floor),
    ("DIFF", Function::Diff),
    ("RATE", Function::Rate),
    ("FILL", Function::Fill),
    ("IF", Function::If),
    ("AVG", Function::Average),
    ("SUM", Function::Sum),
    ("MIN", Function::Least),
    ("MAX", Function::Greatest),
    ("METRICS", Function::Metrics),
    ("PERIOD", Function::Period),
    ("DATAPOINT_COUNT", Function::Count),
    ("DIFF_TIME", Function::DiffTime),
    ("FIRST", Function::First),
    ("LAST", Function::Last),
    ("LOG", Function::Log),
    ("LOG10", Function::Log10),
    ("RUNNING_SUM", Function::RunningSum),
    ("TIME_SERIES", Function::TimeSeries),
    ("REMOVE_EMPTY", Function::RemoveEmpty),
    ("STDDEV", Function::Deviation),
    ("METRIC_COUNT", Function::MetricCount),
    ("EPOCH", Function::Time(Unit::Epoch)),
    ("MINUTE", Function::Time(Unit::Minute)),
    ("HOUR", Function::Time(Unit::Hour)),
    ("DAY", Function::Time(Unit::Day)),
    ("DATE", Function::Time(Unit::Date)),
    ("MONTH", Function::Time(Unit::Month)),
    ("YEAR", Function::Time(Unit::Year)),
];

/// Operators by how tightly they bind, loosest first; longer signs before their beginnings.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("OR", Operator::Or)],
    &[("&&", Operator::And), ("AND", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::Unequal),
        ("<=", Operator::AtMost),
        (">=", Operator::AtLeast),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("/", Operator::Divide)],
    &[("^", Operator::Power)],
];

/// Parentheses and functions may lie this deep in each other.
const DEPTH_LIMIT: usize = 32;

/// Reads an expression.
///
/// # Errors
/// Says what is not understood, and names functions that the lab does not compute.
pub(crate) fn parse(text: &str) -> Result<Expression, String> {
    if text.trim_start().get(..7).is_some_and(|word| word.eq_ignore_ascii_case("SELECT ")) {
        return Err(format!("{NOT_PLAYED}queries of Metrics Insights."));
    }
    let mut reader = Reader { text, at: 0, depth: 0 };
    let expression = reader.level(0)?;
    reader.space();
    match reader.rest() {
        "" => Ok(expression),
        rest => Err(format!("Error in expression: unexpected `{rest}`")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, sign: &str) -> bool {
        self.space();
        let is_here = self.rest().starts_with(sign);
        let is_word = sign.as_bytes()[0].is_ascii_alphabetic();
        let goes_on = self.rest()[if is_here { sign.len() } else { 0 }..]
            .starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if is_here && !(is_word && goes_on) {
            self.at += sign.len();
            return true;
        }
        false
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) {
            return Ok(());
        }
        Err(format!("Error in expression: `{sign}` is missing before `{}`", self.rest()))
    }

    fn level(&mut self, level: usize) -> Result<Expression, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.take(sign)) {
            let right = self.level(level + 1)?;
            left = Expression::Binary(*operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, String> {
        if self.take("-") {
            return Ok(Expression::Minus(Box::new(self.unary()?)));
        }
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err("Error in expression: it is nested too deeply".to_owned());
        }
        let expression = self.primary();
        self.depth -= 1;
        expression
    }

    fn primary(&mut self) -> Result<Expression, String> {
        if self.take("(") {
            let inner = self.level(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.take("[") {
            return Ok(Expression::List(self.arguments("]")?));
        }
        let rest = self.rest();
        match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let end = rest[1..].find(quote).ok_or("Error in expression: a quote is open")?;
                self.at += end + 2;
                Ok(Expression::Text(rest[1..=end].to_owned()))
            }
            Some(first) if first.is_ascii_digit() || first == '.' => self.number(),
            Some(first) if first.is_ascii_alphabetic() => self.word(),
            _ => Err(format!("Error in expression: a value is missing before `{rest}`")),
        }
    }

    fn number(&mut self) -> Result<Expression, String> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        self.at += end;
        let number = rest[..end].parse();
        number.map(Expression::Number).map_err(|_| format!("Error in expression: `{}` is not a number", &rest[..end]))
    }

    fn word(&mut self) -> Result<Expression, String> {
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        self.at += end;
        if !self.take("(") {
            return Ok(Expression::Id(word.to_owned()));
        }
        let found = FUNCTIONS.iter().find(|(name, _)| *name == word);
        let Some((_, function)) = found else {
            if UNPLAYED.contains(&word) {
                return Err(format!("{NOT_PLAYED}the function {word} of metric math."));
            }
            return Err(format!("Unsupported function {word} in expression"));
        };
        Ok(Expression::Call(*function, self.arguments(")")?))
    }

    fn arguments(&mut self, close: &str) -> Result<Vec<Expression>, String> {
        let mut arguments = Vec::new();
        if self.take(close) {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.level(0)?);
            if self.take(close) {
                return Ok(arguments);
            }
            self.expect(",")?;
        }
    }
}

impl Expression {
    /// The ids it names.
    pub(crate) fn ids(&self) -> Vec<&str> {
        match self {
            Expression::Id(id) => vec![id],
            Expression::Number(_) | Expression::Text(_) => Vec::new(),
            Expression::Minus(inner) => inner.ids(),
            Expression::Binary(_, left, right) => [left.ids(), right.ids()].concat(),
            Expression::Call(Function::Fill, all) => all.iter().take(1).flat_map(Self::ids).collect(),
            Expression::List(all) | Expression::Call(_, all) => all.iter().flat_map(Expression::ids).collect(),
        }
    }
}
