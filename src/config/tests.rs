use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::document::*;
use super::*;
use crate::clock::UnixTime;
use crate::credential::Carrier;
use crate::scheme::sa_token::{OnOutage, Sessions};
use crate::scheme::{Recheck, app_key, jwt, sa_token};
use crate::secret::Digest;

const STRONG: &str = "0f8c2e94b7a35d61c0f8e2b49a7d3651";

/// A configuration in a directory of its own, with further files beside it.
struct Case {
    directory: TempDir,
}

impl Case {
    fn with(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Everything that was read, by its name in the directory.
    fn files(&self) -> Vec<PathBuf> {
        let files = read(&self.path("imgate.yaml")).files;
        let directory = self.directory.path();
        files
            .iter()
            .map(|file| file.path().strip_prefix(directory).unwrap().to_owned())
            .collect()
    }

    fn load(&self, yaml: &str) -> Loaded {
        let path = self.path("imgate.yaml");
        fs::write(&path, yaml).unwrap();
        load(&path).unwrap()
    }
}

/// A document without problems, around the given authenticator and further sections.
fn document(case: &Case, authenticator: &str, rest: &str) -> Document {
    let Loaded { document, problems } = case.load(&format!(
        "listeners: [{{ address: 127.0.0.1:9688 }}]\n\
         upstreams: {{ im: {{ address: 127.0.0.1:19688 }} }}\n\
         authenticators: {{ a: {{ from: [{{ header: Token }}], {authenticator} }} }}\n\
         routes: [{{ name: all, match: {{ path: /** }}, require: {{ any_of: [a] }}, upstream: im }}]\n\
         {rest}\n"
    ));
    assert_eq!(problems, []);
    document
}

fn app_key(document: &Document) -> &app_key::Config {
    let SchemeConfig::AppKey(config) = &document.authenticators[0].scheme else {
        panic!("not app_key");
    };
    config
}

fn jwt(document: &Document) -> &jwt::Config {
    let SchemeConfig::Jwt(config) = &document.authenticators[0].scheme else {
        panic!("not jwt");
    };
    config
}

fn listed(config: &jwt::Config) -> &[jwt::Key] {
    match &config.keys {
        jwt::Keys::Listed(keys) => keys,
        jwt::Keys::Remote(_) => panic!("keys of a server"),
    }
}

fn sa_token(document: &Document) -> &sa_token::Config {
    let SchemeConfig::SaToken(config) = &document.authenticators[0].scheme else {
        panic!("not sa_token");
    };
    config
}

const ONE_KEY: &str = "app_key: { keys: [{ id: demo, secret: { value: keyAbcd123 } }] }";

#[test]
fn what_is_not_written_has_its_default() {
    let document = document(&Case::with(&[]), ONE_KEY, "");
    assert_eq!(document.limits, Limits::default());
    assert_eq!(document.cache, CacheLimits::default());
    assert_eq!(document.reload, Reload::default());
    assert_eq!(document.shutdown, ShutdownRule::default());
    assert!(document.admin.is_none());
    assert_eq!(document.errors, ErrorFormat::Json);
    assert_eq!(document.identity.prefix, "X-Auth-");
    assert!(document.cors.is_none());
    assert_eq!((document.metrics, document.workers), (None, None));
    let upstream = &document.upstreams[0];
    assert_eq!(upstream.connect_timeout, Duration::from_secs(1));
    assert_eq!(upstream.response_timeout, Duration::from_mins(1));
    assert_eq!(upstream.handshake_timeout, Duration::from_secs(10));
    let route = &document.routes[0];
    assert!(!route.websocket);
    assert_eq!((route.methods.as_ref(), route.host.as_ref()), (None, None));
    assert_eq!(route.credential.form, CredentialForm::Keep);
    assert_eq!(route.session.idle_timeout, Duration::from_mins(2));
}

#[test]
fn settings_are_read_as_they_are_written() {
    let case = Case::with(&[]);
    let document = document(
        &case,
        ONE_KEY,
        "errors: ruoyi\n\
         identity: { prefix: X-Im-, remove: [X-User-Id] }\n\
         cors: { origins: [\"https://Chat.example.com:8443\"], headers: [token], max_age: 1m }\n\
         metrics: { address: 127.0.0.1:9690 }\n\
         limits: { head_bytes: 32KiB, headers: 50, target_bytes: 512B, head_timeout: 2s }\n\
         cache: { max_entries: 0, max_age: 500ms }\n\
         reload: { watch: false, poll: 1m, debounce: 50ms }\n\
         shutdown: { lame_duck: 500ms, drain: 1m, deadline: 2m }\n\
         admin: { unix: run/admin.sock }\n\
         workers: 3",
    );
    assert_eq!(document.errors, ErrorFormat::Ruoyi);
    assert_eq!(document.identity.prefix, "X-Im-");
    assert_eq!(document.identity.remove, ["X-User-Id"]);
    let cors = document.cors.unwrap();
    assert_eq!(cors.origins, ["https://chat.example.com:8443"]);
    assert_eq!(cors.max_age, Duration::from_mins(1));
    assert_eq!(
        document.metrics,
        Some(SocketAddr::from(([127, 0, 0, 1], 9690)))
    );
    assert_eq!(document.workers, Some(3));
    let expected = Limits {
        head_bytes: 32 * 1024,
        headers: 50,
        target_bytes: 512,
        head_timeout: Duration::from_secs(2),
        ..Limits::default()
    };
    assert_eq!(document.limits, expected);
    let expected = Reload {
        watch: false,
        poll: Duration::from_mins(1),
        debounce: Duration::from_millis(50),
    };
    assert_eq!(document.reload, expected);
    let expected = ShutdownRule {
        lame_duck: Duration::from_millis(500),
        drain: Duration::from_mins(1),
        deadline: Duration::from_mins(2),
    };
    assert_eq!(document.shutdown, expected);
    let admin = document.admin.unwrap();
    assert_eq!(admin.place, AdminPlace::Unix(case.path("run/admin.sock")));
    assert!(admin.token.is_none());
    assert_eq!(document.cache.max_entries, 0);
    assert_eq!(document.cache.max_age, Duration::from_millis(500));
}

#[test]
fn an_admin_token_has_predecessors() {
    let case = Case::with(&[("keys/new", "a-token\n")]);
    let document = document(
        &case,
        ONE_KEY,
        "admin: { address: \"[::1]:9691\", token: { file: keys/new, \
         previous: [{ value: older, not_after: 2027-01-01T00:00:00Z }] } }",
    );
    let admin = document.admin.unwrap();
    assert_eq!(admin.place, AdminPlace::Tcp("[::1]:9691".parse().unwrap()));
    let token = admin.token.unwrap();
    assert!(token.current.matches(b"a-token"));
    let [(older, not_after)] = token.previous.as_slice() else {
        panic!("one older token")
    };
    assert!(older.matches(b"older"));
    assert_eq!(*not_after, UnixTime::from_secs(1_798_761_600));
}

#[test]
fn a_smaller_head_has_smaller_parts() {
    let document = document(&Case::with(&[]), ONE_KEY, "limits: { head_bytes: 1KiB }");
    assert_eq!(document.limits.target_bytes, 1024);
    assert_eq!(document.limits.credential_bytes, 1024);
}

#[test]
fn a_secret_is_found_wherever_it_is_kept() {
    let case = Case::with(&[
        ("keys/a", "from a file\r\n"),
        ("spring/application.yml", "im:\n  app-key: from Spring\n"),
        ("keys/list.yaml", "- { id: e, secret: { file: e } }\n"),
        ("keys/e", "beside the list"),
    ]);
    let variable = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let document_ = document(
        &case,
        "app_key: { keys: [\
           { id: a, secret: { file: keys/a } },\
           { id: b, secret: { env: CARGO_MANIFEST_DIR } },\
           { id: c, secret: { yaml: spring/application.yml, key: im.app-key } },\
           { id: d, secret: { value: inline } }] }",
        "",
    );
    let digests: Vec<Digest> = app_key(&document_)
        .keys
        .iter()
        .map(|key| key.digest)
        .collect();
    let expected = ["from a file", &variable, "from Spring", "inline"];
    assert_eq!(
        digests,
        expected.map(|secret| Digest::of(secret.as_bytes()))
    );
    let files = ["imgate.yaml", "keys/a", "spring/application.yml"];
    assert_eq!(case.files(), files.map(PathBuf::from));
    assert_eq!(document_.warnings.len(), 1);

    let document_ = document(&case, "app_key: { keys_file: keys/list.yaml }", "");
    assert_eq!(
        app_key(&document_).keys[0].digest,
        Digest::of(b"beside the list")
    );
    let files = ["imgate.yaml", "keys/list.yaml", "keys/e"];
    assert_eq!(case.files(), files.map(PathBuf::from));
}

#[test]
fn an_older_key_is_a_key_with_an_end() {
    let document = document(
        &Case::with(&[]),
        "app_key: { keys: [\
           { id: a, secret: { value: new, previous: [{ value: old, not_after: 2027-01-01T00:00:00Z }] }, routes: [all] },\
           { id: b, sha256: \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\", not_before: 2026-01-01T00:00:00Z,\
             previous: [{ value: older, not_after: 1970-01-01T00:00:01Z }] }] }",
        "",
    );
    let keys: Vec<_> = app_key(&document)
        .keys
        .iter()
        .map(|key| {
            (
                &*key.id,
                key.digest,
                key.not_before,
                key.not_after,
                key.routes.is_some(),
            )
        })
        .collect();
    let time = UnixTime::from_secs;
    assert_eq!(
        keys,
        [
            ("a", Digest::of(b"new"), None, None, true),
            (
                "a",
                Digest::of(b"old"),
                None,
                Some(time(1_798_761_600)),
                true
            ),
            (
                "b",
                Digest::of(b"test"),
                Some(time(1_767_225_600)),
                None,
                false
            ),
            ("b", Digest::of(b"older"), None, Some(time(1)), false),
        ]
    );
}

#[test]
fn sa_token_knows_its_sessions() {
    let case = Case::with(&[("secret", STRONG), ("redis", "p4ss\n")]);
    let document_ = document(
        &case,
        "sa_token: { secret: { file: secret }, user_types: [im_user], sessions: { \
           redis: { address: redis.internal:6379, key: \"k:{token}\", username: u, password: { file: redis }, database: 2 }, \
           on_outage: { grace: 30s } },\
           previous: [{ value: fedcba9876543210fedcba9876543210, not_after: 1970-01-01T00:00:09Z }] }",
        "",
    );
    let config = sa_token(&document_);
    assert!(config.secret.matches(STRONG.as_bytes()));
    assert_eq!(config.previous[0].not_after, UnixTime::from_secs(9));
    assert_eq!(
        (config.login_type.as_str(), config.separator),
        ("login", ':')
    );
    let Sessions::Redis(sessions) = &config.sessions else {
        panic!("not Redis")
    };
    assert_eq!(sessions.on_outage, OnOutage::Grace(Duration::from_secs(30)));
    assert_eq!(sessions.max_stale, Duration::from_secs(1));
    assert_eq!(sessions.redis.timeout, Duration::from_millis(500));
    assert_eq!(sessions.redis.database, 2);
    assert!(sessions.redis.password.as_ref().unwrap().matches(b"p4ss"));
    let recheck = |every, live_grace| Some(Recheck { every, live_grace });
    let seconds = Duration::from_secs;
    assert_eq!(sessions.recheck, recheck(seconds(30), seconds(300)));
    for (written, expected) in [
        (
            "recheck: 5s, live_grace: 6s",
            recheck(seconds(5), seconds(6)),
        ),
        ("recheck: 5s", recheck(seconds(5), seconds(300))),
        ("recheck: 1h", recheck(seconds(3600), seconds(7200))),
        ("recheck: off", None),
    ] {
        let document_ = document(
            &case,
            &format!(
                "sa_token: {{ secret: {{ file: secret }}, user_types: [a], sessions: {{ \
                   redis: {{ address: redis:6379, key: \"{{token}}\" }}, {written} }} }}"
            ),
            "",
        );
        let Sessions::Redis(sessions) = &sa_token(&document_).sessions else {
            panic!("not Redis")
        };
        assert_eq!(sessions.recheck, expected, "{written}");
    }

    let document_ = document(
        &case,
        "sa_token: { secret: { file: secret }, user_types: [a, b], login_type: im, separator: \"_\", \
           sessions: { none: { max_age: 12h } } }",
        "",
    );
    let config = sa_token(&document_);
    assert_eq!((config.login_type.as_str(), config.separator), ("im", '_'));
    assert_eq!(config.user_types, [Arc::from("a"), Arc::from("b")]);
    let Sessions::None { max_age } = config.sessions else {
        panic!("not none")
    };
    assert_eq!(max_age, Duration::from_hours(12));
}

#[test]
fn a_key_fixes_its_algorithm() {
    let keys = ["rsa-2048.pem", "jwks.json"]
        .map(|name| fs::read_to_string(format!("tests/config/keys/{name}")).unwrap());
    let case = Case::with(&[("k.pem", &keys[0]), ("jwks.json", &keys[1])]);
    let document_ = document(
        &case,
        &format!(
            "jwt: {{ issuer: any, audience: im, leeway: 5s, claims: {{ user_type: typ }}, keys: [\
               {{ kid: a, algorithm: PS256, public_key: {{ file: k.pem }}, not_after: 1970-01-01T00:00:01Z }},\
               {{ algorithm: HS512, secret: {{ value: {STRONG}, previous: [{{ value: x{STRONG}, not_after: 1970-01-01T00:00:02Z }}] }} }}] }}"
        ),
        "",
    );
    let config = jwt(&document_);
    let keys: Vec<_> = listed(config)
        .iter()
        .map(|key| (key.kid.as_deref(), key.algorithm, key.not_after))
        .collect();
    assert_eq!(
        keys,
        [
            (
                Some("a"),
                jwt::Algorithm::PS256,
                Some(UnixTime::from_secs(1))
            ),
            (None, jwt::Algorithm::HS512, None),
            (None, jwt::Algorithm::HS512, Some(UnixTime::from_secs(2))),
        ]
    );
    assert_eq!(config.issuer, jwt::Expected::Any);
    assert_eq!(config.audience, jwt::Expected::Value("im".to_owned()));
    assert_eq!(config.claims.subject, "sub");
    assert_eq!(config.claims.user_type.as_deref(), Some("typ"));

    let document_ = document(
        &case,
        "jwt: { jwks: { file: jwks.json }, issuer: i, audience: any }",
        "",
    );
    let keys = listed(jwt(&document_)).iter();
    let keys: Vec<_> = keys
        .map(|key| (key.kid.as_deref().unwrap(), key.algorithm))
        .collect();
    assert_eq!(
        keys,
        [
            ("r", jwt::Algorithm::RS256),
            ("p", jwt::Algorithm::PS256),
            ("e", jwt::Algorithm::ES256),
            ("f", jwt::Algorithm::ES384),
            ("o", jwt::Algorithm::EdDSA),
            ("h", jwt::Algorithm::HS256),
        ]
    );
    for key in listed(jwt(&document_)) {
        match &key.material {
            jwt::KeyMaterial::Jwk(json) => {
                let key: jsonwebtoken::jwk::Jwk = serde_json::from_str(json).unwrap();
                assert!(jsonwebtoken::DecodingKey::from_jwk(&key).is_ok());
            }
            jwt::KeyMaterial::Hmac(secret) => assert!(secret.matches(STRONG.as_bytes())),
            jwt::KeyMaterial::Pem(_) => panic!("a key set holds no PEM"),
        }
    }
}

#[test]
fn a_route_says_what_it_requires() {
    let Loaded { document, problems } = Case::with(&[]).load(
        "listeners: [{ address: \"[::1]:0\", trusted_proxies: [10.0.0.0/8, \"::1\"] }]\n\
         upstreams: { im: { address: im.internal:80, connect_timeout: 250ms } }\n\
         authenticators:\n\
         \x20 a: { from: [{ header: Token, prefix: Bearer }, { query: t }, { subprotocol: s. }], app_key: { keys: [], allow_empty: true } }\n\
         routes:\n\
         \x20 - match: { path: \"/{org}/ws\", host: IM.example.com }\n\
         \x20   websocket: true\n\
         \x20   require: { all_of: [a], device_type: { from: [{ header: deviceType }], one_of: [web, pc], aliases: { w: web } } }\n\
         \x20   credential: { form: bare, as: { query: token } }\n\
         \x20   session: { idle_timeout: 5m }\n\
         \x20   upstream: im\n\
         \x20 - match: { path: /b, methods: [GET, POST] }\n\
         \x20   require: public\n\
         \x20   pass_unverified: [a]\n\
         \x20   set_headers: { X-Key: { value: k } }\n\
         \x20   errors: ruoyi\n\
         \x20   upstream: im\n",
    );
    assert_eq!(problems, []);
    assert_eq!(document.listeners[0].trusted_proxies.len(), 2);
    let header = |name: &str, prefix: Option<&str>| Carrier::Header {
        name: name.to_owned(),
        prefix: prefix.map(str::to_owned),
    };
    assert_eq!(
        document.authenticators[0].from,
        [
            header("Token", Some("Bearer")),
            Carrier::Query {
                name: "t".to_owned()
            },
            Carrier::Subprotocol {
                prefix: "s.".to_owned()
            },
        ]
    );
    let [first, second] = document.routes.as_slice() else {
        panic!("two routes")
    };
    assert_eq!(&*first.name, "/{org}/ws");
    assert_eq!(first.host.as_deref(), Some("im.example.com"));
    assert_eq!(first.place.line, Some(6));
    assert_eq!(first.path.place.path, "routes[0].match.path");
    assert!(first.websocket);
    assert_eq!(first.credential.form, CredentialForm::Bare);
    assert_eq!(
        first.credential.carried_as,
        Some(Carrier::Query {
            name: "token".to_owned()
        })
    );
    assert_eq!(first.session.idle_timeout, Duration::from_mins(5));
    let Requirement::Credentials {
        combine,
        authenticators,
        device_type,
        first_message,
        matches,
    } = &first.require
    else {
        panic!("not public");
    };
    assert_eq!(*combine, Combine::AllOf);
    assert!(first_message.is_none());
    assert!(matches.is_empty());
    assert_eq!(&*authenticators[0].value, "a");
    let device_type = device_type.as_ref().unwrap();
    assert_eq!(device_type.from, [header("deviceType", None)]);
    assert_eq!(device_type.one_of, [Arc::from("web"), Arc::from("pc")]);
    assert_eq!(&*device_type.aliases[0].1.value, "web");

    assert!(matches!(second.require, Requirement::Public));
    assert_eq!(
        second.methods.as_deref(),
        Some(["GET".to_owned(), "POST".to_owned()].as_slice())
    );
    assert_eq!(&*second.pass_unverified[0].value, "a");
    assert_eq!(second.set_headers[0].0, "X-Key");
    assert!(second.set_headers[0].1.matches(b"k"));
    assert_eq!(second.errors, Some(ErrorFormat::Ruoyi));
}

#[test]
fn what_is_in_order_is_kept_beside_what_is_not() {
    let Loaded { document, problems } = Case::with(&[]).load(
        "listeners: [{ address: 127.0.0.1:9688 }, { address: here }]\n\
         upstreams: { good: { address: im:80 }, bad: {} }\n\
         routes:\n\
         \x20 - { match: { path: /a }, require: public, upstream: good }\n\
         \x20 - { match: { path: b }, require: public, upstream: bad }\n",
    );
    let lines: Vec<_> = problems.iter().map(|problem| problem.place.line).collect();
    assert_eq!(lines, [Some(1), Some(2), Some(5)]);
    assert_eq!(document.listeners.len(), 1);
    assert_eq!(document.upstreams.len(), 1);
    assert_eq!(document.routes.len(), 1);
}

#[test]
fn a_file_that_is_no_text_leaves_nothing_to_decode() {
    let case = Case::with(&[("large.yaml", &"#".repeat(MAX_BYTES + 1))]);
    for name in ["absent.yaml", "large.yaml", "."] {
        let error = load(&case.path(name)).unwrap_err();
        assert!(matches!(error, LoadError::Unreadable { .. }), "{name}");
    }
    fs::write(case.path("imgate.yaml"), b"a: 1\nb: \xff\n").unwrap();
    let LoadError::Problems { problems } = load(&case.path("imgate.yaml")).unwrap_err() else {
        panic!("not readable");
    };
    assert_eq!(problems[0].place.line, Some(2));
    assert_eq!(problems.len(), 1);
}

#[test]
fn there_is_an_end_to_the_list_of_problems() {
    let unknown: Vec<String> = (0..5000).map(|n| format!("stranger_{n}: 1\n")).collect();
    let Loaded { problems, .. } = Case::with(&[]).load(&unknown.concat());
    assert_eq!(problems.len(), 1000);
    assert!(problems[999].message.starts_with("more than a thousand"));
}
