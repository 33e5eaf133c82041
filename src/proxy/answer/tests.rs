use super::*;
use crate::gate::denial::Refusal;
use crate::policy::authenticator::AuthenticatorId;
use crate::policy::testing::policy;

const NOW: UnixTime = UnixTime::from_millis(1_542_350_943_210);

fn answer(format: ErrorFormat, head_only: bool) -> String {
    let answer = Answer {
        status: 401,
        reason: "expired",
        message: "the \"credential\" has expired",
        format,
        blamed: None,
        path: None,
        now: NOW,
        request_id: "0123",
        headers: "WWW-Authenticate: Bearer realm=\"imgate\"\r\n".to_owned(),
        close: false,
        head_only,
    };
    String::from_utf8(answer.bytes()).unwrap()
}

#[test]
fn json_is_as_promised() {
    assert_eq!(
        answer(ErrorFormat::Json, false),
        "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 82\r\n\
         Cache-Control: no-store\r\nX-Request-Id: 0123\r\n\
         WWW-Authenticate: Bearer realm=\"imgate\"\r\n\r\n\
         {\"error\":\"expired\",\"message\":\"the \\\"credential\\\" has expired\",\"request_id\":\"0123\"}"
    );
}

#[test]
fn ruoyi_is_as_promised() {
    let text = answer(ErrorFormat::Ruoyi, false);
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        body,
        r#"{"code":401,"msg":"the \"credential\" has expired","data":null}"#
    );
}

#[test]
fn an_answer_to_head_has_the_length_and_no_body() {
    let text = answer(ErrorFormat::Json, true);
    assert!(text.contains("Content-Length: 82\r\n") && text.ends_with("\r\n\r\n"));
}

#[test]
fn whoever_is_told_to_upgrade_is_told_by_the_connection_header_as_well() {
    for (status, close, expected) in [
        (426, false, Some("Connection: Upgrade\r\n")),
        (426, true, Some("Connection: Upgrade, close\r\n")),
        (401, true, Some("Connection: close\r\n")),
        (401, false, None),
    ] {
        let answer = Answer {
            status,
            reason: "upgrade",
            message: "",
            format: ErrorFormat::Json,
            blamed: None,
            path: None,
            now: NOW,
            request_id: "0123",
            headers: String::new(),
            close,
            head_only: false,
        };
        let text = String::from_utf8(answer.bytes()).unwrap();
        let found = text
            .split_inclusive("\r\n")
            .find(|line| line.starts_with("Connection: "));
        assert_eq!(found, expected, "{status} {close}");
    }
}

