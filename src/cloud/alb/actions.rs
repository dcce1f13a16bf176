//! A rule's action list, and the same list with other weights. ModifyRule replaces the whole list,
//! so everything that is not ours is carried over.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, TargetGroupStickinessConfig, TargetGroupTuple,
};

use super::json;
use super::slots::{Slots, group_name, groups, in_order};
use crate::domain::fleet::RuleSeen;
use crate::domain::traffic::{Share, weights};

/// The rule's action list as it stood before the rollout, as far as the way back needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Target groups of the forward action, by ARN, with their weights, in the rule's order.
    pub weights: Vec<(String, u16)>,
    /// How long a client stuck to a target group, when stickiness was on.
    pub stickiness: Option<Duration>,
    /// The target groups that were sticky themselves, by ARN: while one is, clients are bound briefly on the way back.
    pub sticky_groups: Vec<String>,
    /// The rule's priority, where it is known and has one.
    pub priority: Option<u32>,
    /// As [`crate::domain::fleet::RuleView::shape`].
    pub shape: String,
    /// The whole list as the AWS CLI takes it after `--actions`.
    pub actions_json: String,
}

/// What a write is to achieve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The candidate's share.
    pub share: Share,
    /// What becomes of stickiness; `None` leaves it.
    pub binding: Option<Binding>,
    /// Whether a list that lost the slots gets the recorded one in its place.
    pub repair: bool,
}

/// What a write does with the rule's stickiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// No client is bound: who holds a cookie of the candidate comes back with the next request.
    Off,
    /// On, for as short as can be. AWS takes no forward to several groups with stickiness off while one of the groups
    /// is sticky itself. Who holds a cookie of the candidate is led there once more, and each answer binds anew, so
    /// with the rule's own duration an active client would never come back. The other way would be to forward to the
    /// stable group alone. It brings everybody back at once, but it takes the candidate's targets out of service, with
    /// their health checks, and leaves a rule that neither its tags, nor Terraform, nor the next rollout knows for the
    /// one they had, until one more write puts the group back. A way back consists of writes that may each be the last.
    Brief,
    /// As it was recorded.
    On,
}

/// For how long clients are bound where they can not be free.
pub(super) const BRIEF: Duration = Duration::from_secs(1);

impl Binding {
    /// What a way back that frees the clients writes, in the order in which it is tried: a write that is refused for
    /// what it says is followed by one that says less.
    pub(super) fn freeing(sticky_groups: &[String]) -> &'static [Option<Binding>] {
        let all = &[Some(Binding::Off), Some(Binding::Brief), None];
        if sticky_groups.is_empty() { all } else { &all[1..] }
    }

    fn holds(self, found: Option<Duration>, recorded: &Recorded) -> bool {
        match self {
            Binding::Off => found.is_none(),
            Binding::Brief => found == Some(BRIEF),
            Binding::On => found.is_some() && (recorded.stickiness.is_none() || found == recorded.stickiness),
        }
    }
}

