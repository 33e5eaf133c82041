use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::clock::UnixTime;
use crate::config::document::SessionRule;
use crate::session::registry::Registry;
use crate::session::{Opening, SessionId};

/// Messages that may only be so long.
mod bounded;
/// Texts that are looked at before they pass.
mod inspecting;
/// What the gate itself says, and what becomes of the answer.
mod speaking;
/// Streams made at random, cut anywhere.
mod streams;

/// A tunnel between two in-memory pipes, with the far ends in the test's hands.
struct Rig {
    client: DuplexStream,
    upstream: DuplexStream,
    live: Arc<Live>,
    ending: tokio::task::JoinHandle<Ending>,
}

fn rig(pipe: usize, from_client: &[u8], from_upstream: &[u8]) -> Rig {
    rig_with(pipe, from_client, from_upstream, None)
}

fn rig_with(
    pipe: usize,
    from_client: &[u8],
    from_upstream: &[u8],
    inspection: Option<Inspection>,
) -> Rig {
    rig_of(
        pipe,
        (from_client, from_upstream),
        inspection,
        SessionRule::default(),
    )
}

fn rig_of(
    pipe: usize,
    (from_client, from_upstream): (&[u8], &[u8]),
    inspection: Option<Inspection>,
    rule: SessionRule,
) -> Rig {
    let (client, near_client) = duplex(pipe);
    let (upstream, near_upstream) = duplex(pipe);
    let registry = Arc::new(Registry::default());
    let session = registry.open(
        SessionId(1),
        Opening {
            rule: Arc::new(rule),
            ..Opening::default()
        },
        UnixTime::from_secs(0),
        clock::steady(),
    );
    let live = Arc::clone(session.live());
    let (early_client, early_upstream) = (from_client.to_vec(), from_upstream.to_vec());
    let ending = tokio::spawn(async move {
        run(
            near_client,
            near_upstream,
            early_client,
            early_upstream,
            &session,
            inspection,
        )
        .await
        .by
    });
    Rig {
        client,
        upstream,
        live,
        ending,
    }
}

/// A masked text frame with a mask of zeros, so that payload is readable.
fn from_client(payload: &[u8]) -> Vec<u8> {
    frame(0x81, 0x80, payload)
}

fn from_server(payload: &[u8]) -> Vec<u8> {
    frame(0x81, 0, payload)
}

