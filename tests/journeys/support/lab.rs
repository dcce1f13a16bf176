//! A lab in a process of its own, and what a journey asks of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{BESIDE, Ended, PATIENCE, Place, Process, Traffic, now, prompt, until};

/// Where rollouts are kept in a lab: its bucket, and the prefix there.
const BUCKET: &str = "tidegate-lab";
const PREFIX: &str = "journeys";

/// `tidegate lab`, serving beside the runner.
pub struct Lab {
    pub process: Process,
    address: String,
    environment: BTreeMap<String, String>,
    rule: String,
}

impl Lab {
    /// A lab made of a spec, as ordinary journeys have it.
    pub fn start(place: &Place, spec: &Path) -> Self {
        Self::playing(place, spec, &BESIDE)
    }

    pub fn playing(place: &Place, spec: &Path, play: &[&str]) -> Self {
        let spec = spec.to_str().expect("temporary paths are UTF-8");
        let fixed = ["lab", "--spec", spec, "--listen", "127.0.0.1:0"];
        let mut process = Process::start(&mut place.tidegate(fixed.iter().chain(prompt(play)).chain(play)));
        let line = process.line_until(now() + PATIENCE);
        let line = line.unwrap_or_else(|why| panic!("the lab does not start ({why}): {}", process.errors()));
        let ready: Value = serde_json::from_str(&line).expect("its line is JSON");
        let environment = ready["environment"].as_object().expect("it is there");
        let text = |value: &Value| value.as_str().expect("it is text").to_owned();
        let environment = environment.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let address = text(&ready["endpoint"]).replace("http://", "");
        let mut lab = Self { process, address, environment, rule: String::new() };
        let balancers = lab.elb("DescribeLoadBalancers", &[]);
        let balancer = texts(&balancers, "LoadBalancerArn").remove(0);
        for listener in texts(&lab.elb("DescribeListeners", &[("LoadBalancerArn", &balancer)]), "ListenerArn") {
            let rules = lab.elb("DescribeRules", &[("ListenerArn", &listener)]);
            let arns = texts(&rules, "RuleArn").into_iter().zip(texts(&rules, "Priority"));
            let found = arns.filter(|(_, priority)| priority != "default").map(|(arn, _)| arn).next();
            lab.rule = found.unwrap_or(lab.rule);
        }
        assert!(!lab.rule.is_empty(), "the lab has a rule");
        lab
    }

    /// `tidegate` with these arguments, pointed at this lab.
    pub fn tidegate<S: AsRef<std::ffi::OsStr>>(
        &self,
        place: &Place,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = place.tidegate(arguments);
        command.envs(&self.environment);
        command
    }

    /// From now on rollouts are kept in this lab's bucket, where every machine reaches them.
    pub fn share_store(&mut self) {
        self.environment.insert("TIDEGATE_STORE".into(), Self::store());
    }

    /// Where that is.
    pub fn store() -> String {
        format!("s3://{BUCKET}/{PREFIX}")
    }

    /// Whether rollouts are kept in this lab's bucket.
    pub fn is_shared(&self) -> bool {
        self.environment.contains_key("TIDEGATE_STORE")
    }

    /// The store's objects below a prefix.
    pub fn objects(&self, prefix: &str) -> Vec<String> {
        let found = self.ask(&format!("GET /{BUCKET}?list-type=2&prefix={PREFIX}/{prefix}"), "");
        texts(&found, "Key").iter().map(|key| self.ask(&format!("GET /{BUCKET}/{key}"), "")).collect()
    }

    /// Writes over the store's objects whose keys begin and end so.
    pub fn overwrite(&self, prefix: &str, end: &str, body: &str) {
        let found = self.ask(&format!("GET /{BUCKET}?list-type=2&prefix={PREFIX}/{prefix}"), "");
        let keys = texts(&found, "Key");
        let ours: Vec<&String> = keys.iter().filter(|key| key.ends_with(end)).collect();
        assert!(!ours.is_empty(), "no object of {prefix} ends in {end}: {found}");
        for key in ours {
            self.ask(&format!("PUT /{BUCKET}/{key}"), body);
        }
    }

