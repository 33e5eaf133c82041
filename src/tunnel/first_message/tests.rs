//! A client and, in the second half, an upstream, each at the far end of a pipe.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;
use crate::wire::frames::ping_frame;

/// A frame of a client. The mask is zero, so that the payload can be read.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length => {
            frame.push(0x80 | 0x7e);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn from_client(text: &str) -> Vec<u8> {
    masked(0x81, text.as_bytes())
}

async fn read(stream: &mut DuplexStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, expected);
}

/// Nothing has come, and nothing will for a while.
async fn silence(stream: &mut DuplexStream) {
    let mut byte = [0];
    let waiting = timeout(Duration::from_millis(50), stream.read(&mut byte));
    assert!(waiting.await.is_err(), "{byte:?}");
}

/// What becomes of these bytes where a text is awaited: the text and the rest, or the reason why
/// there is none.
async fn awaited(bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Unmet> {
    let (mut far, near) = duplex(1 << 20);
    far.write_all(bytes).await.unwrap();
    far.shutdown().await.unwrap();
    let mut client = End::client(near, b"");
    let message = text(&mut client).await?;
    let (mut near, mut rest) = client.into_parts();
    near.read_to_end(&mut rest).await.unwrap();
    Ok((message.payload, rest))
}

#[tokio::test]
async fn the_first_text_is_awaited_and_nothing_else() {
    let long = vec![b'x'; 65_000];
    let text = |payload: &[u8]| Ok((payload.to_vec(), Vec::new()));
    for (case, bytes, expected) in [
        ("a text", from_client("hello"), text(b"hello")),
        ("a long text", masked(0x81, &long), text(&long)),
        ("an empty text", from_client(""), text(b"")),
        (
            "pings and pongs before it",
            [masked(0x89, b"1"), masked(0x8a, b""), from_client("hello")].concat(),
            text(b"hello"),
        ),
        (
            "more behind it",
            [from_client("hello"), masked(0x82, b"more"), vec![0x81]].concat(),
            Ok((
                b"hello".to_vec(),
                [masked(0x82, b"more"), vec![0x81]].concat(),
            )),
        ),
        (
            "more than a budget behind it",
            [
                from_client("hello"),
                masked(0x82, &long),
                masked(0x82, &long),
            ]
            .concat(),
            Ok((
                b"hello".to_vec(),
                [masked(0x82, &long), masked(0x82, &long)].concat(),
            )),
        ),
        (
            "a binary message",
            masked(0x82, b"hello"),
            Err(Unmet::Unexpected),
        ),
        (
            "fragments",
            [masked(0x01, b"hel"), masked(0x80, b"lo")].concat(),
            Err(Unmet::Unexpected),
        ),
        ("no utf-8", masked(0x81, b"\xff"), Err(Unmet::Unexpected)),
        (
            "as many bytes as there may be",
            masked(0x81, &vec![b'x'; 65_535]),
            text(&vec![b'x'; 65_535]),
        ),
        (
            "too many bytes in pings",
            masked(0x89, &[b'x'; 125])
                .repeat(63)
                .into_iter()
                .chain(masked(0x81, &long))
                .collect(),
            Err(Unmet::Unexpected),
        ),
        (
            "too many frames",
            masked(0x8a, b"").repeat(65),
            Err(Unmet::Unexpected),
        ),
        ("compressed", masked(0xc1, b"hello"), Err(Unmet::Framing)),
        ("not masked", text_frame("hello"), Err(Unmet::Framing)),
        (
            "a Close frame",
            masked(0x88, &[0x03, 0xe8]),
            Err(Unmet::ClientGone),
        ),
        ("nothing", Vec::new(), Err(Unmet::ClientGone)),
        (
            "half a text",
            from_client("hello")[..8].to_vec(),
            Err(Unmet::ClientGone),
        ),
    ] {
        // Some of them are long.
        assert!(awaited(&bytes).await == expected, "{case}");
    }
}

#[tokio::test]
async fn pings_and_a_close_are_answered() {
    let (mut far, near) = duplex(1024);
    let mut client = End::client(near, &masked(0x89, b"abc"));
    far.write_all(&masked(0x88, &4321_u16.to_be_bytes()))
        .await
        .unwrap();
    assert_eq!(text(&mut client).await.unwrap_err(), Unmet::ClientGone);
    read(&mut far, b"\x8a\x03abc").await;
    read(&mut far, &close_frame(4321, "", None)).await;
}

#[tokio::test]
async fn the_end_has_a_code_unless_a_frame_is_cut() {
    let (mut far, near) = duplex(1024);
    let mut client = End::client(near, b"");
    let ending =
        tokio::spawn(async move { end(&mut client, Some(CloseReason::FirstMessage)).await });
    read(&mut far, &close_frame(4408, "no credential in time", None)).await;
    drop(far);
    ending.await.unwrap();

    let (mut far, near) = duplex(2);
    let mut client = End::client(near, &masked(0x89, b"abc"));
    // The client takes two bytes of the pong and no more.
    let waiting = timeout(Duration::from_millis(50), text(&mut client));
    assert!(waiting.await.is_err());
    let ending =
        tokio::spawn(async move { end(&mut client, Some(CloseReason::FirstMessage)).await });
    let mut bytes = Vec::new();
    far.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"\x8a\x03", "no Close frame inside of another");
    drop(far);
    ending.await.unwrap();
}

