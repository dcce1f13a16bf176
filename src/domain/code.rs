//! The stable codes of what can be wrong, and what each of them means and what is to be done.

use std::fmt;

/// What can be wrong. A code is never given to something else; what is gone leaves a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The spec's text is none.
    SpecText,
    /// It is not YAML, or YAML of a kind that specs leave out.
    SpecYaml,
    /// Another version of the language.
    SpecVersion,
    /// A variable.
    SpecVariable,
    /// A field or a value that the language does not have.
    SpecShape,
    /// The rollout's name.
    SpecName,
    /// The driver, or what it cannot do.
    SpecDriver,
    /// The target.
    SpecTarget,
    /// The release.
    SpecRelease,
    /// The strategy.
    SpecStrategy,
    /// The gates together.
    SpecGates,
    /// A gate on an alarm.
    SpecAlarm,
    /// A gate on a metric.
    SpecMetric,
    /// A probe.
    SpecProbe,
    /// The gate on tasks.
    SpecTasks,
    /// A gate that compares slots.
    SpecCompare,
    /// A gate on the error budget.
    SpecBurn,
    /// A gate that asks somebody else.
    SpecOutside,
    /// A limit.
    SpecLimit,
    /// The dead-man's switch.
    SpecDeadMan,
    /// The store.
    SpecStore,
    /// Who else is told.
    SpecNotify,
    /// When rollouts may go forward.
    SpecWindows,
    /// A file cannot be followed: the spec in it is wrong.
    InvalidSpec,
    /// A command line that cannot be done.
    Usage,
    /// A rollout that is not there.
    UnknownRollout,
    /// Something unexpected.
    Unexpected,
    /// A call that may work when it is tried again.
    Transient,
    /// The store does not work.
    Store,
    /// A journal or a document of another kind than this version reads.
    Recorded,
    /// Refused for a reason of its own.
    Refused,
    /// What the spec names is not there.
    Absent,
    /// The target could not be rolled back.
    Unfit,
    /// A reviewed plan that is not the same any more.
    StalePlan,
    /// A plan's file that is not as it was written.
    DamagedPlan,
    /// Somebody else drives.
    Held,
    /// Waiting, or handed over.
    HandedOver,
    /// AWS refuses.
    Denied,
    /// The credentials have ended.
    Expired,
    /// A rollout that did not end well.
    Outcome,
    /// Its windows or a change calendar are closed.
    Closed,
}

/// Code, number, title, and what there is to know.
type Entry = (Code, u16, &'static str, &'static str);

