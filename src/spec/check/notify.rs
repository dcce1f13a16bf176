//! Recipients: URLs that can be called, secrets that are named and not written, topics that can be.

use super::Check;
use super::name::Kind;
use crate::domain::notify::{Channel, Occasion, Recipient};
use crate::gate::is_private_host;
use crate::spec::document::{Hook, Notify, On};
use crate::spec::finding::Finding;
use crate::spec::tree::Node;
use crate::spec::{variables, words};

const TOPIC: Kind = Kind { word: "topic of SNS", service: "sns", resource: "", longest: 0, underscore: true };

/// The shortest secret that signs anything, in bytes.
const SECRET_LEAST: usize = 16;

impl Check<'_> {
    pub(super) fn notify(&mut self, recipients: Vec<Notify>, at: &Node) -> Option<Vec<Recipient>> {
        let checked: Vec<_> =
            recipients.into_iter().enumerate().map(|(n, one)| self.recipient(one, at.item(n))).collect();
        checked.into_iter().collect()
    }

    fn recipient(&mut self, written: Notify, at: &Node) -> Option<Recipient> {
        let (channel, on) = match written {
            Notify::Slack(slack) => {
                let place = at.field("slack").field("url");
                self.named(&slack.url, place)?;
                self.callable(&slack.url, place, false)?;
                (Channel::Slack { url: slack.url }, slack.on)
            }
            Notify::Webhook(hook) => {
                let on = hook.on.clone();
                (self.hook(hook, at.field("webhook"))?, on)
            }
            Notify::Sns(sns) => {
                let place = at.field("sns").field("topic");
                self.topic(&sns.topic, place)?;
                (Channel::Sns { topic: sns.topic }, sns.on)
            }
        };
        let mut on: Vec<Occasion> = on.into_iter().map(occasion).collect();
        on.sort_unstable();
        on.dedup();
        Some(Recipient { channel, on })
    }

    fn hook(&mut self, hook: Hook, at: &Node) -> Option<Channel> {
        let url = self.callable(&hook.url, at.field("url"), hook.allow_private);
        let secret = self.secret(&hook.secret, at.field("secret"));
        url.and(secret)?;
        Some(Channel::Webhook { url: hook.url, secret: hook.secret, allow_private: hook.allow_private })
    }

    fn secret(&mut self, written: &str, at: &Node) -> Option<()> {
        self.named(written, at)?;
        let Ok(secret) = variables::expand(written, self.context.variables) else { return None };
        if !secret.is_empty() && secret.len() < SECRET_LEAST {
            let help = format!("at least {SECRET_LEAST} bytes: `openssl rand -hex 32` makes some");
            return self.wrong(at.value(), "what the variable holds is too short to sign with", help);
        }
        Some(())
    }

    /// Whether a secret stands in a variable: whatever is written in the spec is in the journal.
    fn named(&mut self, written: &str, at: &Node) -> Option<()> {
        let inside = written.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let name = inside.map(|inside| inside.strip_suffix(":-").unwrap_or(inside));
        if name.is_some_and(|name| !name.contains([':', '$', '{', '}'])) {
            return Some(());
        }
        let help = "`${VAR}` alone, or `${VAR:-}` where nobody is to be told while it is not set: it is filled in when \
                    it is used, and never written down";
        self.add(Finding::new(at.value(), "a secret is written in the spec").help(help).secret())
    }

    /// Whether the URL, filled in, can be called. What cannot be filled in is told elsewhere, and an empty one is not
    /// called at all.
    fn callable(&mut self, written: &str, at: &Node, allow_private: bool) -> Option<()> {
        let Ok(url) = variables::expand(written, self.context.variables) else { return None };
        if url.is_empty() && written.contains("${") {
            return Some(());
        }
        let host = self.url(&url, at, "https://hooks.example.com/tidegate")?;
        let is_private = is_private_host(host);
        if url.starts_with("https://") && (allow_private || !is_private) {
            return Some(());
        }
        if is_private && allow_private {
            return Some(());
        }
        let (wrong, help) = if is_private {
            ("a private host", "`allow_private: true` beside it, if that is meant")
        } else {
            ("plain http to a public host", "use https")
        };
        self.wrong(at.value(), format!("{} is {wrong}", words::shown(at, &url)), help)
    }

    fn topic(&mut self, topic: &str, at: &Node) -> Option<()> {
        // A topic may be in another region than the target.
        let region = self.region.take();
        let sound = self.arn(topic, at, &TOPIC);
        self.region = region;
        sound.then_some(())
    }
}

fn occasion(on: On) -> Occasion {
    match on {
        On::Started => Occasion::Started,
        On::StepPassed => Occasion::StepPassed,
        On::Waiting => Occasion::Waiting,
        On::Breach => Occasion::Breach,
        On::GoingBack => Occasion::GoingBack,
        On::BreakGlass => Occasion::BreakGlass,
        On::RolledBack => Occasion::RolledBack,
        On::Promoted => Occasion::Promoted,
        On::Stranded => Occasion::Stranded,
        On::HandedOver => Occasion::HandedOver,
    }
}
