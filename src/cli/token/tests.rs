use clap::Parser;
use tempfile::TempDir;

use super::*;
use crate::scheme::token_digest;

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);
const SIMPLE: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJsb2dpblR5cGUiOiJsb2dpbiIsImxvZ2luSWQiOi\
                      JpbV91c2VyOjM5ODEyMDM2NDM0MDE3OCIsInJuU3RyIjoiaUFqQkhQM09RV21ZQklmS0xYeDBBYTZj\
                      dmdHb2ZISngiLCJ1c2VySWQiOjM5ODEyMDM2NDM0MDE3OCwidXNlck5hbWUiOiJkZW1vIn0.lX7Mm8\
                      AbmbHUEu8eyypMkuzf42PB71whbrMOpwjx5Ow";

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    args: TokenArgs,
}

fn token_with_input(arguments: &[&str], mut input: &[u8]) -> Result<String, TokenError> {
    let arguments = ["token"].iter().chain(arguments);
    run(
        &Program::try_parse_from(arguments).unwrap().args,
        &mut input,
        NOW,
    )
}

fn token(arguments: &[&str]) -> Result<String, TokenError> {
    token_with_input(arguments, b"")
}

/// A file with a secret, and its path as a text.
fn secret_file(directory: &TempDir, secret: &str) -> String {
    let path = directory.path().join("secret");
    std::fs::write(&path, secret).unwrap();
    path.to_str().unwrap().to_owned()
}

fn line<'t>(text: &'t str, name: &str) -> &'t str {
    let found = text.lines().find(|line| line.starts_with(name));
    found
        .unwrap_or_else(|| panic!("no line `{name}` in {text}"))
        .split_at(11)
        .1
}

#[test]
fn a_sa_token_is_minted_and_inspected() {
    let directory = TempDir::new().unwrap();
    let secret = secret_file(&directory, "a secret\n");
    let mint = |options: &[&str]| {
        let always = ["mint", "sa_token", "--user", "7", "--user-type", "im_user"];
        let secret = ["--secret-file", &secret];
        token(&[always.as_slice(), secret.as_slice(), options].concat()).unwrap()
    };
    for (options, claims, eff) in [
        (
            vec![],
            r#"{"loginType":"login","loginId":"im_user:7","rnStr":"","userId":7}"#,
            None,
        ),
        (
            vec!["--mixin", "--device", "im_web", "--expires-in", "20s"],
            r#"{"loginType":"login","loginId":"im_user:7","deviceType":"im_web","eff":1750000020000,"rnStr":"","userId":7}"#,
            Some("2025-06-15T15:07:00Z (in 20s)"),
        ),
        (
            vec!["--expires-in", "20s"],
            r#"{"loginType":"login","loginId":"im_user:7","eff":1750000020000,"rnStr":"","userId":7}"#,
            Some("2025-06-15T15:07:00Z (in 20s)"),
        ),
        (
            vec!["--mixin"],
            r#"{"loginType":"login","loginId":"im_user:7","eff":-1,"rnStr":"","userId":7}"#,
            Some("never expires"),
        ),
    ] {
        let minted = mint(&options);
        let shown = token(&["inspect", &minted, "--secret-file", &secret]).unwrap();
        assert_eq!(
            line(&shown, "header"),
            r#"{"typ":"JWT","alg":"HS256"}"#,
            "{options:?}"
        );
        let shown_claims: serde_json::Value = serde_json::from_str(line(&shown, "claims")).unwrap();
        let random = shown_claims["rnStr"].as_str().unwrap();
        assert_eq!(random.len(), 32);
        assert_eq!(
            line(&shown, "claims").replace(random, ""),
            claims,
            "{options:?}"
        );
        assert_eq!(
            shown
                .lines()
                .find(|line| line.starts_with("eff"))
                .map(|line| &line[11..]),
            eff
        );
        assert_eq!(line(&shown, "signature"), "good", "{options:?}");
    }
    assert_ne!(mint(&[]), mint(&[]), "each login has a token of its own");
}

