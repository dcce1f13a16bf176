//! Prometheus: a query over a range of time, and its one series.
//!
//! The HTTP API is Prometheus's own and that of whatever speaks like it (Thanos, Mimir, VictoriaMetrics, Amazon
//! Managed Service for Prometheus behind a signing proxy): <https://prometheus.io/docs/prometheus/latest/querying/api/>.

use std::time::Duration;

use reqwest::{Method, Url};
use serde_json::Value;

use super::aws::fault::one_line;
use super::http::{Http, body, words};
use crate::domain::clock::Timestamp;
use crate::domain::fault::{Fault, FaultKind};
use crate::gate::Point;

/// The API's name for what is asked.
const OPERATION: &str = "query_range";
/// How long a whole answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The largest answer that is read: eleven thousand points, which no server exceeds, are a third of it.
const BODY_LIMIT: usize = 1024 * 1024;

/// A server, and what is sent with every question.
#[derive(Clone, Copy, Debug)]
pub(in crate::cloud) struct Server<'a> {
    pub url: &'a str,
    pub headers: &'a [(String, String)],
}

/// Evaluations at `from`, every `step` after it, and none after `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cloud) struct Range {
    pub from: Timestamp,
    pub to: Timestamp,
    pub step: Duration,
}

impl Server<'_> {
    /// The value of `query` at each evaluation that has one, oldest first. A query without a series has none.
    ///
    /// # Errors
    /// Transient when no answer comes in time, or the server has trouble; denied when it does not know us;
    /// permanent when the query is wrong, gives several series, or the answer is none of Prometheus's.
    pub(in crate::cloud) async fn range(&self, http: &Http, query: &str, range: Range) -> Result<Vec<Point>, Fault> {
        let (status, text) = self.ask(http, query, range).await?;
        let answer: Option<Value> = serde_json::from_str(&text).ok();
        match answer {
            Some(answer) if status == 200 && answer["status"] == "success" => {
                series(&answer["data"]).map_err(|why| fault(FaultKind::Permanent, &why))
            }
            answer => {
                let said = answer.as_ref().and_then(|answer| answer["error"].as_str());
                let why = match said {
                    Some(said) => format!("status {status}: {said}"),
                    None if status == 200 => "the answer is not Prometheus's".to_owned(),
                    None => format!("status {status}"),
                };
                Err(fault(FaultKind::of_status(status), &http.without_secrets(&why, self.headers)))
            }
        }
    }

    async fn ask(&self, http: &Http, query: &str, range: Range) -> Result<(u16, String), Fault> {
        let wrong = |why: String| fault(FaultKind::Permanent, &why);
        let lost = |why: String| fault(FaultKind::Transient, &why);
        let url = self.question(query, range).map_err(wrong)?;
        let request = http.request(Method::GET, url, self.headers, ANSWER_WITHIN).map_err(wrong)?;
        let mut response = request.send().await.map_err(|error| lost(words(error)))?;
        let status = response.status().as_u16();
        let body = body(&mut response, BODY_LIMIT).await.map_err(lost)?;
        if !body.is_whole {
            return Err(wrong(format!("the answer is larger than {BODY_LIMIT} bytes")));
        }
        Ok((status, String::from_utf8_lossy(&body.bytes).into_owned()))
    }

    fn question(&self, query: &str, range: Range) -> Result<Url, String> {
        let mut url = Url::parse(self.url).map_err(|error| format!("not a URL: {error}"))?;
        let path = url.path_segments_mut().map(|mut path| {
            path.pop_if_empty().extend(["api", "v1", "query_range"]);
        });
        path.map_err(|()| "not a URL that has a path".to_owned())?;
        let pairs = [
            ("query", query.to_owned()),
            ("start", seconds(range.from)),
            ("end", seconds(range.to)),
            ("step", range.step.as_secs().max(1).to_string()),
        ];
        url.query_pairs_mut().extend_pairs(pairs);
        Ok(url)
    }
}

fn fault(kind: FaultKind, why: &str) -> Fault {
    Fault::new(kind, OPERATION, one_line(why))
}

