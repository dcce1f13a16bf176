//! What a guard takes for silent, and what it leaves alone.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::clock::Timestamp;
use crate::engine::tests::memory::Memory;

const START: Timestamp = Timestamp::from_millis(1_795_442_709_000);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn no_slow_look_takes_a_living_runner_for_silent() {
    let clock = Clock::starting_at(START, 1.0);
    let memory = Arc::new(Memory::new(&clock));
    let store = Store::at(Arc::<Memory>::clone(&memory));
    let mut leases = Vec::new();
    for name in ["one-1", "two-1"] {
        let (id, by) = (RolloutId::parse(name).unwrap(), name.to_owned());
        let owner = Owner { by, process: String::new(), since: START };
        leases.push(
            store.begin(&format!("arn:{name}"), &[], Claim { rollout: &id, owner: &owner }, &clock).await.unwrap(),
        );
    }
    let mut guard = Guard::new(store, clock.clone());
    // Each renews every 43 s, which no lease is over in.
    let renewing = async {
        for seconds in (43..).step_by(43) {
            clock.sleep_until(START + SECOND * seconds).await;
            for lease in &mut leases {
                lease.renew(Phase::Active).await.unwrap();
            }
        }
    };
    let looking = async {
        for slow in [0, 22, 0, 30, 1, 44, 3, 60, 0, 10] {
            *memory.slow.lock().unwrap() = SECOND * slow;
            let look = guard.look(|_| false).await.unwrap();
            assert!(look.lost.is_empty(), "at a look of {slow} s: {look:?}");
            clock.sleep_until(clock.now() + SECOND * 5).await;
        }
    };
    tokio::select! {
        () = looking => {}
        () = renewing => unreachable!("it never ends"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollout_whose_way_back_fails_again_and_again_is_taken_ever_more_seldom_and_left_to_a_person() {
    let clock = Clock::starting_at(START, 1.0);
    let store = Store::at(Arc::new(Memory::new(&clock)));
    let (id, owner) =
        (RolloutId::parse("web-1").unwrap(), Owner { by: "ana".into(), process: String::new(), since: START });
    let claim = Claim { rollout: &id, owner: &owner };
    let mut lease = store.preempt("arn:rule", claim, &mut Watch::default(), &clock).await.unwrap();
    lease.hand_over().await.unwrap();
    let (mut guard, mut takes, mut given_up) = (Guard::new(store, clock.clone()), Vec::new(), Vec::new());
    while clock.now() < START + SECOND * 86_400 {
        let mut look = guard.look(|_| false).await.unwrap();
        given_up.append(&mut look.given_up);
        for lost in look.lost {
            takes.push(clock.now().since(START).as_secs());
            guard.take(&lost, "guard@ops".into()).await.unwrap().leave().await.unwrap();
        }
        clock.sleep_until(clock.now() + SECOND * 5).await;
    }
    assert_eq!(takes[..5], [0, 5, 15, 35, 75], "each pause is twice the one before");
    assert_eq!((takes.len(), given_up), (60, vec![id]), "it is left to a person once");
    assert!(takes.windows(2).all(|two| two[1] - two[0] <= 605), "{takes:?}");
}