fn frame(first: u8, mask_bit: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(mask_bit | u8::try_from(len).unwrap()),
        len @ 126..=65535 => {
            frame.push(mask_bit + 126);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            frame.push(mask_bit + 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    if mask_bit != 0 {
        frame.extend([0; 4]);
    }
    frame.extend(payload);
    frame
}

async fn read(stream: &mut DuplexStream, n: usize) -> Vec<u8> {
    let mut bytes = vec![0; n];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

async fn rest(stream: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// The code and the text of an unmasked Close frame.
fn close_of(bytes: &[u8]) -> (u16, String) {
    assert_eq!(bytes[0], 0x88, "a Close frame");
    assert_eq!(usize::from(bytes[1]), bytes.len() - 2, "nothing behind it");
    (
        u16::from_be_bytes([bytes[2], bytes[3]]),
        String::from_utf8(bytes[4..].to_vec()).unwrap(),
    )
}

/// The same of a masked one.
fn unmasked(bytes: &[u8]) -> Vec<u8> {
    let mask = &bytes[2..6];
    let payload = bytes[6..]
        .iter()
        .zip(mask.iter().cycle())
        .map(|(b, m)| b ^ m);
    [bytes[0], bytes[1] & 0x7f]
        .into_iter()
        .chain(payload)
        .collect()
}

#[tokio::test]
async fn frames_pass_both_ways_unchanged() {
    let mut rig = rig(64, b"", b"");
    let big = from_client(&vec![7; 70_000]);
    let (mut far_read, mut far_write) = tokio::io::split(rig.client);
    let sent = big.clone();
    let writer = tokio::spawn(async move {
        far_write.write_all(&sent).await.unwrap();
        far_write
    });
    assert_eq!(read(&mut rig.upstream, big.len()).await, big);
    let reply = from_server(b"hello");
    rig.upstream.write_all(&reply).await.unwrap();
    let mut got = vec![0; reply.len()];
    far_read.read_exact(&mut got).await.unwrap();
    assert_eq!(got, reply);
    assert_eq!(rig.live.bytes(), (big.len() as u64, reply.len() as u64));
    drop((writer.await.unwrap(), far_read, rig.upstream));
    assert_eq!(rig.ending.await.unwrap(), Ending::Client);
}

#[tokio::test]
async fn bytes_that_came_with_the_handshake_come_first() {
    let mut rig = rig(1024, &from_client(b"early"), &from_server(b"welcome"));
    assert_eq!(read(&mut rig.upstream, 11).await, from_client(b"early"));
    assert_eq!(read(&mut rig.client, 9).await, from_server(b"welcome"));
}

#[tokio::test]
async fn an_idle_session_is_closed_on_both_sides() {
    let mut rig = rig(1024, b"", b"");
    assert!(rig.live.signal.close(CloseReason::Expired));
    let upstream = rest(&mut rig.upstream).await;
    assert_eq!(
        close_of(&unmasked(&upstream)),
        (4401, "token expired".to_owned())
    );
    assert_eq!(
        close_of(&rest(&mut rig.client).await),
        (4401, "token expired".to_owned())
    );
    drop(rig.client);
    assert_eq!(
        rig.ending.await.unwrap(),
        Ending::Gate(CloseReason::Expired)
    );
}

#[tokio::test]
async fn the_close_frame_waits_for_the_end_of_a_frame() {
    let mut rig = rig(1024, b"", b"");
    let whole = from_server(&[1; 300]);
    rig.upstream.write_all(&whole[..100]).await.unwrap();
    assert_eq!(read(&mut rig.client, 100).await, &whole[..100]);
    rig.live.signal.close(CloseReason::Expired);
    // The rest of the frame, and a second frame that is not begun any more.
    rig.upstream.write_all(&whole[100..]).await.unwrap();
    rig.upstream.write_all(&from_server(b"late")).await.unwrap();
    let seen = rest(&mut rig.client).await;
    assert_eq!(&seen[..204], &whole[100..]);
    assert_eq!(close_of(&seen[204..]).0, 4401);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_never_ends_is_cut_at_the_deadline() {
    let mut rig = rig(1024, b"", b"");
    let whole = from_server(&[1; 300]);
    rig.upstream.write_all(&whole[..100]).await.unwrap();
    assert_eq!(read(&mut rig.client, 100).await, &whole[..100]);
    rig.live.signal.close(CloseReason::Expired);
    // In the middle of a frame a Close frame would be payload: the client sees the end only.
    assert_eq!(rest(&mut rig.client).await, b"");
    drop(rig.client);
    assert_eq!(
        rig.ending.await.unwrap(),
        Ending::Gate(CloseReason::Expired)
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut_at_the_deadline() {
    let mut rig = rig(4096, b"", b"");
    let flood = from_server(&vec![1; 60_000]);
    let (mut upstream, live) = (rig.upstream, Arc::clone(&rig.live));
    let flooding = tokio::spawn(async move { while upstream.write_all(&flood).await.is_ok() {} });
    while live.bytes().1 == 0 {
        tokio::task::yield_now().await;
    }
    live.signal.close(CloseReason::Expired);
    assert_eq!(
        rig.ending.await.unwrap(),
        Ending::Gate(CloseReason::Expired)
    );
    flooding.await.unwrap();
    let _ = rest(&mut rig.client).await;
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_waits_to_be_read_itself_still_gets_the_close_frame() {
    let mut rig = rig(64, b"", b"");
    let answer = from_server(&[2; 50]);
    let mut upstream = rig.upstream;
    // It reads nothing until all its answers are taken, as one does that answers in turn.
    let answering = tokio::spawn(async move {
        for _ in 0..200 {
            upstream.write_all(&answer).await.unwrap();
        }
        rest(&mut upstream).await
    });
    // As much as both pipes hold.
    let asked = from_client(&[1; 50]).repeat(2);
    rig.client.write_all(&asked).await.unwrap();
    rig.live.signal.close(CloseReason::Expired);
    let _ = rest(&mut rig.client).await;
    let seen = answering.await.unwrap();
    let frames = seen.len() / 56 * 56;
    assert_eq!(seen[..frames], asked[..frames]);
    assert_eq!(close_of(&unmasked(&seen[frames..])).0, 4401);
}

#[tokio::test]
async fn a_close_frame_of_the_upstream_reaches_the_client_once() {
    let mut rig = rig(1024, b"", b"");
    let close = [0x88, 2, 0x0f, 0xa1];
    rig.upstream.write_all(&close).await.unwrap();
    rig.live.signal.close(CloseReason::Expired);
    let seen = rest(&mut rig.client).await;
    assert!(
        seen == close || close_of(&seen).0 == 4401,
        "one Close frame, whichever was first: {seen:?}"
    );
}

#[tokio::test]
async fn a_client_that_breaks_the_framing_is_told() {
    let mut rig = rig(1024, b"", b"");
    // Not masked, which only a server may do.
    rig.client.write_all(&from_server(b"x")).await.unwrap();
    assert_eq!(close_of(&rest(&mut rig.client).await).0, 1002);
    assert_eq!(close_of(&unmasked(&rest(&mut rig.upstream).await)).0, 1002);
}

#[tokio::test]
async fn what_was_sent_before_the_end_still_arrives() {
    let mut rig = rig(16, b"", b"");
    let last = from_server(&[9; 100]);
    let sent = last.clone();
    let mut upstream = rig.upstream;
    let sending = tokio::spawn(async move { upstream.write_all(&sent).await.unwrap() });
    assert_eq!(rest(&mut rig.client).await, last);
    drop(rig.client);
    sending.await.unwrap();
    assert_eq!(rig.ending.await.unwrap(), Ending::Upstream);
}

#[tokio::test]
async fn the_upstreams_last_words_reach_a_client_that_is_sending() {
    let mut rig = rig(4096, b"", b"");
    let mut last = from_server(b"kicked");
    last.extend([0x88, 2, 0x0f, 0xa0]);
    // Written and closed at once: whatever the client sends meets a closed connection.
    rig.upstream.write_all(&last).await.unwrap();
    drop(rig.upstream);
    rig.client.write_all(&from_client(b"hello")).await.unwrap();
    rig.client.shutdown().await.unwrap();
    assert_eq!(rest(&mut rig.client).await, last);
    assert_eq!(rig.ending.await.unwrap(), Ending::Upstream);
}

#[tokio::test]
async fn a_client_that_has_closed_its_half_still_gets_the_close_frame() {
    let mut rig = rig(4096, b"", b"");
    rig.client
        .write_all(&[0x88, 0x80, 0, 0, 0, 0])
        .await
        .unwrap();
    rig.client.shutdown().await.unwrap();
    assert_eq!(rest(&mut rig.upstream).await, [0x88, 0x80, 0, 0, 0, 0]);
    let mut last = from_server(b"last");
    last.extend([0x88, 0]);
    rig.upstream.write_all(&last).await.unwrap();
    drop(rig.upstream);
    assert_eq!(rest(&mut rig.client).await, last);
    assert_eq!(rig.ending.await.unwrap(), Ending::Client);
}

#[tokio::test]
async fn who_sends_the_close_frame_first_has_ended_the_session() {
    let mut rig = rig(4096, b"", b"");
    let close = [0x88, 0x80, 0, 0, 0, 0];
    rig.client.write_all(&close).await.unwrap();
    assert_eq!(read(&mut rig.upstream, 6).await, close);
    // The upstream answers and is the first to hang up.
    rig.upstream.write_all(&[0x88, 0]).await.unwrap();
    drop(rig.upstream);
    assert_eq!(rest(&mut rig.client).await, [0x88, 0]);
    drop(rig.client);
    assert_eq!(rig.ending.await.unwrap(), Ending::Client);
}

#[tokio::test]
async fn whole_frames_before_a_malformed_one_are_passed_on() {
    let mut rig = rig(4096, b"", b"");
    let mut bytes = from_client(b"fine");
    bytes.extend([0x83, 0x80, 0, 0, 0, 0]);
    rig.client.write_all(&bytes).await.unwrap();
    assert_eq!(read(&mut rig.upstream, 10).await, from_client(b"fine"));
    assert_eq!(close_of(&unmasked(&rest(&mut rig.upstream).await)).0, 1002);
    assert_eq!(close_of(&rest(&mut rig.client).await).0, 1002);
}
