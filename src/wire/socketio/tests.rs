use proptest::prelude::*;
use serde_json::json;

use super::*;

/// One line about what a client's text is.
fn read(text: &str) -> String {
    let ack = |ack: Option<Ack>| ack.map_or_else(|| "-".to_owned(), |ack| ack.to_string());
    match from_client(text.as_bytes()) {
        Ok(FromClient::Auth2 {
            ack: number,
            credentials: Ok(Auth2 { client_key, token }),
        }) => {
            let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
            let client_key = client_key.as_ref().map_or_else(|| "-".to_owned(), text);
            format!("auth2 {} {client_key} {}", ack(number), text(&token))
        }
        Ok(FromClient::Auth2 {
            ack: number,
            credentials: Err(flaw),
        }) => format!("auth2 {} {flaw:?}", ack(number)),
        Ok(FromClient::Conf {
            ack: number,
            base64,
        }) => format!("conf {} {base64}", ack(number)),
        Ok(other) => format!("{other:?}"),
        Err(flaw) => format!("{flaw:?}"),
    }
}

#[test]
fn a_client_that_is_not_known_says_little() {
    for (text, expected) in [
        ("2", "Ping"),
        ("3", "Pong"),
        ("40", "Connect"),
        ("41", "Disconnect"),
        // A probe belongs to an upgrade from polling.
        ("2probe", "NotYet"),
        ("3probe", "NotYet"),
        ("5", "NotYet"),
        ("6", "NotYet"),
        ("1", "NotYet"),
        ("", "NotYet"),
        ("4", "NotYet"),
        // What is said when connecting may be a credential that nobody verified.
        (r#"40{"token":"t"}"#, "NotYet"),
        ("40/admin,", "NotYet"),
        ("40/", "NotYet"),
        ("41/admin,", "NotYet"),
        ("42", "NotYet"),
        ("42[]", "NotYet"),
        (r#"42["chat message","hi"]"#, "NotYet"),
        (r#"42[2,"auth2"]"#, "NotYet"),
        ("43[]", "NotYet"),
        (r#"430["auth2"]"#, "NotYet"),
        (r#"44{"message":"m"}"#, "NotYet"),
        (r#"451-["auth2",{"_placeholder":true,"num":0}]"#, "NotYet"),
        ("461-[]", "NotYet"),
        ("bAQ==", "NotYet"),
        (r#"42["conf",{"encoding":"base64"}]"#, "conf - true"),
        (r#"420["conf",{"encoding":"base64"}]"#, "conf 0 true"),
        (r#"427["conf",{"encoding":"custom"}]"#, "conf 7 false"),
        (r#"42["conf"]"#, "conf - false"),
        (r#"42["conf",{"a":1,"a":2}]"#, "Json"),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
    assert!(from_client(b"42[\"conf\",\"\xff\"]").is_err(), "not UTF-8");
}

#[test]
fn auth2_is_read_in_one_way_only() {
    for (text, expected) in [
        // As the SDK for Vue and the one for Flutter send it, and as the documentation shows it.
        (
            r#"42["auth2","t",{"CLIENT_KEY":"k","Authorization":"t"}]"#,
            "auth2 - k t",
        ),
        (
            r#"421["auth2","t",{"IM-CLIENT-KEY":"k","IM-Authorization":"t"}]"#,
            "auth2 1 k t",
        ),
        (r#"42["auth2","t",{"deviceId":"d"}]"#, "auth2 - - t"),
        // Both spellings, when they agree.
        (
            r#"420["auth2","t",{"CLIENT_KEY":"k","IM-CLIENT-KEY":"k","Authorization":"t"}]"#,
            "auth2 0 k t",
        ),
        (
            r#"42["\u0061uth2","\u0074",{"CLIENT_KEY":"k"}]"#,
            "auth2 - k t",
        ),
        (r#"42[ "auth2" , "t" , {} ]"#, "auth2 - - t"),
        (
            r#"42["auth2","t",{"CLIENT_KEY":"k","IM-CLIENT-KEY":"j"}]"#,
            "auth2 - Disagreement",
        ),
        (
            r#"42["auth2","t",{"Authorization":"u"}]"#,
            "auth2 - Disagreement",
        ),
        (
            r#"423["auth2","t",{"Authorization":"t","IM-Authorization":"u"}]"#,
            "auth2 3 Disagreement",
        ),
        (
            r#"42["auth2","t",{"Authorization":"t","im_authorization":"u"}]"#,
            "auth2 - Disagreement",
        ),
        (
            r#"42["auth2","t",{"CLIENT_KEY":"k","client-key":"j"}]"#,
            "auth2 - Disagreement",
        ),
        (
            r#"42["auth2","t",{"CLIENT_KEY":"k","clientKey":null}]"#,
            "auth2 - Disagreement",
        ),
        // A server might not know this spelling, or might.
        (r#"42["auth2","t",{"client-key":"k"}]"#, "auth2 - Arguments"),
        (r#"42["auth2","t",{"CLIENT_KEY":1}]"#, "auth2 - Arguments"),
        (r#"42["auth2","t",{"IM-API-KEY":"a"}]"#, "auth2 - ApiKey"),
        (r#"42["auth2","t",{"apiKey":"a"}]"#, "auth2 - ApiKey"),
        (r#"42["auth2","t"]"#, "auth2 - Arguments"),
        (r#"42["auth2"]"#, "auth2 - Arguments"),
        (r#"42["auth2","",{}]"#, "auth2 - Arguments"),
        (r#"42["auth2",{},"t"]"#, "auth2 - Arguments"),
        (r#"42["auth2","t",{},{}]"#, "auth2 - Arguments"),
        (
            r#"42["auth2","t",{"CLIENT_KEY":"k","CLIENT_KEY":"k"}]"#,
            "Json",
        ),
        (r#"42["auth2","t",{"x":{"a":1,"a":1}}]"#, "Json"),
        (r#"42["auth2","t",{}] "#, "auth2 - - t"),
        (r#"42["auth2","t",{}]["auth2"]"#, "Json"),
        // Other namespaces, and numbers that not everybody reads alike.
        (r#"42/admin,["auth2","t",{}]"#, "NotYet"),
        (r#"42/,["auth2","t",{}]"#, "NotYet"),
        (r#"42 ["auth2","t",{}]"#, "NotYet"),
        (r#"4201["auth2","t",{}]"#, "Ack"),
        (r#"421e1["auth2","t",{}]"#, "NotYet"),
        (r#"42-1["auth2","t",{}]"#, "NotYet"),
        (
            r#"42999999999999999["auth2","t",{}]"#,
            "auth2 999999999999999 - t",
        ),
        (r#"429999999999999999["auth2","t",{}]"#, "Ack"),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn a_client_that_is_not_known_hears_little() {
    for (text, is_heard) in [
        (r#"0{"sid":"s","pingInterval":25000}"#, true),
        ("2", true),
        ("3", true),
        ("40", true),
        (r#"40{"sid":"s"}"#, true),
        ("0", false),
        ("2probe", false),
        ("40/admin,{}", false),
        ("41", false),
        (r#"42["chat message","hi"]"#, false),
        (r#"44{"message":"m"}"#, false),
        ("1", false),
        ("6", false),
        ("", false),
    ] {
        let heard = from_server(text.as_bytes()) == FromServer::Greeting;
        assert_eq!(heard, is_heard, "{text}");
    }
    for (text, expected) in [
        ("430[]", FromServer::Answer(Ack(0))),
        (r#"4312["ok"]"#, FromServer::Answer(Ack(12))),
        ("43[]", FromServer::Other),
        ("4300[]", FromServer::Other),
        ("43/admin,0[]", FromServer::Other),
        ("430", FromServer::Other),
    ] {
        assert_eq!(from_server(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn what_some_server_may_take_for_auth2_is_noticed() {
    for (text, may_be) in [
        (r#"42["auth2","t",{}]"#, true),
        (r#"421["auth2","t",{}]"#, true),
        (r#"42 ["auth2"]"#, true),
        ("42\u{a0}1[\n\"auth2\"]", true),
        (r#"42["\u0061\u0075th2"]"#, true),
        (r#"42/admin,["auth2"]"#, true),
        (r#"42/a"b[,7["auth2"]"#, true),
        (r#"451-["auth2",{"_placeholder":true,"num":0}]"#, true),
        (r#"451-/admin,["auth2"]"#, true),
        (r#"42["auth2""#, true),
        (r#"42["chat message","auth2"]"#, false),
        (r#"42["chat message",["auth2"]]"#, false),
        (r#"42["chat message","[\"auth2\"]"]"#, false),
        (r#"42["auth22"]"#, false),
        (r#"43["auth2"]"#, false),
        ("2", false),
        ("", false),
    ] {
        assert_eq!(may_be_auth2(text.as_bytes()), may_be, "{text}");
    }
}

#[test]
fn a_refusal_has_the_form_that_was_asked_for() {
    let answer = json!({ "RC": 401 });
    assert_eq!(refusal(Ack(3), false, &answer), r#"433[{"RC":401}]"#);
    assert_eq!(refusal(Ack(0), true, &answer), r#"430["eyJSQyI6NDAxfQ=="]"#);
}

#[test]
fn debug_shows_no_credential() {
    let text = br#"42["auth2","s3cret",{"CLIENT_KEY":"s3cret"}]"#;
    assert!(!format!("{:?}", from_client(text)).contains("s3cret"));
}

/// Texts that are nearly packets.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "4",
        "2",
        "0",
        "5",
        "1-",
        "/a,",
        "[",
        "]",
        "{",
        "}",
        "\"auth2\"",
        "\"conf\"",
        "\"t\"",
        "\"u\"",
        ",",
        ":",
        "\"CLIENT_KEY\"",
        "\"Authorization\"",
        "\"im_authorization\"",
        " ",
        "7",
        "[\"auth2\",\"t\",{",
        "\"k\"",
        "}]",
        "\\u0061",
        "null",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn hold(text: &[u8]) {
    from_server(text);
    let noticed = may_be_auth2(text);
    let Ok(FromClient::Auth2 { credentials, .. }) = from_client(text) else {
        return;
    };
    assert!(noticed, "what is read as `auth2` is noticed as one");
    let Ok(Auth2 { client_key, token }) = credentials else {
        return;
    };
    // Another reader sees the same.
    let start = text.iter().position(|byte| *byte == b'[').unwrap();
    assert!(text[2..start].iter().all(u8::is_ascii_digit));
    let event: Value = serde_json::from_slice(&text[start..]).unwrap();
    assert_eq!(event[0], "auth2");
    assert_eq!(event.as_array().unwrap().len(), 3);
    assert_eq!(event[1].as_str().unwrap().as_bytes(), token.expose());
    for (name, value) in event[2].as_object().unwrap() {
        let name = name
            .to_lowercase()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let value = value.as_str().map(str::as_bytes);
        match name.as_str() {
            "authorization" | "imauthorization" => assert_eq!(value, Some(token.expose())),
            "clientkey" | "imclientkey" => {
                assert_eq!(value, client_key.as_ref().map(Secret::expose));
            }
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
        hold(&bytes);
    }

    #[test]
    fn nothing_is_taken_for_auth2_that_another_reader_reads_otherwise(text in nearly()) {
        hold(text.as_bytes());
    }

    #[test]
    fn members_in_any_spelling_agree_or_are_refused(
        names in prop::collection::vec(prop::sample::select(vec![
            "CLIENT_KEY", "IM-CLIENT-KEY", "client_key", "Authorization", "IM-Authorization", "im.authorization", "deviceId",
        ]), 0..4),
        values in prop::collection::vec(prop::sample::select(vec!["\"t\"", "\"u\"", "null"]), 4),
        ack in prop::option::of(0..100_u32),
    ) {
        let members: Vec<_> = names.iter().zip(&values).map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let ack = ack.map_or_else(String::new, |ack| ack.to_string());
        hold(format!("42{ack}[\"auth2\",\"t\",{{{}}}]", members.join(",")).as_bytes());
    }
}