/// All of them. Below 200 it is the spec, from 200 on a command.
const TABLE: [Entry; 41] = [
    (
        Code::SpecText,
        101,
        "a spec is UTF-8 text",
        "The file is read as UTF-8 without control characters, at most 256 KiB long. Characters that turn the direction of writing or are not seen are refused, because a reviewer would read another spec than tidegate. Save the file as UTF-8 and take out what is marked.",
    ),
    (
        Code::SpecYaml,
        102,
        "a spec is one plain YAML document",
        "Indent with spaces, close quotes and brackets, and set each key once. Anchors, aliases, tags and merge keys are left out of the language: what stands in the file is what happens. A `${VAR}` inside brackets or braces goes in quotes.",
    ),
    (
        Code::SpecVersion,
        103,
        "this build reads another version",
        "`version: 1` says which language the spec is written in. A later one needs a later tidegate.",
    ),
    (
        Code::SpecVariable,
        104,
        "a variable cannot be filled in",
        "`${VAR}` is the environment's, `${VAR:-default}` has a default, `$$` is a dollar sign. A variable that is not set is an error where it is used: an empty image tag is never rolled out. In headers, a webhook's URL and a command the value is filled in at the last moment and never written down.",
    ),
    (
        Code::SpecShape,
        105,
        "a field or value the language does not have",
        "The field is not known here, is missing, or holds a value of another kind. `tidegate docs spec` lists all fields; `tidegate schema` gives the same to an editor, which then completes them.",
    ),
    (
        Code::SpecName,
        106,
        "a rollout's name",
        "Names of rollouts are 1 to 40 of a-z, 0-9 and '-', starting with a letter: they become parts of ids, tags and file names.",
    ),
    (
        Code::SpecDriver,
        107,
        "what the driver cannot do",
        "Each driver moves the weights by other means, and can do other things: `tidegate docs drivers` has the table. The message names the nearest that this driver can do.",
    ),
    (
        Code::SpecTarget,
        108,
        "the target",
        "The target names a cluster, a listener rule and two slots: a service and a target group each, or one service with both groups. Names are enough; an ARN is accepted anywhere, of the right kind and region. The slots differ.",
    ),
    (
        Code::SpecRelease,
        109,
        "the release",
        "One of: `file`, a task definition as JSON; `images`, the family's newest revision with other images by container; `registered`, a revision that exists.",
    ),
    (
        Code::SpecStrategy,
        110,
        "the strategy",
        "One of `canary`, `linear`, `harm_budget` and `blue_green`. Shares are percentages that go up, each is held or approved before the next, and everything comes last.",
    ),
    (
        Code::SpecGates,
        111,
        "the gates together",
        "Gates are told apart by name, of some kinds there is one at most, and at least one of them decides: gates with `watch: true` decide nothing.",
    ),
    (
        Code::SpecAlarm,
        112,
        "a gate on an alarm",
        "`alarm: { name: … }` names a CloudWatch alarm in the target's region, composite ones too.",
    ),
    (
        Code::SpecMetric,
        113,
        "a gate on a metric",
        "A metric has inputs from CloudWatch, or one query to Prometheus; several inputs need an `expression` of metric math over their ids; and one bound, `above` or `below`. Periods are CloudWatch's: 10s, 30s, or whole minutes.",
    ),
    (
        Code::SpecProbe,
        114,
        "a probe",
        "A probe asks a URL before any traffic. `{load_balancer}` stands for the target's address. Credentials belong in a header, as `${VAR}`.",
    ),
    (
        Code::SpecTasks,
        115,
        "the gate on tasks",
        "It says how many tasks may crash and by when they are healthy. Every spec has it; naming it changes its numbers.",
    ),
    (
        Code::SpecCompare,
        116,
        "a gate that compares the slots",
        "Tolerances say how much worse the candidate may be, margins what is proven before it is trusted. The feed must tell the slots apart.",
    ),
    (
        Code::SpecBurn,
        117,
        "a gate on the error budget",
        "`objective` is the share that succeeds, `factor` how many times too fast the budget may be used; a factor that no error rate can exceed is refused.",
    ),
    (
        Code::SpecOutside,
        118,
        "a webhook or a command",
        "A webhook is asked over https, or on a private address; a command is a list, and no shell reads it.",
    ),
    (
        Code::SpecLimit,
        119,
        "a limit",
        "Limits are times with a unit, such as `90s` or `15m`, within bounds: none may be endless, and none so short that it is always missed.",
    ),
    (
        Code::SpecDeadMan,
        120,
        "the dead-man's switch",
        "`dead_man` names the IAM role with which EventBridge Scheduler gives the traffic back when no runner lives, and after how long.",
    ),
    (
        Code::SpecStore,
        121,
        "the store",
        "`store: s3://bucket/prefix` keeps rollouts where others can take them over. Left out, they are kept on this machine.",
    ),
    (
        Code::SpecNotify,
        122,
        "who else is told",
        "`notify` is a list of `slack`, `webhook` and `sns`. URLs are https and on public addresses, unless `allow_private` says otherwise; secrets are written as `${VAR}`, which is filled in at the last moment and never written down.",
    ),
    (
        Code::SpecWindows,
        123,
        "when rollouts may go forward",
        "`windows` has a `time_zone` by its IANA name, `allow` with days and times as a clock there shows them, `freeze` with a reason, and `calendars` of Systems Manager. The way back is open at all times.",
    ),
    (
        Code::InvalidSpec,
        201,
        "the spec is not valid",
        "Its problems are listed with a code each. `tidegate validate SPEC` shows them without looking at AWS.",
    ),
    (
        Code::Usage,
        202,
        "the command cannot be done as it was given",
        "The message says what is wrong with the words of the command line, or with a file that they name; `tidegate COMMAND --help` has examples.",
    ),
    (
        Code::UnknownRollout,
        203,
        "there is no such rollout",
        "A rollout is named by its id, the beginning of one, or the spec's name or path, and looked for in one store: `--store`, TIDEGATE_STORE, where this machine last saw it, or the user's state folder. `tidegate history` lists what is there.",
    ),
    (
        Code::Unexpected,
        204,
        "something unexpected",
        "A bug, a machine that cannot do its part, or an answer that means nothing. What was begun is in the journal: `tidegate status` says where it stands, `tidegate rollback` goes back.",
    ),
    (
        Code::Transient,
        205,
        "AWS did not answer, or was too busy",
        "Throttles, time-outs and lost connections. Nothing was changed; try again.",
    ),
    (
        Code::Store,
        206,
        "the store does not work",
        "The folder or bucket in which rollouts are kept cannot be read or written. The way back needs no store: `tidegate rollback --rule ARN`, or `--cluster C --service S`.",
    ),
    (
        Code::Recorded,
        207,
        "a journal or document that cannot be followed",
        "It is damaged, or another version wrote it. Damage is never repaired: `tidegate rollback` goes back from what is whole.",
    ),
    (Code::Refused, 208, "refused", "It would not have been safe, or somebody said no. The notes say why."),
    (
        Code::Absent,
        209,
        "the target is not as the spec names it",
        "A cluster, service, load balancer, rule, target group, alarm or role is not there, or there twice, in this region and account. The notes say what is there instead.",
    ),
    (
        Code::Unfit,
        210,
        "the target could not be rolled back",
        "A rollout starts only where its way back is open: a stable slot with healthy tasks and all the traffic, both target groups in the rule, alarms quiet, nobody else deploying, the health checks quick enough. The notes name each reason and what would help.",
    ),
    (
        Code::StalePlan,
        211,
        "the reviewed plan is stale",
        "`run FILE` does what was reviewed, or nothing. The rule, the services' task definitions and numbers of tasks, autoscaling, the release or the plan's age are not what they were. Plan and review anew: `tidegate plan SPEC --out FILE`.",
    ),
    (
        Code::DamagedPlan,
        212,
        "the plan's file cannot be followed",
        "A plan's file is sealed with a hash: it was edited or cut, or another version of tidegate wrote it. The hash finds accidents; who may write the file may also seal it anew, so keep it where you keep what you deploy from.",
    ),
    (
        Code::Held,
        213,
        "somebody else drives",
        "One runner decides at a time, by a lease on the rule and its services. `tidegate status` says who; `tidegate rollback` takes the traffic back whoever drives.",
    ),
    (
        Code::HandedOver,
        214,
        "waiting, or handed over",
        "The rollout is not over, and this process does not drive it any more. `tidegate resume` goes on.",
    ),
    (
        Code::Denied,
        215,
        "credentials or permission",
        "AWS does not know the caller, or does not allow the call. `aws sts get-caller-identity` says who you are, `tidegate iam-policy SPEC` what each part must be allowed, and nothing more.",
    ),
    (
        Code::Expired,
        216,
        "the credentials have ended",
        "Renew them, for instance with `aws sso login`. A rollout whose credentials end holds where it is.",
    ),
    (
        Code::Outcome,
        217,
        "the rollout did not end as it should",
        "`tidegate why` says which gate, limit or person ended it, and with which evidence.",
    ),
    (
        Code::Closed,
        218,
        "not now: a window or a change calendar is closed",
        "The spec's `windows` say when a rollout may begin, and the message when that is next. `--break-glass REASON` begins all the same, and is in the journal.",
    ),
];

