//! Credentials as the SDK's own chain of providers finds them: which are missing, which have ended, and which cannot be
//! fetched this time. The SDK tells these apart in words only, so its real chain is asked here.

use super::support::{Sandbox, end, example};

/// `denied`, `expired` and `transient`, as `tidegate docs codes` has them.
const DENIED: &str = "TG0215";
const EXPIRED: &str = "TG0216";
const TRANSIENT: &str = "TG0205";

const CONFIG: &str = r"
[profile sso]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = dev
[sso-session corp]
sso_region = eu-west-1
sso_start_url = https://corp.example/start
sso_registration_scopes = sso:account:access
[profile process-fails]
credential_process = sh -c 'echo no such vault >&2; exit 3'
[profile process-expired]
credential_process = sh -c 'echo the login has expired >&2; exit 3'
[profile process-babbles]
credential_process = echo nonsense
[profile source-missing]
role_arn = arn:aws:iam::111122223333:role/deploy
source_profile = nowhere
[profile token-missing]
role_arn = arn:aws:iam::111122223333:role/deploy
web_identity_token_file = /no/such/file
";

/// Where the SDK keeps the token of the `corp` login: the file is named after the SHA-1 of that word.
const TOKEN: &str = "home/.aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
const ENDED: &str = r#"{"accessToken":"t","expiresAt":"2020-01-01T00:00:00Z","region":"eu-west-1",
    "startUrl":"https://corp.example/start"}"#;

/// What `plan` says with this in its environment: the code of its failure, and the error.
fn said(sandbox: &Sandbox, environment: (&str, &str)) -> (String, String) {
    let mut command = sandbox.command(&["plan", &example("blue-green.yaml"), "--json"]);
    command.env("AWS_REGION", "eu-west-1").env(environment.0, environment.1);
    let ended = end(command);
    let value = ended.json().remove(0);
    let text = |key: &str| value[key].as_str().unwrap().to_owned();
    (text("code"), text("error"))
}

#[test]
fn the_sdk_s_own_chain_says_whether_credentials_are_missing_have_ended_or_may_come() {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path().join("home/.aws/sso/cache")).unwrap();
    sandbox.file("home/.aws/config", CONFIG);
    let profile = "AWS_PROFILE";
    let rows = [
        (("TIDEGATE_NONE", ""), DENIED, "no credentials found"),
        ((profile, "nowhere"), DENIED, "no credentials found"),
        ((profile, "sso"), DENIED, "failed to load the cached SSO token"),
        ((profile, "process-fails"), DENIED, "no such vault"),
        ((profile, "process-expired"), EXPIRED, "the login has expired"),
        ((profile, "process-babbles"), DENIED, "could not parse response"),
        ((profile, "source-missing"), DENIED, "no credentials found"),
        ((profile, "token-missing"), DENIED, "No such file"),
        (("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/none"), TRANSIENT, "Connection refused"),
    ];
    for (environment, code, words) in rows {
        let (got, error) = said(&sandbox, environment);
        assert_eq!(got, code, "{environment:?}: {error}");
        assert!(error.contains(words) && !error.contains("Attempted"), "{environment:?}: {error}");
    }
    sandbox.file(TOKEN, ENDED);
    let (got, error) = said(&sandbox, (profile, "sso"));
    assert_eq!(got, EXPIRED, "{error}");
}
