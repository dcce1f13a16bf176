//! Actions as JSON, with the names the AWS CLI takes after `--actions`, and their fingerprint.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateCognitoActionConditionalBehaviorEnum as CognitoBehavior,
    AuthenticateCognitoActionConfig, AuthenticateOidcActionConditionalBehaviorEnum as OidcBehavior,
    AuthenticateOidcActionConfig, FixedResponseActionConfig,
    JwtValidationActionAdditionalClaimFormatEnum as ClaimFormat, JwtValidationActionConfig, RedirectActionConfig,
    RedirectActionStatusCodeEnum as RedirectStatus,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::slots::{Slots, groups, in_order};
use crate::domain::text::hex;

/// The actions as the AWS CLI takes them.
pub(super) fn actions(actions: &[Action]) -> Value {
    Value::Array(actions.iter().map(action).collect())
}

/// A fingerprint of everything in the actions that is not ours to change: all but the weights of
/// the two slots and the stickiness, in a form that our own writes leave as it is.
pub(super) fn shape(actions: &[Action], slots: &Slots) -> String {
    let shapes = in_order(actions).into_iter().map(|one| {
        let mut shown = action(one);
        if let Value::Object(fields) = &mut shown {
            fields.remove("Order");
            if one.r#type == Some(ActionTypeEnum::Forward) {
                fields.remove("TargetGroupArn");
                fields.insert("ForwardConfig".to_owned(), others(one, slots));
            }
            if let Some(oidc) = fields.get_mut("AuthenticateOidcConfig").and_then(Value::as_object_mut) {
                oidc.remove("UseExistingClientSecret");
            }
        }
        shown
    });
    let text = canonical(&Value::Array(shapes.collect())).to_string();
    hex(Sha256::digest(text))[..16].to_owned()
}

/// The forward's target groups by ARN, the slots' without their weights.
fn others(forward: &Action, slots: &Slots) -> Value {
    let mut listed = groups(forward);
    listed.sort();
    let shown =
        listed.into_iter().map(|(arn, weight)| if slots.holds(&arn) { json!([arn]) } else { json!([arn, weight]) });
    Value::Array(shown.collect())
}

/// `value` with the keys of every object in order.
pub(super) fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().map(|(key, value)| (key.clone(), canonical(value))).collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        other => other.clone(),
    }
}

/// An object of the fields that are there.
fn object(fields: Vec<(&str, Option<Value>)>) -> Value {
    let there = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

fn text(value: Option<&str>) -> Option<Value> {
    value.map(Value::from)
}

fn action(action: &Action) -> Value {
    object(vec![
        ("Type", text(action.r#type.as_ref().map(ActionTypeEnum::as_str))),
        ("TargetGroupArn", text(action.target_group_arn())),
        ("AuthenticateOidcConfig", action.authenticate_oidc_config().map(oidc)),
        ("AuthenticateCognitoConfig", action.authenticate_cognito_config().map(cognito)),
        ("JwtValidationConfig", action.jwt_validation_config().map(jwt)),
        ("Order", action.order().map(Value::from)),
        ("RedirectConfig", action.redirect_config().map(redirect)),
        ("FixedResponseConfig", action.fixed_response_config().map(fixed)),
        ("ForwardConfig", forward(action)),
    ])
}

fn forward(action: &Action) -> Option<Value> {
    let config = action.forward_config()?;
    let tuples = config.target_groups().iter().map(|tuple| {
        object(vec![("TargetGroupArn", text(tuple.target_group_arn())), ("Weight", tuple.weight().map(Value::from))])
    });
    let sticky = config.target_group_stickiness_config().map(|sticky| {
        object(vec![
            ("Enabled", sticky.enabled().map(Value::from)),
            ("DurationSeconds", sticky.duration_seconds().map(Value::from)),
        ])
    });
    let groups = Value::Array(tuples.collect());
    Some(object(vec![("TargetGroups", Some(groups)), ("TargetGroupStickinessConfig", sticky)]))
}

/// Without the client secret, which AWS does not tell and nobody should print.
fn oidc(config: &AuthenticateOidcActionConfig) -> Value {
    let extra = config.authentication_request_extra_params().map(|extra| canonical(&json!(extra)));
    object(vec![
        ("Issuer", text(config.issuer())),
        ("AuthorizationEndpoint", text(config.authorization_endpoint())),
        ("TokenEndpoint", text(config.token_endpoint())),
        ("UserInfoEndpoint", text(config.user_info_endpoint())),
        ("ClientId", text(config.client_id())),
        ("SessionCookieName", text(config.session_cookie_name())),
        ("Scope", text(config.scope())),
        ("SessionTimeout", config.session_timeout().map(Value::from)),
        ("AuthenticationRequestExtraParams", extra),
        ("OnUnauthenticatedRequest", text(config.on_unauthenticated_request().map(OidcBehavior::as_str))),
        ("UseExistingClientSecret", config.use_existing_client_secret().map(Value::from)),
    ])
}

fn cognito(config: &AuthenticateCognitoActionConfig) -> Value {
    let extra = config.authentication_request_extra_params().map(|extra| canonical(&json!(extra)));
    object(vec![
        ("UserPoolArn", text(config.user_pool_arn())),
        ("UserPoolClientId", text(config.user_pool_client_id())),
        ("UserPoolDomain", text(config.user_pool_domain())),
        ("SessionCookieName", text(config.session_cookie_name())),
        ("Scope", text(config.scope())),
        ("SessionTimeout", config.session_timeout().map(Value::from)),
        ("AuthenticationRequestExtraParams", extra),
        ("OnUnauthenticatedRequest", text(config.on_unauthenticated_request().map(CognitoBehavior::as_str))),
    ])
}

fn jwt(config: &JwtValidationActionConfig) -> Value {
    let claims = config.additional_claims.as_ref().map(|claims| {
        let shown = claims.iter().map(|claim| {
            object(vec![
                ("Format", text(claim.format().map(ClaimFormat::as_str))),
                ("Name", text(claim.name())),
                ("Values", Some(json!(claim.values()))),
            ])
        });
        Value::Array(shown.collect())
    });
    object(vec![
        ("JwksEndpoint", text(config.jwks_endpoint())),
        ("Issuer", text(config.issuer())),
        ("AdditionalClaims", claims),
    ])
}

fn redirect(config: &RedirectActionConfig) -> Value {
    object(vec![
        ("Protocol", text(config.protocol())),
        ("Port", text(config.port())),
        ("Host", text(config.host())),
        ("Path", text(config.path())),
        ("Query", text(config.query())),
        ("StatusCode", text(config.status_code().map(RedirectStatus::as_str))),
    ])
}

fn fixed(config: &FixedResponseActionConfig) -> Value {
    object(vec![
        ("MessageBody", text(config.message_body())),
        ("StatusCode", text(config.status_code())),
        ("ContentType", text(config.content_type())),
    ])
}
