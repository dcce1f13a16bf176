//! Clients that a cookie binds to the candidate, when the traffic goes back.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{Lab, Place, until};

/// How long a cookie lasts, in seconds.
const DAY: u32 = 86_400;

/// One client, which keeps the cookie it was given last.
struct Client<'a> {
    lab: &'a Lab,
    cookie: String,
}

impl Client<'_> {
    /// Sends a request; the target group that answered.
    fn asks(&mut self) -> String {
        let state = self.lab.state();
        let addresses = state["connections"].as_object().expect("it is an object");
        let address = addresses.values().next().and_then(|address| address.as_str()).expect("the rule has a listener");
        let mut stream = TcpStream::connect(address).expect("the load balancer listens");
        let cookie = &self.cookie;
        let head = format!("GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\ncookie: {cookie}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it takes requests");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let header = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let Some((cookie, _)) = header("set-cookie:").and_then(|cookie| cookie.split_once(';')) {
            cookie.clone_into(&mut self.cookie);
        }
        header("x-lab-target-group:").unwrap_or_else(|| panic!("nobody answered: {answer}")).to_owned()
    }
}

/// A client that is bound to the candidate.
fn bound(lab: &Lab) -> Client<'_> {
    until("a client is led to the candidate", || {
        let mut client = Client { lab, cookie: String::new() };
        (client.asks() == "web-green").then_some(client)
    })
}

#[test]
fn a_runner_that_must_leave_leaves_no_client_on_the_candidate() {
    let place = Place::new();
    let spec = place.spec_of("shift: 50%, hold: 1m", "");
    let lab = Lab::playing(&place, &spec, &["--speed", "10"]);
    lab.make_sticky(DAY);
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(50);
    let mut client = bound(&lab);
    assert_eq!(client.asks(), "web-green");
    runner.signal("INT");
    runner.end().ends(11, &[r#""outcome":"rolled_back""#, "clients may hold cookies of the candidate until"]);
    until("the load balancer follows the rule", || (client.asks() == "web-blue").then_some(()));
    for _ in 0..20 {
        assert_eq!(client.asks(), "web-blue");
    }
}

#[test]
fn a_client_behind_groups_that_are_sticky_themselves_comes_back_and_is_told_of() {
    let place = Place::new();
    let spec = place.spec_of("shift: 50%, hold: 1m", "");
    let lab = Lab::playing(&place, &spec, &["--speed", "10"]);
    lab.make_sticky(DAY);
    lab.make_groups_sticky();
    let mut runner = lab.roll_out(&place, &spec);
    runner.share(50);
    let mut client = bound(&lab);
    runner.signal("INT");
    let ended = runner.end();
    ended.ends(11, &[r#""outcome":"rolled_back""#, r#""type":"still_led","#]);
    lab.is_all_on("web-blue");
    assert_eq!(client.asks(), "web-green", "its cookie leads there once more");
    until("it comes back", || (client.asks() == "web-blue").then_some(()));
}
