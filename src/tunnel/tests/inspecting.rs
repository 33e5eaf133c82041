use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::*;

const LIMIT: usize = 20;

/// Consumes and closes as a text asks for it. Takes a permit for each text.
struct Inspect {
    seen: Arc<Mutex<Vec<String>>>,
    permits: Arc<Semaphore>,
    dropped: Arc<AtomicUsize>,
}

#[async_trait]
impl Inspector for Inspect {
    async fn inspect(&mut self, text: &[u8]) -> Inspected {
        self.seen
            .lock()
            .push(String::from_utf8(text.to_vec()).unwrap());
        self.permits.acquire().await.unwrap().forget();
        match text {
            b"consume" => Inspected::Consume,
            b"close" => Inspected::Close(CloseReason::Revoked),
            _ => Inspected::Pass,
        }
    }
}

impl Drop for Inspect {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

struct Test {
    rig: Rig,
    seen: Arc<Mutex<Vec<String>>>,
    permits: Arc<Semaphore>,
    dropped: Arc<AtomicUsize>,
}

/// A tunnel with an inspector that may judge so many texts.
fn inspected(permits: usize, from_client: &[u8]) -> Test {
    let seen = Arc::default();
    let permits = Arc::new(Semaphore::new(permits));
    let dropped = Arc::default();
    let inspector = Inspect {
        seen: Arc::clone(&seen),
        permits: Arc::clone(&permits),
        dropped: Arc::clone(&dropped),
    };
    let inspection = Inspection {
        limit: LIMIT,
        beyond: Beyond::Pass,
        inspector: Box::new(inspector),
    };
    Test {
        rig: rig_with(4096, from_client, b"", Some(inspection)),
        seen,
        permits,
        dropped,
    }
}

fn masked_with(key: [u8; 4], first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(first, 0x80, payload);
    let start = bytes.len() - payload.len();
    bytes[start - 4..start].copy_from_slice(&key);
    for (byte, key) in bytes[start..].iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
    bytes
}

#[tokio::test]
async fn texts_pass_byte_for_byte_and_what_is_consumed_does_not() {
    let one = masked_with([1, 2, 3, 4], 0x81, b"one");
    let consume = masked_with([5, 6, 7, 8], 0x81, b"consume");
    let two = [
        masked_with([1, 9, 1, 9], 0x01, b"t"),
        masked_with([2, 8, 2, 8], 0x00, b""),
        masked_with([3, 7, 3, 7], 0x80, b"wo"),
    ]
    .concat();
    let bytes = [&*one, &consume, &two].concat();
    for piece in 1..=bytes.len() {
        let mut test = inspected(100, b"");
        for piece in bytes.chunks(piece) {
            test.rig.client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        let expected = [&*one, &two].concat();
        assert_eq!(read(&mut test.rig.upstream, expected.len()).await, expected);
        assert_eq!(*test.seen.lock(), ["one", "consume", "two"]);
    }
}

#[tokio::test]
async fn what_came_with_the_handshake_is_inspected_too() {
    let early = [from_client(b"consume"), from_client(b"early")].concat();
    let mut test = inspected(100, &early);
    assert_eq!(
        read(&mut test.rig.upstream, 11).await,
        from_client(b"early")
    );
    assert_eq!(*test.seen.lock(), ["consume", "early"]);
}

#[tokio::test]
async fn an_empty_text_and_one_of_just_the_limit_are_inspected() {
    let mut test = inspected(100, b"");
    let (empty, full) = (from_client(b""), from_client(&[b'x'; LIMIT]));
    let bytes = [&*empty, &full].concat();
    test.rig.client.write_all(&bytes).await.unwrap();
    assert_eq!(read(&mut test.rig.upstream, bytes.len()).await, bytes);
    assert_eq!(*test.seen.lock(), [String::new(), "x".repeat(LIMIT)]);
}

#[tokio::test]
async fn long_binary_and_compressed_messages_pass_without_a_look() {
    let mut test = inspected(0, b"");
    let long_part = frame(0x01, 0x80, &[b'x'; LIMIT]);
    for (case, bytes) in [
        (
            "a long text, by its header alone",
            frame(0x81, 0x80, &[b'x'; 21])[..6].to_vec(),
        ),
        ("the rest of it", vec![b'x'; 21]),
        ("a binary", frame(0x82, 0x80, b"consume")),
        (
            "a binary in parts",
            [frame(0x02, 0x80, b"con"), frame(0x80, 0x80, b"sume")].concat(),
        ),
        ("a compressed text", frame(0xc1, 0x80, b"consume")),
        (
            "its other part",
            [frame(0x41, 0x80, b"con"), frame(0x80, 0x80, b"sume")].concat(),
        ),
        (
            "a text that grows too long",
            [long_part, frame(0x00, 0x80, b"y")].concat(),
        ),
        ("the rest of that", frame(0x80, 0x80, b"z")),
        ("a ping", frame(0x89, 0x80, b"?")),
    ] {
        test.rig.client.write_all(&bytes).await.unwrap();
        assert_eq!(
            read(&mut test.rig.upstream, bytes.len()).await,
            bytes,
            "{case}"
        );
    }
    assert!(test.seen.lock().is_empty());
}

#[tokio::test]
async fn messages_keep_their_order() {
    let mut test = inspected(0, b"");
    let bytes = [
        from_client(b"text"),
        frame(0x82, 0x80, b"binary"),
        frame(0x89, 0x80, b"ping"),
        from_client(b"text"),
        frame(0x88, 0x80, b""),
    ]
    .concat();
    test.rig.client.write_all(&bytes).await.unwrap();
    test.permits.add_permits(1);
    let first = 10 + 12 + 10;
    assert_eq!(read(&mut test.rig.upstream, first).await, &bytes[..first]);
    test.permits.add_permits(1);
    assert_eq!(
        read(&mut test.rig.upstream, bytes.len() - first).await,
        &bytes[first..]
    );
}

#[tokio::test]
async fn control_frames_do_not_wait_for_the_end_of_a_text() {
    let mut test = inspected(100, b"");
    let (part, ping) = (frame(0x01, 0x80, b"con"), frame(0x89, 0x80, b"?"));
    test.rig
        .client
        .write_all(&[&*part, &ping].concat())
        .await
        .unwrap();
    assert_eq!(read(&mut test.rig.upstream, ping.len()).await, ping);
    let last = frame(0x80, 0x80, b"tent");
    test.rig.client.write_all(&last).await.unwrap();
    let expected = [&*part, &last].concat();
    assert_eq!(read(&mut test.rig.upstream, expected.len()).await, expected);
    assert_eq!(*test.seen.lock(), ["content"]);
}

#[tokio::test]
async fn the_other_direction_goes_on_while_a_text_is_inspected() {
    let mut test = inspected(0, b"");
    test.rig
        .client
        .write_all(&from_client(b"hello"))
        .await
        .unwrap();
    for _ in 0..10 {
        test.rig
            .upstream
            .write_all(&from_server(b"push"))
            .await
            .unwrap();
        assert_eq!(read(&mut test.rig.client, 6).await, from_server(b"push"));
    }
    test.rig.live.signal.say(Arc::from("soon"));
    assert_eq!(read(&mut test.rig.client, 6).await, from_server(b"soon"));
    test.permits.add_permits(1);
    assert_eq!(
        read(&mut test.rig.upstream, 11).await,
        from_client(b"hello")
    );
}

#[tokio::test]
async fn a_session_can_be_closed_while_a_text_is_inspected() {
    let mut test = inspected(0, b"");
    let bytes = [from_client(b"hello"), from_client(b"again")].concat();
    test.rig.client.write_all(&bytes).await.unwrap();
    while test.seen.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    test.rig.live.signal.close(CloseReason::Expired);
    assert_eq!(
        close_of(&unmasked(&rest(&mut test.rig.upstream).await)).0,
        4401
    );
    assert_eq!(close_of(&rest(&mut test.rig.client).await).0, 4401);
    drop(test.rig.client);
    assert_eq!(
        test.rig.ending.await.unwrap(),
        Ending::Gate(CloseReason::Expired)
    );
    assert_eq!(test.dropped.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_inspector_can_end_the_session() {
    let mut test = inspected(100, b"");
    let bytes = [
        from_client(b"fine"),
        from_client(b"close"),
        from_client(b"late"),
    ]
    .concat();
    test.rig.client.write_all(&bytes).await.unwrap();
    let seen = rest(&mut test.rig.upstream).await;
    assert_eq!(&seen[..10], from_client(b"fine"));
    assert_eq!(close_of(&unmasked(&seen[10..])).0, 4403);
    assert_eq!(close_of(&rest(&mut test.rig.client).await).0, 4403);
    drop(test.rig.client);
    assert_eq!(
        test.rig.ending.await.unwrap(),
        Ending::Gate(CloseReason::Revoked)
    );
}

#[tokio::test]
async fn what_was_sent_before_the_client_left_is_inspected_and_arrives() {
    let mut test = inspected(0, b"");
    let bytes = [
        from_client(b"consume"),
        from_client(b"bye"),
        frame(0x01, 0x80, b"half"),
    ]
    .concat();
    test.rig.client.write_all(&bytes).await.unwrap();
    drop(test.rig.client);
    test.permits.add_permits(2);
    assert_eq!(rest(&mut test.rig.upstream).await, from_client(b"bye"));
    drop(test.rig.upstream);
    assert_eq!(test.rig.ending.await.unwrap(), Ending::Client);
}

#[tokio::test]
async fn a_text_that_is_none_ends_the_session() {
    for (case, bytes) in [
        ("bytes that are no UTF-8", from_client(b"\xff")),
        (
            "frames without an end",
            [frame(0x01, 0x80, b""), frame(0x00, 0x80, b"").repeat(100)].concat(),
        ),
    ] {
        let mut test = inspected(100, b"");
        let bytes = [from_client(b"fine"), bytes].concat();
        test.rig.client.write_all(&bytes).await.unwrap();
        let seen = rest(&mut test.rig.upstream).await;
        assert_eq!(&seen[..10], from_client(b"fine"), "{case}");
        assert_eq!(close_of(&unmasked(&seen[10..])).0, 1002, "{case}");
        assert_eq!(
            close_of(&rest(&mut test.rig.client).await).0,
            1002,
            "{case}"
        );
    }
}

#[tokio::test]
async fn the_answer_to_a_ping_is_kept_from_the_upstream_here_too() {
    let mut test = inspected(100, b"");
    test.rig.live.signal.ping();
    read(&mut test.rig.client, 18).await;
    let pong = frame(0x8a, 0x80, &ping_payload(SessionId(1)));
    let bytes = [
        &*frame(0x01, 0x80, b"con"),
        &pong,
        &frame(0x80, 0x80, b"sume"),
        &pong,
        &from_client(b"end"),
    ]
    .concat();
    test.rig.client.write_all(&bytes).await.unwrap();
    assert_eq!(read(&mut test.rig.upstream, 9).await, from_client(b"end"));
    assert_eq!(*test.seen.lock(), ["consume", "end"]);
}
