// What is fetched, and what is refused: the network is played here.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";

import { download, expected, fetch, target } from "../../.github/action/fetch.mjs";
import { commandLine, places, split } from "../../.github/action/words.mjs";

/** Answers by URL: a body, or where else to look. */
function net(pages, asked = []) {
  return (url, _options, answered) => {
    asked.push(url);
    const page = pages[url];
    const answer = new PassThrough();
    answer.statusCode = page === undefined ? 404 : typeof page === "string" ? 302 : 200;
    answer.headers = typeof page === "string" ? { location: page } : {};
    queueMicrotask(() => {
      answered(answer);
      answer.end(typeof page === "string" ? "" : page);
    });
    return { on() {}, destroy() {} };
  };
}

const home = mkdtempSync(join(tmpdir(), "tidegate-test-"));
const archive = `tidegate-v1.2.3-${target()}.tar.gz`;
const repository = fileURLToPath(new URL("../..", import.meta.url));
writeFileSync(join(home, "built"), "#!/bin/sh\necho fetched\n", { mode: 0o755 });
// The release workflow packs with the same script.
execFileSync(join(repository, ".ci/pack"), [join(home, "built"), "1.2.3", target(), home]);
const bytes = readFileSync(join(home, archive));
const sum = createHash("sha256").update(bytes).digest("hex");
writeFileSync(join(home, "1.2.3.txt"), `${sum}  ${archive}\n`);
const url = `https://git.example/acme/tidegate/releases/download/v1.2.3/${archive}`;
Object.assign(process.env, {
  GITHUB_SERVER_URL: "https://git.example",
  GITHUB_ACTION_REPOSITORY: "acme/tidegate",
  RUNNER_TEMP: home,
});

test("the right archive is unpacked, wherever it lies", async () => {
  const asked = [];
  const get = net({ [url]: "https://cdn.example/blob", "https://cdn.example/blob": bytes }, asked);
  const program = await fetch("1.2.3", { get, folder: home });
  assert.equal(execFileSync(program, { encoding: "utf8" }), "fetched\n");
  assert.deepEqual(asked, [url, "https://cdn.example/blob"]);
});

test("another archive is refused", async () => {
  const get = net({ [url]: Buffer.concat([bytes, Buffer.from("x")]) });
  await assert.rejects(fetch("1.2.3", { get, folder: home }), /is not what was released/);
});

test("a version without a checksum is not even asked for", async () => {
  const asked = [];
  await assert.rejects(fetch("1.2.4", { get: net({}, asked), folder: home }), /holds no checksums of version 1.2.4/);
  assert.throws(() => expected("../1.2.3", archive, home), /not written as 1.2.3/);
  assert.throws(() => expected("1.2.3", "other.tar.gz", home), /holds no checksum of other/);
  assert.deepEqual(asked, []);
});

test("nothing is fetched but over https", async () => {
  const asked = [];
  const get = net({ [url]: "http://cdn.example/blob" }, asked);
  await assert.rejects(fetch("1.2.3", { get, folder: home }), /http:\/\/cdn.example\/blob is not https/);
  assert.deepEqual(asked, [url]);
});

test("nobody is sent round in circles", async () => {
  await assert.rejects(download(url, net({ [url]: url })), /more than 5 times/);
  await assert.rejects(download(url, net({})), /answers 404/);
});

test("machines without a release are told", () => {
  assert.equal(target("linux", "x64"), "x86_64-unknown-linux-musl");
  assert.equal(target("darwin", "arm64"), "aarch64-apple-darwin");
  assert.throws(() => target("win32", "x64"), /no release for win32/);
});

test("a release builds for every machine that the action fetches for, and for no other", () => {
  const workflow = readFileSync(join(repository, ".github/workflows/release.yml"), "utf8");
  const built = [...workflow.matchAll(/\{ target: (\S+),/g)].map(([, name]) => name);
  const fetched = ["linux", "darwin"].flatMap((platform) => ["x64", "arm64"].map((arch) => target(platform, arch)));
  assert.deepEqual(built.sort(), fetched.sort());
  assert.ok(workflow.includes("run: .ci/pack "), "the release packs in another way than this test");
});

test("arguments are taken apart as a shell does, and nothing is expanded", () => {
  assert.deepEqual(split(`a  "b c" 'd "e' f\\ g $(h) "" x'y'z`), ["a", "b c", 'd "e', "f g", "$(h)", "", "xyz"]);
  assert.deepEqual(split("  \n "), []);
  assert.deepEqual(split(`'a\\b' "a\\"b"`), ["a\\b", 'a"b']);
  assert.throws(() => split(`a "b`), /never closed/);
});

test("a command that asks is answered, and knows its places", () => {
  const asked = { command: "run", spec: "a.yaml", args: "--store s3://b/p", store: "", region: "eu-west-1", role: "" };
  const line = commandLine(asked);
  assert.deepEqual(line, ["run", "a.yaml", "--store", "s3://b/p", "--yes", "--region=eu-west-1"]);
  assert.deepEqual(places(line), ["--store=s3://b/p", "--region=eu-west-1"]);
  assert.deepEqual(commandLine({ ...asked, command: "plan", args: "" }), ["plan", "a.yaml", "--region=eu-west-1"]);
  assert.ok(!commandLine({ ...asked, command: "rollback", args: "--dry-run" }).includes("--yes"));
});
