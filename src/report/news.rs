//! Turns a notice into messages, in the form of each channel. Foreign text in them steers no reader.

use serde_json::{Value, json};

use super::{about, command, fields, json, sentence};
use crate::domain::clock::Timestamp;
use crate::domain::name::RolloutId;
use crate::domain::notify::{Message, Occasion};
use crate::domain::text::{escape, escape_json, fit};
use crate::machine::{Machine, Notice, occasion};
use crate::spec::Spec;

/// The version of the JSON that others are sent. Within it fields are only ever added.
const FORMAT: u32 = 1;
/// The most of a text, in columns: Slack cuts later, and mail is read.
const LONGEST: usize = 2_000;
/// The longest subject that SNS takes, in characters: `Subject` in its API reference.
const LONGEST_SUBJECT: usize = 100;

/// Which rollout others are told of.
#[derive(Clone, Debug)]
pub struct About {
    /// Its id.
    pub id: RolloutId,
    /// Whether it is played in a lab.
    pub rehearsal: bool,
}

/// The message about one notice; `None` where it is no news for others. `machine` is as it stands after it.
pub fn message(about: &About, at: Timestamp, notice: &Notice, machine: &Machine) -> Option<Message> {
    let on = occasion(notice)?;
    let plan = machine.plan();
    let id = about.id.as_str();
    let name = plan.name.as_str();
    let rehearsal = if about.rehearsal { "rehearsal: " } else { "" };
    let words = escape(&sentence::words(notice, plan));
    let title = match on {
        Occasion::Started => words,
        _ => format!("{name}: {words}"),
    };
    let progress = machine.progress();
    let share = progress.configured.map_or(String::new(), |share| format!(", {share} on the candidate"));
    let target = &plan.target;
    let (stable, candidate) = (&target.stable.target_group_name, &target.candidate.target_group_name);
    let registered = progress.registered.as_deref();
    let release = escape(&about::release(plan, registered));
    let place = escape(&format!("{}: {stable} to {candidate}{share}", about::place(plan)));
    let text = fit(&format!("{rehearsal}{title}"), LONGEST, true);
    let text = format!("{text}\n{release}\n{place}\nrollout {id}; {}", next(on, id));
    let number = match notice {
        Notice::StepPassed { step, .. } => format!("-{}", step + 1),
        _ => String::new(),
    };
    let message_id = format!("{id}:{}{number}:{}", on.as_str(), at.as_millis());
    let json = json!({
        "version": FORMAT,
        "id": message_id,
        "on": on.as_str(),
        "at": fields::moment(at),
        "text": text,
        "rehearsal": about.rehearsal,
        "notice": json::object(at, notice, plan, progress.served),
        "rollout": {
            "id": id,
            "name": name,
            "region": target.region,
            "account": target.account,
            "cluster": target.cluster,
            "release": about::release_json(plan, registered),
            "rule": target.rule,
            "stable": json::place(&target.stable),
            "candidate": json::place(&target.candidate),
            "share_percent": progress.configured.map(fields::percent),
            "step": progress.step.saturating_add(1).min(plan.steps.len()),
            "of": plan.steps.len(),
        },
    });
    let subject = subject(&format!("{rehearsal}{name}: {}", on.as_str().replace('_', " ")));
    Some(Message { id: message_id, on, name: name.to_owned(), subject, slack: slack(&text), text, json: line(&json) })
}

/// A message about a rollout of a spec that never was.
pub fn sample(spec: &Spec, on: Occasion, at: Timestamp) -> Message {
    let name = spec.name.as_str();
    let id = format!("{name}-test");
    let text = format!("test: {name}: {}\nno rollout is meant by this: `tidegate notify test` sent it", on.as_str());
    let message_id = format!("{id}:{}:{}", on.as_str(), at.as_millis());
    let json = json!({
        "version": FORMAT,
        "id": message_id,
        "on": on.as_str(),
        "at": fields::moment(at),
        "text": text,
        "rehearsal": true,
        "notice": null,
        "rollout": {"id": id, "name": name, "cluster": spec.target.cluster},
    });
    let subject = subject(&format!("test: {name}: {}", on.as_str().replace('_', " ")));
    Message { id: message_id, on, name: name.to_owned(), subject, slack: slack(&text), text, json: line(&json) }
}

