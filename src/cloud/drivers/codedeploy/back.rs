//! The way back: stops the deployment, so that CodeDeploy takes the traffic back; where it does not, writes the rule.

use super::{Begun, is_on_its_way, under_way};
use crate::cloud::alb::AlbDriver;
use crate::cloud::aws::codedeploy;
use crate::cloud::{RouteOrder, Routed};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::fleet::RuleSeen;
use crate::domain::traffic::Share;

/// Where a deployment's end stands on the way back.
enum Standing {
    /// It was told to stop, or CodeDeploy rolls it back.
    GoingBack(String),
    /// It is over, and nothing more comes of it; or there never was one.
    Over,
}

impl AlbDriver {
    /// Takes the traffic back. Where CodeDeploy cannot be told, the rule is written all the same: a share that
    /// CodeDeploy gives later is seen, and it is told again.
    pub(super) async fn take_back(&self, begun: &Begun, order: RouteOrder) -> Result<Routed, Fault> {
        match self.stop(begun).await {
            Ok(Standing::GoingBack(_)) => Ok(Routed::Moving(self.seen_at_once().await?)),
            Ok(Standing::Over) => {
                let seen = self.seen_at_once().await;
                match seen {
                    Ok(seen) if seen.share == Some(Share::NONE) => Ok(Routed::Written(seen)),
                    _ => self.write_back(order).await,
                }
            }
            Err(fault) => {
                // The traffic goes first; that CodeDeploy was not told is the answer.
                let _ = self.write_back(order).await;
                Err(fault)
            }
        }
    }

    /// Waits until nothing of the deployment can give the candidate traffic any more.
    pub(super) async fn until_taken_back(&self, begun: &Begun) -> Result<(), Fault> {
        match self.stop(begun).await? {
            Standing::Over => Ok(()),
            Standing::GoingBack(id) => {
                let words = format!("CodeDeploy is still taking deployment {id} back");
                Err(Fault::new(FaultKind::Transient, "StopDeployment", words))
            }
        }
    }

    /// Stops the deployment if it is on its way. It may be told so any number of times.
    async fn stop(&self, begun: &Begun) -> Result<Standing, Fault> {
        let deploy = &self.aws.reading.deploy;
        let Some(info) = self.find_deployment(deploy, begun).await? else {
            return match under_way(deploy, begun.group()).await? {
                None => Ok(Standing::Over),
                Some(other) => {
                    let id = other.deployment_id().unwrap_or_default();
                    let words = format!("deployment {id}, which is not this rollout's, moves the weights");
                    Err(Fault::new(FaultKind::Transient, "StopDeployment", words))
                }
            };
        };
        let id = info.deployment_id().unwrap_or_default();
        if is_on_its_way(&info) {
            self.fence.decide(false);
            codedeploy::stop(&self.aws.writing.deploy, id).await?;
            return Ok(Standing::GoingBack(id.to_owned()));
        }
        let back = info.rollback_info().and_then(|rollback| rollback.rollback_deployment_id());
        let Some(back) = back.filter(|back| !back.is_empty()) else { return Ok(Standing::Over) };
        let back = codedeploy::deployment(deploy, back).await?;
        Ok(if is_on_its_way(&back) { Standing::GoingBack(id.to_owned()) } else { Standing::Over })
    }

    async fn seen_at_once(&self) -> Result<RuleSeen, Fault> {
        crate::cloud::Cloud::rule_at_once(self).await
    }
}
