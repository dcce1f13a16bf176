// How a step speaks to GitHub's runner: inputs and state come in the environment, outputs and state go into files,
// and lines of the log can be commands.

import { randomBytes } from "node:crypto";
import { appendFileSync } from "node:fs";

/** An input of the step, without blanks around it; empty where it was not given. */
export function input(name) {
  return (process.env[`INPUT_${name.replaceAll(" ", "_").toUpperCase()}`] ?? "").trim();
}

/** What an earlier phase of the step, or tidegate itself, has saved for this one. */
export function state(name) {
  return process.env[`STATE_${name}`] ?? "";
}

export function saveState(name, value) {
  append("GITHUB_STATE", name, value);
}

export function setOutput(name, value) {
  append("GITHUB_OUTPUT", name, value);
}

/** Puts a folder on the path of the job's later steps. */
export function addPath(folder) {
  const file = process.env.GITHUB_PATH;
  if (file) appendFileSync(file, `${folder}\n`);
}

function append(variable, name, value) {
  const file = process.env[variable];
  if (!file) return;
  // The word at the end is drawn anew each time, so no value can hold it.
  const end = `tidegate_${randomBytes(16).toString("hex")}`;
  appendFileSync(file, `${name}<<${end}\n${value}\n${end}\n`);
}

/** An annotation: `level` is error, warning or notice. */
export function annotate(level, title, message) {
  process.stdout.write(`::${level} title=${property(shown(title))}::${data(shown(message))}\n`);
}

/** A line of our own in the log. It cannot be a command, whatever it holds. */
export function say(text) {
  process.stdout.write(`tidegate action: ${shown(text).replaceAll("##[", "## [")}\n`);
}

/** Text on one line, with nothing that steers a terminal. */
function shown(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");
}

function data(text) {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function property(text) {
  return data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
