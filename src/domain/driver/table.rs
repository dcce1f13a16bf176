//! What the drivers can do, row by row: for the documentation, and for a reader who chooses one.

use super::{Capability, DriverKind, Grain, Probes, Shares, Unattended, Waits};

/// What one row says of a driver.
type Cell = fn(&Capability) -> String;

/// The rows, in order: what each is about, and what it says of a driver.
pub(super) const ROWS: [(&str, Cell); 17] = [
    ("works on", |can| if can.one_service { "one service" } else { "two services" }.to_owned()),
    ("deployment controller", |can| format!("`{}`", can.controller)),
    ("deployment strategy", |can| match can.strategies {
        [] => "–".to_owned(),
        several => several.iter().map(|strategy| format!("`{strategy}`")).collect::<Vec<_>>().join(", "),
    }),
    ("list of shares", |can| match can.shares {
        Shares::Any => "any".to_owned(),
        Shares::Timetables { .. } => "one, or equal steps".to_owned(),
    }),
    ("one share", |can| share(can.shares, |canary, _| canary)),
    ("equal steps", |can| share(can.shares, |_, linear| linear)),
    ("holds that differ", |can| yes(can.uneven_holds)),
    ("`harm_budget`", |can| yes(can.harm_budget)),
    ("approvals", |can| waits(can, "no")),
    ("a person's pause", |can| waits(can, "no")),
    ("an inconclusive gate holds the weights", |can| waits(can, "no, they move on time")),
    ("probes before traffic", |can| {
        match can.probes {
            Probes::Always => "yes",
            Probes::InPause => "in the first pause",
            Probes::InReadyWait => "in the group's wait",
        }
        .to_owned()
    }),
    ("stickiness off on the way back", |can| yes(can.unsticks)),
    ("without a runner", |can| {
        match can.unattended {
            Unattended::Switch => "`dead_man`",
            Unattended::Pause => "the pause's time-out goes back",
            Unattended::Alarms => "goes on, but for the group's alarms",
        }
        .to_owned()
    }),
    ("`writer_role`", |can| yes(can.writer_role)),
    ("further target groups with weight in the rule", |can| yes(can.other_groups)),
    ("scale-in held; a deployment adopted", |can| format!("{}; {}", yes(can.holds_scaling), yes(can.adopts))),
];

/// How wide the drivers' names are in a row for a terminal, at least.
const WHO: usize = 26;

/// How many of the rows say what a service has to be, not what is given up.
const NEEDS: usize = 3;

/// What `other` can do otherwise than `fits`: each row of the table in which they differ, with what it says of `other`.
pub fn differences(fits: DriverKind, other: DriverKind) -> Vec<(&'static str, String)> {
    let rows = ROWS.iter().skip(NEEDS).map(|(what, cell)| (*what, cell(fits.can()), cell(other.can())));
    rows.filter(|(_, ours, theirs)| ours != theirs).map(|(what, _, theirs)| (what, theirs)).collect()
}

/// What it works on and who moves the weights, for who meets it for the first time: one line.
pub fn gist(kind: DriverKind) -> &'static str {
    match kind {
        DriverKind::Pair => "two services; tidegate writes the weights",
        DriverKind::TaskSets => "one service of task sets; tidegate writes the weights",
        DriverKind::Ecs => "one service; ECS shifts, and waits for each verdict",
        DriverKind::CodeDeploy => "one service; CodeDeploy shifts, and waits for nobody",
    }
}

fn yes(can: bool) -> String {
    if can { "yes" } else { "no" }.to_owned()
}

/// How long something that keeps the weights may last.
fn waits(can: &Capability, never: &str) -> String {
    match can.waits {
        Waits::Limits => "yes",
        Waits::Pause => "up to `pause`",
        Waits::Never => never,
    }
    .to_owned()
}

fn share(shares: Shares, which: fn(Grain, Grain) -> Grain) -> String {
    match shares {
        Shares::Any => "tenths of a percent".to_owned(),
        Shares::Timetables { canary, linear, .. } => {
            let grain = which(canary, linear);
            let unit = if grain.of.permille() == 10 { "whole percents" } else { "tenths of a percent" };
            format!("{unit} from {}", grain.least)
        }
    }
}

/// What each row is about, and below it what it says of which drivers; fit for a terminal.
pub fn by_row() -> String {
    let lines = ROWS.iter().flat_map(|(what, cell)| {
        let said = grouped(*cell).into_iter().map(|(who, says)| format!("    {who:<WHO$}  {says}"));
        [String::new(), (*what).to_owned()].into_iter().chain(said)
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// Those of whom a cell says the same, together.
fn grouped(cell: Cell) -> Vec<(String, String)> {
    let mut said: Vec<(String, String)> = Vec::new();
    for kind in DriverKind::ALL {
        let says = cell(kind.can());
        match said.iter_mut().find(|(_, other)| *other == says) {
            Some((who, _)) => *who = format!("{who}, {kind}"),
            None => said.push((kind.to_string(), says)),
        }
    }
    said
}
