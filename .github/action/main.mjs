// The step: finds the binary, runs it, and hands on to it what the runner says.
//
// tidegate itself writes groups, annotations, outputs and summary, and saves which rollout it drives, so that all that
// is the same in a plain `run:` step. Here is what a plain step cannot have: the signals of a job that is cancelled,
// which a shell does not pass on, and a clean-up behind a step that was killed (post.mjs).

import { spawn } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { constants as system } from "node:os";
import { dirname, resolve } from "node:path";

import { fetch } from "./fetch.mjs";
import { addPath, annotate, input, saveState, say, setOutput } from "./runner.mjs";
import { commandLine, places } from "./words.mjs";

/** The version that belongs to this action. */
function ownVersion() {
  const manifest = readFileSync(new URL("../../Cargo.toml", import.meta.url), "utf8");
  return /^version = "([^"]+)"$/m.exec(manifest)[1];
}

async function binary() {
  const path = input("path");
  if (!path) return fetch(input("version") || ownVersion());
  const found = resolve(path);
  try {
    accessSync(found, constants.X_OK);
  } catch {
    throw new Error(`path: there is no program at ${path}`);
  }
  return found;
}

function run(program, line, cwd) {
  // A group of its own: a signal for ours would reach it twice, and the second makes tidegate leave at once.
  const child = spawn(program, line, { cwd, stdio: ["ignore", "inherit", "inherit"], detached: true });
  let told = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    // The runner sends SIGINT, 7.5 s later SIGTERM, and kills 2.5 s after that. The first is handed on, and nothing
    // more: a second would make tidegate leave before the traffic is back, with 2.5 s still to use.
    process.on(signal, () => {
      if (told) return say(`${signal}: tidegate is giving the traffic back; what it does not manage, the clean-up does`);
      told = true;
      child.kill(signal);
    });
  }
  if (child.pid) saveState("pid", String(child.pid));
  return new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (code, signal) => done(code ?? 128 + (system.signals[signal] ?? 0)));
  });
}

try {
  const asked = {};
  for (const name of ["command", "spec", "args", "store", "region", "role"]) asked[name] = input(name);
  asked.command ||= "run";
  const line = commandLine(asked);
  const cwd = resolve(input("working-directory") || ".");
  const program = await binary();
  addPath(dirname(program));
  // Saved before it starts: a step that is killed saves nothing any more.
  saveState("program", program);
  saveState("cwd", cwd);
  saveState("places", JSON.stringify(places(line)));
  const code = await run(program, line, cwd);
  saveState("exit_code", String(code));
  setOutput("exit-code", String(code));
  process.exitCode = code;
} catch (error) {
  annotate("error", "tidegate action", error.message);
  setOutput("outcome", "failed");
  setOutput("reason", error.message);
  setOutput("exit-code", "1");
  process.exitCode = 1;
}
