//! Decoders of vendors' tokens beside a second, simple reading of the same bytes: whatever is let in is
//! what that reading finds, too.
//!
//! A fuzzer cannot make signatures, so each input is also taken as what stands inside a token, and
//! signed or encrypted under the secret of the verifier.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use imgate::clock::UnixTime;
use imgate::scheme::easemob_dynamic::{self, EasemobDynamic, Ttls};
use imgate::scheme::zego_token04::{self, ZegoToken04};
use imgate::scheme::{Verified, token_digest};
use imgate::secret::Secret;
use serde_json::{Map, Value};

const APP_KEY: &str = "easemob-demo#testapp";
const CLIENT_ID: &str = "YXA6-made-up-client-id";
const CLIENT_SECRET: &str = "YXA6-made-up-client-secret";
/// The time of the vectors from which the seeds are made.
const EASEMOB_NOW: i64 = 1_795_181_900;

static EASEMOB: LazyLock<EasemobDynamic> = LazyLock::new(|| {
    let app = easemob_dynamic::App {
        app_key: APP_KEY.into(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: Secret::new(CLIENT_SECRET),
        previous: Vec::new(),
    };
    let ttls = Ttls::new(vec![600, 900]).expect("of one length");
    EasemobDynamic::new(easemob_dynamic::Config {
        apps: vec![app],
        ttls,
    })
    .expect("a configuration")
});

/// The answer is whether a token was let in, in any of the ways in which the bytes are taken.
pub(crate) fn easemob_dynamic(bytes: &[u8]) -> bool {
    let is_token = judge_easemob(bytes);
    let inside = [b"dt-", bytes].concat();
    let dialects = [
        STANDARD.encode(&inside),
        STANDARD_NO_PAD.encode(&inside),
        URL_SAFE_NO_PAD.encode(&inside),
    ];
    let verdicts = dialects.map(|token| judge_easemob(token.as_bytes()));
    assert!(verdicts.iter().all(|is_good| *is_good == verdicts[0]));

    let is_inside = verdicts[0];
    let is_signed = if let Ok(Value::Object(mut object)) = serde_json::from_slice(bytes) {
        object.insert("signature".to_owned(), easemob_signature(&object).into());
        let inside = format!("dt-{}", Value::Object(object));
        judge_easemob(URL_SAFE_NO_PAD.encode(inside).as_bytes())
    } else {
        false
    };
    is_token || is_inside || is_signed
}

/// What is signed, of whatever the fields are.
fn easemob_signature(object: &Map<String, Value>) -> String {
    let field = |name| match object.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let parts = ["appkey", "userId", "curTime", "ttl"].map(field).concat();
    let text = format!("{CLIENT_ID}{parts}{CLIENT_SECRET}");
    let mut hex = String::new();
    for byte in digest(&SHA256, text.as_bytes()).as_ref() {
        write!(hex, "{byte:02x}").expect("a string takes everything");
    }
    hex
}

/// Whether a token is let in; if so, the second reading must find the same.
fn judge_easemob(token: &[u8]) -> bool {
    let now = UnixTime::from_secs(EASEMOB_NOW);
    let _ = token_digest(token);
    let Ok(proof) = EASEMOB.check(token, now) else {
        return false;
    };
    let standard: Vec<u8> = token
        .iter()
        .filter(|byte| **byte != b'=')
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    let bytes = STANDARD_NO_PAD.decode(standard).expect("base64");
    let object: Map<String, Value> =
        serde_json::from_slice(bytes.strip_prefix(b"dt-").expect("of the kind")).expect("JSON");
    assert_eq!(object["signature"], easemob_signature(&object).as_str());
    assert_eq!(object["appkey"], APP_KEY);
    assert_eq!(object.len(), 5);
    let number = |name: &str| {
        assert!(object[name].is_u64());
        let text = object[name].to_string();
        assert!(text.bytes().all(|byte| byte.is_ascii_digit()));
        (text.len(), text.parse::<i64>().expect("a number"))
    };
    let ((digits, cur_time), (ttl_digits, ttl)) = (number("curTime"), number("ttl"));
    assert_eq!((digits, ttl_digits), (10, 3));
    assert!(cur_time <= EASEMOB_NOW + 60 && EASEMOB_NOW < cur_time + ttl);
    assert_eq!(proof.not_after, Some(UnixTime::from_secs(cur_time + ttl)));
    assert_eq!(Some(subject(&proof)), object["userId"].as_str());
    assert!((1..=64).contains(&subject(&proof).len()));
    true
}

const APP_ID: u32 = 1_234_567_890;
const SERVER_SECRET: &str = "0f8c2e94b7a35d61c0f8e2b49a7d3651";
const ZEGO_NOW: i64 = 1_750_000_000;

/// In the order of whether the old mode is allowed.
static ZEGO: LazyLock<[ZegoToken04; 2]> = LazyLock::new(|| {
    [false, true].map(|allow_cbc| {
        ZegoToken04::new(zego_token04::Config {
            app_id: APP_ID,
            server_secret: Secret::new(SERVER_SECRET),
            previous: Vec::new(),
            max_lifetime: zego_token04::MAX_LIFETIME,
            allow_cbc,
        })
        .expect("a configuration")
    })
});

/// The answer is whether a token was let in, in any of the ways in which the bytes are taken.
pub(crate) fn zego_token04(bytes: &[u8]) -> bool {
    let mut is_let_in = false;
    let blob = format!("04{}", STANDARD.encode(bytes));
    for token in [bytes, blob.as_bytes()] {
        let _ = token_digest(token);
        let verdicts = ZEGO.each_ref().map(|verifier| {
            let found = verifier.check(token, UnixTime::from_secs(ZEGO_NOW));
            found.map_err(imgate::scheme::Rejection::as_str)
        });
        for found in verdicts {
            match found {
                Ok(_) => is_let_in = true,
                Err(reason) => assert_eq!(reason, "malformed", "one answer whatever is wrong"),
            }
        }
    }
    if bytes.len() > 4096 {
        return is_let_in;
    }
    let expire = serde_json::from_slice::<Value>(bytes)
        .ok()
        .and_then(|inside| inside.get("expire")?.as_i64());
    let (old, new) = (
        cbc(bytes, expire.unwrap_or(0)),
        gcm(bytes, expire.unwrap_or(0)),
    );
    let [strict, lenient] = &*ZEGO;
    assert!(!judge_zego(strict, &old, bytes));
    let verdicts = [(strict, &new), (lenient, &new), (lenient, &old)]
        .map(|(verifier, token)| judge_zego(verifier, token, bytes));
    assert!(verdicts.iter().all(|is_good| *is_good == verdicts[0]));
    is_let_in || verdicts[0]
}

/// Whether a token is let in; if so, what is inside must say so.
fn judge_zego(verifier: &ZegoToken04, token: &str, inside: &[u8]) -> bool {
    let now = UnixTime::from_secs(ZEGO_NOW);
    let Ok(proof) = verifier.check(token.as_bytes(), now) else {
        return false;
    };
    let object: Map<String, Value> = serde_json::from_slice(inside).expect("JSON");
    assert_eq!(object["app_id"], APP_ID);
    let number = |name: &str| object[name].as_i64().expect("a whole number");
    let (ctime, expire) = (number("ctime"), number("expire"));
    assert!(ctime <= ZEGO_NOW + 60 && ZEGO_NOW < expire);
    let lifetime = Duration::from_secs(u64::try_from(expire - ctime).expect("forwards"));
    assert!(lifetime <= zego_token04::MAX_LIFETIME);
    assert_eq!(proof.not_after, Some(UnixTime::from_secs(expire)));
    assert_eq!(Some(subject(&proof)), object["user_id"].as_str());
    true
}

fn gcm(inside: &[u8], expire: i64) -> String {
    let mut bytes = inside.to_vec();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, SERVER_SECRET.as_bytes()).expect("a key"))
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key([7; 12]),
            Aad::empty(),
            &mut bytes,
        )
        .expect("sealed");
    written(expire, &[7; 12], &bytes, &[1])
}

fn cbc(inside: &[u8], expire: i64) -> String {
    let mut bytes = inside.to_vec();
    let key = UnboundCipherKey::new(&AES_256, SERVER_SECRET.as_bytes()).expect("a key");
    PaddedBlockEncryptingKey::cbc_pkcs7(key)
        .expect("a key")
        .less_safe_encrypt(
            &mut bytes,
            EncryptionContext::Iv128(FixedLength::from(&[7_u8; 16])),
        )
        .expect("encrypted");
    written(expire, &[7; 16], &bytes, &[])
}

fn written(expire: i64, iv: &[u8], ciphertext: &[u8], rest: &[u8]) -> String {
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).expect("short").to_be_bytes();
    let blob = [
        expire.to_be_bytes().as_slice(),
        &length(iv),
        iv,
        &length(ciphertext),
        ciphertext,
        rest,
    ]
    .concat();
    format!("04{}", STANDARD.encode(blob))
}

fn subject(proof: &Verified) -> &str {
    proof.principal.subject.as_deref().expect("a subject")
}
