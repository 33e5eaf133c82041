use super::*;

/// How long a message may be.
const MOST: u64 = 200;

fn bounded(pipe: usize, early: &[u8]) -> Rig {
    let rule = SessionRule {
        max_message: Some(MOST),
        ..SessionRule::default()
    };
    rig_of(pipe, (early, b""), None, rule)
}

fn masked(first: u8, payload: usize) -> Vec<u8> {
    frame(first, 0x80, &vec![7; payload])
}

/// Writes these bytes in pieces of a size, each when everything before it has been dealt with. Both
/// sides hear 1009, and the upstream nothing but `passes` before.
async fn expect_too_large(bytes: &[u8], piece: usize, passes: &[u8]) {
    let mut rig = bounded(100_000, b"");
    for piece in bytes.chunks(piece) {
        rig.client.write_all(piece).await.unwrap();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(close_of(&rest(&mut rig.client).await).0, 1009);
    let seen = rest(&mut rig.upstream).await;
    let (before, close) = seen.split_at(passes.len());
    assert_eq!(before, passes);
    assert_eq!(close_of(&unmasked(close)).0, 1009);
    drop((rig.client, rig.upstream));
    assert_eq!(
        rig.ending.await.unwrap(),
        Ending::Gate(CloseReason::TooLarge)
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_message_ends_the_session_before_its_payload_passes() {
    let good = [masked(0x81, 200), masked(0x82, 0), masked(0xc1, 200)].concat();
    let parts = [masked(0x01, 150), masked(0x89, 125), masked(0x00, 50)].concat();
    for (case, passes, bytes) in [
        ("one frame", &good, masked(0x82, 201)),
        ("compressed", &good, masked(0xc2, 201)),
        ("the last of its fragments", &parts, masked(0x80, 1)),
        ("one in the middle", &parts, masked(0x00, 60_000)),
    ] {
        let whole = [passes.as_slice(), &bytes].concat();
        // At once, and with the header cut anywhere.
        for piece in [usize::MAX, 1, 3, passes.len() + 1, passes.len() + 5] {
            println!("{case}, in pieces of {piece}");
            expect_too_large(&whole, piece.min(whole.len()), passes).await;
        }
    }
    // Nothing of the payload has to be there, however long it says that it will be.
    let mut huge = vec![0x82, 0xff];
    huge.extend(u64::MAX.to_be_bytes().map(|byte| byte & 0x7f));
    huge.extend([0; 4]);
    expect_too_large(&huge, 1, b"").await;
}

#[tokio::test(start_paused = true)]
async fn messages_of_the_longest_length_pass_and_control_frames_count_for_none() {
    let mut rig = bounded(100_000, b"");
    let parts = [
        masked(0x01, 100),
        masked(0x89, 125),
        masked(0x00, 0),
        masked(0x80, 100),
        masked(0x82, 200),
    ]
    .concat();
    for piece in parts.chunks(1) {
        rig.client.write_all(piece).await.unwrap();
    }
    assert_eq!(read(&mut rig.upstream, parts.len()).await, parts);
    // An upstream may say what it likes.
    let long = from_server(&[1; 5000]);
    rig.upstream.write_all(&long).await.unwrap();
    assert_eq!(read(&mut rig.client, long.len()).await, long);
}

#[tokio::test(start_paused = true)]
async fn what_came_with_the_handshake_counts_too() {
    let early = [masked(0x81, 5), masked(0x01, 150), vec![0x80]].concat();
    let mut rig = bounded(100_000, &early);
    let passed = early.len() - 1;
    assert_eq!(read(&mut rig.upstream, passed).await, early[..passed]);
    rig.client.write_all(&masked(0x80, 51)[1..]).await.unwrap();
    assert_eq!(close_of(&rest(&mut rig.client).await).0, 1009);
    assert_eq!(close_of(&unmasked(&rest(&mut rig.upstream).await)).0, 1009);
    // All of it.
    let mut rig = bounded(100_000, &masked(0x81, 201));
    assert_eq!(close_of(&rest(&mut rig.client).await).0, 1009);
    assert_eq!(close_of(&unmasked(&rest(&mut rig.upstream).await)).0, 1009);
}

#[tokio::test(start_paused = true)]
async fn a_pong_to_the_gate_is_known_in_pieces() {
    let mut rig = bounded(100_000, b"");
    rig.live.signal.ping();
    let _ = read(&mut rig.client, 18).await;
    let pong = frame(0x8a, 0x80, &ping_payload(SessionId(1)));
    let text = masked(0x81, 200);
    for byte in [text.as_slice(), &pong, &text, &masked(0x81, 201)].concat() {
        rig.client.write_all(&[byte]).await.unwrap();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(
        read(&mut rig.upstream, 2 * text.len()).await,
        text.repeat(2)
    );
    assert_eq!(close_of(&unmasked(&rest(&mut rig.upstream).await)).0, 1009);
}
