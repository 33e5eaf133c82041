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
        (
            words(&["inspect", "s3cret words"]),
            "expected a signed token",
        ),
        (words(&["inspect", "s3cret.=.="]), "expected a signed token"),
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
