//! Counts from a Prometheus that we did not write. What it has scraped is written into its blocks, so that nothing waits.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use super::{fetch, left_out};

/// Between two scrapes, and how far into a minute the first of it is, in seconds.
const SCRAPED_EVERY: u64 = 15;
const OFFSET: u64 = 7;
/// What is recorded, in minutes: the clock may go on by some while the test runs.
const RECORDED: u64 = 30;

/// The folder with `prometheus` and `promtool`: this machine's, or Debian's package unpacked into the target folder.
fn binaries() -> Option<PathBuf> {
    static FETCHING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = FETCHING.lock();
    if Command::new("promtool").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Some(PathBuf::new());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wire-prometheus");
    let found = folder.join("usr/bin");
    if found.join("prometheus").exists() {
        return Some(found);
    }
    std::fs::create_dir_all(&folder).expect("a folder");
    let script = "apt-get download prometheus && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb";
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).current_dir(&folder);
    left_out(fetch::run("getting Debian's package of Prometheus", &mut shell)).map(|_| found)
}

/// A program that ends with the test, and the line that it prints once it is ready.
struct Server(Child, String);

impl Server {
    fn start(command: &mut Command, ready: &str, on_stdout: bool) -> Self {
        let piped = if on_stdout { command.stdout(Stdio::piped()) } else { command.stderr(Stdio::piped()) };
        let mut child = piped.spawn().expect("it starts");
        let output: Box<dyn std::io::Read + Send> = if on_stdout {
            Box::new(child.stdout.take().expect("it is piped"))
        } else {
            Box::new(child.stderr.take().expect("it is piped"))
        };
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains(ready)).expect("it is ready at some time");
        // Whoever writes into a closed pipe ends.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, line)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A counter as it was scraped: its series, and what each scrape read.
fn scraped(text: &mut String, series: &str, (from, until): (u64, u64), first: u64) -> Vec<(u64, u64)> {
    let mut value = first;
    let times = (from + OFFSET..=until).step_by(usize::try_from(SCRAPED_EVERY).expect("it is small"));
    let samples: Vec<(u64, u64)> = times
        .enumerate()
        .map(|(place, at)| {
            let now = value;
            value += [0, 3, 1, 0, 8][place % 5];
            (at, now)
        })
        .collect();
    for (at, value) in &samples {
        writeln!(text, "{series} {value} {at}").expect("it is text");
    }
    samples
}

/// What a counter read at a moment.
fn read(samples: &[(u64, u64)], at: u64) -> u64 {
    samples.iter().rev().find(|(scraped, _)| *scraped <= at).map_or(0, |(_, value)| *value)
}

fn spec(folder: &Path, server: &str, period: &str) -> PathBuf {
    let text = std::fs::read_to_string(Path::new(super::ROOT).join("rollout-specs/canary.yaml")).expect("it is there");
    let (head, _) = text.split_once("\ngates:").expect("it has gates");
    let path = folder.join(format!("{period}.yaml"));
    let counts = |name: &str| format!("sum(increase({name}_total{{service=\"<service>\"}}[<window>]))");
    let feed = format!(
        "\ngates:\n  - compare:\n      feed:\n        prometheus:\n          url: \"{server}\"\n          requests: {}\n          \
         errors: {}\n          period: {period}\n",
        counts("requests"),
        counts("errors")
    );
    std::fs::write(&path, format!("{head}{feed}")).expect("it can be written");
    path
}

#[expect(clippy::disallowed_methods, reason = "a recording ends at the wall's present")]
fn seconds_now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("it is after 1970").as_secs()
}

#[test]
fn the_increases_that_a_real_prometheus_tells_add_up_to_what_was_counted() {
    let Some(binaries) = binaries() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let now = seconds_now() / 60 * 60;
    // The candidate's task is born within what is recorded, and its first scrape finds five requests and three errors.
    let (long_ago, born) = (now - 3 * 3600, now - 20 * 60);
    let mut text = "# TYPE requests counter\n".to_owned();
    let stable = scraped(&mut text, "requests_total{service=\"web-blue\"}", (long_ago, now), 1_000);
    let candidate = scraped(&mut text, "requests_total{service=\"web-green\"}", (born, now), 5);
    text.push_str("# TYPE errors counter\n");
    let stable_errors = scraped(&mut text, "errors_total{service=\"web-blue\"}", (long_ago, now), 70);
    let errors = scraped(&mut text, "errors_total{service=\"web-green\"}", (born, now), 3);
    std::fs::write(at("scraped.txt"), text + "# EOF\n").expect("it can be written");
    std::fs::write(at("prometheus.yml"), "{}\n").expect("it can be written");
    let mut tool = Command::new(binaries.join("promtool"));
    tool.args(["tsdb", "create-blocks-from", "openmetrics"]).args([at("scraped.txt"), at("data")]);
    fetch::run("promtool", &mut tool).expect("it takes what was scraped");
    let free = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("there is a free port");
    let mut server = Command::new(binaries.join("prometheus"));
    server.arg(format!("--web.listen-address={free}")).arg("--config.file").arg(at("prometheus.yml"));
    server.arg("--storage.tsdb.path").arg(at("data"));
    let _server = Server::start(&mut server, "Server is ready", false);
    let mut lab = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    lab.args(["lab", "--spec", "rollout-specs/canary.yaml", "--listen", "127.0.0.1:0", "--rps", "0"]);
    let lab = Server::start(lab.current_dir(super::ROOT), "endpoint", true);
    let endpoint: serde_json::Value = serde_json::from_str(&lab.1).expect("it is JSON");
    for period in ["1m", "10s"] {
        let spec = spec(folder.path(), &format!("http://{free}"), period);
        let since = now - RECORDED * 60;
        let moment =
            |seconds: u64| format!("{}", jiff::Timestamp::from_second(seconds.cast_signed()).expect("a moment"));
        let mut record = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        record.arg("record").arg(&spec).args(["--since", &moment(since), "--until", &moment(now), "--json"]);
        record.env("AWS_ENDPOINT_URL", endpoint["endpoint"].as_str().expect("it is a URL")).env("HOME", folder.path());
        record.env("AWS_ACCESS_KEY_ID", "lab").env("AWS_SECRET_ACCESS_KEY", "lab").env("AWS_REGION", "eu-west-1");
        let output = record.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<serde_json::Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let sum = |slot: &str, what: &str| {
            let of = lines.iter().filter(|line| line["slot"] == slot).filter_map(|line| line[what].as_f64());
            of.sum::<f64>()
        };
        let counted = |samples: &[(u64, u64)]| (read(samples, now) - read(samples, since)) as f64;
        let found = ["stable", "candidate"].map(|slot| (sum(slot, "requests"), sum(slot, "errors_5xx")));
        let expected = [(counted(&stable), counted(&stable_errors)), (counted(&candidate), counted(&errors))];
        assert_eq!(found, expected, "{period}: {said}{text}");
    }
}