fn seconds(at: Timestamp) -> String {
    let millis = at.as_millis();
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// The points of the one series in `data`.
fn series(data: &Value) -> Result<Vec<Point>, String> {
    let strange = || "the answer is not Prometheus's".to_owned();
    let all = data["result"].as_array().filter(|_| data["resultType"] == "matrix").ok_or_else(strange)?;
    let only = match all.as_slice() {
        [] => return Ok(Vec::new()),
        [only] => only,
        several => return Err(format!("the query gives {} series; aggregate them", several.len())),
    };
    if only.get("histograms").is_some() {
        return Err("the query gives histograms; make numbers of them".to_owned());
    }
    let values = only["values"].as_array().ok_or_else(strange)?;
    let mut points = values.iter().map(point).collect::<Option<Vec<Point>>>().ok_or_else(strange)?;
    points.sort_by_key(|point| point.at);
    points.dedup_by_key(|point| point.at);
    Ok(points)
}

/// A moment in seconds, and a number in quotes, which may be `NaN` or `+Inf`.
fn point(pair: &Value) -> Option<Point> {
    let at = pair[0].as_f64().filter(|seconds| (0.0..1e12).contains(seconds))?;
    let value = pair[1].as_str()?.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within bounds")]
    Some(Point { at: Timestamp::from_millis((at * 1000.0).round() as u64), value })
}

#[cfg(test)]
pub(in crate::cloud) mod tests {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers every question with what `answer` makes of its path, and keeps what it was asked.
    /// One without an answer stays silent.
    pub(in crate::cloud) async fn server(
        answer: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static,
    ) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let heard = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (heard, answer) = (heard.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut buffer = vec![0; 16 * 1024];
                    let length = stream.read(&mut buffer).await.unwrap();
                    let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                    heard.lock().unwrap().push(request);
                    let Some((status, body)) = answer(&path) else { return std::future::pending().await };
                    let length = body.len();
                    let top = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                    let _ = stream.write_all(format!("{top}{body}").as_bytes()).await;
                });
            }
        });
        (address, asked)
    }

    /// What a server answers with one series of these points.
    pub(in crate::cloud) fn matrix(points: &[(u64, &str)]) -> String {
        let values: Vec<Value> = points.iter().map(|(at, value)| serde_json::json!([at, value])).collect();
        let result = serde_json::json!([{ "metric": {}, "values": values }]);
        serde_json::json!({ "status": "success", "data": { "resultType": "matrix", "result": result } }).to_string()
    }

    pub(in crate::cloud) fn http(address: SocketAddr) -> Http {
        let environment = BTreeMap::from([("TOKEN".to_owned(), "sesame".to_owned())]);
        Http::new(environment, vec![("prometheus:9090".to_owned(), address)])
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn headers() -> Vec<(String, String)> {
        vec![("authorization".to_owned(), "Bearer ${TOKEN}".to_owned())]
    }

    async fn asked_of(address: SocketAddr, query: &str) -> Result<Vec<Point>, Fault> {
        let headers = headers();
        let server = Server { url: "http://prometheus:9090/base/", headers: &headers };
        let range = Range { from: at(60), to: at(180), step: Duration::from_secs(60) };
        server.range(&http(address), query, range).await
    }

    async fn answered(status: u16, body: &str) -> Result<Vec<Point>, Fault> {
        let body = body.to_owned();
        let (address, _) = server(move |_| Some((status, body.clone()))).await;
        asked_of(address, "up").await
    }

    #[tokio::test]
    async fn a_question_is_sent_whole_and_its_numbers_are_read() {
        let (address, asked) = server(|_| Some((200, matrix(&[(60, "1.5"), (120, "NaN"), (180, "+Inf")])))).await;
        let points = asked_of(address, "sum(rate(a{b=\"c+d\"}[1m])) & 1").await.unwrap();
        let values: Vec<_> = points.iter().map(|point| (point.at, point.value.to_string())).collect();
        assert_eq!(values, [(at(60), "1.5".into()), (at(120), "NaN".into()), (at(180), "inf".into())]);
        let asked = asked.lock().unwrap()[0].clone();
        let path = "GET /base/api/v1/query_range?query=sum%28rate%28a%7Bb%3D%22c%2Bd%22%7D%5B1m%5D%29%29+%26+1\
                    &start=60.000&end=180.000&step=60 HTTP/1.1";
        assert!(asked.starts_with(path), "{asked}");
        assert!(asked.contains("authorization: Bearer sesame"), "{asked}");
    }

    #[tokio::test]
    async fn a_query_without_a_series_has_no_points_and_one_with_several_is_refused() {
        let matrix =
            |series: &str| format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#);
        assert_eq!(answered(200, &matrix("")).await, Ok(Vec::new()));
        let refused = async |body: &str| answered(200, body).await.unwrap_err().message;
        let several = matrix(r#"{"values":[]},{"values":[]},{"values":[]}"#);
        assert_eq!(refused(&several).await, "the query gives 3 series; aggregate them");
        let histograms = matrix(r#"{"histograms":[]}"#);
        assert_eq!(refused(&histograms).await, "the query gives histograms; make numbers of them");
        for strange in ["", "<html>", "[1]", &matrix(r#"{"values":[[1]]}"#), &matrix(r#"{"values":[[1,2]]}"#)] {
            assert_eq!(refused(strange).await, "the answer is not Prometheus's", "{strange}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_servers_words_without_what_was_sent() {
        let check = async |status, body: &str, kind, message: &str| {
            assert_eq!(answered(status, body).await, Err(Fault::new(kind, "query_range", message)));
        };
        let bad = r#"{"status":"error","errorType":"bad_data","error":"parse error: unexpected\nend of input"}"#;
        check(400, bad, FaultKind::Permanent, "status 400: parse error: unexpected end of input").await;
        let echo = r#"{"status":"error","error":"unknown token sesame"}"#;
        check(403, echo, FaultKind::Denied, "status 403: unknown token …").await;
        check(503, "busy", FaultKind::Transient, "status 503").await;
        check(302, "", FaultKind::Permanent, "status 302").await;
        check(200, r#"{"status":"error","error":"x"}"#, FaultKind::Permanent, "status 200: x").await;
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read_to_its_end() {
        let fault = answered(200, &"x".repeat(BODY_LIMIT + 1)).await.unwrap_err();
        assert_eq!(
            (fault.kind, fault.message.as_str()),
            (FaultKind::Permanent, "the answer is larger than 1048576 bytes")
        );
    }

    #[tokio::test]
    async fn a_server_that_stays_silent_is_not_waited_for() {
        let (address, _) = server(|_| None).await;
        tokio::time::pause();
        let fault = asked_of(address, "up").await.unwrap_err();
        assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Transient, "no answer in time"));
    }

    #[tokio::test]
    async fn a_secret_that_is_not_set_is_named() {
        let headers = [("x-key".to_owned(), "${NOWHERE}".to_owned())];
        let server = Server { url: "http://127.0.0.1:9", headers: &headers };
        let range = Range { from: at(0), to: at(0), step: Duration::from_secs(60) };
        let fault = server.range(&Http::new(BTreeMap::new(), Vec::new()), "up", range).await.unwrap_err();
        assert_eq!(fault.to_string(), "query_range: header x-key: ${NOWHERE} is not set");
    }
}
