//! Recipients of a rollout's notifications, and the messages to them. Secrets stand here as the spec names them:
//! `${VAR}`.

/// What others can be told of. `machine::occasion` says which notice is which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// A rollout began.
    Started,
    /// A step passed.
    StepPassed,
    /// A person is waited for: an approval, a pause, a hold.
    Waiting,
    /// A gate failed, and the rollout goes back.
    Breach,
    /// It goes back for another reason.
    GoingBack,
    /// A person overruled a closed window.
    BreakGlass,
    /// The stable slot serves everything again, read back.
    RolledBack,
    /// The candidate serves everything.
    Promoted,
    /// It ended and needs a person.
    Stranded,
    /// The runner left before the end.
    HandedOver,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Occasion; 10] = [
        Occasion::Started,
        Occasion::StepPassed,
        Occasion::Waiting,
        Occasion::Breach,
        Occasion::GoingBack,
        Occasion::BreakGlass,
        Occasion::RolledBack,
        Occasion::Promoted,
        Occasion::Stranded,
        Occasion::HandedOver,
    ];

    /// The word for it in specs and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Occasion::Started => "started",
            Occasion::StepPassed => "step_passed",
            Occasion::Waiting => "waiting",
            Occasion::Breach => "breach",
            Occasion::GoingBack => "going_back",
            Occasion::BreakGlass => "break_glass",
            Occasion::RolledBack => "rolled_back",
            Occasion::Promoted => "promoted",
            Occasion::Stranded => "stranded",
            Occasion::HandedOver => "handed_over",
        }
    }

    /// The occasion that is written as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|occasion| occasion.as_str() == text)
    }
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// How they are reached.
    pub channel: Channel,
    /// What they want to hear of.
    pub on: Vec<Occasion>,
}

/// How somebody is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A Slack incoming webhook.
    Slack {
        /// Its URL, a secret: `${VAR}`.
        url: String,
    },
    /// An HTTP endpoint of their own.
    Webhook {
        /// Where to, as the spec has it.
        url: String,
        /// What bodies are signed with: `${VAR}`.
        secret: String,
        /// Whether it may be this machine or a private address.
        allow_private: bool,
    },
    /// An SNS topic.
    Sns {
        /// Its ARN.
        topic: String,
    },
}

impl Channel {
    /// What it is called in messages: never where it leads.
    pub fn word(&self) -> &'static str {
        match self {
            Channel::Slack { .. } => "slack",
            Channel::Webhook { .. } => "webhook",
            Channel::Sns { .. } => "sns",
        }
    }
}

/// One thing to tell, in every form that a channel takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same however often it is sent, and for no other: the rollout's id, the occasion, and its moment.
    pub id: String,
    /// What it is about.
    pub on: Occasion,
    /// The name of the rollout's spec.
    pub name: String,
    /// One line of ASCII.
    pub subject: String,
    /// For people to read: harmless where markup is not read.
    pub text: String,
    /// For programs: a JSON object.
    pub json: String,
    /// What Slack is sent: a JSON object.
    pub slack: String,
}
