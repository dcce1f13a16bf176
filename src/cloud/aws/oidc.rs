//! Credentials from GitHub's own word on who runs: a step asks GitHub for a token, and STS gives a role's credentials
//! for it, again and again, for as long as the job lasts.
//!
//! Credentials that an earlier step left in the environment end after an hour and nobody renews them; a step with
//! `permissions: id-token: write` can ask for a new token at any time. Neither token is ever in a message.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_sdk_ecs::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use reqwest::{Method, Url};

use super::tries::READ_ATTEMPTS;
use super::{fault, timeouts};
use crate::cloud::http::{self, Http};
use crate::domain::clock::wall_now;

/// What the token is for: STS takes no other.
const AUDIENCE: &str = "sts.amazonaws.com";
/// How long GitHub may take to give a token.
const TOKEN_WITHIN: Duration = Duration::from_secs(5);
/// The longest answer that holds a token, in bytes.
const TOKEN_LIMIT: usize = 64 * 1024;
/// How long before their end credentials are renewed.
const RENEWED_BEFORE: Duration = Duration::from_secs(300);
/// How long token and credentials together may take.
const LOADED_WITHIN: Duration = Duration::from_secs(20);
/// Credentials that hold for less than this are not worth keeping when no new ones come.
const WORTH_KEEPING: Duration = Duration::from_secs(30);
/// The longest name that STS takes for who assumes a role.
const NAME_LIMIT: usize = 64;
/// The variable that the request's header is filled in from.
const TOKEN_VARIABLE: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// A role, and whom GitHub is asked as.
#[derive(Clone, PartialEq, Eq)]
pub struct Oidc {
    /// The role's ARN.
    pub role: String,
    /// Where GitHub gives tokens: `ACTIONS_ID_TOKEN_REQUEST_URL`; empty where the job may not have any.
    pub url: String,
    /// What it gives them for: `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    pub secret: String,
    /// Who runs, for CloudTrail.
    pub by: String,
}

impl fmt::Debug for Oidc {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("role", &self.role).field("by", &self.by).finish_non_exhaustive()
    }
}

/// The same configuration with the role's credentials, renewed before they end.
pub(super) fn with_role(config: &SdkConfig, oidc: &Oidc) -> SdkConfig {
    let cache = IdentityCache::lazy().buffer_time(RENEWED_BEFORE).load_timeout(LOADED_WITHIN).build();
    let provider = SharedCredentialsProvider::new(Provider::new(config, oidc));
    config.to_builder().credentials_provider(provider).identity_cache(cache).build()
}

/// Gives the role's credentials.
#[derive(Clone)]
struct Provider(Arc<Inner>);

struct Inner {
    oidc: Oidc,
    http: Http,
    sts: aws_sdk_sts::Client,
    /// What was given last: better than nothing while GitHub or STS cannot be reached.
    last: Mutex<Option<Credentials>>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Provider").field(&self.0.oidc).finish()
    }
}

impl Provider {
    fn new(config: &SdkConfig, oidc: &Oidc) -> Self {
        let sts = aws_sdk_sts::config::Builder::from(config)
            .retry_config(RetryConfig::standard().with_max_attempts(READ_ATTEMPTS))
            .timeout_config(timeouts())
            .build();
        let environment = BTreeMap::from([(TOKEN_VARIABLE.to_owned(), oidc.secret.clone())]);
        let http = Http::new(environment, Vec::new());
        let sts = aws_sdk_sts::Client::from_conf(sts);
        Self(Arc::new(Inner { oidc: oidc.clone(), http, sts, last: Mutex::default() }))
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let got = match self.token().await {
            Ok(token) => self.assumed(token).await,
            Err(why) => Err(why),
        };
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        match got {
            Ok(keys) => {
                *last = Some(keys.clone());
                Ok(keys)
            }
            Err(why) => match last.clone().filter(holds) {
                Some(keys) => Ok(keys),
                None => Err(CredentialsError::provider_error(format!("credentials for {}: {why}", self.0.oidc.role))),
            },
        }
    }

