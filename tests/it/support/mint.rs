//! Credentials as their issuers make them, without any of the gate's code.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

/// A Sa-Token secret for tests.
pub(crate) const SA_TOKEN_SECRET: &str = "sa-token secret of the tests, made up for them";

/// The seconds left to a credential that a test sees end: enough to use it first, also on a machine
/// that is busy with something else.
pub(crate) const SOON: i64 = 6;

/// Seconds since the epoch.
pub(crate) fn now() -> i64 {
    imgate::clock::now().as_secs()
}

/// A Sa-Token in the "simple" mode, for a login id such as `im_user:7`. No two are equal.
pub(crate) fn sa_token(login_id: &str) -> String {
    sa_token_signed(login_id, SA_TOKEN_SECRET)
}

/// As [`sa_token`], with another secret.
pub(crate) fn sa_token_signed(login_id: &str, secret: &str) -> String {
    let payload = format!(
        r#"{{"loginType":"login","loginId":"{login_id}","rnStr":"{}"}}"#,
        random_looking()
    );
    sa_token_of(&payload, secret)
}

/// A Sa-Token in the "mixin" mode, which carries its device and its end (`eff`, in milliseconds).
pub(crate) fn sa_token_mixin(login_id: &str, device: &str, seconds: i64) -> String {
    let payload = format!(
        r#"{{"loginType":"login","loginId":"{login_id}","device":"{device}","eff":{},"rnStr":"{}"}}"#,
        (now() + seconds) * 1000,
        random_looking()
    );
    sa_token_of(&payload, SA_TOKEN_SECRET)
}

/// 32 characters, different each time, as Sa-Token's `rnStr`.
fn random_looking() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:032x}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn sa_token_of(payload: &str, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    signed(
        r#"{"typ":"JWT","alg":"HS256"}"#,
        payload,
        &key,
        Algorithm::HS256,
    )
}

/// The claims of a token for `subject` that holds for so many seconds.
pub(crate) fn claims(subject: &str, seconds: i64) -> serde_json::Value {
    json!({ "sub": subject, "iss": "https://id.example.com", "aud": "im", "exp": now() + seconds })
}

/// A JWT with this key id.
pub(crate) fn jwt(
    kid: &str,
    algorithm: Algorithm,
    key: &EncodingKey,
    claims: &serde_json::Value,
) -> String {
    let header = json!({ "alg": algorithm, "kid": kid, "typ": "JWT" });
    signed(&header.to_string(), &claims.to_string(), key, algorithm)
}

/// The compact form of exactly these texts.
pub(crate) fn signed(
    header: &str,
    payload: &str,
    key: &EncodingKey,
    algorithm: Algorithm,
) -> String {
    let (header, payload) = (
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload),
    );
    let message = format!("{header}.{payload}");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// The subprotocol in which a browser carries a token.
pub(crate) fn bearer_subprotocol(token: &str) -> String {
    format!("imgate.bearer.{}", URL_SAFE_NO_PAD.encode(token))
}

/// A key pair as operators make it: by openssl, in PEM.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) private: String,
    pub(crate) public: String,
}

impl Pair {
    /// `options` are those of `openssl genpkey`.
    pub(crate) fn generate(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("private.pem");
        let path = path.to_str().unwrap();
        openssl(&[&["genpkey", "-quiet", "-out", path], options].concat());
        let public = openssl(&["pkey", "-in", path, "-pubout"]);
        Self {
            private: std::fs::read_to_string(path).unwrap(),
            public,
        }
    }

    /// The public key in DER, as `SubjectPublicKeyInfo`.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        let body: String = self
            .public
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        STANDARD.decode(body).unwrap()
    }

    /// A signature of RSA with SHA-256 that libraries would not make with a weak key.
    pub(crate) fn sign_rsa(&self, message: &str) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("private.pem"), &self.private).unwrap();
        std::fs::write(path("message"), message).unwrap();
        openssl_bytes(&[
            "dgst",
            "-sha256",
            "-sign",
            &path("private.pem"),
            &path("message"),
        ])
    }

    /// The public key of an RSA pair by PKCS #1, in PEM and in DER.
    pub(crate) fn public_pkcs1(&self) -> (String, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("public.pem");
        std::fs::write(&path, &self.public).unwrap();
        let form = |form| {
            let path = path.to_str().unwrap();
            openssl_bytes(&[
                "rsa",
                "-pubin",
                "-in",
                path,
                "-RSAPublicKey_out",
                "-outform",
                form,
            ])
        };
        (String::from_utf8(form("PEM")).unwrap(), form("DER"))
    }
}

fn openssl(arguments: &[&str]) -> String {
    String::from_utf8(openssl_bytes(arguments)).unwrap()
}

/// The same where the output is no text.
fn openssl_bytes(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("openssl is installed (`make setup` does it)");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {errors}");
    output.stdout
}
