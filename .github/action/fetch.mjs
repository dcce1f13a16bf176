// Fetches a released binary, and takes it only if it is the one whose SHA-256 this action holds.
//
// The checksums are files of this repository, so whoever pins the action by its commit pins the binaries, too: a
// release that was changed afterwards does not run.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CHECKSUMS = fileURLToPath(new URL("checksums/", import.meta.url));
/** The largest archive that is read, in bytes. */
const SIZE_LIMIT = 100 * 1024 * 1024;
/** How often a download may be sent elsewhere. */
const REDIRECTS = 5;
/** How long nothing may come, in milliseconds. */
const SILENCE = 30_000;

/** What a release calls this kind of machine. */
export function target(platform = process.platform, arch = process.arch) {
  const system = { linux: "unknown-linux-musl", darwin: "apple-darwin" }[platform];
  const machine = { x64: "x86_64", arm64: "aarch64" }[arch];
  if (!system || !machine) throw new Error(`there is no release for ${platform} on ${arch}: build one, and name it as \`path\``);
  return `${machine}-${system}`;
}

/** The SHA-256 that an archive of this version must have. */
export function expected(version, archive, folder = CHECKSUMS) {
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`version ${JSON.stringify(version)} is not written as 1.2.3`);
  let lines;
  try {
    lines = readFileSync(join(folder, `${version}.txt`), "utf8").split("\n");
  } catch {
    throw new Error(`this action holds no checksums of version ${version}: name a version that it knows, or a binary as \`path\``);
  }
  const line = lines.map((text) => text.trim().split(/\s+/)).find(([, name]) => name === archive);
  if (!line || !/^[0-9a-f]{64}$/.test(line[0])) throw new Error(`this action holds no checksum of ${archive}`);
  return line[0];
}

/** Downloads over https only, wherever it is sent. */
export async function download(url, get = https.get) {
  for (let hop = 0; hop <= REDIRECTS; hop += 1) {
    if (new URL(url).protocol !== "https:") throw new Error(`${url} is not https`);
    const answer = await once(url, get);
    if (answer.body) return answer.body;
    url = new URL(answer.location, url).href;
  }
  throw new Error(`sent elsewhere more than ${REDIRECTS} times`);
}

/** One request: a body, or where else to look. */
function once(url, get) {
  return new Promise((done, fail) => {
    const request = get(url, { headers: { "user-agent": "tidegate-action" }, timeout: SILENCE }, (answer) => {
      const { statusCode: status, headers } = answer;
      if (status >= 300 && status < 400 && headers.location) {
        answer.resume();
        return done({ location: headers.location });
      }
      if (status !== 200) {
        answer.resume();
        return fail(new Error(`${url} answers ${status}`));
      }
      const parts = [];
      let size = 0;
      answer.on("data", (part) => {
        size += part.length;
        if (size > SIZE_LIMIT) request.destroy(new Error(`${url} is larger than a release can be`));
        else parts.push(part);
      });
      answer.on("end", () => done({ body: Buffer.concat(parts) }));
      answer.on("error", fail);
    });
    request.on("timeout", () => request.destroy(new Error(`${url}: nothing came for ${SILENCE / 1000} s`)));
    request.on("error", fail);
  });
}

/** The archive's bytes, if they are the right ones. */
export function verified(bytes, sum, archive) {
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found !== sum) throw new Error(`${archive} is not what was released: its SHA-256 is ${found}, not ${sum}`);
  return bytes;
}

/** Fetches the binary of a version, and gives its path. */
export async function fetch(version, { get = https.get, folder = CHECKSUMS } = {}) {
  const archive = `tidegate-v${version}-${target()}.tar.gz`;
  const sum = expected(version, archive, folder);
  const { GITHUB_SERVER_URL: server, GITHUB_ACTION_REPOSITORY: repository } = process.env;
  if (!server || !repository) throw new Error("this action was not fetched from a repository, so no release belongs to it: name a binary as `path`");
  const bytes = verified(await download(`${server}/${repository}/releases/download/v${version}/${archive}`, get), sum, archive);
  const home = mkdtempSync(join(process.env.RUNNER_TEMP || tmpdir(), "tidegate-"));
  writeFileSync(join(home, archive), bytes);
  execFileSync("tar", ["-xzf", archive, "tidegate"], { cwd: home });
  return join(home, "tidegate");
}
