//! Rules of the house that neither the compiler nor clippy keeps. They read files and link nothing of ours.
//!
//! Each rule says what breaks it as `file:line`, and what to do instead. Who may import whom is read from
//! the table in `src/lib.rs`, so that the page and the rule cannot part.

mod circles;
mod signatures;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The most lines a file of the program may have; from 400 on it wants a second look.
const SOURCE_LINES: usize = 500;
/// The most lines a file of tests may have.
const TEST_LINES: usize = 700;
/// The most packages of others the lock file may hold. Raising it is a choice: every one is built and audited.
/// Fifteen of them are OpenTelemetry's messages and what those bring, five of which are named and never built.
const PACKAGES: usize = 331;
/// Modules in which nothing waits, opens a file, reads a clock or the environment, prints, or rolls dice.
const PURE: &[&str] = &["spec", "plan", "gate", "machine", "lease"];
/// What nothing pure says.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "tokio",
    "async",
    ".await",
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "fastrand",
    "rand",
];
/// What writes to a terminal; a child's own output that is piped to us does not.
const TERMINAL: &[&str] = &[
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "dbg!",
    "io::stdout",
    "io::stderr",
    "stdout()",
    "stderr()",
    "Stdio::inherit",
    "anstream",
    "indicatif",
];
/// What touches files.
const FILES: &[&str] = &["std::fs", "tokio::fs", "File::open", "File::create", "OpenOptions", "tempfile"];
/// What takes a lease, writes an event down or changes an account: the engine's part.
const ENGINES: &[&str] = &[
    "Journal::",
    "JournalSink",
    "store::Lease",
    "LeaseKeeper",
    "preempt(",
    "take_over(",
    "rescue(",
    ".renew(",
    "hand_over(",
    "lease.release(",
    ".route(",
    ".scale(",
    ".mark(",
    ".set_scaling(",
    ".arm(",
    ".disarm(",
    ".conclude(",
];
/// What reads the environment.
const ENVIRONMENT: &[&str] = &["std::env", "env::var", "env::vars", "env::var_os", "env::args", "current_dir"];
/// Where serde may be derived: the written forms. The words, plans and machine stay free to change.
const WRITTEN: &[&str] = &["src/journal/record", "src/spec", "src/store", "src/cli", "src/lab"];
/// Crates that must not come back, by name and the start of the version; why they are gone is in `deny.toml`.
const BANNED: &[(&str, &str)] = &[
    ("hyper", "0.14."),
    ("rustls", "0.21."),
    ("h2", "0.3."),
    ("openssl", ""),
    ("openssl-sys", ""),
    ("native-tls", ""),
    ("serde_yaml", ""),
    ("serde_yml", ""),
    ("atty", ""),
    ("backoff", ""),
    ("evalexpr", ""),
];

/// One Rust file.
struct Source {
    /// From the root: `src/plan/step.rs`.
    path: String,
    text: String,
    /// The text with comments and literals blanked, line for line.
    code: String,
    /// The code without what is compiled for tests and examples only.
    shipped: String,
}

impl Source {
    /// The module under `src` it belongs to; `None` for `lib.rs`, `main.rs` and files elsewhere.
    fn module(&self) -> Option<&str> {
        let first = self.path.strip_prefix("src/")?.split('/').next()?;
        let name = first.strip_suffix(".rs").unwrap_or(first);
        (name != "lib" && name != "main").then_some(name)
    }

    fn is_in(&self, modules: &[&str]) -> bool {
        self.module().is_some_and(|module| modules.contains(&module))
    }

    /// `file:line` of a byte offset.
    fn place(&self, offset: usize) -> String {
        let line = self.code[..offset].matches('\n').count() + 1;
        format!("{}:{line}", self.path)
    }

