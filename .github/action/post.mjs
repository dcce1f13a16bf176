// The clean-up behind the step: if it was killed in the middle of a rollout that nobody else drives, the traffic goes
// back. It runs after every job, a cancelled one too, and does nothing where the step said itself how it ended.

import { spawn } from "node:child_process";

import { annotate, say, state } from "./runner.mjs";

/** How long tidegate may take to say where the rollout stands, in milliseconds. */
const STATUS_WITHIN = 20_000;
/** How long it may take to take the traffic back. A job that is over is given five minutes in all. */
const ROLLBACK_WITHIN = 180_000;
/** Exit codes with which tidegate says that the rollout is over, never began, or is somebody else's. Any other, or none,
 * may leave one behind: it was handed over (13), failed in the middle (1), or died of a signal (128 and more). */
const SETTLED = [0, 2, 10, 11, 12, 14, 15, 16, 20];
/** Exit codes of a command line that means nothing to the store, among them an unknown rollout. */
const UNKNOWN = 2;

/** Runs tidegate for a bounded time; `out` is its standard output, where it is wanted. */
function tidegate(words, within, wanted = false) {
  const line = [...words, ...whereabouts()];
  const stdio = ["ignore", wanted ? "pipe" : "inherit", "inherit"];
  const child = spawn(state("program"), line, { cwd: state("cwd"), stdio, timeout: within, killSignal: "SIGKILL" });
  const parts = [];
  child.stdout?.on("data", (part) => parts.push(part));
  return new Promise((done) => {
    child.on("error", (error) => done({ code: 1, out: "", why: error.message }));
    child.on("close", (code, signal) => {
      const why = signal ? `it took longer than ${within / 1000} s` : `it exits ${code}`;
      done({ code, out: Buffer.concat(parts).toString(), why });
    });
  });
}

/** Where rollouts and AWS are: as the step was told, and as tidegate found in the spec. */
function whereabouts() {
  const said = JSON.parse(state("places") || "[]");
  const found = { "--store": state("store"), "--region": state("region") };
  const missing = Object.entries(found).filter(([flag, value]) => value && !said.some((word) => word.startsWith(`${flag}=`)));
  return [...said, ...missing.map(([flag, value]) => `${flag}=${value}`)];
}

async function cleanUp() {
  const id = state("run_id");
  const code = state("exit_code");
  if (!id || (code && SETTLED.includes(Number(code)))) return;
  const asked = await tidegate(["status", id, "--json"], STATUS_WITHIN, true);
  if (asked.code === UNKNOWN) return say(`rollout ${id} had not begun: there is nothing to take back`);
  let status = null;
  try {
    status = JSON.parse(asked.out);
  } catch {
    say(`where rollout ${id} stands cannot be found out (${asked.why}); taking the traffic back all the same`);
  }
  if (status?.outcome) return say(`rollout ${id} is over: ${status.outcome}`);
  const driver = status?.driver;
  if (driver && driver !== state("by")) {
    return annotate("warning", "tidegate", `rollout ${id} is not over: ${driver} drives it now`);
  }
  if (state("on_interrupt") === "hold") {
    const words = `rollout ${id} is not over, and its spec holds the weights when it is interrupted`;
    return annotate("warning", "tidegate", `${words}. To go on: tidegate resume ${id}; to go back: tidegate rollback ${id}`);
  }
  say(`rollout ${id} is not over, and nobody else drives it: taking the traffic back`);
  const reason = "the job that drove it was cancelled or killed";
  const back = await tidegate(["rollback", id, "--yes", "--reason", reason], ROLLBACK_WITHIN);
  if (back.code === 0) return annotate("warning", "tidegate", `rollout ${id} was left by its job, and is rolled back`);
  annotate("error", "tidegate", `rollout ${id} was left by its job, and is not rolled back (${back.why}). By hand: tidegate rollback ${id}`);
  process.exitCode = 1;
}

await cleanUp();
