//! What holds for the decoders of credentials on any bytes.

use std::sync::OnceLock;

use imgate::clock::UnixTime;
use imgate::credential::Credential;
use imgate::scheme::imkit_client_key::{App, Config, ImkitClientKey, Keys};
use imgate::scheme::{Rejection, Verifier as _};
use imgate::secret::{Digest, Secret};
use imgate::wire::socketio::{
    Auth2, FromClient, FromServer, from_client, from_server, may_be_auth2, refusal,
};
use serde_json::{Value, json};

/// What is read as `auth2` is read alike by others and is noticed; nothing else that a stranger may
/// say is noticed.
pub(crate) fn socketio(text: &[u8]) {
    let heard = from_server(text);
    if heard != FromServer::Other {
        assert!(matches!(text[0], b'0' | b'2'..=b'4'));
    }
    match from_client(text) {
        Ok(FromClient::Auth2 { ack, credentials }) => {
            assert!(may_be_auth2(text));
            if let Some(ack) = ack {
                let answer = json!({ "RC": 401, "RM": "\"[]" });
                for base64 in [false, true] {
                    let refusal = refusal(ack, base64, &answer);
                    assert_eq!(from_server(refusal.as_bytes()), FromServer::Answer(ack));
                }
            }
            if let Ok(credentials) = credentials {
                another_reader_agrees(text, &credentials);
            }
        }
        Ok(_) => assert!(!may_be_auth2(text)),
        Err(_) => {}
    }
}

fn another_reader_agrees(text: &[u8], Auth2 { client_key, token }: &Auth2) {
    let start = text
        .iter()
        .position(|byte| *byte == b'[')
        .expect("an array");
    assert!(text[2..start].iter().all(u8::is_ascii_digit));
    let event: Value = serde_json::from_slice(&text[start..]).expect("JSON");
    let [name, first, Value::Object(members)] = event.as_array().expect("an array").as_slice()
    else {
        panic!("other arguments")
    };
    assert_eq!(name, "auth2");
    let same = |value: &Value, expected: &Secret| {
        assert_eq!(value.as_str().map(str::as_bytes), Some(expected.expose()));
    };
    same(first, token);
    assert!(!token.is_empty());
    for (name, value) in members {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        match letters.collect::<String>().to_ascii_lowercase().as_str() {
            "authorization" | "imauthorization" => same(value, token),
            "clientkey" | "imclientkey" => same(value, client_key.as_ref().expect("a key")),
            "apikey" | "imapikey" => panic!("a server's key"),
            _ => {}
        }
    }
}

const LISTED: &[u8] = b"9FSk26d4AIbZh0k44F5+DzbetgAJA9WjC7WP36Khm6c=";
const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Nothing is accepted but the listed key and, of what the seeds' secret signs, what nobody can make
/// without it.
pub(crate) fn imkit_client_key(bytes: &[u8]) {
    static VERIFIER: OnceLock<ImkitClientKey> = OnceLock::new();
    let verifier = VERIFIER.get_or_init(|| {
        let app = |id: &str, keys| App {
            id: id.into(),
            keys,
            domains: None,
        };
        let listed = Keys::Listed(vec![(Digest::of(LISTED), None)]);
        let signed = Keys::Signed {
            secrets: vec![(Secret::new("a secret that no seed is signed with"), None)],
            client_id: None,
        };
        let apps = vec![app("listed", listed), app("signed", signed)];
        ImkitClientKey::new(Config { apps }).expect("two apps")
    });
    let recognised = verifier.recognises(&Credential::single(bytes));
    assert_eq!(recognised, !bytes.is_empty());
    match verifier.check(bytes, NOW) {
        Ok(proof) => {
            assert_eq!(bytes, LISTED);
            assert_eq!(proof.principal.app.as_deref(), Some("listed"));
        }
        Err(rejection) => assert!(matches!(
            rejection,
            Rejection::BadSignature
                | Rejection::Malformed
                | Rejection::UnknownKey
                | Rejection::WrongAlgorithm
        )),
    }
}
