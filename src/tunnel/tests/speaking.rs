use super::*;

const NOTICE: &str = "{\"type\":\"token_will_expire\"}";

fn notice() -> Vec<u8> {
    from_server(NOTICE.as_bytes())
}

fn ping() -> Vec<u8> {
    frame(0x89, 0, &ping_payload(SessionId(1)))
}

/// The client's answer, under a mask of zeros.
fn pong() -> Vec<u8> {
    frame(0x8a, 0x80, &ping_payload(SessionId(1)))
}

/// Lets the tunnel do all that it can.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Nothing is there to be read.
async fn is_quiet(stream: &mut DuplexStream) -> bool {
    let mut byte = [0];
    let read = poll_fn(|cx| {
        let mut buffer = tokio::io::ReadBuf::new(&mut byte);
        Poll::Ready(std::pin::Pin::new(&mut *stream).poll_read(cx, &mut buffer))
    });
    settle().await;
    read.await.is_pending()
}

#[tokio::test]
async fn an_idle_client_is_told_and_asked_at_once() {
    let mut rig = rig(1024, b"", b"");
    rig.live.signal.say(Arc::from(NOTICE));
    assert_eq!(read(&mut rig.client, notice().len()).await, notice());
    rig.live.signal.ping();
    assert_eq!(read(&mut rig.client, 18).await, ping());
    assert!(is_quiet(&mut rig.client).await && is_quiet(&mut rig.upstream).await);
}

#[tokio::test]
async fn what_was_said_before_the_session_began_is_not_lost() {
    let (client, near_client) = duplex(1024);
    let (_upstream, near_upstream) = duplex(1024);
    let registry = Arc::new(Registry::default());
    let (now, steady) = (UnixTime::from_secs(0), clock::steady());
    let session = registry.open(SessionId(1), Opening::default(), now, steady);
    session.live().signal.say(Arc::from(NOTICE));
    let welcome = from_server(b"welcome");
    tokio::spawn(async move {
        run(
            near_client,
            near_upstream,
            Vec::new(),
            welcome,
            &session,
            None,
        )
        .await
    });
    let mut client = client;
    assert_eq!(read(&mut client, 9).await, from_server(b"welcome"));
    assert_eq!(read(&mut client, notice().len()).await, notice());
}

#[tokio::test]
async fn a_notice_waits_for_the_end_of_a_message_and_a_ping_for_that_of_a_frame() {
    let mut rig = rig(1024, b"", b"");
    let parts = [
        frame(0x01, 0, b"first"),
        frame(0x00, 0, &[b'x'; 300]),
        frame(0x89, 0, b"the backend's"),
        frame(0x80, 0, b"last"),
    ];
    // In the middle of the first part.
    rig.upstream.write_all(&parts[0][..4]).await.unwrap();
    assert_eq!(read(&mut rig.client, 4).await, &parts[0][..4]);
    rig.live.signal.say(Arc::from(NOTICE));
    rig.live.signal.ping();
    assert!(is_quiet(&mut rig.client).await);
    rig.upstream.write_all(&parts[0][4..]).await.unwrap();
    let expected = [&parts[0][4..], &ping()].concat();
    assert_eq!(read(&mut rig.client, expected.len()).await, expected);
    // All at once, and another message in the same bytes.
    let next = from_server(b"next");
    let rest = [&*parts[1], &parts[2], &parts[3], &next].concat();
    rig.upstream.write_all(&rest).await.unwrap();
    let expected = [&*parts[1], &parts[2], &parts[3], &notice(), &next].concat();
    assert_eq!(read(&mut rig.client, expected.len()).await, expected);
}