#[test]
fn a_client_key_is_minted_and_inspected_without_its_api_key() {
    let directory = TempDir::new().unwrap();
    let secret = secret_file(&directory, "a secret of the tests, long enough\n");
    let mint = |options: &[&str]| token(&[&["mint", "imkit_client_key"], options].concat());
    let minted = mint(&["--secret-file", &secret, "--client-id", "shop"]).unwrap();
    let shown = token(&["inspect", &minted, "--secret-file", &secret]).unwrap();
    assert_eq!(line(&shown, "header"), r#"{"typ":"JWT","alg":"HS256"}"#);
    let claims: serde_json::Value = serde_json::from_str(line(&shown, "claims")).unwrap();
    assert_eq!(
        claims,
        serde_json::json!({ "apiKey": "[not shown]", "createAt": 1_750_000_000_000_i64, "clientId": "shop" })
    );
    assert_eq!(line(&shown, "createAt"), "2025-06-15T15:06:40Z (0s ago)");
    assert_eq!(line(&shown, "signature"), "good");
    assert!(line(&shown, "kind").starts_with("IMKIT client key"));
    // Without a secret nobody can sign another one, and each is of a client of its own.
    let (one, other) = (mint(&[]).unwrap(), mint(&[]).unwrap());
    assert_ne!(one, other);
    let shown = token(&["inspect", &one, "--secret-file", &secret]).unwrap();
    assert_eq!(line(&shown, "signature"), "BAD");
    let claims: serde_json::Value = serde_json::from_str(line(&shown, "claims")).unwrap();
    let client_id = claims["clientId"].as_str().unwrap();
    let parts: Vec<_> = client_id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{client_id}");
    assert_eq!(&client_id[14..15], "4", "{client_id}");
    assert!("89ab".contains(&client_id[19..20]), "{client_id}");
}

#[test]
fn an_api_key_is_not_shown_however_it_is_written() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    for payload in [
        r#"{"apiKey":"SECRET"}"#,
        r#"{"APIKEY":"SECRET"}"#,
        r#"{"api\u004bey":"SECRET"}"#,
        r#"{"a":[{"apiKey":["SECRET"]}]}"#,
        r#"{"apiKey":"x","apiKey":"SECRET"}"#,
        r#"{"apiKey":"SECRET""#,
    ] {
        let token_ = format!(
            "eyJhbGciOiJIUzI1NiJ9.{}.AAAA",
            URL_SAFE_NO_PAD.encode(payload)
        );
        let shown = token(&["inspect", &token_]).unwrap();
        assert!(!shown.contains("SECRET"), "{payload}: {shown}");
    }
}

#[test]
fn a_jwt_is_minted_and_inspected() {
    let directory = TempDir::new().unwrap();
    let secret = secret_file(&directory, "another secret");
    let minted = token(&[
        "mint",
        "jwt",
        "--alg",
        "HS256",
        "--kid",
        "k1",
        "--key-file",
        &secret,
        "--subject",
        "7",
        "--issuer",
        "https://id.example.com",
        "--audience",
        "im",
        "--expires-in",
        "5m",
        "--claim",
        "dev=im_web",
        "--claim",
        "level=3",
        "--claim",
        "text=\"3\"",
    ])
    .unwrap();
    let shown = token(&["inspect", &minted]).unwrap();
    assert_eq!(
        line(&shown, "header"),
        r#"{"alg":"HS256","kid":"k1","typ":"JWT"}"#
    );
    assert_eq!(
        line(&shown, "claims"),
        r#"{"aud":"im","dev":"im_web","exp":1750000300,"iat":1750000000,"iss":"https://id.example.com","level":3,"sub":"7","text":"3"}"#
    );
    assert_eq!(line(&shown, "exp"), "2025-06-15T15:11:40Z (in 5m)");
    assert_eq!(line(&shown, "iat"), "2025-06-15T15:06:40Z (0s ago)");
    assert_eq!(line(&shown, "sha256").len(), 64);
    assert!(line(&shown, "signature").starts_with("not checked"));
}

