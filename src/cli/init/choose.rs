//! Chooses the rule, the two target groups and the services: takes the only choice, asks where there are several, and
//! says what is missing where there is none.

use super::chosen::Chosen;
use super::lack::{self, Lack};
use crate::cli::{Exit, Failure};
use crate::cloud::alb::scout::{self, RuleFound, Seen, ServiceSeen};
use crate::cloud::aws::Aws;
use crate::domain::driver::DriverKind;
use crate::domain::fault::FaultKind;

/// What the command line says of the choice.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The other service of a pair.
    pub(super) second: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) load_balancer: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) priority: Option<u32>,
    /// The other slot's target group.
    pub(super) target_group: Option<String>,
}

/// Whether there is something to choose.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    Whole(Box<Chosen>),
    Lacking(Vec<Lack>),
}

/// Chooses, or says what is missing.
pub(super) async fn choose(aws: &Aws, seen: &Seen, kind: DriverKind, wanted: &Wanted) -> Result<Choice, Failure> {
    if seen.service.groups.is_empty() {
        return Ok(Choice::Lacking(vec![lack::no_group(seen)]));
    }
    let Some(rule) = rule(seen, wanted)? else {
        let second = second(aws, seen, &seen.service.groups[0]).await?;
        return Ok(Choice::Lacking(vec![lack::no_rule(seen, &second)]));
    };
    let own = rule.groups.iter().map(|(arn, _)| arn).find(|arn| seen.service.groups.contains(arn));
    let own = own.unwrap_or(&seen.service.groups[0]);
    let others: Vec<&String> = rule.groups.iter().map(|(arn, _)| arn).filter(|arn| *arn != own).collect();
    let second = second(aws, seen, own).await?;
    let mut lacks: Vec<Lack> =
        rule.priority.is_none().then(|| lack::default_rule(seen, rule, &second)).into_iter().collect();
    let other = if kind.can().one_service {
        one_service(seen, (own, &others), wanted)?
    } else {
        second_service(aws, seen, (own, &others), wanted).await?
    };
    match other {
        Other::Found(other) if lacks.is_empty() => {
            let own = (seen.service.name.clone(), own.clone());
            let (blue, green) = in_order(seen, rule, own, other);
            Ok(Choice::Whole(Box::new(Chosen { rule: rule.clone(), blue, green })))
        }
        Other::Found(_) => Ok(Choice::Lacking(lacks)),
        Other::NoGroup => {
            lacks.push(lack::one_group(seen, rule, (own, kind), &second));
            Ok(Choice::Lacking(lacks))
        }
        Other::NoService(group) => {
            let taken = scout::has_service(aws, &seen.cluster, seen.group_name(&group)).await?;
            lacks.push(lack::no_second(seen, &group, taken));
            Ok(Choice::Lacking(lacks))
        }
    }
}

/// What the second slot would be called, and what of it is there already.
async fn second(aws: &Aws, seen: &Seen, own: &str) -> Result<lack::Second, Failure> {
    let name = lack::second_name(seen.group_name(own));
    let group = scout::group(aws, &name).await?.map(|(arn, _)| arn);
    let has_service = scout::has_service(aws, &seen.cluster, &name).await?;
    Ok(lack::Second { name, group, has_service })
}

/// What fills the other slot.
enum Other {
    /// Service and target group.
    Found((String, String)),
    /// The rule has no target group for it.
    NoGroup,
    /// Nobody registers tasks in this one.
    NoService(String),
}

/// The one rule that is meant; `None` when no rule forwards to the service.
fn rule<'a>(seen: &'a Seen, wanted: &Wanted) -> Result<Option<&'a RuleFound>, Failure> {
    let fits = |rule: &&RuleFound| {
        wanted.rule.as_ref().is_none_or(|arn| rule.arn == *arn)
            && wanted.load_balancer.as_ref().is_none_or(|name| rule.load_balancer == *name)
            && wanted.port.is_none_or(|port| rule.port == port)
            && wanted.priority.is_none_or(|priority| rule.priority == Some(priority))
    };
    let all: Vec<&RuleFound> = seen.rules.iter().filter(fits).collect();
    let said =
        [wanted.rule.is_some(), wanted.load_balancer.is_some(), wanted.port.is_some(), wanted.priority.is_some()];
    if all.is_empty() && said.contains(&true) && !seen.rules.is_empty() {
        let rules: Vec<&RuleFound> = seen.rules.iter().collect();
        return Err(which_rule(seen, &rules, "that rule does not forward to the service; these do"));
    }
    // What ECS shifts on, and what has weights, is the one; a test listener's rule has a group of its own alone.
    let ecs = all.iter().filter(|rule| seen.service.production_rule.as_ref() == Some(&rule.arn));
    let weighted = all.iter().filter(|rule| rule.groups.len() > 1 && rule.priority.is_some());
    let own = all.iter().filter(|rule| rule.priority.is_some());
    let better = [ecs.collect::<Vec<_>>(), weighted.collect(), own.collect(), all.iter().collect()];
    match better.into_iter().find(|rules| !rules.is_empty()).as_deref() {
        None => Ok(None),
        Some([only]) => Ok(Some(**only)),
        Some(several) => {
            let several: Vec<&RuleFound> = several.iter().map(|rule| **rule).collect();
            let wrong = format!("{} rules forward to service {}", several.len(), seen.service.name);
            Err(which_rule(seen, &several, &wrong))
        }
    }
}