    /// Where the shipped code says one of these.
    fn says<'a>(&self, words: &[&'a str]) -> Vec<(String, &'a str)> {
        let found = words.iter().flat_map(|word| find(&self.shipped, word).map(move |at| (at, *word)));
        found.map(|(at, word)| (self.place(at), word)).collect()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    let bytes = fs::read(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All files below a folder, from the root; what is built, hidden or fetched is left out.
fn files(folder: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.map(|entry| entry.expect("a folder can be read")) {
        let name = entry.file_name().into_string().expect("names are UTF-8");
        let path = if folder == "." { name.clone() } else { format!("{folder}/{name}") };
        let hidden = name.starts_with('.') && ![".cargo", ".ci", ".config", ".github"].contains(&name.as_str());
        match entry.path().is_dir() {
            true if hidden || ["target", "venv", "node_modules", "__pycache__"].contains(&name.as_str()) => {}
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

/// The Rust files of the program, its tests and its examples.
fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(read_sources)
}

fn read_sources() -> Vec<Source> {
    let all = ["src", "tests", "examples"].iter().flat_map(|folder| files(folder));
    let mut sources: Vec<Source> = all.filter(|path| has_extension(path, "rs")).map(source).collect();
    let only_tests: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        let is_test =
            |module: &String| source.path == format!("{module}.rs") || source.path.starts_with(&format!("{module}/"));
        if !source.path.starts_with("src/") || only_tests.iter().any(is_test) {
            source.shipped = blank(&source.code);
        }
    }
    assert!(!sources.is_empty(), "there is no source to read");
    sources
}

fn source(path: String) -> Source {
    let text = read(&path);
    let code = code_of(&text);
    let shipped = without_tests(&code);
    Source { path, text, code, shipped }
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// Where modules declared in a file live: `src/plan` for `src/plan/mod.rs`, `src/domain/clock` for `src/domain/clock.rs`.
fn home(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let root = ["mod.rs", "lib.rs", "main.rs"].contains(&name) || folder == "tests";
    if root { folder.to_owned() } else { path.trim_end_matches(".rs").to_owned() }
}

/// The modules a file declares for tests only, as paths without `.rs`.
fn test_modules(source: &Source) -> Vec<String> {
    let after = source.code.split("#[cfg(test)]").skip(1);
    let name = |text: &str| {
        let item = text.trim_start().strip_prefix("pub").map_or(text, |rest| rest.trim_start_matches("(crate)"));
        item.trim_start().strip_prefix("mod ")?.split_once(';').map(|(name, _)| name.trim().to_owned())
    };
    let is_name = |name: &String| name.chars().all(is_word);
    after.filter_map(name).filter(is_name).map(|name| format!("{}/{name}", home(&source.path))).collect()
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn blank(text: &str) -> String {
    text.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }).collect()
}

/// The text with comments and literals blanked.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let after_word = code.chars().next_back().is_some_and(is_word);
        let length = skipped(rest, after_word);
        if length == 0 {
            code.push(letter);
            rest = &rest[letter.len_utf8()..];
        } else {
            code.push_str(&blank(&rest[..length]));
            rest = &rest[length..];
        }
    }
    code
}

/// How many bytes of comment or literal `rest` begins with.
fn skipped(rest: &str, after_word: bool) -> usize {
    let until = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    let hashes = rest[1..].len() - rest[1..].trim_start_matches('#').len();
    match rest.as_bytes() {
        [b'/', b'/', ..] => rest.find('\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => until("*/", 2),
        [b'"', ..] => quoted(rest, '"'),
        [b'r', ..] if !after_word && rest[1 + hashes..].starts_with('"') => {
            until(&format!("\"{}", "#".repeat(hashes)), 2 + hashes)
        }
        [b'\'', b'\\', ..] => quoted(rest, '\''),
        [b'\'', ..] => {
            let mut letters = rest.char_indices().skip(2);
            letters.next().filter(|(_, letter)| *letter == '\'').map_or(0, |(at, _)| at + 1)
        }
        _ => 0,
    }
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Code without the items under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut shipped = String::new();
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(test)]") {
        let end = start + item(&rest[start..]);
        shipped.push_str(&rest[..start]);
        shipped.push_str(&blank(&rest[start..end]));
        rest = &rest[end..];
    }
    shipped + rest
}

/// The length of the item that `code` begins with: up to its semicolon or its closing brace.
fn item(code: &str) -> usize {
    let mut depth = 0;
    for (at, letter) in code.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Where `text` holds `word`, as a word of its own.
fn find<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let ends = |at: usize| !text[at + word.len()..].starts_with(is_word) || !word.ends_with(is_word);
    let begins = |at: usize| !text[..at].ends_with(is_word) || !word.starts_with(is_word);
    text.match_indices(word).map(|(at, _)| at).filter(move |at| begins(*at) && ends(*at))
}

fn settle(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}\n  {}\n", breaches.join("\n  "));
}

/// The import table of `src/lib.rs`: what each module may name. `None` is everything.
fn import_table() -> BTreeMap<String, Option<Vec<String>>> {
    let page = read("src/lib.rs");
    let rows = page.lines().skip_while(|line| *line != "//! | module | may import |").skip(2);
    let cells: Vec<(&str, &str)> =
        rows.map_while(|row| row.strip_prefix("//! | ")?.strip_suffix(" |")?.split_once(" | ")).collect();
    let names = |cell: &str| -> Vec<String> {
        let quoted = cell.split('`').skip(1).step_by(2);
        quoted.flat_map(str::split_whitespace).map(str::to_owned).collect()
    };
    assert!(!cells.is_empty(), "src/lib.rs has the import table");
    let mut table = BTreeMap::new();
    for (modules, imports) in cells {
        let allowed = names(imports);
        for module in names(modules) {
            table.insert(module, (imports != "everything").then(|| allowed.clone()));
        }
    }
    table
}