    /// Dials in the trouble of the API, in place of what was dialled in before.
    pub fn dial(&self, faults: &str) {
        self.ask(&format!("POST /_lab/faults?value={}", faults.replace('%', "%25")), "");
    }

    /// Whether the rule gives the candidate nothing, in truth: no call's trouble touches this look.
    pub fn is_back(&self) -> bool {
        let weights = &self.state()["rules"][&self.rule];
        weights["web-green"] == 0 && weights["web-blue"].as_u64() > Some(0)
    }

    /// Waits until the candidate has nothing, and says how long that took, in lab time.
    pub fn is_back_since(&self, since: Duration) -> Duration {
        until("the traffic is back", || self.is_back().then_some(()));
        self.since(since)
    }

    /// The lab's time, since 1970. Verdicts go by it: the wall's would judge the machine too.
    pub fn now(&self) -> Duration {
        let now = self.state()["now"].as_str().map(str::to_owned).expect("it is text");
        let now: jiff::Timestamp = now.parse().expect("it is a date");
        now.as_duration().try_into().expect("it is after 1970")
    }

    /// How much of it has passed since.
    pub fn since(&self, since: Duration) -> Duration {
        self.now().saturating_sub(since)
    }

    /// The ARN of the rule that rollouts move.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// How often each operation changed something.
    pub fn writes(&self) -> Value {
        let mut writes = self.state()["writes"].clone();
        // Heartbeats and journals of whoever is at work.
        writes.as_object_mut().expect("it is an object").remove("PutObject");
        writes
    }

    /// Starts a command against this lab.
    pub fn begin<S: AsRef<std::ffi::OsStr>>(&self, place: &Place, arguments: impl IntoIterator<Item = S>) -> Process {
        Process::start(&mut self.tidegate(place, arguments))
    }

