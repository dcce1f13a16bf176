//! The driver: what it is told, and whether it can do what the rest of the spec asks.

use std::time::Duration;

use super::Check;
use super::units::{DAY, MINUTE};
use crate::spec::document::{CodeDeploy, Driver as Written};
use crate::spec::finding::Finding;
use crate::spec::fit::{self, Crumb, DriverDemand};
use crate::spec::model::DriverSpec;
use crate::spec::tree::Node;
use crate::spec::{timetable, words};

/// The longest name of an application or a deployment group of CodeDeploy's, in characters.
const LONGEST: usize = 100;

impl Check<'_> {
    /// The driver of the spec at `node`; the default where it names none, `None` where what it says means nothing.
    pub(super) fn driver(&mut self, driver: Option<Written>, node: &Node) -> Option<DriverSpec> {
        let at = node.field("driver");
        match driver {
            // One that has not the shape of a driver has been told of already.
            None => node.get("driver").is_none().then(DriverSpec::default),
            Some(Written::Pair(_)) => Some(DriverSpec::Pair),
            Some(Written::TaskSets(_)) => Some(DriverSpec::TaskSets),
            Some(Written::Ecs(ecs)) => {
                let place = at.field("ecs").field("pause");
                let pause = self.time(&ecs.pause, place, MINUTE..=14 * DAY)?;
                let pause = self.whole_minutes(pause, place)?;
                Some(DriverSpec::Ecs { pause })
            }
            Some(Written::CodeDeploy(named)) => self.code_deploy(named, at.field("codedeploy")),
        }
    }

    fn whole_minutes(&mut self, span: Duration, at: &Node) -> Option<Duration> {
        if timetable::is_whole_minutes(span) {
            return Some(span);
        }
        let wrong = format!("{} is not a whole number of minutes", words::shown(at, &crate::domain::clock::span(span)));
        let longer = crate::domain::clock::span(timetable::up_to_minutes(span));
        self.wrong(at.value(), wrong, format!("ECS counts minutes: `{longer}`"))
    }

    fn code_deploy(&mut self, named: CodeDeploy, at: &Node) -> Option<DriverSpec> {
        let CodeDeploy { application, group } = named;
        let mut sound = |name: &Option<String>, field: &str| {
            let Some(name) = name else { return true };
            let plain = !name.is_empty() && name.chars().count() <= LONGEST;
            if plain && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+=,@-".contains(&b)) {
                return true;
            }
            let place = at.field(field);
            let wrong = format!("{} is no name of CodeDeploy's", words::shown(place, name));
            let help = format!("1 to {LONGEST} letters, digits and `._+=,@-`; a name, no ARN");
            self.wrong::<()>(place.value(), wrong, help).is_some()
        };
        let both = [sound(&application, "application"), sound(&group, "group")];
        both.iter().all(|sound| *sound).then_some(DriverSpec::CodeDeploy { application, group })
    }

    /// Tells what the driver cannot do, at the places in the spec at `node` that ask for it.
    pub(super) fn fits(&mut self, asked: &DriverDemand<'_>, node: &Node) {
        for misfit in fit::misfits(asked) {
            let mut place = node;
            for crumb in &misfit.at {
                place = match crumb {
                    Crumb::Field(name) => place.field(name),
                    Crumb::Item(index) => place.item(*index),
                };
            }
            let finding = Finding::new(place.value(), misfit.wrong).help(misfit.help);
            let driver = node.field("driver");
            let by = format!("the driver is {}", asked.driver.kind());
            self.add::<()>(if node.get("driver").is_some() { finding.note(driver.value(), by) } else { finding });
        }
    }
}
