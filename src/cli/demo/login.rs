//! The login of the demo's backend: whoever a partner names gets a token.
//!
//! The answer has the shape of the IM server's. Two fields exist in the demo only: `userType`,
//! for a token that the gate must refuse, and `ttlSeconds`, for one that ends soon.

use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::json;

use super::random_hex;
use crate::clock::UnixTime;
use crate::scheme::sa_token::{Mint, Mixin, mint};
use crate::secret::Secret;

/// What the IM server grants.
const THIRTY_DAYS: u64 = 30 * 24 * 60 * 60;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    id: String,
    #[serde(default)]
    nickname: String,
    device: String,
    #[serde(default = "im_user")]
    user_type: String,
    #[serde(default = "thirty_days")]
    ttl_seconds: u64,
}

/// The JSON with a fresh token; for a body that makes no sense, `code` 500, as RuoYi has it.
pub(super) fn answer(body: &[u8], secret: &Secret, now: UnixTime) -> String {
    let failed = |message: &str| json!({ "code": 500, "msg": message, "data": null }).to_string();
    let Ok(login) = serde_json::from_slice::<Login>(body) else {
        return failed("expected JSON with id, nickname and device");
    };
    if ![&login.id, &login.device, &login.user_type]
        .into_iter()
        .all(|name| is_name(name))
    {
        return failed("expected letters, digits, - and _ in id, device and userType");
    }
    let Ok(random) = random_hex() else {
        return failed("the system gives no random bytes");
    };
    let lifetime = Duration::from_secs(login.ttl_seconds);
    let token = mint(
        secret,
        &Mint {
            login_type: "login".to_owned(),
            user_type: login.user_type,
            separator: ':',
            user: login.id.clone(),
            random,
            mixin: Some(Mixin::new(Some(login.device), Some(lifetime), now)),
        },
    );
    // In the order of the IM server's documentation, which `json!` would not keep.
    format!(
        r#"{{"code":200,"msg":"success","data":{{"imUserVo":{{"id":{},"nickname":{},"avatar":"","userStatus":1,"lastLoginTime":"{}","extras":{{}}}},"token":"Bearer {token}"}}}}"#,
        json!(login.id),
        json!(login.nickname),
        date_and_time(now),
    )
}

/// `2026-01-31 12:00:00`, in UTC.
fn date_and_time(now: UnixTime) -> String {
    // The form ends with the year 9999.
    let seconds = u64::try_from(now.as_secs())
        .unwrap_or(0)
        .min(253_402_300_799);
    let time = UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds))
        .unwrap_or(UNIX_EPOCH);
    humantime::format_rfc3339_seconds(time)
        .to_string()
        .replace('T', " ")
        .replace('Z', "")
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn im_user() -> String {
    "im_user".to_owned()
}

const fn thirty_days() -> u64 {
    THIRTY_DAYS
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::Value;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_760_000_000);

    fn log_in(body: &str) -> Value {
        let secret = Secret::new("0f8c2e94b7a35d61c0f8e2b49a7d3651");
        serde_json::from_str(&answer(body.as_bytes(), &secret, NOW)).unwrap()
    }

    fn claims(answer: &Value) -> Value {
        let token = answer["data"]["token"]
            .as_str()
            .unwrap()
            .strip_prefix("Bearer ")
            .unwrap();
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    #[test]
    fn a_login_is_answered_as_the_im_server_does() {
        let answer = log_in(r#"{"id":"7","nickname":"A \"da\"","device":"im_web","extras":{}}"#);
        assert_eq!(answer["code"], 200);
        let user = &answer["data"]["imUserVo"];
        assert_eq!(user["nickname"], "A \"da\"");
        assert_eq!(user["lastLoginTime"], "2025-10-09 08:53:20");
        let claims = claims(&answer);
        assert_eq!(claims["loginId"], "im_user:7");
        assert_eq!(claims["deviceType"], "im_web");
        assert_eq!(claims["eff"], (1_760_000_000_u64 + THIRTY_DAYS) * 1000);
    }

    #[test]
    fn type_and_lifetime_can_be_asked_for() {
        let answer = log_in(r#"{"id":"1","device":"pc","userType":"sys_user","ttlSeconds":20}"#);
        let claims = claims(&answer);
        assert_eq!(claims["loginId"], "sys_user:1");
        assert_eq!(claims["eff"], 1_760_000_020_000_u64);
    }

    #[test]
    fn what_makes_no_sense_gets_no_token() {
        for (case, body) in [
            ("no JSON", "id=7"),
            ("no device", r#"{"id":"7"}"#),
            ("an empty id", r#"{"id":"","device":"im_web"}"#),
            (
                "an id with a separator",
                r#"{"id":"7:8","device":"im_web"}"#,
            ),
            (
                "a lifetime below zero",
                r#"{"id":"7","device":"im_web","ttlSeconds":-1}"#,
            ),
        ] {
            let answer = log_in(body);
            assert_eq!(answer["code"], 500, "{case}");
            assert!(answer["data"].is_null(), "{case}");
        }
    }
}