    /// Runs a command against this lab to its end.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, place: &Place, arguments: impl IntoIterator<Item = S>) -> Ended {
        self.begin(place, arguments).end()
    }

    /// Starts a rollout against this lab.
    pub fn roll_out(&self, place: &Place, spec: &Path) -> Process {
        self.begin(place, ["run", spec.to_str().expect("temporary paths are UTF-8"), "--yes", "--json"])
    }

    /// Sends a request of a form's fields, or of nothing.
    pub fn ask(&self, head: &str, body: &str) -> String {
        self.ask_in("application/x-www-form-urlencoded", head, body)
    }

    fn ask_in(&self, kind: &str, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the lab answers");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is a limit");
        let length = body.len();
        let (address, kind) = (&self.address, format!("content-type: {kind}"));
        let whole = format!(
            "{head} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(whole.as_bytes()).expect("the lab listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the lab answers");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        body.to_owned()
    }

    /// Calls an API in JSON as anybody could, unsigned, by its target.
    pub fn ask_json(&self, target: &str, body: &Value) -> Value {
        let kind = format!("application/x-amz-json-1.1\r\nx-amz-target: {target}");
        serde_json::from_str(&self.ask_in(&kind, "POST /", &body.to_string())).unwrap_or(Value::Null)
    }

    /// Calls the load balancing API as anybody could, unsigned.
    pub fn elb(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let mut body = format!("Action={action}&Version=2015-12-01");
        for (name, value) in parameters {
            let _ = write!(body, "&{name}={value}");
        }
        self.ask("POST /", &body)
    }

    /// The environment of somebody who may do everything but these actions.
    pub fn all_but(&self, actions: &[&str]) -> Vec<(&'static str, String)> {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": actions, "Resource": "*"},
        ]});
        let policy = policy.to_string().bytes().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "%{byte:02X}");
            text
        });
        // With a path, which the ARN of an assumed role does not tell.
        let role = "arn:aws:iam::123456789012:role/team/narrow";
        let body = format!(
            "Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=narrow&DurationSeconds=43200&Policy={policy}"
        );
        let answer = self.ask("POST /", &body);
        let of = |element: &str| texts(&answer, element).remove(0);
        vec![
            ("AWS_ACCESS_KEY_ID", of("AccessKeyId")),
            ("AWS_SECRET_ACCESS_KEY", of("SecretAccessKey")),
            ("AWS_SESSION_TOKEN", of("SessionToken")),
        ]
    }

    /// The rule's weights as the API tells them, by the target group's name.
    pub fn weights(&self) -> BTreeMap<String, u64> {
        let rule = self.elb("DescribeRules", &[("RuleArns.member.1", &self.rule)]);
        let forward = texts(&rule, "ForwardConfig").remove(0);
        let weights = texts(&forward, "Weight").into_iter().map(|weight| weight.parse().expect("it is a number"));
        texts(&forward, "TargetGroupArn").iter().map(|arn| name(arn).to_owned()).zip(weights).collect()
    }

    /// Green's share of the rule's weights in percent.
    pub fn green_percent(&self) -> u64 {
        let weights = self.weights();
        weights["web-green"] * 100 / (weights["web-blue"] + weights["web-green"])
    }

    /// Writes the rule's weights, as somebody who knows nothing of tidegate.
    pub fn write_weights(&self, blue: u64, green: u64) {
        let rule = self.elb("DescribeRules", &[("RuleArns.member.1", &self.rule)]);
        let forward = texts(&rule, "ForwardConfig").remove(0);
        let mut parameters = vec![("RuleArn".to_owned(), self.rule.clone())];
        parameters.push(("Actions.member.1.Type".to_owned(), "forward".to_owned()));
        for (index, arn) in texts(&forward, "TargetGroupArn").iter().enumerate() {
            let weight = if name(arn).ends_with("blue") { blue } else { green };
            let group = format!("Actions.member.1.ForwardConfig.TargetGroups.member.{}", index + 1);
            parameters.push((format!("{group}.TargetGroupArn"), arn.clone()));
            parameters.push((format!("{group}.Weight"), weight.to_string()));
        }
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.elb("ModifyRule", &parameters);
    }

    /// This slot has all the traffic.
    #[track_caller]
    pub fn is_all_on(&self, slot: &str) {
        let weights = self.weights();
        let with_weight: Vec<&String> =
            weights.iter().filter(|(_, weight)| **weight > 0).map(|(name, _)| name).collect();
        assert_eq!(with_weight, [slot], "{weights:?}");
    }

    /// The slots that have weight.
    pub fn serving(&self) -> Vec<String> {
        self.weights().into_iter().filter(|(_, weight)| *weight > 0).map(|(name, _)| name).collect()
    }

    /// How many tasks a service is to have.
    pub fn desired(&self, service: &str) -> u64 {
        self.state()["services"][service]["desired"].as_u64().expect("the service is there")
    }

    pub fn state(&self) -> Value {
        serde_json::from_str(&self.ask("GET /_lab/state", "")).expect("it is JSON")
    }

    pub fn traffic(&self) -> Traffic {
        Traffic(serde_json::from_str(&self.ask("GET /_lab/traffic", "")).expect("it is JSON"))
    }

    /// AWS is gone.
    pub fn end(self) {
        self.process.kill();
    }
}

/// The name in a target group's ARN.
fn name(arn: &str) -> &str {
    arn.split('/').nth(1).expect("it is a target group's ARN")
}

/// The texts of all elements with this name.
fn texts(xml: &str, element: &str) -> Vec<String> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let parts = xml.split(open.as_str()).skip(1);
    parts.filter_map(|part| Some(part.split_once(close.as_str())?.0.to_owned())).collect()
}