impl Code {
    /// Every code, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Code> {
        TABLE.iter().map(|(code, ..)| *code)
    }

    /// Reads `TG0105`, in small letters too, or the number alone.
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.trim().to_ascii_uppercase();
        let number: u16 = upper.strip_prefix("TG").unwrap_or(&upper).parse().ok()?;
        TABLE.iter().find(|(_, of, ..)| *of == number).map(|(code, ..)| *code)
    }

    /// What it means, in a few words.
    pub fn title(self) -> &'static str {
        self.entry().2
    }

    /// What there is to know, and what to do.
    pub fn explanation(self) -> &'static str {
        self.entry().3
    }

    fn entry(self) -> &'static Entry {
        // A test holds that the table has all of them, in their order.
        &TABLE[self as usize]
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TG{:04}", self.entry().1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The text of every source but this one.
    fn sources(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, text);
            } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("src/domain/code.rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn every_code_occurs_and_has_its_own_number_and_explanation() {
        let mut text = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
        for (place, (code, number, title, explanation)) in TABLE.iter().enumerate() {
            assert_eq!(*code as usize, place, "{code:?} is at another place");
            assert!(place == 0 || TABLE[place - 1].1 < *number, "{code} is not greater than the one before");
            assert!(!title.is_empty() && explanation.ends_with('.'), "{code}");
            let name = format!("Code::{code:?}");
            let is_word = |rest: &str| rest.chars().next().is_none_or(|c| !c.is_alphanumeric());
            assert!(text.match_indices(&name).any(|(at, _)| is_word(&text[at + name.len()..])), "{name} never occurs");
        }
    }

    #[test]
    fn a_code_is_read_as_it_is_shown() {
        for code in Code::all() {
            assert_eq!(Code::parse(&code.to_string()), Some(code));
        }
        assert_eq!(Code::parse(" tg0105"), Some(Code::SpecShape));
        assert_eq!(Code::parse("105"), Some(Code::SpecShape));
        for text in ["", "TG", "TG9999", "x105"] {
            assert_eq!(Code::parse(text), None, "{text}");
        }
    }
}