const POLICY: &str = "
authenticators:
  client: { from: [{ header: IM-CLIENT-KEY }], app_key: { keys: [{ id: shop, secret: { value: a } }] } }
  server: { from: [{ header: IM-API-KEY }], app_key: { keys: [{ id: server, secret: { value: b } }] } }
  user:
    from: [{ header: IM-Authorization }]
    jwt: { keys: [{ algorithm: HS256, secret: { value: \"0123456789abcdef0123456789abcdef\" } }], issuer: any, audience: any }
routes:
  - { match: { path: /a }, require: { all_of: [client, server, user] }, upstream: im }
";

const FORMATS: [ErrorFormat; 6] = [
    ErrorFormat::Json,
    ErrorFormat::Ruoyi,
    ErrorFormat::Easemob,
    ErrorFormat::Imkit,
    ErrorFormat::Problem,
    ErrorFormat::Text,
];

const REJECTIONS: [Rejection; 15] = [
    Rejection::BadSignature,
    Rejection::Banned,
    Rejection::DoubledPrefix,
    Rejection::Expired,
    Rejection::KickedOut,
    Rejection::Malformed,
    Rejection::NotYetValid,
    Rejection::Replaced,
    Rejection::Revoked,
    Rejection::UnknownKey,
    Rejection::WrongAlgorithm,
    Rejection::WrongApp,
    Rejection::WrongAudience,
    Rejection::WrongIssuer,
    Rejection::WrongPrincipal,
];

/// Every denial, with the kind of what is to blame.
fn denials(policy: &Policy) -> Vec<Denial> {
    let route = policy.routes().choose("chat", "/a", "GET").unwrap();
    let ids: &[AuthenticatorId] = route.require.authenticators();
    let mut denials = vec![
        Denial::Ambiguous,
        Denial::BadHandshake,
        Denial::Forbidden(Refusal::ClientKey),
        Denial::Forbidden(Refusal::Conflict),
        Denial::Forbidden(Refusal::DeviceType {
            allowed: vec![Arc::from("im_web"), Arc::from("im_pc")],
        }),
        Denial::Forbidden(Refusal::Domain),
        Denial::Forbidden(Refusal::Origin),
        Denial::Forbidden(Refusal::Route),
        Denial::Forbidden(Refusal::UserType),
        Denial::Method {
            allow: "GET".to_owned(),
        },
        Denial::NoRoute,
        Denial::TlsRequired,
        Denial::Transport,
        Denial::Unavailable {
            source: Arc::from("for the log"),
        },
        Denial::UnknownApp,
        Denial::UpgradeRequired,
    ];
    for id in ids {
        let authenticator = Some(*id);
        denials.push(Denial::NoCredential { authenticator });
        denials.extend(REJECTIONS.map(|rejection| Denial::Rejected {
            authenticator,
            rejection,
        }));
    }
    denials
}

fn plain<'a>(
    format: ErrorFormat,
    (status, reason): (u16, &'a str),
    message: &'a str,
    headers: String,
) -> Answer<'a> {
    Answer {
        status,
        reason,
        message,
        format,
        blamed: None,
        path: Some("/easemob-demo/\"testapp/users"),
        now: NOW,
        request_id: "0123",
        headers,
        close: false,
        head_only: false,
    }
}

/// Status, reason, who is to blame, and the whole body.
#[test]
fn every_denial_in_every_format() {
    let policy = policy(POLICY);
    for format in FORMATS {
        let mut table = String::new();
        let mut add = |answer: Answer<'_>| {
            let head = format!("{} {}", answer.status, answer.reason);
            let blamed = answer
                .blamed
                .map_or_else(String::new, |b| format!(" {b:?}"));
            let text = String::from_utf8(answer.bytes()).unwrap();
            let (lines, body) = text.split_once("\r\n\r\n").unwrap();
            let length = format!("\r\nContent-Length: {}\r\n", body.len());
            assert!(lines.contains(&length), "{text}");
            let media = format!("\r\nContent-Type: {}\r\n", bodies::content_type(format));
            assert!(lines.contains(&media), "{text}");
            writeln!(table, "{head}{blamed}\n    {}", body.trim_end()).unwrap();
        };
        for denial in denials(&policy) {
            let message = denial.message();
            let headers = denial_headers(&denial, &policy);
            add(Answer {
                blamed: Blamed::of(&denial, &policy),
                ..plain(
                    format,
                    (denial.status(), denial.reason()),
                    &message,
                    headers,
                )
            });
        }
        // What is refused without a denial.
        for (status, reason, retry) in [
            (400, "syntax", ""),
            (408, "syntax", ""),
            (414, "syntax", ""),
            (417, "syntax", ""),
            (429, "limited", "Retry-After: 60\r\n"),
            (429, "throttled", ""),
            (431, "syntax", ""),
            (502, "upstream", ""),
            (503, "limited", "Retry-After: 1\r\n"),
            (504, "upstream", ""),
            (505, "syntax", ""),
        ] {
            let headers = retry.to_owned();
            add(plain(format, (status, reason), "a sentence", headers));
        }
        insta::assert_snapshot!(format!("{format:?}").to_lowercase(), table);
    }
}

#[test]
fn a_format_has_bodies_of_its_own_kind() {
    for format in FORMATS {
        let text = answer(format, false);
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        let is_json = serde_json::from_str::<serde_json::Value>(body).is_ok();
        assert_eq!(is_json, format != ErrorFormat::Text, "{body}");
    }
}

#[test]
fn an_app_that_nobody_has_configured_is_named_as_the_vendor_does() {
    let named = |path| {
        let answer = Answer {
            status: 404,
            reason: Denial::UnknownApp.reason(),
            message: "no such app",
            format: ErrorFormat::Easemob,
            blamed: None,
            path,
            now: NOW,
            request_id: "0123",
            headers: String::new(),
            close: false,
            head_only: true,
        };
        let body: serde_json::Value = serde_json::from_str(&bodies::body(&answer)).unwrap();
        body["error_description"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        named(Some("/hx/hxdeo2/token")),
        "Could not find application for hx/hxdeo2 from URI: hx/hxdeo2/token"
    );
    assert_eq!(named(Some("/hx")), "Could not find application");
    assert_eq!(named(None), "Could not find application");
}