    /// A token of GitHub's, fresh: each is good for a few minutes.
    async fn token(&self) -> Result<String, String> {
        let Inner { oidc, http, .. } = &*self.0;
        if oidc.url.is_empty() || oidc.secret.is_empty() {
            return Err("GitHub gives this job no token: it needs `permissions: id-token: write`".to_owned());
        }
        let mut url = Url::parse(&oidc.url).map_err(|_| "ACTIONS_ID_TOKEN_REQUEST_URL is no URL".to_owned())?;
        if url.scheme() != "https" && !matches!(url.host_str(), Some("127.0.0.1" | "localhost")) {
            return Err("ACTIONS_ID_TOKEN_REQUEST_URL is not https".to_owned());
        }
        url.query_pairs_mut().append_pair("audience", AUDIENCE);
        let header = |name: &str, value: String| (name.to_owned(), value);
        let bearer = header("authorization", format!("Bearer ${{{TOKEN_VARIABLE}}}"));
        let headers = [bearer, header("accept", "application/json".to_owned())];
        let of_github = |why: String| format!("GitHub's token: {why}");
        let request = http.request(Method::GET, url, &headers, TOKEN_WITHIN).map_err(of_github)?;
        let mut answer = request.send().await.map_err(|error| of_github(http::words(error)))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(of_github(format!("status {}", status.as_u16())));
        }
        let body = http::body(&mut answer, TOKEN_LIMIT).await.map_err(of_github)?;
        let value: serde_json::Value = serde_json::from_slice(&body.bytes).unwrap_or_default();
        value["value"].as_str().map(str::to_owned).ok_or_else(|| of_github("the answer holds none".to_owned()))
    }

    async fn assumed(&self, token: String) -> Result<Credentials, String> {
        let Inner { oidc, sts, .. } = &*self.0;
        let call = sts.assume_role_with_web_identity().role_arn(&oidc.role).role_session_name(name(&oidc.by));
        let answer = call.web_identity_token(token).send().await;
        let answer = answer.map_err(|error| fault::read("AssumeRoleWithWebIdentity", &error).to_string())?;
        let keys = answer.credentials.ok_or("AssumeRoleWithWebIdentity: no credentials came")?;
        let end = std::time::SystemTime::try_from(keys.expiration).map_err(|error| error.to_string())?;
        let (id, secret, token) = (keys.access_key_id, keys.secret_access_key, keys.session_token);
        Ok(Credentials::new(id, secret, Some(token), Some(end), "github-oidc"))
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// Whether credentials hold long enough to be used once more.
fn holds(keys: &Credentials) -> bool {
    let end = keys.expiry().and_then(|end| end.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    end > Duration::from_millis(wall_now().as_millis()) + WORTH_KEEPING
}

/// Who runs, in the letters that STS takes.
fn name(by: &str) -> String {
    let is_fine = |c: &char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c);
    format!("tidegate-{by}").chars().filter(is_fine).take(NAME_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers each request with the next of these, and gives what was asked.
    fn server(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let (mut request, mut part) = (Vec::new(), [0; 4096]);
                let whole = |request: &[u8]| {
                    let text = String::from_utf8_lossy(request).to_lowercase();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
                    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next());
                    length.is_none_or(|length| body.len() >= length.parse().unwrap())
                };
                while !whole(&request) {
                    let length = stream.read(&mut part).unwrap();
                    request.extend_from_slice(&part[..length]);
                }
                asked.push(String::from_utf8_lossy(&request).into_owned());
                let (status, body) = answer.split_once(' ').unwrap();
                let length = body.len();
                write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
                    .unwrap();
            }
            asked
        });
        (url, served)
    }

    fn oidc(url: &str) -> Oidc {
        let role = "arn:aws:iam::123456789012:role/deploy".to_owned();
        Oidc { role, url: format!("{url}/token?v=2"), secret: "sesame".to_owned(), by: "ana maria/7".to_owned() }
    }

    fn provider(url: &str) -> Provider {
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("eu-west-1"))
            .endpoint_url(url)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Provider::new(&config, &oidc(url))
    }

    const TOKEN: &str = r#"200 {"count":1,"value":"a.b.c"}"#;
    const KEYS: &str = "200 <AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
        <AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
        <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
        </AssumeRoleWithWebIdentityResponse>";

    #[tokio::test]
    async fn a_fresh_token_of_github_becomes_the_roles_credentials_each_time() {
        let (url, served) = server(vec![TOKEN, KEYS, TOKEN, KEYS]);
        let provider = provider(&url);
        for _ in 0..2 {
            let keys = provider.provide_credentials().await.unwrap();
            assert_eq!((keys.access_key_id(), keys.session_token()), ("ASIA1", Some("t")));
            assert!(keys.expiry().is_some());
        }
        let asked = served.join().unwrap();
        assert!(asked[0].starts_with("GET /token?v=2&audience=sts.amazonaws.com HTTP/1.1"), "{}", asked[0]);
        assert!(asked[0].contains("authorization: Bearer sesame"), "{}", asked[0]);
        for part in ["WebIdentityToken=a.b.c", "RoleSessionName=tidegate-anamaria7&", "role%2Fdeploy"] {
            assert!(asked[1].contains(part), "{part}: {}", asked[1]);
        }
        assert!(!asked[1].to_lowercase().contains("authorization:"), "it is not signed: {}", asked[1]);
    }

    #[tokio::test]
    async fn credentials_that_still_hold_bridge_an_outage_of_github() {
        let (url, served) = server(vec![TOKEN, KEYS, "503 busy"]);
        let provider = provider(&url);
        provider.provide_credentials().await.unwrap();
        assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), "ASIA1");
        served.join().unwrap();
    }

    #[tokio::test]
    async fn a_refusal_says_why_and_no_token() {
        let refusal = "403 <ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
            <Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>";
        let (url, served) = server(vec![TOKEN, refusal]);
        let provider = provider(&url);
        let error = provider.provide_credentials().await.unwrap_err();
        let words = format!("{error} {error:?} {provider:?}");
        assert!(words.contains("AccessDenied: Not authorized"), "{words}");
        assert!(!words.contains("sesame") && !words.contains("a.b.c"), "{words}");
        served.join().unwrap();
    }

    #[tokio::test]
    async fn a_job_without_the_permission_is_told_which() {
        let config = SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        let none = Oidc { url: String::new(), ..oidc("") };
        let error = Provider::new(&config, &none).provide_credentials().await.unwrap_err();
        assert!(format!("{error:?}").contains("id-token: write"), "{error:?}");
        let plain = Oidc { url: "http://example.com/".to_owned(), ..none };
        let error = Provider::new(&config, &plain).provide_credentials().await.unwrap_err();
        assert!(format!("{error:?}").contains("is not https"), "{error:?}");
    }

    #[test]
    fn a_name_has_the_letters_and_the_length_that_sts_takes() {
        assert_eq!(name("ana maria/7"), "tidegate-anamaria7");
        assert_eq!(name(&"x".repeat(99)).len(), NAME_LIMIT);
    }
}
