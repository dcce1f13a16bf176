//! Starts a lab in your own program and watches its traffic: for tests of anything that talks to ECS,
//! load balancers or CloudWatch. `cargo run -p tidegate-examples --bin lab`

use std::error::Error;
use std::time::Duration;

use tidegate_lab::{Lab, LabClock, LabConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = LabConfig { clock: LabClock::new(30.0), rps: 20.0, ..LabConfig::default() };
    let lab = Lab::start(config).await?;
    println!("the API is at {}; any AWS client can talk to it:", lab.endpoint());
    println!("  aws --endpoint-url {} ecs describe-services --cluster lab --services web-blue", lab.endpoint());
    for (name, address) in lab.connections() {
        println!("{name} is really http://{address}");
    }
    lab.clock().sleep(Duration::from_secs(60)).await;
    let traffic = lab.traffic();
    println!("in one lab minute the clients sent {} requests, {} failed", traffic.requests, traffic.failed);
    lab.stop().await;
    Ok(())
}
