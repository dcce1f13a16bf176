//! The plan as a picture: a Mermaid state diagram, which GitHub and many wikis draw.

use std::fmt::Write as _;

use super::{asked, judges, release, timeline, weights_before};
use crate::domain::clock::span;
use crate::plan::{Action, Plan};

/// The plan as the text of a `stateDiagram-v2`.
pub fn mermaid(plan: &Plan) -> String {
    let mut lines = vec!["stateDiagram-v2".to_owned(), "    direction TB".to_owned()];
    let entries = timeline(plan);
    for (n, entry) in entries.iter().enumerate() {
        lines.push(format!("    s{}: {}", n + 1, label(&format!("{}. {}", n + 1, entry.title))));
    }
    if !entries.is_empty() {
        lines.push(format!("    note right of s1: {}", label(&asked::sentence(plan))));
    }
    let weights: Vec<String> = weights_before(plan).iter().map(|(name, weight)| format!("{name} {weight}")).collect();
    lines.push(format!("    back: {}", label(&format!("going back, {}", weights.join(", ")))));
    lines.push(format!("    promoted: {}", label(&format!("promoted, {}", release(plan)))));
    lines.push("    rolled_back: rolled back".to_owned());
    lines.push("    stranded: stranded, a person is needed".to_owned());
    let first = if entries.is_empty() { "promoted" } else { "s1" };
    lines.push(format!("    [*] --> {first}"));
    for n in 1..=entries.len() {
        let next = if n < entries.len() { format!("s{}", n + 1) } else { "promoted".to_owned() };
        lines.push(format!("    s{n} --> {next}"));
    }
    let commit = plan.steps.iter().position(|step| step.action == Action::Commit).unwrap_or(plan.steps.len());
    for (n, entry) in entries.iter().enumerate().take(commit) {
        let gates = plan.gates.iter().enumerate();
        let gates = gates.filter(|(index, gate)| judges(gate, *index, &entry.step.action));
        let names: Vec<&str> = gates.map(|(_, gate)| gate.name.as_str()).collect();
        let limit = format!("over {}", span(entry.step.within));
        let why = if names.is_empty() { limit } else { format!("{} fails, or {limit}", names.join(" or ")) };
        lines.push(format!("    s{} --> back: {}", n + 1, label(&why)));
    }
    let limit = span(plan.limits.retreat);
    lines.push("    back --> rolled_back: all traffic on the stable slot, read back".to_owned());
    lines.push(format!("    back --> stranded: {}", label(&format!("not read back within {limit}"))));
    for end in ["promoted", "rolled_back", "stranded"] {
        lines.push(format!("    {end} --> [*]"));
    }
    lines.join("\n") + "\n"
}

/// Text as a label: what Mermaid or a page could take for more than text becomes an entity.
fn label(text: &str) -> String {
    let mut label = String::new();
    for c in crate::domain::text::escape(text).chars() {
        if c.is_alphanumeric() || " .,-_/%()=".contains(c) {
            label.push(c);
        } else {
            let _ = write!(label, "#{};", u32::from(c));
        }
    }
    label.replace("%%", "#37;#37;").replace("--", "#45;#45;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::diagram::sample;

    #[test]
    fn a_label_is_text_and_nothing_more() {
        let check = |text, shown| assert_eq!(label(text), shown);
        check("hold 5m", "hold 5m");
        check("a --> b", "a #45;#45;#62; b");
        check("x: \"y\"; %% z", "x#58; #34;y#34;#59; #37;#37; z");
        check("<script>\n", "#60;script#62;#60;U#43;000A#62;");
    }

    #[test]
    fn securing_the_way_back_has_one_itself() {
        let text = mermaid(&sample::secured());
        assert!(text.contains("    s2 --> back: over 2m\n"), "{text}");
        assert!(text.contains("    s11 --> promoted\n"), "{text}");
    }

    #[test]
    fn every_step_before_the_commit_has_a_way_back() {
        let text = mermaid(&sample::plan());
        assert!(text.contains("    s5 --> back: tasks or candidate-errors or web-5xx fails, or over 20m\n"), "{text}");
        assert!(text.contains("    s3 --> back: smoke fails, or over 2m\n"), "{text}");
        assert!(text.contains("    s9 --> promoted\n"), "{text}");
        assert!(!text.contains("s8 --> back") && !text.contains("s9 --> back"), "{text}");
        assert!(text.contains("    back: going back, web-blue 100, web-green 0\n"), "{text}");
    }
}
