// The command line: what the inputs ask for, and which of it a later command about the same rollout needs, too.

/** Commands that ask before they act; in a pipeline the answer is given by having written the step. */
const ASKING = ["run", "rollback", "abort", "promote"];

/** Flags that say where rollouts and AWS are. */
const PLACES = ["--store", "--state-dir", "--endpoint-url", "--region", "--profile", "--github-oidc-role"];

/** Takes a line apart as a shell does: blanks, both kinds of quotes, backslashes. Nothing is expanded or run. */
export function split(line) {
  const words = [];
  let word = null;
  let quote = null;
  for (let at = 0; at < line.length; at += 1) {
    const sign = line[at];
    if (quote === "'" ? sign !== "'" : sign === "\\" && at + 1 < line.length) {
      word = (word ?? "") + (quote === "'" ? sign : line[(at += 1)]);
    } else if (quote) {
      if (sign === quote) quote = null;
      else word += sign;
    } else if (sign === "'" || sign === '"') {
      quote = sign;
      word ??= "";
    } else if (/\s/.test(sign)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + sign;
    }
  }
  if (quote) throw new Error(`args: a ${quote} is never closed`);
  if (word !== null) words.push(word);
  return words;
}

/** The arguments of the step's command. */
export function commandLine({ command, spec, args, store, region, role }) {
  const more = split(args);
  const line = [command, ...(spec ? [spec] : []), ...more];
  const asks = ASKING.includes(command) && !more.some((word) => ["--yes", "-y", "--dry-run"].includes(word));
  if (asks) line.push("--yes");
  const named = { "--store": store, "--region": region, "--github-oidc-role": role };
  for (const [flag, value] of Object.entries(named)) {
    if (value) line.push(`${flag}=${value}`);
  }
  return line;
}

/** Of a command line, the flags that say where rollouts and AWS are, each as one word. */
export function places(line) {
  const found = [];
  line.forEach((word, at) => {
    if (PLACES.includes(word) && at + 1 < line.length) found.push(`${word}=${line[at + 1]}`);
    else if (PLACES.some((flag) => word.startsWith(`${flag}=`))) found.push(word);
  });
  return found;
}
