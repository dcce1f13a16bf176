//! AWS STS: who calls, and roles that are assumed with a policy and an end.

use serde_json::{Value, json};

use super::operation::{OperationResult, Refusal};
use super::wire_call::ApiRequest;
use crate::account::{Names, hex_id};
use crate::clock::wall_ms;
use crate::keys::{Key, PREFIX};
use crate::lock::lock;
use crate::policy::Policy;
use crate::value::{date, text, whole};
use crate::world::World;

/// How long credentials may hold, in seconds: at least, at most, and when nothing is said.
const SECONDS: (i64, i64, i64) = (900, 43_200, 3_600);
/// Whom a web identity's token must be for.
const AUDIENCE: &str = "sts.amazonaws.com";
/// Letters of a policy.
const POLICY_LIMIT: usize = 2_048;
/// The lengths that a name may have.
const NAME_LENGTHS: (usize, usize) = (2, 64);
/// Letters of a key's id, and of its secret.
const ID_LENGTH: usize = 20;
const SECRET_LENGTH: usize = 40;

/// Performs an operation for whoever signed it.
pub(super) fn perform(world: &World, asked: &ApiRequest, caller: Option<&Key>, now: u64) -> Option<OperationResult> {
    let names = world.names();
    Some(match asked.operation.as_str() {
        "GetCallerIdentity" => Ok(identity(&names, caller)),
        "AssumeRole" => assume(world, &asked.input, &names, now),
        "AssumeRoleWithWebIdentity" => assume_as_told(world, &asked.input, &names, now),
        _ => return None,
    })
}

fn identity(names: &Names, caller: Option<&Key>) -> Value {
    let account = &names.account;
    let (arn, id) = match caller {
        Some(key) => (key.arn.clone(), key.user_id.as_str()),
        None => (format!("arn:aws:iam::{account}:user/lab"), "AIDALABLABLABLABLABLA"),
    };
    json!({"Arn": arn, "UserId": id, "Account": account})
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("ValidationError", message)
}

fn is_name(name: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    (NAME_LENGTHS.0..=NAME_LENGTHS.1).contains(&name.len()) && name.chars().all(is_fine)
}

/// The same on another's word: the lab believes every provider, and reads of its token what STS must find in it.
fn assume_as_told(world: &World, input: &Value, names: &Names, now: u64) -> OperationResult {
    let token = text(input, "WebIdentityToken").unwrap_or_default();
    let bad = |why| Refusal::new("InvalidIdentityToken", why);
    let claims = claims(token).ok_or_else(|| bad("The ID Token provided is not a valid JWT"))?;
    let claim = |name: &str| text(&claims, name).map(str::to_owned);
    let (Some(issuer), Some(audience), Some(subject)) = (claim("iss"), claim("aud"), claim("sub")) else {
        return Err(bad("Missing a required claim: iss, aud or sub"));
    };
    if audience != AUDIENCE {
        return Err(bad("Incorrect token audience"));
    }
    let end = whole(&claims, "exp").ok_or_else(|| bad("Missing a required claim: exp"))?;
    if end.max(0) as u64 * 1_000 <= wall_ms() {
        return Err(Refusal::new(
            "ExpiredTokenException",
            "Token expired: current date/time must be before the expiration",
        ));
    }
    let mut answer = assume(world, input, names, now)?;
    answer["Audience"] = json!(audience);
    answer["Provider"] = json!(issuer.trim_start_matches("https://"));
    answer["SubjectFromWebIdentityToken"] = json!(subject);
    Ok(answer)
}

/// What a JWT says, unproven.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    serde_json::from_slice(&base64url(claims)?).ok()
}

/// The bytes of base64 with the letters of URLs and nothing to fill it up (RFC 4648, section 5).
fn base64url(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let sixes: Option<Vec<usize>> = text.chars().map(|letter| LETTERS.find(letter)).collect();
    let group = |group: &[usize]| {
        let number = (0..4).fold(0, |sum, at| sum << 6 | group.get(at).copied().unwrap_or_default());
        [16, 8, 0].map(|shift| (number >> shift & 0xFF) as u8).into_iter().take(group.len() - 1).collect::<Vec<u8>>()
    };
    Some(sixes?.chunks(4).flat_map(group).collect())
}

/// The lab trusts everybody with every role, and a role may do everything that its policy here does not leave out.
fn assume(world: &World, input: &Value, names: &Names, now: u64) -> OperationResult {
    let role = text(input, "RoleArn").unwrap_or_default();
    let path = role.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":role/"));
    let (_, path) = path.ok_or_else(|| invalid(format!("{role} is invalid")))?;
    let role_name = path.rsplit('/').next().unwrap_or(path);
    let name = text(input, "RoleSessionName").filter(|name| is_name(name));
    let name = name.ok_or_else(|| invalid("RoleSessionName must satisfy [\\w+=,.@-]{2,64}"))?;
    let identity = text(input, "SourceIdentity");
    if identity.is_some_and(|identity| !is_name(identity)) {
        return Err(invalid("SourceIdentity must satisfy [\\w+=,.@-]{2,64}"));
    }
    let seconds =
        if input.get("DurationSeconds").is_none() { Some(SECONDS.2) } else { whole(input, "DurationSeconds") };
    let seconds = seconds.filter(|seconds| (SECONDS.0..=SECONDS.1).contains(seconds));
    let bounds = || invalid(format!("DurationSeconds must be from {} to {}", SECONDS.0, SECONDS.1));
    let seconds = seconds.ok_or_else(bounds)?;
    let document = text(input, "Policy").unwrap_or_default();
    if document.len() > POLICY_LIMIT {
        return Err(invalid(format!("Policy must have length less than or equal to {POLICY_LIMIT}")));
    }
    let malformed = |why| Refusal::new("MalformedPolicyDocument", why);
    let policy = (!document.is_empty()).then(|| Policy::parse(document).map_err(malformed)).transpose()?;
    // Clients hold the end against the wall clock, the lab against its own: it is in the future of both.
    let expires_at = now.max(wall_ms()) + seconds as u64 * 1_000;
    let role_id = format!("AROA{}", hex_id(role, 17).to_ascii_uppercase());
    let user_id = format!("{role_id}:{name}");
    let arn = format!("arn:aws:sts::{}:assumed-role/{role_name}/{name}", names.account);
    let draw = |length: usize| {
        let mut die = lock(&world.die);
        (0..length).map(|_| die.alphanumeric()).collect::<String>()
    };
    let id = format!("{PREFIX}{}", draw(ID_LENGTH - PREFIX.len()).to_ascii_uppercase());
    let key = Key { arn: arn.clone(), role: role.to_owned(), user_id: user_id.clone(), policy, expires_at };
    lock(&world.keys).add(id.clone(), key);
    Ok(json!({
        "Credentials": {"AccessKeyId": id, "SecretAccessKey": draw(SECRET_LENGTH),
            "SessionToken": draw(SECRET_LENGTH), "Expiration": date(expires_at)},
        "AssumedRoleUser": {"AssumedRoleId": user_id, "Arn": arn},
        "PackedPolicySize": document.len() * 100 / POLICY_LIMIT,
        "SourceIdentity": identity,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_whatever_their_length_leaves_over() {
        for (text, word) in [("eyJhIjoiIn0", ""), ("eyJhIjoieCJ9", "x"), ("eyJhIjoiw78-In0", "ÿ>")] {
            assert_eq!(claims(&format!("e30.{text}.c2ln")), Some(json!({"a": word})), "{text}");
        }
        assert_eq!((claims("e30.e30"), claims("e30.e3+0.c2ln")), (None, None));
    }
}
