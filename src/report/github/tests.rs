//! What GitHub is told of rollouts, good, bad and foul.

use std::sync::{Arc, Mutex};

use super::super::sample::{self, FOUL, all, at, plan, story};
use super::*;
use crate::domain::fault::{Fault, FaultKind};
use crate::machine::{Event, Leaving, Undone};

/// Keeps what is set.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Shelf>>);

/// Outputs in their order, and the page.
#[derive(Default)]
struct Shelf {
    outputs: Vec<(String, String)>,
    page: String,
}

impl Desk for Kept {
    fn output(&mut self, name: &str, value: &str) {
        self.0.lock().unwrap().outputs.push((name.to_owned(), value.to_owned()));
    }

    fn page(&mut self, text: &str) {
        text.clone_into(&mut self.0.lock().unwrap().page);
    }
}

impl Kept {
    fn output(&self, name: &str) -> Option<String> {
        let kept = self.0.lock().unwrap();
        kept.outputs.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn page(&self) -> String {
        self.0.lock().unwrap().page.clone()
    }
}

fn told(plan: Plan, notices: &[(Timestamp, Notice)]) -> (String, Kept) {
    let (log, kept) = (sample::Page::default(), Kept::default());
    let mut github = Github::new(Box::new(log.clone()), Box::new(kept.clone()), sample::ID);
    let machine = Machine::new(plan);
    for (at, notice) in notices {
        github.tell(*at, notice, &machine);
    }
    (log.text(), kept)
}

#[test]
fn a_rollback_is_one_error_with_its_reason_and_the_outputs_say_it() {
    let calm = Plan { warnings: Vec::new(), ..plan() };
    let (log, kept) = told(calm, &story());
    let reason = "gate candidate-errors failed (19.8 against at most 1 at 14:06:00)";
    let head = "rolled back%3A web is served by web-blue%2C the release before";
    assert_eq!(log, format!("::error title={head}::{reason}\n"));
    let stable = plan().before.stable_task_definition;
    let outputs = [
        ("outcome", "rolled_back"),
        ("reason", reason),
        ("run-id", sample::ID),
        ("weight", "0"),
        ("stable-task-definition", stable.as_str()),
    ];
    for (name, value) in outputs {
        assert_eq!(kept.output(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn the_page_tells_outcome_and_evidence_first_and_each_step() {
    let (_, kept) = told(plan(), &story());
    let page = kept.page();
    assert!(page.starts_with("<h3>↩ rolled back: web is served by web-blue, the release before</h3>\n"), "{page}");
    for part in
        ["<code>gate candidate-errors failed (19.8 against", "shift 25% to the candidate", "ended here", "✔ 21s"]
    {
        assert!(page.contains(part), "`{part}` is not in {page}");
    }
}

#[test]
fn a_step_that_passed_undecided_has_no_tick_on_the_page() {
    let undecided = vec!["compare".to_owned()];
    let passed = Notice::StepPassed { step: 4, took: std::time::Duration::from_secs(600), undecided };
    let page = told(plan(), &[(at(0), passed)]).1.page();
    assert!(page.contains("<td>! 10m, undecided</td>") && !page.contains('✔'), "{page}");
}

#[test]
fn a_page_is_there_from_the_first_notice_on() {
    let mut machine = Machine::new(plan());
    let kept = Kept::default();
    let mut github = Github::new(Box::new(sample::Page::default()), Box::new(kept.clone()), sample::ID);
    let reaction = machine.apply(at(0), Event::Started { by: "alice@ci".to_owned() });
    github.tell(at(0), &reaction.notices[0], &machine);
    assert!(kept.page().contains("web is not finished"), "{}", kept.page());
    assert_eq!(kept.output("outcome"), None);
}

#[test]
fn no_more_warnings_are_given_than_github_shows() {
    let mut full = plan();
    full.warnings = (0..30).map(|n| format!("warning {n}")).collect();
    let (log, _) = told(full, &story());
    assert_eq!(log.lines().filter(|line| line.starts_with("::warning ")).count(), SHOWN, "{log}");
}

#[test]
fn foul_text_is_harmless_on_the_page_and_in_annotations() {
    let foul = "</code><script>x</script> @everyone #1 ::set-output name=a::b %0A";
    let mut bad = plan();
    bad.warnings = vec![foul.to_owned(), FOUL.to_owned()];
    let mut notices: Vec<_> = all().into_iter().map(|notice| (at(0), notice)).collect();
    notices.push((at(1), Notice::HandedOver { why: Leaving::Journal(foul.to_owned()) }));
    notices.push((at(1), Notice::LeftUndone { what: Undone::StableTasks(Fault::new(FaultKind::Denied, foul, foul)) }));
    let (log, kept) = told(bad, &notices);
    assert!(log.lines().all(|line| ["::error ", "::warning ", "::notice "].iter().any(|word| line.starts_with(word))));
    assert!(!log.contains(['\u{1b}', '\r', '\u{202e}']), "{log}");
    let page = kept.page();
    assert!(!page.contains("<script") && !page.contains(['\u{1b}', '\r', '\u{202e}']), "{page}");
    assert!(page.contains("&lt;script&gt;"), "{page}");
    // A blank line would end a table's HTML, and Markdown would begin.
    let within = page.split("<table>").skip(1).filter_map(|part| part.split("</table>").next());
    assert!(within.clone().count() > 1 && within.into_iter().all(|table| !table.contains("\n\n")), "{page}");
    assert!(page.len() < 1 << 20);
}
