//! How a deployment of a service begins: from which revisions, to which one, and what becomes of the one before it.

use crate::account::{
    ALL, Account, Attachment, DeploymentStatus, RevisionSummary, Service, ServiceDeployment, Settings, Stage,
};

/// Ended deployments that are kept for each service; ECS keeps those of 90 days.
const HISTORY_LIMIT: usize = 100;

/// Starts a deployment of a service to a task definition; the one under way is superseded: it stops, and the new
/// one first reconciles what it left. An error says what is wrong with the service's configuration.
///
/// `View service history using Amazon ECS service deployments` in the developer guide has that a new deployment
/// requests the stop of the one before it, and the reference of `lifecycleStage` that `RECONCILE_SERVICE` comes
/// when more than one revision is ACTIVE. That all traffic then goes to the revision the stopped deployment began
/// with is not written there; something has to free the second target group.
pub(crate) fn begin(account: &mut Account, arn: &str, definition: &str, now: u64) -> Result<(), String> {
    let Some(place) = account.services.iter().position(|one| one.arn == arn) else { return Ok(()) };
    let settings = Settings::read(&account.services[place].limits.raw)?;
    let mut service = account.services.remove(place);
    supersede(account, &mut service, now);
    let sources = sources(account, &mut service, now);
    let before = sources.first().map(|source| service.attachments_of(&source.deployment).to_vec());
    let places = other_side(&service.attachments, before.as_deref());
    let number = account.next();
    service.deploy(definition, now, number);
    let id = service.deployments[0].id.clone();
    service.deployments[0].places = Some(places);
    let revision = account.add_revision(&service, &id, definition, now);
    let target = RevisionSummary { revision, deployment: id, ..RevisionSummary::default() };
    let deployment = ServiceDeployment::new(&account.names, &service, (sources, target), settings, now);
    account.service_deployments.push(deployment);
    forget_history(account, &service);
    account.services.insert(place, service);
    Ok(())
}

/// Stops the deployment that is under way.
fn supersede(account: &mut Account, service: &mut Service, now: u64) {
    let is_it = |one: &&mut ServiceDeployment| one.service == service.arn && !one.status.is_over();
    let Some(before) = account.service_deployments.iter_mut().find(is_it) else { return };
    before.reason = Some("Service deployment stopped because a new service deployment started.".to_owned());
    before.end(DeploymentStatus::Stopped, now);
}

/// The revisions a service runs, the one to go back to first.
fn sources(account: &mut Account, service: &mut Service, now: u64) -> Vec<RevisionSummary> {
    let first = stable(account, service);
    service.deployments.sort_by_key(|one| Some(&one.id) != first.as_ref());
    let has_tasks = |id: &str| super::has_tasks(account, id);
    let mut index = 0;
    service.deployments.retain(|one| {
        index += 1;
        index == 1 || has_tasks(&one.id)
    });
    service.keep_places();
    let mut sources = Vec::new();
    for one in &service.deployments {
        let known = account.revision_of(&one.id).map(|revision| revision.arn.clone());
        let revision = known.unwrap_or_else(|| account.add_revision(service, &one.id, &one.definition, now));
        let production = if sources.is_empty() { ALL } else { 0 };
        sources.push(RevisionSummary {
            revision,
            deployment: one.id.clone(),
            production,
            ..RevisionSummary::default()
        });
    }
    sources
}

/// The deployment that a stopped one goes back to: the one it began with, as long as that has its tasks.
fn stable(account: &Account, service: &Service) -> Option<String> {
    let is_there = |id: &String| service.deployments.iter().any(|one| one.id == *id);
    let last = account.current_deployment(&service.arn).filter(|one| one.status == DeploymentStatus::Stopped);
    let before = last.map(|last| {
        let is_through = last.target.production == ALL && last.stage == Some(Stage::CleanUp);
        let source = last.sources.first().filter(|_| !is_through);
        source.unwrap_or(&last.target).deployment.clone()
    });
    before.filter(is_there).or_else(|| service.deployments.first().map(|one| one.id.clone()))
}

/// The target groups that are free: of each pair the one that the revision before does not use.
fn other_side(given: &[Attachment], before: Option<&[Attachment]>) -> Vec<Attachment> {
    let turned = |place: &Attachment| {
        let is_used = before.is_some_and(|before| before.iter().any(|one| one.group == place.group));
        let mut place = place.clone();
        if let (true, Some(advanced)) = (is_used, &mut place.advanced) {
            std::mem::swap(&mut place.group, &mut advanced.alternate);
        }
        place
    };
    given.iter().map(turned).collect()
}

/// Forgets the oldest deployments of a service, and revisions that nothing names any more.
fn forget_history(account: &mut Account, service: &Service) {
    let mine = account.service_deployments.iter().filter(|one| one.service == service.arn).count();
    let mut surplus = mine.saturating_sub(HISTORY_LIMIT);
    account.service_deployments.retain(|one| {
        let is_surplus = surplus > 0 && one.service == service.arn;
        surplus -= usize::from(is_surplus);
        !is_surplus
    });
    let deployments = &account.service_deployments;
    let is_named = |arn: &str| {
        deployments.iter().any(|one| one.target.revision == arn || one.sources.iter().any(|it| it.revision == arn))
    };
    account.revisions.retain(|one| one.service != service.arn || is_named(&one.arn));
}
