//! Which deployment is the rollout's own.

use super::*;

async fn found(aws: &Aws, release: ReleaseKnown) -> Option<String> {
    let driver = aws.driver_with(Fence::default(), release).await;
    driver.deployment().await.unwrap().map(|deployment| deployment.id)
}

fn named() -> ReleaseKnown {
    ReleaseKnown::Named(NEW.into())
}

#[tokio::test(start_paused = true)]
async fn the_newest_that_brings_the_release_is_ours() {
    let aws = Aws::quiet();
    assert_eq!(found(&aws, named()).await, None);
    aws.with(|world| {
        world.begin("STOPPED", "SCALE_UP", 0);
        world.begin("IN_PROGRESS", "SCALE_UP", 0);
        world.begin("IN_PROGRESS", "SCALE_UP", 0);
        world.deployments[2]["targetServiceRevision"]["arn"] = json!("arn:revision/third");
    });
    assert_eq!(found(&aws, named()).await.as_deref(), Some("arn:deployment/2"));
    assert_eq!(found(&aws, ReleaseKnown::Unknown).await, None);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_over_when_the_rollout_was_planned_is_anothers() {
    let aws = Aws::at("CLEAN_UP", 0);
    aws.set("status", json!("ROLLBACK_SUCCESSFUL"));
    aws.set("finishedAt", json!(seconds(NOW.before(Duration::from_secs(1)))));
    assert_eq!(found(&aws, named()).await, None);
    // One that was adopted was begun before, and is ours.
    aws.set("finishedAt", Value::Null);
    aws.set("createdAt", json!(seconds(NOW.before(Duration::from_secs(600)))));
    assert_eq!(found(&aws, named()).await.as_deref(), Some("arn:deployment/1"));
}

#[tokio::test(start_paused = true)]
async fn a_release_that_was_registered_is_known_by_its_tag() {
    let aws = Aws::at("SCALE_UP", 0);
    let tagged = |digest: &str| ReleaseKnown::Tagged(digest.into());
    assert_eq!(found(&aws, tagged("digest")).await.as_deref(), Some("arn:deployment/1"));
    assert_eq!(found(&aws, tagged("another")).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_not_asked_for_again() {
    let aws = Aws::at("SCALE_UP", 0);
    let driver = aws.driver().await;
    for _ in 0..3 {
        driver.deployment().await.unwrap();
        driver.fleet().await.unwrap();
    }
    assert_eq!((aws.count("ListServiceDeployments"), aws.count("DescribeServiceRevisions")), (1, 2));
}