#[tokio::test]
async fn a_stream_without_pause_leaves_room_for_a_notice_and_a_ping() {
    let rig = rig(64 * 1024, b"", b"");
    let (mut upstream, mut client) = (rig.upstream, rig.client);
    let flood = from_server(&[b'x'; 3000]);
    let flooding = tokio::spawn(async move { while upstream.write_all(&flood).await.is_ok() {} });
    let mut seen = 0;
    let mut next = async || {
        let header = read(&mut client, 2).await;
        let length = match header[1] {
            126 => read(&mut client, 2)
                .await
                .iter()
                .fold(0, |n, b| n * 256 + usize::from(*b)),
            length => usize::from(length),
        };
        (header[0], read(&mut client, length).await)
    };
    for round in 0..20 {
        for _ in 0..round {
            assert_eq!(next().await.1.len(), 3000);
        }
        rig.live.signal.say(Arc::from(NOTICE));
        rig.live.signal.ping();
        let (mut told, mut asked, mut frames) = (false, false, 0);
        while !(told && asked) {
            let (first, payload) = next().await;
            told |= (first, &*payload) == (0x81, NOTICE.as_bytes());
            asked |= first == 0x89;
            frames += 1;
            // What both pipes and the buffer between them hold, and some more.
            assert!(frames < 200, "round {round}");
        }
        seen += frames;
    }
    assert!(seen >= 40);
    drop(client);
    flooding.await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_gets_the_newest_notice_and_one_ping() {
    let mut rig = rig(64, b"", b"");
    let big = from_server(&[7; 500]);
    let sent = big.clone();
    let mut upstream = rig.upstream;
    let sending = tokio::spawn(async move {
        upstream.write_all(&sent).await.unwrap();
        upstream
    });
    settle().await;
    for seconds in (1..100).rev() {
        rig.live.signal.say(Arc::from(format!("{seconds} seconds")));
        rig.live.signal.ping();
        settle().await;
    }
    let expected = [big, ping(), from_server(b"1 seconds")].concat();
    assert_eq!(read(&mut rig.client, expected.len()).await, expected);
    assert!(is_quiet(&mut rig.client).await);
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn nothing_is_said_behind_a_close_frame() {
    let mut rig = rig(1024, b"", b"");
    let close = [0x88, 2, 0x0f, 0xa1];
    rig.upstream.write_all(&close).await.unwrap();
    assert_eq!(read(&mut rig.client, 4).await, close);
    rig.live.signal.say(Arc::from(NOTICE));
    rig.live.signal.ping();
    assert!(is_quiet(&mut rig.client).await);
    drop(rig.upstream);
    assert_eq!(rest(&mut rig.client).await, b"");
}

#[tokio::test]
async fn the_answer_to_the_gates_ping_never_reaches_the_upstream() {
    let (before, after) = (from_client(b"before"), from_client(b"after"));
    let bytes = [&*before, &pong(), &after].concat();
    // Whole, in two pieces, and byte by byte.
    for cut in 0..=bytes.len() {
        let mut rig = rig(1024, b"", b"");
        rig.live.signal.ping();
        assert_eq!(read(&mut rig.client, 18).await, ping());
        rig.client.write_all(&bytes[..cut]).await.unwrap();
        settle().await;
        rig.client.write_all(&bytes[cut..]).await.unwrap();
        let expected = [&*before, &after].concat();
        assert_eq!(
            read(&mut rig.upstream, expected.len()).await,
            expected,
            "cut at {cut}"
        );
        assert!(is_quiet(&mut rig.upstream).await, "cut at {cut}");
    }
    let mut rig = rig(1024, b"", b"");
    rig.live.signal.ping();
    assert_eq!(read(&mut rig.client, 18).await, ping());
    for byte in &bytes {
        rig.client.write_all(&[*byte]).await.unwrap();
        settle().await;
    }
    // Answers may come late, and more than once.
    rig.client
        .write_all(&[pong(), pong(), before.clone()].concat())
        .await
        .unwrap();
    let expected = [&*before, &after, &before].concat();
    assert_eq!(read(&mut rig.upstream, expected.len()).await, expected);
    // All of it is a sign of life.
    let sent = bytes.len() + 2 * pong().len() + before.len();
    assert_eq!(rig.live.bytes().0, sent as u64);
}

#[tokio::test]
async fn the_answer_may_stand_inside_a_message() {
    let mut rig = rig(1024, b"", b"");
    let (first, last) = (frame(0x01, 0x80, b"first"), frame(0x80, 0x80, b"last"));
    // The ping comes while a frame of the client is half read.
    rig.client.write_all(&first[..8]).await.unwrap();
    assert_eq!(read(&mut rig.upstream, 8).await, &first[..8]);
    rig.live.signal.ping();
    assert_eq!(read(&mut rig.client, 18).await, ping());
    let bytes = [&first[8..], &pong(), &last].concat();
    rig.client.write_all(&bytes).await.unwrap();
    let expected = [&first[8..], &last].concat();
    assert_eq!(read(&mut rig.upstream, expected.len()).await, expected);
}

#[tokio::test]
async fn other_pongs_pass() {
    let mut almost = pong();
    almost[21] ^= 1;
    let others = [
        frame(0x8a, 0x80, b""),
        frame(0x8a, 0x80, b"the backend's"),
        frame(0x8a, 0x80, &ping_payload(SessionId(2))),
        frame(0x8a, 0x80, &[7; 125]),
        frame(0x8a, 0x80, &[ping_payload(SessionId(1)), [0; 16]].concat()),
        frame(0x8a, 0x80, &ping_payload(SessionId(1))[..15]),
        almost,
        frame(0x89, 0x80, &ping_payload(SessionId(1))),
        frame(0x82, 0x80, &pong()),
    ]
    .concat();
    for piece in [1, 2, 5, 22, 23, others.len()] {
        let mut rig = rig(1024, b"", b"");
        rig.live.signal.ping();
        assert_eq!(read(&mut rig.client, 18).await, ping());
        for piece in others.chunks(piece) {
            rig.client.write_all(piece).await.unwrap();
            settle().await;
        }
        assert_eq!(read(&mut rig.upstream, others.len()).await, others);
    }
    // Before the gate has asked, nothing is an answer to it.
    let mut rig = rig(1024, b"", b"");
    rig.client.write_all(&pong()).await.unwrap();
    assert_eq!(read(&mut rig.upstream, 22).await, pong());
}

#[tokio::test]
async fn a_close_comes_through_while_an_answer_is_held_back() {
    let mut rig = rig(1024, b"", b"");
    rig.live.signal.ping();
    assert_eq!(read(&mut rig.client, 18).await, ping());
    rig.client.write_all(&pong()[..10]).await.unwrap();
    settle().await;
    rig.live.signal.close(CloseReason::Expired);
    assert_eq!(close_of(&unmasked(&rest(&mut rig.upstream).await)).0, 4401);
    assert_eq!(close_of(&rest(&mut rig.client).await).0, 4401);
}