/// The forward action.
pub(super) fn forward(actions: &[Action]) -> Option<&Action> {
    actions.iter().find(|action| action.r#type == Some(ActionTypeEnum::Forward))
}

/// How long a client sticks to a target group, when it does.
pub(super) fn stickiness(actions: &[Action]) -> Option<Duration> {
    let config = forward(actions)?.forward_config()?.target_group_stickiness_config()?;
    let seconds = u64::try_from(config.duration_seconds().unwrap_or_default()).unwrap_or_default();
    (config.enabled() == Some(true)).then(|| Duration::from_secs(seconds))
}

/// What one look at the actions says.
pub(super) fn seen(actions: &[Action], slots: &Slots) -> RuleSeen {
    let listed = forward(actions).map(groups).unwrap_or_default();
    let (stable, candidate) = slots.pair(&listed);
    let part = u64::from(candidate);
    let bound = stickiness(actions);
    let words: Vec<String> = listed.iter().map(|(arn, weight)| format!("{} {weight}", group_name(arn))).collect();
    RuleSeen {
        share: Share::of(part, part + u64::from(stable)),
        sticky: bound.is_some_and(|span| span > BRIEF),
        brief: bound.is_some_and(|span| span <= BRIEF),
        shape: json::shape(actions, slots),
        instead: None,
        text: format!(
            "{}{}",
            if words.is_empty() { "no forward action".to_owned() } else { words.join(", ") },
            others(actions)
        ),
    }
}

/// The actions beside the forward, in words.
fn others(actions: &[Action]) -> String {
    let kinds = in_order(actions).into_iter().filter_map(|action| action.r#type.as_ref());
    let others: Vec<&str> =
        kinds.filter(|kind| **kind != ActionTypeEnum::Forward).map(ActionTypeEnum::as_str).collect();
    if others.is_empty() { String::new() } else { format!(" with {}", others.join(", ")) }
}

/// The list to write so that the rule says what is wanted, or `None` when it says so already.
///
/// # Errors
/// Says in words why no list does: no weights give the share, or the list holds something that
/// cannot be written back as it was read.
pub(super) fn rewritten(
    actions: &[Action],
    slots: &Slots,
    wanted: Wanted,
    recorded: &Recorded,
) -> Result<Option<Vec<Action>>, String> {
    if let Some(kind) = actions.iter().find_map(unknown) {
        return Err(format!("the rule has an action of type {kind}, which this version cannot write back"));
    }
    let found = forward(actions).map(groups).unwrap_or_default();
    let whole = slots.both_in(&found);
    if !whole && !wanted.repair {
        return Err("the rule does not forward to both slots".to_owned());
    }
    let base = if whole { found } else { recorded.weights.clone() };
    let others = base.iter().any(|(arn, weight)| *weight > 0 && !slots.holds(arn));
    let (stable, candidate) = weights(wanted.share, slots.pair(&recorded.weights), others)?;
    let bound = stickiness(actions);
    let holds = |binding: Binding| binding.holds(bound, recorded);
    if whole && slots.pair(&base) == (stable, candidate) && wanted.binding.is_none_or(holds) {
        return Ok(None);
    }
    let tuples = base.into_iter().map(|(arn, weight)| {
        let weight = match &arn {
            arn if *arn == slots.stable => stable,
            arn if *arn == slots.candidate => candidate,
            _ => weight,
        };
        TargetGroupTuple::builder().target_group_arn(arn).weight(i32::from(weight)).build()
    });
    let sticky = sticky_config(forward(actions), wanted.binding, recorded);
    let config = ForwardActionConfig::builder()
        .set_target_groups(Some(tuples.collect()))
        .set_target_group_stickiness_config(sticky)
        .build();
    Ok(Some(with_forward(actions, config)))
}

pub(super) fn unknown(action: &Action) -> Option<&str> {
    let kind = action.r#type.as_ref().map_or("", ActionTypeEnum::as_str);
    (!ActionTypeEnum::values().contains(&kind)).then_some(kind)
}

/// The stickiness to write. It is turned on only with a duration that is known.
fn sticky_config(
    forward: Option<&Action>,
    wanted: Option<Binding>,
    recorded: &Recorded,
) -> Option<TargetGroupStickinessConfig> {
    let found = forward.and_then(Action::forward_config).and_then(ForwardActionConfig::target_group_stickiness_config);
    let recorded = recorded.stickiness.and_then(|span| i32::try_from(span.as_secs()).ok());
    let seconds = found.and_then(TargetGroupStickinessConfig::duration_seconds);
    let build = |on, seconds| TargetGroupStickinessConfig::builder().enabled(on).set_duration_seconds(seconds).build();
    match wanted {
        Some(Binding::On) if recorded.or(seconds).is_some() => Some(build(true, recorded.or(seconds))),
        Some(Binding::Off) => Some(build(false, seconds)),
        Some(Binding::Brief) => Some(build(true, i32::try_from(BRIEF.as_secs()).ok())),
        _ => found.cloned(),
    }
}

/// The list with `config` in its forward action; where there is none, in place of the action that
/// ends the list.
fn with_forward(actions: &[Action], config: ForwardActionConfig) -> Vec<Action> {
    let mut written: Vec<Action> = actions.iter().cloned().map(writable).collect();
    let is = |action: &Action, kinds: &[ActionTypeEnum]| action.r#type.as_ref().is_some_and(|t| kinds.contains(t));
    let ends = [ActionTypeEnum::Redirect, ActionTypeEnum::FixedResponse];
    let place = written.iter().position(|action| is(action, &[ActionTypeEnum::Forward]));
    let place = place.or_else(|| written.iter().position(|action| is(action, &ends)));
    let order = match place {
        Some(index) => written[index].order,
        None => written.iter().filter_map(Action::order).max().map(|order| order + 1),
    };
    let build = Action::builder().r#type(ActionTypeEnum::Forward).set_order(order).forward_config(config).build();
    match place {
        Some(index) => written[index] = build,
        None => written.push(build),
    }
    written
}

/// An action as it can be written: AWS does not tell an OIDC client's secret, so it is told to keep it.
pub(super) fn writable(mut action: Action) -> Action {
    if let Some(oidc) = &mut action.authenticate_oidc_config {
        oidc.client_secret = None;
        oidc.use_existing_client_secret = Some(true);
    }
    if action.forward_config().is_some_and(|config| !config.target_groups().is_empty()) {
        action.target_group_arn = None;
    }
    action
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::types::{
        AuthenticateCognitoActionConfig, AuthenticateOidcActionConfig, FixedResponseActionConfig,
    };

    use super::*;

    const BLUE: &str = "arn:x:targetgroup/blue/1";
    const GREEN: &str = "arn:x:targetgroup/green/2";

    fn slots() -> Slots {
        Slots { stable: BLUE.to_owned(), candidate: GREEN.to_owned() }
    }

    fn forwarding(groups: &[(&str, u16)], sticky: Option<(bool, i32)>) -> Action {
        let tuple = |(arn, weight): &(&str, u16)| {
            TargetGroupTuple::builder().target_group_arn(*arn).weight(i32::from(*weight)).build()
        };
        let sticky = sticky
            .map(|(on, seconds)| TargetGroupStickinessConfig::builder().enabled(on).duration_seconds(seconds).build());
        let config = ForwardActionConfig::builder()
            .set_target_groups(Some(groups.iter().map(tuple).collect()))
            .set_target_group_stickiness_config(sticky)
            .build();
        Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
    }

    fn oidc() -> Action {
        let config = AuthenticateOidcActionConfig::builder()
            .issuer("https://id")
            .client_id("me")
            .session_timeout(3600)
            .authentication_request_extra_params("b", "2")
            .authentication_request_extra_params("a", "1")
            .build();
        Action::builder().r#type(ActionTypeEnum::AuthenticateOidc).authenticate_oidc_config(config).build()
    }

    fn cognito() -> Action {
        let config = AuthenticateCognitoActionConfig::builder().user_pool_arn("arn:pool").scope("openid").build();
        Action::builder().r#type(ActionTypeEnum::AuthenticateCognito).authenticate_cognito_config(config).build()
    }

    fn fixed() -> Action {
        let config = FixedResponseActionConfig::builder().status_code("503").build();
        Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(config).build()
    }

    fn ordered(actions: Vec<Action>) -> Vec<Action> {
        let number = |(index, mut action): (usize, Action)| {
            action.order = i32::try_from(index + 1).ok();
            action
        };
        actions.into_iter().enumerate().map(number).collect()
    }

    /// Any list that a rule of ours can have.
    fn any_list(dice: &mut fastrand::Rng) -> Vec<Action> {
        let mut groups = vec![(BLUE, 100), (GREEN, 0)];
        if dice.bool() {
            groups.push(("arn:x:targetgroup/other/3", dice.u16(0..50)));
        }
        if dice.bool() {
            groups.swap(0, 1);
        }
        let sticky = dice.bool().then(|| (dice.bool(), dice.i32(1..1000)));
        let mut actions = Vec::new();
        if dice.bool() {
            actions.push(if dice.bool() { oidc() } else { cognito() });
        }
        actions.push(forwarding(&groups, sticky));
        if dice.bool() { ordered(actions) } else { actions }
    }

    /// What AWS shows of a list that was written: no flag of the write, and an order everywhere.
    fn shown(written: Vec<Action>) -> Vec<Action> {
        let mut shown = ordered(written);
        for action in &mut shown {
            if let Some(oidc) = &mut action.authenticate_oidc_config {
                oidc.use_existing_client_secret = None;
            }
            if let Some(config) = &mut action.forward_config {
                config
                    .target_group_stickiness_config
                    .get_or_insert_with(|| TargetGroupStickinessConfig::builder().enabled(false).build());
            }
        }
        shown
    }

    fn record(actions: &[Action]) -> Recorded {
        Recorded {
            weights: forward(actions).map(groups).unwrap_or_default(),
            stickiness: stickiness(actions),
            sticky_groups: Vec::new(),
            priority: None,
            shape: json::shape(actions, &slots()),
            actions_json: String::new(),
        }
    }

    fn share(permille: u16) -> Share {
        Share::from_permille(permille).unwrap()
    }

    #[test]
    fn writes_of_ours_keep_the_shape_and_the_way_back_ends_where_it_began() {
        let mut dice = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let before = any_list(&mut dice);
            let recorded = record(&before);
            let mut now = before.clone();
            for _ in 0..4 {
                let bindings = [None, Some(Binding::Off), Some(Binding::Brief), Some(Binding::On)];
                let binding = *dice.choice(&bindings).unwrap();
                let wanted = Wanted { share: share(dice.u16(0..=10) * 100), binding, repair: false };
                if let Some(written) = rewritten(&now, &slots(), wanted, &recorded).unwrap() {
                    assert!(written.iter().all(|action| action.target_group_arn.is_none()));
                    now = shown(written);
                }
                let seen = seen(&now, &slots());
                assert_eq!((seen.share, &seen.shape), (Some(wanted.share), &recorded.shape));
                assert_eq!(rewritten(&now, &slots(), Wanted { binding: None, ..wanted }, &recorded), Ok(None));
            }
            let binding = if recorded.stickiness.is_some() { Binding::On } else { Binding::Off };
            let back = Wanted { share: Share::NONE, binding: Some(binding), repair: true };
            if let Some(written) = rewritten(&now, &slots(), back, &recorded).unwrap() {
                now = shown(written);
            }
            assert_eq!(record(&now), recorded);
        }
    }

    #[test]
    fn what_is_not_ours_changes_the_shape() {
        let list =
            |others: u16| vec![oidc(), forwarding(&[(BLUE, 100), (GREEN, 0), ("arn:x:targetgroup/o/3", others)], None)];
        let shape = |actions: &[Action]| json::shape(actions, &slots());
        let base = shape(&list(1));
        assert_ne!(base, shape(&list(2)));
        assert_ne!(base, shape(&list(1)[1..]));
        assert_ne!(base, shape(&[forwarding(&[(BLUE, 100)], None)]));
        let mut other = list(1);
        other[0].authenticate_oidc_config.as_mut().unwrap().scope = Some("email".into());
        assert_ne!(base, shape(&other));
    }

    #[test]
    fn a_list_that_lost_the_slots_is_repaired_only_on_the_way_back() {
        let recorded = record(&[forwarding(&[(BLUE, 100), (GREEN, 0)], Some((true, 60)))]);
        let check = |actions: Vec<Action>, kinds: &[&str]| {
            let wanted = Wanted { share: Share::NONE, binding: None, repair: false };
            assert!(rewritten(&actions, &slots(), wanted, &recorded).is_err());
            let written = rewritten(&actions, &slots(), Wanted { repair: true, ..wanted }, &recorded);
            let written = written.unwrap().unwrap();
            let types: Vec<_> = written.iter().filter_map(|action| action.r#type.as_ref()).collect();
            assert_eq!(types.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(), kinds);
            assert_eq!(forward(&written).map(groups), Some(recorded.weights.clone()));
        };
        check(ordered(vec![oidc(), fixed()]), &["authenticate-oidc", "forward"]);
        check(vec![forwarding(&[("arn:x:targetgroup/o/3", 1)], None)], &["forward"]);
        check(vec![forwarding(&[(BLUE, 1)], None)], &["forward"]);
        check(ordered(vec![cognito()]), &["authenticate-cognito", "forward"]);
    }

    #[test]
    fn an_action_this_version_does_not_know_is_not_written() {
        let strange = Action::builder().r#type(ActionTypeEnum::from("teleport")).build();
        let list = [strange, forwarding(&[(BLUE, 100), (GREEN, 0)], None)];
        let wanted = Wanted { share: share(100), binding: None, repair: true };
        assert!(rewritten(&list, &slots(), wanted, &record(&list)).unwrap_err().contains("teleport"));
    }

    #[test]
    fn a_single_group_without_weights_has_one() {
        let single = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(BLUE).build();
        assert_eq!(groups(&single), [(BLUE.to_owned(), 1)]);
        assert_eq!(seen(&[single], &slots()).text, "blue 1");
    }
}
