//! The outer gates: a budget that can be burned, a URL that can be asked, a program that can be run.

use std::time::Duration;

use super::Check;
use super::units::{DAY, HOUR, MINUTE, SECOND};
use crate::gate::{BurnRule, CommandRule, WebhookRule, is_private_host};
use crate::spec::document::{BurnRate, Command, Objective, Time, Webhook};
use crate::spec::finding::Finding;
use crate::spec::tree::Node;
use crate::spec::{variables, words};

/// The least and the greatest objective, in percent.
const OBJECTIVES: [f64; 2] = [50.0, 99.999];

/// The longest argument of a program, in characters.
const LONGEST_ARGUMENT: usize = 4096;

impl Check<'_> {
    pub(super) fn burn_rate(&mut self, burn: &BurnRate, at: &Node) -> Option<BurnRule> {
        let objective = self.objective(&burn.objective, at.field("objective"));
        let long = self.minutes(&burn.long, at.field("long"), [10 * MINUTE, DAY]);
        let short = self.minutes(&burn.short, at.field("short"), [MINUTE, HOUR]);
        let (objective, long, short) = (objective?, long?, short?);
        if short >= long {
            let finding = Finding::new(at.field("short").value(), "the short window is no shorter than the long one");
            let finding = finding.note(at.field("long").value(), "the long window");
            return self.add(finding.help("the workbook's pairs are 5m with 1h, and 30m with 6h"));
        }
        if burn.factor * (1.0 - objective) >= 1.0 {
            let place = at.get("factor").unwrap_or_else(|| at.field("objective"));
            let most = 1.0 / (1.0 - objective);
            let wrong = "more than every request would have to fail before this is exceeded";
            return self.wrong(place.value(), wrong, format!("a factor below {most:.0}, or a higher objective"));
        }
        Some(BurnRule { objective, factor: burn.factor, long, short })
    }

    fn objective(&mut self, objective: &Objective, at: &Node) -> Option<f64> {
        let text = objective.0.trim();
        let number = text.strip_suffix('%').unwrap_or(text).trim_end().parse::<f64>().ok();
        let [least, most] = OBJECTIVES;
        match number.filter(|number| (least..=most).contains(number)) {
            Some(percent) => Some(percent / 100.0),
            None => {
                let wrong = format!("{} is not an objective", words::shown(at, &objective.0));
                self.wrong(at.value(), wrong, format!("a percentage from {least}% to {most}%, such as `99.9%`"))
            }
        }
    }

    /// A window of whole minutes: the load balancer counts no finer.
    fn minutes(&mut self, time: &Time, at: &Node, [least, most]: [u64; 2]) -> Option<Duration> {
        let window = self.time(time, at, least..=most)?;
        if window.as_secs().is_multiple_of(MINUTE) {
            return Some(window);
        }
        let wrong = format!("{} is not whole minutes", words::shown(at, &time.0));
        self.wrong(at.value(), wrong, "the load balancer counts by the minute")
    }

    pub(super) fn webhook(&mut self, webhook: Webhook, at: &Node) -> Option<WebhookRule> {
        let url = self.private_or_encrypted(&webhook.url, at.field("url"));
        let headers = self.headers(&webhook.headers, at.field("headers"));
        let times = self.times(&webhook.timeout, &webhook.every, at);
        (url && headers).then_some(())?;
        let (timeout, every) = times?;
        Some(WebhookRule { url: webhook.url, headers: webhook.headers.into_iter().collect(), timeout, every })
    }

    /// Whether the URL, filled in, can be asked. What cannot be filled in is told elsewhere.
    fn private_or_encrypted(&mut self, url: &str, at: &Node) -> bool {
        let Ok(url) = variables::expand(url, self.context.variables) else { return false };
        let Some(host) = self.url(&url, at, "https://judge.example.com/verdict") else { return false };
        if url.starts_with("https://") || is_private_host(host) {
            return true;
        }
        let wrong = format!("{} is plain http to a public host", words::shown(at, &url));
        let help = "use https: who can change the answer on its way decides. Plain http may go to this machine, a \
                    private address, or a name such as `judge.internal`";
        self.wrong::<()>(at.value(), wrong, help).is_some()
    }

    fn times(&mut self, timeout: &Time, every: &Time, at: &Node) -> Option<(Duration, Duration)> {
        let timeout = self.time(timeout, at.field("timeout"), SECOND..=MINUTE);
        let every = self.time(every, at.field("every"), 15 * SECOND..=HOUR);
        Some((timeout?, every?))
    }

    pub(super) fn command(&mut self, command: Command, at: &Node) -> Option<CommandRule> {
        let before = self.findings.len();
        let place = at.field("command");
        for (index, argument) in command.command.iter().enumerate() {
            let Ok(given) = variables::expand(argument, self.context.variables) else { continue };
            self.argument(&given, index, place.item(index));
        }
        let place = at.field("environment");
        for (index, name) in command.environment.iter().enumerate() {
            self.variable(name, place.item(index));
        }
        let times = self.times(&command.timeout, &command.every, at);
        let (timeout, every) = times?;
        let Command { command, environment, .. } = command;
        (self.findings.len() == before).then_some(CommandRule { command, environment, timeout, every })
    }

    fn variable(&mut self, name: &str, at: &Node) {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) || !name.chars().all(is_name) {
            let wrong = format!("{} is no name of a variable", words::shown(at, name));
            self.wrong::<()>(
                at.value(),
                wrong,
                "letters, digits and `_`, such as JUDGE_TOKEN; its value stays outside",
            );
        } else if variables::expand(&format!("${{{name}}}"), self.context.variables).is_err() {
            self.wrong::<()>(at.value(), format!("{name} is not set"), "set it where tidegate runs, or leave it out");
        }
    }

    fn argument(&mut self, given: &str, index: usize, at: &Node) {
        if index == 0 && given.trim().is_empty() {
            self.wrong::<()>(at.value(), "there is no program here", "a path, or a name that is found in PATH");
        } else if given.contains('\0') {
            self.wrong::<()>(at.value(), "this holds the character \\u{0}", "no program can be given it");
        } else if given.chars().nth(LONGEST_ARGUMENT).is_some() {
            let help = format!("at most {LONGEST_ARGUMENT} characters; longer things belong in a file");
            self.wrong::<()>(at.value(), "this argument is too long", help);
        }
    }
}