fn which_rule(seen: &Seen, rules: &[&RuleFound], wrong: &str) -> Failure {
    let line = |rule: &&RuleFound| {
        let priority = rule.priority.map_or("the default rule".to_owned(), |priority| format!("--priority {priority}"));
        let groups: Vec<String> =
            rule.groups.iter().map(|(arn, weight)| format!("{} {weight}", seen.group_name(arn))).collect();
        let RuleFound { load_balancer, port, conditions, .. } = rule;
        format!("--load-balancer {load_balancer} --port {port} {priority}: {conditions}; {}", groups.join(", "))
    };
    let failure = rules.iter().map(line).fold(Failure::new(Exit::Usage, wrong), Failure::note);
    failure.hint("say which, with these flags or `--rule ARN`")
}

/// The other target group of a service that fills both slots.
fn one_service(seen: &Seen, (own, others): (&String, &[&String]), wanted: &Wanted) -> Result<Other, Failure> {
    let service = &seen.service.name;
    let found = |group: &String| Ok(Other::Found((service.clone(), group.clone())));
    let registered: Vec<&&String> = others.iter().filter(|arn| seen.service.groups.contains(arn)).collect();
    match (&wanted.target_group, registered.as_slice(), others) {
        (Some(name), ..) => found(group_named(seen, others, name)?),
        (None, [only], _) => found(only),
        (None, _, [only]) => found(only),
        (None, _, []) => match seen.service.groups.iter().find(|group| *group != own) {
            Some(group) => found(group),
            None => Ok(Other::NoGroup),
        },
        (None, _, several) => Err(which_group(seen, several)),
    }
}

fn group_named<'a>(seen: &Seen, others: &[&'a String], name: &str) -> Result<&'a String, Failure> {
    let found = others.iter().find(|arn| seen.group_name(arn) == name || arn.as_str() == name);
    found.copied().ok_or_else(|| which_group(seen, others))
}

fn which_group(seen: &Seen, others: &[&String]) -> Failure {
    let wrong =
        format!("the rule forwards to {} further target groups, any of which could be the other slot", others.len());
    let notes = others.iter().map(|arn| format!("--target-group {}", seen.group_name(arn)));
    notes.fold(Failure::new(Exit::Usage, wrong), Failure::note).hint("say which")
}

/// The other service of a pair: the one that registers its tasks in another target group of the rule.
async fn second_service(
    aws: &Aws,
    seen: &Seen,
    (own, others): (&String, &[&String]),
    wanted: &Wanted,
) -> Result<Other, Failure> {
    let others = match &wanted.target_group {
        Some(name) => vec![group_named(seen, others, name)?],
        None => others.to_vec(),
    };
    if others.is_empty() {
        return Ok(Other::NoGroup);
    }
    let mut found: Vec<(String, String)> = Vec::new();
    for group in &others {
        for service in candidates(aws, seen, group, wanted).await? {
            if service.name != seen.service.name && service.groups.iter().any(|one| one == *group) && *group != own {
                found.push((service.name, (*group).clone()));
            }
        }
    }
    match (found.as_slice(), others.as_slice()) {
        ([only], _) => Ok(Other::Found(only.clone())),
        ([], [group]) => Ok(Other::NoService((*group).clone())),
        ([], several) => Err(which_group(seen, several)),
        (several, _) => {
            let wrong = format!("{} services could be the other slot", several.len());
            let line = |(service, group): &(String, String)| {
                format!("--service {} --service {service}, behind {}", seen.service.name, seen.group_name(group))
            };
            let failure = several.iter().map(line).fold(Failure::new(Exit::Usage, wrong), Failure::note);
            Err(failure.hint("name both with `--service`"))
        }
    }
}

/// The named service, or all that are behind a target group.
async fn candidates(aws: &Aws, seen: &Seen, group: &str, wanted: &Wanted) -> Result<Vec<ServiceSeen>, Failure> {
    if let Some(name) = &wanted.second {
        let found = scout::named(aws, &seen.cluster, name).await.map_err(|error| match error {
            crate::cloud::SurveyError::NotFound(lines) => Failure::new(Exit::Usage, lines.join("; ")),
            fault @ crate::cloud::SurveyError::Fault(_) => fault.into(),
        })?;
        return Ok(vec![found]);
    }
    scout::behind(aws, &seen.cluster, group).await.map_err(|fault| {
        let denied = fault.kind == FaultKind::Denied;
        let failure = Failure::from(fault);
        if denied { failure.hint("`--service` twice names both services, and none is looked for") } else { failure }
    })
}

/// Blue is who is called so, or else who serves.
fn in_order(
    seen: &Seen,
    rule: &RuleFound,
    own: (String, String),
    other: (String, String),
) -> ((String, String), (String, String)) {
    let is_called = |(service, group): &(String, String), color: &str| {
        let name = seen.group_name(group).to_ascii_lowercase();
        name.contains(color) || (own.0 != other.0 && service.to_ascii_lowercase().contains(color))
    };
    let weight = |(_, group): &(String, String)| {
        rule.groups.iter().find(|(arn, _)| arn == group).map_or(0, |(_, weight)| *weight)
    };
    let turned = is_called(&own, "green") || is_called(&other, "blue");
    let straight = is_called(&own, "blue") || is_called(&other, "green");
    let swap = if turned == straight { weight(&other) > weight(&own) } else { turned };
    if swap { (other, own) } else { (own, other) }
}