/// What a file names of the crate: the offset and the module, by `crate::…` or by `super::…` out of its own. The lab
/// is a crate of its own, which cannot name ours.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let code = &source.code;
    if source.module() == Some("lab") {
        return Vec::new();
    }
    let depth = home(&source.path).split('/').count() - 1;
    let out = "super::".repeat(depth.max(1));
    let mut found: Vec<_> = find(code, "tidegate_lab").map(|at| (at, "lab".to_owned())).collect();
    for (prefix, length) in [("crate::", 7), (out.as_str(), out.len())] {
        for at in find(code, prefix) {
            let mut rest = &code[at + length..];
            while let Some(further) = rest.strip_prefix("super::") {
                rest = further;
            }
            let group = rest.strip_prefix('{').map(|inner| &inner[..item(rest).saturating_sub(2)]);
            let paths = group.map_or_else(|| vec![rest], top_level);
            let name = |path: &str| path.trim_start().chars().take_while(|letter| is_word(*letter)).collect();
            found.extend(paths.into_iter().map(|path| (at, name(path))));
        }
    }
    found
}

/// The parts of a `use` group, whose own groups stay whole.
fn top_level(group: &str) -> Vec<&str> {
    let mut depth = 0;
    group
        .split(|letter| {
            depth += i32::from(letter == '{') - i32::from(letter == '}');
            letter == ',' && depth == 0
        })
        .collect()
}

#[test]
fn modules_import_only_what_their_row_allows() {
    let table = import_table();
    let mut breaches = Vec::new();
    for source in sources() {
        let Some(module) = source.module() else { continue };
        let Some(Some(allowed)) = table.get(module) else { continue };
        for (at, name) in imports(source) {
            let ours = table.contains_key(&name) && name != module && !allowed.contains(&name);
            if ours {
                breaches.push(format!("{}: {module} may not import {name}", source.place(at)));
            }
        }
    }
    settle("move the code to where both sides may know it, or argue with the table in src/lib.rs:", &breaches);
}

#[test]
fn every_module_has_its_row_in_the_import_table() {
    let table = import_table();
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| source.module().is_some_and(|name| !table.contains_key(name))) {
        breaches.push(format!("{}:1: src/lib.rs does not say what it may import", source.path));
    }
    settle("give the module a row in the table of src/lib.rs:", &breaches);
}

#[test]
fn only_the_cloud_and_the_cli_know_which_cloud_it_is() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| !source.is_in(&["cloud", "cli"])) {
        breaches.extend(
            source.says(&["cloud::aws", "cloud::alb"]).into_iter().map(|(place, word)| format!("{place}: {word}")),
        );
        let crates =
            ["aws_config", "aws_credential", "aws_runtime", "aws_sdk_", "aws_sigv4", "aws_smithy_", "aws_types"];
        let sdk = crates.iter().flat_map(|name| source.shipped.match_indices(name)).map(|(at, _)| source.place(at));
        breaches.extend(sdk.map(|place| format!("{place}: an AWS crate")));
    }
    settle("speak to the port in src/cloud/mod.rs instead:", &breaches);
}

#[test]
fn nothing_pure_waits_reads_prints_or_rolls_dice() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| source.is_in(PURE)) {
        breaches.extend(source.says(IMPURE).into_iter().map(|(place, word)| format!("{place}: {word}")));
    }
    settle("let it arrive as an argument or inside an event; the engine and the cli do the rest:", &breaches);
}

#[test]
fn serde_is_derived_only_for_what_is_written() {
    let mut breaches = Vec::new();
    for source in sources() {
        let derives = ["Serialize", "Deserialize", "JsonSchema", "serde", "schemars"];
        if !WRITTEN.iter().any(|folder| source.path.starts_with(folder)) {
            breaches.extend(source.says(&derives).into_iter().map(|(place, word)| format!("{place}: {word}")));
        }
        if !source.is_in(&["store", "cli"]) {
            continue;
        }
        for (at, _) in source.shipped.match_indices("Serialize").filter(|(at, _)| in_derive(&source.shipped[..*at])) {
            let rest = source.shipped[at..].split_once(']').map_or("", |(_, rest)| rest);
            let public = rest.trim_start().starts_with("pub ");
            breaches.extend(public.then(|| format!("{}: a file's form is public", source.place(at))));
        }
    }
    settle("keep the type plain, and give what is written a private type of its own:", &breaches);
}