/// An introduction, with the far ends in the test's hands.
struct Rig {
    client: DuplexStream,
    upstream: DuplexStream,
    met: JoinHandle<Met>,
}

/// The event or why there is none, and what is left on both sides.
type Met = (Result<Auth2Event, Unmet>, bool, Vec<u8>, Vec<u8>);

fn rig() -> Rig {
    let (client, near_client) = duplex(1 << 18);
    let (upstream, near_upstream) = duplex(1 << 18);
    let met = tokio::spawn(async move {
        let mut client = End::client(near_client, b"");
        let mut upstream = End::upstream(near_upstream, b"");
        let mut introduction = Introduction::default();
        let met = introduction.auth2(&mut client, &mut upstream).await;
        let base64 = introduction.wants_base64();
        let held = [introduction.into_held(), upstream.into_parts().1].concat();
        (met, base64, client.into_parts().1, held)
    });
    Rig {
        client,
        upstream,
        met,
    }
}

impl Rig {
    async fn client_says(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
    }

    async fn upstream_says(&mut self, bytes: &[u8]) {
        self.upstream.write_all(bytes).await.unwrap();
    }
}

const AUTH2: &str = r#"421["auth2","t",{"CLIENT_KEY":"k","Authorization":"t"}]"#;

#[tokio::test]
async fn the_two_sides_are_introduced() {
    let mut rig = rig();
    let open = text_frame(r#"0{"sid":"s","pingInterval":25000}"#);
    rig.upstream_says(&open).await;
    read(&mut rig.client, &open).await;
    let connect = from_client("40");
    rig.client_says(&connect).await;
    read(&mut rig.upstream, &connect).await;
    for text in [r#"40{"sid":"s"}"#, "2"] {
        rig.upstream_says(&text_frame(text)).await;
        read(&mut rig.client, &text_frame(text)).await;
    }
    // The SDK for Flutter waits for the answer to `conf` before it goes on.
    for text in ["3", r#"420["conf",{"encoding":"base64"}]"#] {
        rig.client_says(&from_client(text)).await;
        read(&mut rig.upstream, &from_client(text)).await;
    }
    let answer = text_frame(r#"430["eyJSQyI6MH0="]"#);
    rig.upstream_says(&answer).await;
    read(&mut rig.client, &answer).await;
    // Control frames of both sides.
    rig.client_says(&masked(0x89, b"c")).await;
    read(&mut rig.upstream, &masked(0x89, b"c")).await;
    rig.upstream_says(&ping_frame([7; 16])).await;
    read(&mut rig.client, &ping_frame([7; 16])).await;

    rig.client_says(&[from_client(AUTH2), from_client("42[\"next\"]")].concat())
        .await;
    let (event, base64, rest, held) = rig.met.await.unwrap();
    let event = event.unwrap();
    assert_eq!(event.ack.map(|ack| ack.to_string()).as_deref(), Some("1"));
    assert_eq!(event.raw, from_client(AUTH2));
    assert_eq!(event.credentials.unwrap().token.expose(), b"t");
    assert!(base64);
    assert_eq!(rest, from_client("42[\"next\"]"));
    assert!(held.is_empty());
    // Nobody has seen the credential.
    drop(rig.client);
    let mut rest = Vec::new();
    rig.upstream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}

#[tokio::test]
async fn what_is_not_for_strangers_waits_and_the_rest_overtakes_it() {
    for (case, secret) in [
        ("an event", text_frame(r#"42["chat message","hi"]"#)),
        ("an answer that nobody waits for", text_frame("435[]")),
        ("another namespace", text_frame("40/admin,{}")),
        ("an error", text_frame(r#"44{"message":"m"}"#)),
        ("a binary message", vec![0x82, 1, 7]),
        (
            "an event with an attachment",
            [
                text_frame(r#"451-["e",{"_placeholder":true,"num":0}]"#),
                vec![0x82, 1, 7],
            ]
            .concat(),
        ),
        ("a fragmented greeting", vec![0x01, 1, b'4', 0x80, 1, b'0']),
        ("a long event", text_frame(&"x".repeat(20_000))),
        ("many events", text_frame("42[\"e\"]").repeat(80)),
    ] {
        let mut rig = rig();
        rig.client_says(&from_client(r#"420["conf",{}]"#)).await;
        // The answer to `conf`, a ping and a frame of control, each behind something that waits.
        let (answer, ping) = (text_frame("430[]"), text_frame("2"));
        let control = ping_frame([7; 16]).to_vec();
        for passes in [&answer, &ping, &control] {
            rig.upstream_says(&[&secret[..], passes].concat()).await;
            read(&mut rig.client, passes).await;
        }
        silence(&mut rig.client).await;
        rig.client_says(&from_client(AUTH2)).await;
        let (event, _, rest, held) = rig.met.await.unwrap();
        assert!(event.is_ok() && rest.is_empty(), "{case}");
        assert!(held == secret.repeat(3), "{case}");
    }
}

#[tokio::test]
async fn a_frame_of_control_overtakes_the_message_around_it() {
    let mut rig = rig();
    let (first, second) = (b"\x01\x042[\"e", b"\x80\x02\"]");
    let ping = ping_frame([7; 16]);
    rig.upstream_says(&[&first[..], &ping].concat()).await;
    read(&mut rig.client, &ping).await;
    rig.upstream_says(second).await;
    silence(&mut rig.client).await;
    rig.client_says(&from_client(AUTH2)).await;
    let (.., held) = rig.met.await.unwrap();
    assert_eq!(held, [&first[..], second].concat());
}

#[tokio::test]
async fn what_is_passed_on_takes_no_room() {
    let mut rig = rig();
    let ping = text_frame("2");
    let event = text_frame("42[\"e\"]");
    for _ in 0..1_000 {
        rig.upstream_says(&ping).await;
        read(&mut rig.client, &ping).await;
    }
    rig.upstream_says(&[event.clone(), ping.clone()].concat())
        .await;
    read(&mut rig.client, &ping).await;
    rig.client_says(&from_client(AUTH2)).await;
    assert_eq!(rig.met.await.unwrap().3, event);
}

#[tokio::test]
async fn an_upstream_for_which_there_is_no_room_is_not_read_any_more() {
    let long = text_frame(&"x".repeat(100_000));
    let event = text_frame(&format!("42[\"{}\"]", "x".repeat(1_000)));
    for (case, said, held_at_least) in [
        ("many bytes", event.repeat(200), 60 * event.len()),
        (
            "many frames",
            text_frame("42[\"e\"]").repeat(1_000),
            9 * 250,
        ),
        ("a message that is too long", long.clone(), 0),
        ("half of one", long[..50].to_vec(), 0),
        ("half an event", event[..50].to_vec(), 50),
        (
            "what is no message",
            [&event[..], &[0x83, 0]].concat(),
            event.len(),
        ),
        ("a compressed message", vec![0xc1, 1, 7], 0),
        ("a text that is none", vec![0x81, 1, 0xff], 0),
    ] {
        let mut rig = rig();
        let greeting = text_frame("2");
        rig.upstream_says(&greeting).await;
        read(&mut rig.client, &greeting).await;
        let said = [said, greeting].concat();
        rig.upstream_says(&said).await;
        silence(&mut rig.client).await;
        rig.client_says(&from_client(AUTH2)).await;
        let (event, _, rest, held) = rig.met.await.unwrap();
        assert!(event.is_ok() && rest.is_empty(), "{case}");
        // In order and whole, as far as it has been read, which is not far.
        assert!(said.starts_with(&held), "{case}");
        assert!(held.len() >= held_at_least, "{case}: {}", held.len());
        assert!(held.len() < 150_000, "{case}: {}", held.len());
    }
}

#[tokio::test]
async fn an_answer_comes_once() {
    let mut rig = rig();
    rig.client_says(&from_client(r#"427["conf",{}]"#)).await;
    let answer = text_frame("437[]");
    rig.upstream_says(&answer.repeat(2)).await;
    read(&mut rig.client, &answer).await;
    silence(&mut rig.client).await;
    rig.client_says(&from_client(AUTH2)).await;
    let (_, _, _, held) = rig.met.await.unwrap();
    assert_eq!(held, answer);
}

#[tokio::test]
async fn a_stranger_who_says_more_is_done() {
    for (case, said) in [
        ("an event", from_client(r#"42["chat message","hi"]"#)),
        (
            "a credential when connecting",
            from_client(r#"40{"token":"t"}"#),
        ),
        ("another namespace", from_client("40/admin,")),
        (
            "auth2 in another namespace",
            from_client(r#"42/admin,["auth2","t",{}]"#),
        ),
        ("two connections", from_client("40").repeat(2)),
        (
            "an attachment",
            from_client(r#"451-["auth2",{"_placeholder":true,"num":0}]"#),
        ),
        ("a binary message", masked(0x82, b"x")),
        (
            "fragments",
            [masked(0x01, b"4"), masked(0x80, b"0")].concat(),
        ),
        (
            "a duplicate key",
            from_client(r#"42["auth2","t",{"a":1,"a":1}]"#),
        ),
        ("too many frames", from_client("3").repeat(65)),
    ] {
        let mut rig = rig();
        rig.client_says(&said).await;
        let (event, ..) = rig.met.await.unwrap();
        assert_eq!(event.unwrap_err(), Unmet::Unexpected, "{case}");
    }
}

#[tokio::test]
async fn either_side_may_go() {
    let mut rig_ = rig();
    drop(rig_.upstream);
    assert_eq!(rig_.met.await.unwrap().0.unwrap_err(), Unmet::UpstreamGone);
    rig_ = rig();
    rig_.upstream_says(&close_frame(1000, "", None)).await;
    assert_eq!(rig_.met.await.unwrap().0.unwrap_err(), Unmet::UpstreamGone);
    rig_ = rig();
    let close = masked(0x88, &1000_u16.to_be_bytes());
    rig_.client_says(&close).await;
    assert_eq!(rig_.met.await.unwrap().0.unwrap_err(), Unmet::ClientGone);
    read(&mut rig_.upstream, &close).await;
    read(&mut rig_.client, &close_frame(1000, "", None)).await;
}
