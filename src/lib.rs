//! tidegate: blue-green and canary rollouts for Amazon ECS behind an Application Load Balancer.
//!
//! # The one idea
//!
//! The journal is the journal of everything that happened. The machine is a pure function of the journal. The
//! engine only carries events in and effects out.
//!
//! ```text
//! spec text ── parse ──▶ Spec ── compile(survey) ──▶ Plan ──▶ Machine
//!
//! operator ─┐                                             ┌─▶ report  (notices)
//! answer ───┼─▶ event ─▶ journal.append ─▶ machine.apply ─┤
//! timer ────┘                                             └─▶ cloud   (effects) ─▶ AWS, or the lab
//!    ▲                                                              │
//!    └──────────────────────────── answer ──────────────────────────┘
//! ```
//!
//! * One event in, one reaction out. [`machine::Machine::apply`] never fails, never waits, never reads a
//!   clock. After a crash the same events give the same machine.
//! * Strategy ends at [`plan::compile`]: the machine knows absolute steps, not "canary" or "blue-green".
//! * The world is described by targets ("90/10"), never by differences ("+10").
//! * `status`, `resume`, `history`, a report and a regression test are each a fold over a journal.
//! * The way back is monotone and idempotent, and open without lease, journal or store. The way forward
//!   never is.
//!
//! # Who may import whom
//!
//! | module | may import |
//! |---|---|
//! | `domain` | nothing of ours |
//! | `gate` | `domain` |
//! | `lease` | `domain` |
//! | `spec` | `gate domain` |
//! | `plan` | `spec gate domain` |
//! | `machine` | `plan spec gate lease domain` |
//! | `cloud` | `gate lease domain` |
//! | `store` | `cloud lease domain` |
//! | `journal` | `machine plan spec gate store domain` |
//! | `simulate` | `machine plan spec gate lab domain` |
//! | `report` | `machine plan spec gate domain` |
//! | `engine` | `machine plan spec gate lease cloud store journal report domain` |
//! | `lab` | nothing of ours: a crate of its own, `tidegate_lab` |
//! | `cli` | everything |
//!
//! `domain` is the vocabulary. `tests/tidy.rs` reads this table and keeps it.
//!
//! # What is deliberately absent
//!
//! * Nothing in `spec`, `plan`, `gate` and `machine` waits, opens a file, reads a clock or the environment,
//!   prints, or rolls dice. Time arrives inside events.
//! * `machine` does not know `cloud`, and `cloud` does not know `machine`: `engine/perform.rs` is one match
//!   between the two, and decides nothing.
//! * `lab` is a crate of its own and imports nothing of ours. It knows AWS, not us.
//! * There is never more than one effect outstanding, so that recovery has one thing to ask about and no set
//!   to reconcile.
//! * No write in flight is dropped. The way back waits for its answer, which the call's own time-out bounds,
//!   and then writes. It is told to make way, so that it waits for nothing else.
//! * Nothing goes forward that is not in the journal, and nothing in the journal is edited. The way back waits for no
//!   journal until the traffic is back. A store in trouble stops the way forward and ends nothing: the journal is
//!   completed, in order, when it answers again.
//! * No two clocks are compared: a lease is measured by whoever looks, from when it first saw the body.
//! * No weight is given on an old read, no step passed without data from after it, no capacity taken from a
//!   slot that could still get a request, by the rollout's rule or otherwise. No data is never a pass.
//! * Only `journal/record` derives serde for the run; the other types stay free to change. The written form
//!   has a version, and `tests/journals` has a journal of every one.
//! * Only `cli` and `report` write to a terminal. Only `cli` and `store` touch files.
//! * There is no loop, queue, wait or retry without a named bound.
//!
//! # Where is the thing that…
//!
//! | …does this | is here |
//! |---|---|
//! | says what is wrong in a spec, and where | `spec` |
//! | turns canary, linear, blue-green and a harm budget into steps | `plan/lower.rs` |
//! | says what each driver can do | `domain/driver/capability.rs` |
//! | refuses what a driver cannot do, and says what is nearest | `spec/fit.rs`; on a live service `plan/service.rs` |
//! | refuses a target that could not be rolled back | `plan/refusal.rs` |
//! | finds what leads to a slot beside the rollout's rule | `cloud/alb/entrances.rs`; `plan/entrances.rs` says what of it is refused |
//! | says whether a slot holds one release | `cloud/alb/unproven.rs` |
//! | finds rule, slots and alarms where there is no spec yet | `cloud/alb/scout.rs` |
//! | writes the first spec | `cli/init` |
//! | leads from the words of other tools to a command | `cli/wrong_word.rs` |
//! | leads a shell, or one command, to a lab | `cli/lab_shell.rs` |
//! | tells a screen times in the reader's zone | `domain/clock.rs`; `cli/mod.rs` says which commands are for a screen |
//! | names the release with its images, and where it runs | `report/about.rs`; `cli/release.rs` reads the images |
//! | proves a permission by a write that changes nothing | `cloud/alb/prove.rs` |
//! | says what a comparison cannot see at the traffic there is | `plan/compared.rs` |
//! | decides what a datapoint, or none, means | `gate`, one file per kind |
//! | decides when an alarm's OK is about a step | `gate/quiet.rs`; `cloud/alb/alarm_data.rs` reads what alarms look at |
//! | finds what a release does worse than at first | `gate/drift.rs`; its watch begins in `machine/forward/hold.rs` |
//! | gives the next weight | `machine/forward/shift.rs`; in a ramp `machine/forward/ramp.rs` decides it |
//! | holds while the journal cannot be written | `machine/observe/behind.rs`, `engine/journal_writer.rs` |
//! | says which refusals pass | `domain/fault.rs` |
//! | says how often the world is asked, and for what | `machine/observe/poll.rs` |
//! | keeps what may not go forward now | `machine/forward/window.rs`; `plan/window.rs` turns clocks into moments |
//! | decides to go back | `machine/observe/mod.rs` |
//! | goes back | `machine/back/mod.rs`; the short way to its write is `machine/back/first_read.rs` |
//! | notices a slot that is short, or that somebody else deployed to | `machine/observe/slots.rs` |
//! | says how long things may take, and how often | `machine/limits.rs`, `spec::Limits` |
//! | says where a rollout stands | `machine/progress.rs` |
//! | turns 10 % into a weight | `domain/traffic.rs` |
//! | calls AWS, and knows a throttle from a denial | `cloud` |
//! | sends again what was refused because this machine's clock is wrong | `cloud/aws/skew.rs` |
//! | hands each call of the port to whoever fills the slots and moves the weights | `cloud/live.rs`, `cloud/drivers` |
//! | builds a driver for a plan | `cli/drivers.rs` |
//! | begins ECS's own deployment, answers its pauses, stops it | `cloud/drivers/ecs` |
//! | leaves a service's own way to deploy as it was | `cloud/drivers/ecs/begin.rs` |
//! | notices that ECS took the release back by itself | `machine/observe/given_up.rs` |
//! | says what is wrong in a release file, and where | `cloud/alb/known.rs`, `cloud/alb/sizes.rs` |
//! | sends the way back's write again while no answer comes | `cloud/alb/back.rs` |
//! | asks a webhook or a command, and waits for nobody | `cloud/outside` |
//! | says what is news for others | `machine/notify_on.rs`, `report/news.rs` |
//! | tells others, and delays nothing | `cloud/notify` |
//! | makes it safe to kill the process | `engine/event_loop.rs` (order), `journal/mod.rs` (chain), `store` (durability) |
//! | renews the lease, and notices who took over | `engine/lease_keeper.rs` |
//! | asks once more before a write leaves | `cloud/fence.rs` |
//! | takes over what somebody else drives, forward or back | `engine/takeover`; its first write is `engine/takeover/first_write.rs` |
//! | finds the rollouts whose runner is dead | `engine/guard.rs` |
//! | begins a rollout, drives it under its lease, gives the lease back | `engine/begin.rs`, `engine/driven.rs` |
//! | goes back with nothing but a rule | `engine/takeover/tags.rs`; `cloud/alb/beacon.rs` reads the tags |
//! | hears from the rule who did so | `engine/event_loop.rs` |
//! | asks a runner that is about to commit to turn back | `engine/takeover/ask_runner.rs` |
//! | says who may decide, and until when | `lease` |
//! | makes a trace of a rollout, whoever drives it | `report/trace` |
//! | brings spans and figures to a collector, and delays nothing | `cloud/otlp` |
//! | brings a person's word to a rollout | `store/requests.rs`, `engine/inbox.rs` |
//! | reads yesterday's journal | `journal/record` |
//! | says what a problem's code means | `domain/code.rs` |
//! | says what changed under a reviewed plan | `plan/stale.rs`; its file is `journal/record/saved.rs` |
//! | prints a sentence | `report` |
//! | speaks to a pipeline: sections, annotations, outputs, the summary page | `report/fold.rs`, `report/github`; whose it is, and its files: `cli/ci.rs`, `cli/github.rs` |
//! | runs as a step of GitHub Actions, and cleans up behind one that was killed | `action.yml`, `.github/action` |
//! | asks GitHub for credentials, and renews them | `cloud/aws/oidc.rs` |
//! | proves a way back without taking it | `cli/rollback/drill.rs`, `cloud/alb/drill.rs` |
//! | makes foreign words harmless, for each kind of reader | `domain/text/mod.rs`, `domain/text/markup.rs` |
//! | draws a rollout's page | `report/page` |
//! | chooses an exit code | `cli/exit.rs` |
//! | throws thousands of rollouts at the machine | `tests/simulation` |
//! | lets several processes contend for one rollout, with the shipped engine | `tests/simulation/contest.rs` |
//! | tries the lease in every state that it can reach | `tests/protocol` |
//! | says what a spec would do to a bad release | `simulate` |
//! | slows the lab's clock on a busy machine | `lab/lag.rs`; whoever runs beside it follows by `cli/lab_clock.rs` |
//! | knows the file of recorded counts | `cli/recording` |
//! | makes up traffic | `simulate/world.rs` |
//! | thins recorded traffic to the share that a machine chose | `simulate/series.rs` |

pub mod cli;
pub mod cloud;
pub mod domain;
pub mod engine;
pub mod gate;
pub mod journal;
pub mod lease;
pub mod machine;
pub mod plan;
pub mod report;
pub mod simulate;
pub mod spec;
pub mod store;
