//! A webhook that judges: one POST, no redirects, a bounded answer, and neither URL nor header in any message.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Response, Url};

use super::answer::{LIMIT, SaidVerdict};
use crate::cloud::address::{Guarded, Reach, check_literal, proxies};
use crate::cloud::http::{body, builder, filled, headers, words};
use crate::domain::clock::span;
use crate::gate::{WebhookRule, is_private_host};

/// Calls webhooks. Private hosts are never called through a proxy, others as the environment says. No call goes to an
/// address that is nobody's endpoint, such as a cloud's metadata, and one that is not encrypted stays with private ones.
#[derive(Debug, Default)]
pub(super) struct Caller {
    plain: OnceLock<Option<Client>>,
    private: OnceLock<Option<Client>>,
    public: OnceLock<Option<Client>>,
}

impl Caller {
    /// Asks once.
    ///
    /// # Errors
    /// In words when there is no verdict.
    pub(super) async fn ask(
        &self,
        rule: &WebhookRule,
        environment: &BTreeMap<String, String>,
        question: String,
    ) -> Result<SaidVerdict, String> {
        let url = Url::parse(&filled(&rule.url, environment)?).map_err(|error| format!("not a URL: {error}"))?;
        let client = self.client(&url, environment)?;
        let mut all = HeaderMap::new();
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        all.insert(ACCEPT, HeaderValue::from_static("application/json"));
        all.extend(headers(&rule.headers, environment)?);
        let answered = async {
            let sent = client.post(url).headers(all).body(question).send().await;
            answer(sent.map_err(words)?).await
        };
        let late = |_| format!("no answer within {}", span(rule.timeout));
        tokio::time::timeout(rule.timeout, answered).await.map_err(late)?
    }

    fn client(&self, url: &Url, environment: &BTreeMap<String, String>) -> Result<&Client, String> {
        let is_private = url.host_str().is_some_and(is_private_host);
        let (made, reach) = match url.scheme() {
            "http" if is_private => (&self.plain, Reach::Private),
            "https" if is_private => (&self.private, Reach::Any),
            "https" => (&self.public, Reach::Any),
            "http" => return Err("plain http goes to private hosts only".to_owned()),
            other => return Err(format!("{other} is not a scheme that can be asked")),
        };
        check_literal(url, reach)?;
        let client = made.get_or_init(|| client(is_private, Guarded { reach, proxies: proxies(environment) }));
        client.as_ref().ok_or_else(|| "no HTTP client could be made".to_owned())
    }
}

fn client(direct: bool, guarded: Guarded) -> Option<Client> {
    let builder = builder().dns_resolver(guarded);
    if direct { builder.no_proxy().build().ok() } else { builder.build().ok() }
}

async fn answer(mut response: Response) -> Result<SaidVerdict, String> {
    let status = response.status().as_u16();
    if status != 200 {
        return Err(format!("status {status}, expected 200"));
    }
    // One byte more than an answer may have, so that reading it tells that it has too many.
    SaidVerdict::read(&body(&mut response, LIMIT + 1).await?.bytes)
}