fn in_derive(before: &str) -> bool {
    before.rfind("#[").is_some_and(|at| before[at..].starts_with("#[derive(") && !before[at..].contains(']'))
}

#[test]
fn only_the_cli_and_reports_write_to_a_terminal() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| !source.is_in(&["cli", "report"])) {
        breaches.extend(source.says(TERMINAL).into_iter().map(|(place, word)| format!("{place}: {word}")));
    }
    settle("return it, or tell it as a notice:", &breaches);
}

#[test]
fn the_cli_takes_no_lease_writes_no_weight_and_appends_to_no_journal() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| source.is_in(&["cli"])) {
        breaches.extend(source.says(ENGINES).into_iter().map(|(place, word)| format!("{place}: {word}")));
    }
    settle("call the engine, which the simulation runs too (src/engine/takeover):", &breaches);
}

#[test]
fn drivers_are_built_and_the_account_is_connected_to_in_one_place() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| source.is_in(&["cli"])) {
        for (word, place) in [("AlbDriver::new", "src/cli/drivers.rs"), ("Aws::connect", "src/cli/context.rs")] {
            let found = source.says(&[word]).into_iter().filter(|_| source.path != place);
            breaches.extend(found.map(|(at, word)| format!("{at}: {word}, which belongs in {place}")));
        }
    }
    settle("ask `Reach::driver` for a driver, and `Context::aws` for a connection:", &breaches);
}

#[test]
fn only_the_cli_and_the_store_touch_files() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| !source.is_in(&["cli", "store"])) {
        breaches.extend(source.says(FILES).into_iter().map(|(place, word)| format!("{place}: {word}")));
    }
    settle("take the contents as an argument:", &breaches);
}

#[test]
fn only_the_cli_reads_the_environment() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| !source.is_in(&["cli"])) {
        breaches.extend(source.says(ENVIRONMENT).into_iter().map(|(place, word)| format!("{place}: {word}")));
    }
    settle("the cli reads the environment once; take the value as an argument:", &breaches);
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let mut breaches = Vec::new();
    for source in sources() {
        let opening: Vec<&str> = source.text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
        if !opening.join(" ").ends_with(['.', '!', '?', ':', '`']) {
            breaches.push(format!("{}:1", source.path));
        }
    }
    settle("open the file with `//!` and one sentence that says what it is for:", &breaches);
}

#[test]
fn no_file_outgrows_its_limit() {
    let mut breaches = Vec::new();
    for source in sources() {
        let is_test = source.shipped.trim().is_empty();
        let limit = if is_test { TEST_LINES } else { SOURCE_LINES };
        let lines = source.text.lines().count();
        if lines > limit {
            breaches.push(format!("{}:{limit}: {lines} lines, {limit} at most", source.path));
        }
    }
    settle("find the second subject in the file and give it its own:", &breaches);
}

#[test]
fn exceptions_from_lints_are_expected_with_a_reason() {
    let mut breaches = Vec::new();
    for source in sources() {
        for form in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
            for (at, _) in source.code.match_indices(form) {
                let attribute = source.code[at..].split_once(']').map_or("", |(attribute, _)| attribute);
                let allowed = form.contains("expect") || !source.path.starts_with("src/");
                if !allowed || find(attribute, "reason").next().is_none() {
                    breaches.push(format!("{}: {form}…)]", source.place(at)));
                }
            }
        }
    }
    settle("write #[expect(lint, reason = \"…\")]; it says so when it is needed no more:", &breaches);
}

/// Every text of the repository that people read or write, with its lines.
fn texts() -> Vec<(String, String)> {
    let kinds = ["rs", "md", "toml", "yaml", "yml", "json", "sh", "py", "txt", "html"];
    let text = |path: &String| kinds.iter().any(|kind| has_extension(path, kind)) || path == ".ci/run";
    files(".").into_iter().filter(text).map(|path| (path.clone(), read(&path))).collect()
}

#[test]
fn nothing_is_left_to_be_done_later() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
    ];
    let mut breaches = Vec::new();
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            let found = marks.iter().find(|mark| find(line, mark).next().is_some());
            breaches.extend(found.map(|mark| format!("{path}:{}: {mark}", number + 1)));
        }
    }
    settle("do it, or leave it out:", &breaches);
}