#[test]
fn an_easemob_token_is_minted_and_inspected() {
    let entity = "aa471ee0-4cfc-11ec-ace5-f90ff121234e";
    let application = "bb0cac57-a9dd-4e81-bd58-fb2929cda275";
    let mint = |options: &[&str]| {
        let always = ["mint", "easemob_token", "--entity", entity];
        token(&[always.as_slice(), options].concat()).unwrap()
    };
    let user = mint(&["--principal", "user", "--application", application]);
    let shown = token(&["inspect", &format!("Bearer {user}")]).unwrap();
    for (name, words) in [
        ("kind", "Easemob, a user's"),
        ("app", application),
        ("entity", entity),
        ("issued", "2025-06-15T15:06:40Z (0s ago)"),
        (
            "expires",
            "2025-08-14T15:06:40Z (in 1month 29days 13h 26m 24s)",
        ),
        ("signature", "not checked: only Easemob can"),
    ] {
        assert_eq!(line(&shown, name), words, "{shown}");
    }
    assert_ne!(
        user,
        mint(&["--principal", "user", "--application", application])
    );

    let app = mint(&["--principal", "app", "--expires-in", "0s"]);
    let shown = token(&["inspect", &app]).unwrap();
    assert_eq!(line(&shown, "kind"), "Easemob, an app's");
    assert_eq!(line(&shown, "expires"), "never");
    let opaque = token(&["inspect", &app[..126]]).unwrap();
    assert!(line(&opaque, "kind").ends_with("opaque"), "{opaque}");
}

