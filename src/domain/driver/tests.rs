//! The table of what drivers can do, in the code and in the documentation.

use super::*;

/// Set to write the table into the documentation.
const BLESS: &str = "TIDEGATE_BLESS";

const START: &str = "<!-- `TIDEGATE_BLESS=1 cargo test --lib driver::` writes the table -->\n";
const END: &str = "<!-- end -->\n";

#[test]
#[expect(clippy::disallowed_methods, reason = "whether to write is for the person who runs the test")]
fn the_documentations_table_is_the_codes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/docs/drivers.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(START).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var(BLESS).is_ok() {
        std::fs::write(path, [before, START, &markdown(), END, after].concat()).unwrap();
    } else {
        assert_eq!(found, markdown(), "drivers.md differs; {BLESS}=1 writes it anew");
    }
}

/// The rows as a Markdown table.
fn markdown() -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let words = DriverKind::ALL.map(|kind| format!("`{kind}`"));
    let mut text = format!("| | {} |\n|---|---|---|---|---|\n", words.join(" | "));
    for (what, cell) in super::table::ROWS {
        let cells = DriverKind::ALL.map(|kind| cell(kind.can()));
        text.push_str(&row(&[vec![what.to_owned()], cells.to_vec()].concat()));
    }
    text
}

#[test]
fn the_nearest_share_is_one_that_aws_takes() {
    let share = |permille| Share::from_permille(permille).unwrap();
    for kind in DriverKind::ALL {
        let Shares::Timetables { canary, linear, .. } = kind.can().shares else { continue };
        for grain in [canary, linear] {
            for permille in 1..1000 {
                let (asked, nearest) = (share(permille), grain.nearest(share(permille)));
                assert!(grain.takes(nearest), "{kind}: {nearest}");
                assert!(!grain.takes(asked) || nearest == asked, "{kind}: {asked} became {nearest}");
            }
        }
    }
    let Shares::Timetables { canary, linear, .. } = DriverKind::CodeDeploy.can().shares else { panic!("any") };
    assert_eq!((canary.nearest(share(5)), linear.nearest(share(999))), (share(10), share(990)));
}

#[test]
fn a_service_has_one_driver_that_fits() {
    for kind in DriverKind::ALL {
        let can = kind.can();
        let strategies = if can.strategies.is_empty() { &["ROLLING"] } else { can.strategies };
        for strategy in strategies {
            let takes = |other: &DriverKind| other.can().takes(can.controller, strategy);
            assert_eq!(DriverKind::ALL.into_iter().filter(takes).collect::<Vec<_>>(), [kind]);
        }
    }
    assert_eq!(DriverKind::of_service("ECS", "A_NEW_ONE"), None);
}