#[test]
fn no_text_speaks_of_where_it_was_written() {
    let words = [concat!("fa", "rm"), concat!("sess", "ion"), concat!("sess", "ions"), concat!("/wo", "rk/")];
    // AWS has some of its own.
    let known = [
        "role session",
        "role-session-name",
        "sso session",
        "sso-session",
        "session token",
        "session name",
        "session policy",
        "client session",
        "boto3.session",
    ];
    let mut breaches = Vec::new();
    // What STS hands out is called that, and these two files are about nothing else.
    let of_sts = ["src/cloud/alb/writer.rs", "src/cloud/aws/sts.rs"];
    for (path, text) in texts().into_iter().filter(|(path, _)| !of_sts.contains(&path.as_str())) {
        for (number, line) in text.lines().enumerate() {
            let line = known.iter().fold(line.to_lowercase(), |line, known| line.replace(known, ""));
            let found = words.iter().find(|word| find(&line, word).next().is_some());
            breaches.extend(found.map(|word| format!("{path}:{}: {word}", number + 1)));
        }
    }
    settle("say what it is, not where it came from:", &breaches);
}

#[test]
fn no_file_is_forgotten_by_its_module() {
    let sources = sources();
    let mut breaches = Vec::new();
    for source in sources {
        let (folder, name) = source.path.rsplit_once('/').expect("sources lie in folders");
        let is_root = ["src", "src/lab", "tests", "examples", "examples/benches"].contains(&folder)
            && (!folder.starts_with("src") || name == "lib.rs" || name == "main.rs");
        let is_target = source.path == "tests/protocol/src/lib.rs"
            || name == "main.rs" && (folder.starts_with("tests/") || folder.starts_with("examples/"));
        if is_root || is_target {
            continue;
        }
        let module = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
        let (parent, name) = module.rsplit_once('/').expect("modules lie in folders");
        let declares = |other: &&Source| {
            home(&other.path) == parent && find(&other.code, &format!("mod {name};")).next().is_some()
        };
        if !sources.iter().any(|other| declares(&other)) {
            breaches.push(format!("{}:1: nothing says `mod {name};`", source.path));
        }
    }
    settle("it is never compiled; declare it or delete it:", &breaches);
}

/// Names and versions in the lock file, with the line of the name.
fn packages() -> Vec<(usize, String, String)> {
    let lock = read("Cargo.lock");
    let lines: Vec<&str> = lock.lines().collect();
    let value =
        |line: &str, key: &str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"').map(str::to_owned);
    let package =
        |(number, pair): (usize, &[&str])| Some((number + 1, value(pair[0], "name")?, value(pair[1], "version")?));
    lines.windows(2).enumerate().filter_map(package).collect()
}

#[test]
fn the_lock_file_keeps_to_its_number() {
    let count = packages().iter().filter(|(_, name, _)| !name.starts_with("tidegate")).count();
    assert!(count > 100, "Cargo.lock:1: {count} packages; is the file read right?");
    assert!(
        count <= PACKAGES,
        "Cargo.lock:1: {count} packages, {PACKAGES} at most; do without, or raise PACKAGES here"
    );
}

#[test]
fn banned_crates_stay_away() {
    let mut breaches = Vec::new();
    for (line, name, version) in packages() {
        if BANNED.iter().any(|(banned, start)| name == *banned && version.starts_with(start)) {
            breaches.push(format!("Cargo.lock:{line}: {name} {version}"));
        }
    }
    settle("find what brings it with `cargo tree -i`, and turn that feature off (deny.toml says why):", &breaches);
}

#[test]
fn aws_crates_come_without_their_default_features() {
    let manifest = read("Cargo.toml");
    let mut breaches = Vec::new();
    for (number, line) in manifest.lines().enumerate() {
        let is_sdk = line.starts_with("aws-sdk-") || line.starts_with("aws-config");
        let is_table = line.starts_with('[') && line.contains(".aws-");
        if is_table || (is_sdk && !line.contains("default-features = false")) {
            breaches.push(format!("Cargo.toml:{}: {line}", number + 1));
        }
    }
    settle(
        "one line with default-features = false: the defaults bring a second HTTP stack with known holes:",
        &breaches,
    );
}

#[test]
fn example_specs_name_their_schema() {
    let mut breaches = Vec::new();
    for path in files("rollout-specs").iter().filter(|path| has_extension(path, "yaml") || has_extension(path, "yml")) {
        let text = read(path);
        let schema = text.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let exists = |schema: &str| schema.starts_with("https://") || root().join(folder).join(schema).is_file();
        if !schema.is_some_and(exists) {
            breaches.push(format!("{path}:1"));
        }
    }
    settle("line 1 is `# yaml-language-server: $schema=` and a schema that exists, for editors:", &breaches);
}