#[test]
fn a_dynamic_token_is_minted_and_inspected() {
    let directory = TempDir::new().unwrap();
    let secret = secret_file(&directory, "a client secret\n");
    let mint = |app_key: &str| {
        token(&[
            "mint",
            "easemob_dynamic",
            "--app-key",
            app_key,
            "--client-id",
            "YXA6",
            "--secret-file",
            &secret,
            "--user",
            "bob",
        ])
        .unwrap()
    };
    let minted = mint("org#app");
    assert!(minted.starts_with("ZHQt"), "{minted}");
    let inspect = |more: &[&str]| token(&[&["inspect", &minted], more].concat()).unwrap();
    let shown = inspect(&["--client-id", "YXA6", "--secret-file", &secret]);
    let claims = line(&shown, "claims");
    assert!(
        claims.ends_with(r#","appkey":"org#app","userId":"bob","curTime":1750000000,"ttl":600}"#),
        "{claims}"
    );
    assert_eq!(line(&shown, "curTime"), "2025-06-15T15:06:40Z (0s ago)");
    assert_eq!(line(&shown, "end"), "2025-06-15T15:16:40Z (in 10m)");
    assert_eq!(line(&shown, "form"), "as the gate demands it");
    assert_eq!(line(&shown, "signature"), "good");
    let unpadded = token(&["inspect", minted.trim_end_matches('=')]).unwrap();
    assert_eq!(
        line(&unpadded, "sha256"),
        line(&shown, "sha256"),
        "one token"
    );
    let shown = inspect(&["--client-id", "YXA7", "--secret-file", &secret]);
    assert_eq!(line(&shown, "signature"), "BAD");
    let shown = inspect(&["--secret-file", &secret]);
    assert!(
        line(&shown, "signature").starts_with("not checked"),
        "{shown}"
    );

    // As one of Easemob's libraries makes them.
    let leaky = token(&["inspect", &mint("YXA6-a-s3cret")]).unwrap();
    assert!(!leaky.contains("s3cret"), "{leaky}");
    let broken = token(&["inspect", "ZHQte30"]).unwrap();
    assert_eq!(line(&broken, "form"), "refused by the gate");
}

#[test]
fn a_token_of_zego_is_minted_and_inspected() {
    let directory = TempDir::new().unwrap();
    let secret = secret_file(&directory, "0f8c2e94b7a35d61c0f8e2b49a7d3651\n");
    let mint = || {
        let order = ["mint", "zego_token04", "--app-id", "12", "--user", "bob"];
        token(&[&order[..], &["--secret-file", &secret]].concat()).unwrap()
    };
    let minted = mint();
    assert!(minted.starts_with("04AAAA"), "{minted}");
    assert_ne!(minted, mint(), "each has a nonce of its own");
    let shown = token(&["inspect", &minted, "--secret-file", &secret]).unwrap();
    let claims = line(&shown, "claims");
    assert!(
        claims.starts_with(r#"{"app_id":12,"user_id":"bob","nonce":"#),
        "{claims}"
    );
    assert!(
        claims.ends_with(r#","ctime":1750000000,"expire":1750003600,"payload":""}"#),
        "{claims}"
    );
    assert_eq!(line(&shown, "expire"), "2025-06-15T16:06:40Z (in 1h)");
    assert_eq!(line(&shown, "form"), "as the gate demands it");
    assert_eq!(line(&shown, "secret"), "good");
    let shown = token(&["inspect", &minted]).unwrap();
    assert!(line(&shown, "secret").starts_with("not given"), "{shown}");
    assert!(!shown.contains("bob"), "{shown}");
    let other = directory.path().join("other");
    std::fs::write(&other, "x".repeat(32)).unwrap();
    let shown = token(&["inspect", &minted, "--secret-file", other.to_str().unwrap()]).unwrap();
    assert_eq!(line(&shown, "secret"), "BAD");
    assert_eq!(line(&shown, "form"), "refused by the gate");
    let unfit = directory.path().join("unfit");
    std::fs::write(&unfit, "s3cret").unwrap();
    for arguments in [
        vec!["inspect", &minted],
        vec!["mint", "zego_token04", "--app-id", "12", "--user", "bob"],
    ] {
        let unfit = ["--secret-file", unfit.to_str().unwrap()];
        let error = token(&[&arguments[..], &unfit].concat()).unwrap_err();
        assert!(error.to_string().contains("32 characters"), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
    for broken in ["04AAAA", "04x"] {
        let shown = token(&["inspect", broken]).unwrap();
        assert_eq!(line(&shown, "form"), "refused by the gate");
    }
}

#[test]
fn a_token_is_read_from_wherever_it_is() {
    let directory = TempDir::new().unwrap();
    let secret = secret_file(&directory, "abcdefghijklmnopqrstuvwxyz");
    let bearer = format!("bearer  {SIMPLE}\n");
    for (case, arguments, input) in [
        ("an argument", vec!["inspect", SIMPLE], ""),
        ("the input, as nothing is given", vec!["inspect"], SIMPLE),
        (
            "the input, as is said",
            vec!["inspect", "-"],
            bearer.as_str(),
        ),
    ] {
        let arguments = [arguments, vec!["--secret-file", &secret]].concat();
        let shown = token_with_input(&arguments, input.as_bytes()).unwrap();
        assert!(line(&shown, "kind").contains("simple mode"), "{case}");
        assert_eq!(line(&shown, "signature"), "good", "{case}");
    }
}

#[test]
fn what_the_gate_refuses_is_shown_and_said() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let directory = TempDir::new().unwrap();
    let secret = secret_file(&directory, "x");
    let of = |header: &str, claims: &str| {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.AAAA", encode(header), encode(claims))
    };
    for (case, text, form, signature) in [
        ("another secret", SIMPLE.to_owned(), "as the gate", "BAD"),
        (
            "no algorithm",
            of(r#"{"alg":"none"}"#, "{}"),
            "as the gate",
            "not checked",
        ),
        (
            "a claim twice",
            of(r#"{"alg":"HS256"}"#, r#"{"a":1,"a":2}"#),
            "refused",
            "BAD",
        ),
        (
            "crit",
            of(r#"{"alg":"HS256","crit":["x"]}"#, "{}"),
            "refused",
            "not checked",
        ),
        (
            "no claims",
            of(r#"{"alg":"HS256"}"#, "nothing"),
            "refused",
            "BAD",
        ),
        (
            "four parts",
            format!("{SIMPLE}.AAAA"),
            "refused",
            "not checked",
        ),
    ] {
        let shown = token(&["inspect", &text, "--secret-file", &secret]).unwrap();
        assert!(line(&shown, "form").starts_with(form), "{case}: {shown}");
        assert!(
            line(&shown, "signature").starts_with(signature),
            "{case}: {shown}"
        );
    }
    let terminal = of("{}", "{\"a\":\"\u{9b}2J\u{7f}\n\"}");
    let shown = token(&["inspect", &terminal]).unwrap();
    assert!(
        line(&shown, "claims").ends_with(r#""\u{9b}2J\u{7f}\u{a}"}"#),
        "{shown}"
    );
}

#[test]
fn odd_times_are_said_in_words() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    for (exp, words) in [
        ("0", "1970-01-01T00:00:00Z (55years 5months"),
        ("253402300799", "9999-12-31T23:59:59Z (in"),
        ("253402300800", "not a date"),
        ("-1", "not a date"),
        ("9223372036854775807", "not a date"),
        ("1e300", "not a whole number"),
        ("\"1\"", "not a whole number"),
    ] {
        let claims = URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{exp}}}"));
        let shown = token(&["inspect", &format!("e30.{claims}.")]).unwrap();
        assert!(line(&shown, "exp").starts_with(words), "{exp}: {shown}");
    }
}

#[test]
fn a_failure_says_what_was_expected_and_no_secret() {
    let directory = TempDir::new().unwrap();
    let secret = secret_file(&directory, "s3cret");
    let empty = directory.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let empty = empty.to_str().unwrap();
    let user = ["mint", "sa_token", "--user", "7", "--user-type", "im_user"];
    let with = |option: &'static str, value: &str| {
        let options = [option.to_owned(), value.to_owned()];
        user.iter()
            .map(|word| (*word).to_owned())
            .chain(options)
            .collect::<Vec<_>>()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    for (arguments, expected) in [
        (
            words(&user),
            "expected a secret: give `--secret-file` or `--secret-env`",
        ),
        (
            with("--secret-env", "IMGATE_NOT_SET"),
            "expected text in the environment variable",
        ),
        (with("--secret-file", "/nowhere"), "cannot read `/nowhere`"),
        (
            with("--secret-file", empty),
            "expected a secret that is not empty",
        ),
        (
            words(&["mint", "jwt", "--alg", "RS256", "--key-file", &secret]),
            "the token could not be made: expected a PKCS#8 PEM private key",
        ),
        (words(&["inspect", "s3cret words"]), "expected a token"),
        (words(&["inspect", "s3cret.=.="]), "expected a token"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let error = token(&arguments).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(
            !format!("{error} {error:?}").contains("s3cret"),
            "{error:?}"
        );
    }
}

#[test]
fn an_environment_variable_holds_a_secret() {
    // Cargo sets this one for every test.
    let options = ["--secret-env", "CARGO_PKG_NAME"];
    let minted = token(&[["mint", "jwt", "--alg", "HS256"].as_slice(), &options].concat()).unwrap();
    let shown = token(&[["inspect", &minted].as_slice(), &options].concat()).unwrap();
    assert_eq!(line(&shown, "signature"), "good");
}

#[test]
fn one_newline_at_the_end_of_a_file_does_not_count() {
    for (bytes, secret) in [
        ("a", "a"),
        ("a\n", "a"),
        ("a\r\n", "a"),
        ("a\n\n", "a\n"),
        ("a\r", "a\r"),
        ("\n", ""),
    ] {
        assert_eq!(
            without_newline(bytes.as_bytes()),
            secret.as_bytes(),
            "{bytes:?}"
        );
    }
}

#[test]
fn wrong_arguments_are_refused() {
    for arguments in [
        vec!["token", "mint", "jwt", "--alg", "none"],
        vec!["token", "mint", "jwt", "--alg", "ES512"],
        vec!["token", "mint", "jwt", "--alg", "HS256", "--claim", "x"],
        vec![
            "token",
            "mint",
            "jwt",
            "--alg",
            "HS256",
            "--secret-file",
            "a",
            "--secret-env",
            "b",
        ],
        vec![
            "token",
            "mint",
            "sa_token",
            "--user",
            "7",
            "--user-type",
            "x",
            "--secret",
            "s",
        ],
    ] {
        assert!(
            Program::try_parse_from(&arguments).is_err(),
            "{arguments:?}"
        );
    }
}

#[test]
fn an_opaque_token_is_named_and_nothing_more() {
    let text = token(&["inspect", "Bearer 2YotnFZFEjr1zCsicMWpAA"]).unwrap();
    assert!(line(&text, "kind").starts_with("opaque"), "{text}");
    let digest = token_digest(b"2YotnFZFEjr1zCsicMWpAA").to_hex();
    assert_eq!(line(&text, "sha256"), digest);
    assert!(!text.contains("2Yotn"), "{text}");
    assert!(token(&["inspect", "two words"]).is_err());
}