/// What a person types next.
fn next(on: Occasion, id: &str) -> String {
    match on {
        Occasion::Waiting => format!("{}, or {}", command("why", id), command("rollback", id)),
        Occasion::HandedOver => format!("{}, or {}", command("resume", id), command("rollback", id)),
        Occasion::Stranded => format!("{}: a person is needed", command("why", id)),
        Occasion::RolledBack | Occasion::Promoted => command("history", id),
        _ => command("status", id),
    }
}

/// Slack reads `&`, `<` and `>` as the beginning of links and mentions (its page on formatting text), and the rest
/// of its markup only where it is asked to.
fn slack(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    line(&json!({"text": escaped, "mrkdwn": false, "unfurl_links": false, "unfurl_media": false}))
}

/// Printable ASCII that starts with a message, as SNS wants it.
fn subject(text: &str) -> String {
    text.chars().filter(|c| *c == ' ' || c.is_ascii_graphic()).take(LONGEST_SUBJECT).collect()
}

fn line(value: &Value) -> String {
    escape_json(&value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Event;
    use crate::report::sample;

    fn about() -> About {
        About { id: RolloutId::parse(sample::ID).unwrap(), rehearsal: false }
    }

    fn machine() -> Machine {
        let mut machine = Machine::new(sample::plan());
        let _ = machine.apply(sample::at(0), Event::Started { by: "ana@ci".to_owned() });
        machine
    }

    #[test]
    fn every_occasion_has_its_notice() {
        let all = sample::all();
        for on in Occasion::ALL {
            assert!(all.iter().any(|notice| occasion(notice) == Some(on)), "{}", on.as_str());
            assert_eq!(Occasion::parse(on.as_str()), Some(on));
        }
    }

    #[test]
    fn hostile_words_steer_nothing() {
        let foul = "<!channel> <https://evil|ok> & \u{1b}[31m\n\u{202e}\"}, *bold*".to_owned();
        let machine = machine();
        let notice = Notice::AwaitingApproval { message: foul, until: sample::at(60) };
        let message = message(&about(), sample::at(1), &notice, &machine).unwrap();
        let slack: Value = serde_json::from_str(&message.slack).unwrap();
        let text = slack["text"].as_str().unwrap();
        assert!(!text.contains(['<', '>']) && text.contains("&lt;!channel&gt;"), "{text}");
        assert_eq!(slack["mrkdwn"], false);
        let json: Value = serde_json::from_str(&message.json).unwrap();
        assert_eq!((json["version"].as_u64(), json["on"].as_str()), (Some(1), Some("waiting")));
        for sent in [&message.slack, &message.json, &message.text.replace('\n', "")] {
            assert!(!sent.contains(crate::domain::text::is_hidden), "{sent}");
        }
        assert!(message.subject.is_ascii() && message.subject.len() <= LONGEST_SUBJECT);
    }

    #[test]
    fn an_id_names_rollout_occasion_and_moment() {
        let machine = machine();
        let id = |notice: &Notice| message(&about(), sample::at(1), notice, &machine).unwrap().id;
        let step = |step| Notice::StepPassed { step, took: std::time::Duration::ZERO, undecided: Vec::new() };
        assert_ne!(id(&step(1)), id(&step(2)));
        assert_eq!(id(&step(1)), id(&step(1)));
        assert!(
            id(&Notice::Finished(crate::machine::Outcome::Promoted)).starts_with("web-20261123-140509-0a1b:promoted:")
        );
    }
}
