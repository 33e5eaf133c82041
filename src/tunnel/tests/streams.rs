//! Whatever passes in whatever pieces, and whenever the gate speaks or closes: what arrives is what
//! was sent, with the gate's own frames where they may stand.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::Config;
use tokio::io::{ReadHalf, WriteHalf};

use super::*;

/// What the outside does, one after the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The client writes so many bytes.
    Up(usize),
    /// The upstream does.
    Down(usize),
    Say,
    Ping,
    /// The tunnel does all that it can.
    Settle,
}

/// How the session ends once all steps are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Both sides send the rest and stop.
    ByItself,
    /// The gate closes, and both sides go on sending what they have.
    Closed,
}

fn ping() -> Vec<u8> {
    frame(0x89, 0, &ping_payload(SessionId(1)))
}

fn notice(number: usize) -> String {
    format!("notice {number}")
}

/// Plays it, and gives what arrived at the client and at the upstream.
async fn play(
    (up, down): (&[u8], &[u8]),
    pipe: usize,
    max_message: Option<u64>,
    steps: &[Step],
    end: End,
) -> (Vec<u8>, Vec<u8>) {
    let rule = SessionRule {
        max_message,
        ..SessionRule::default()
    };
    let rig = rig_of(pipe, (b"", b""), None, rule);
    let (from_gate, mut client) = tokio::io::split(rig.client);
    let (from_client, mut upstream) = tokio::io::split(rig.upstream);
    let to_end = async |mut side: ReadHalf<DuplexStream>| {
        let mut bytes = Vec::new();
        side.read_to_end(&mut bytes).await.unwrap();
        bytes
    };
    let at_client = tokio::spawn(to_end(from_gate));
    let at_upstream = tokio::spawn(to_end(from_client));
    let (mut up, mut down, mut said) = (up, down, 0);
    for step in steps {
        let (stream, left, n) = match step {
            Step::Up(n) => (&mut client, &mut up, *n),
            Step::Down(n) => (&mut upstream, &mut down, *n),
            Step::Say => {
                said += 1;
                rig.live.signal.say(Arc::from(notice(said)));
                continue;
            }
            Step::Ping => {
                rig.live.signal.ping();
                continue;
            }
            Step::Settle => {
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                continue;
            }
        };
        let (now, later) = left.split_at(n.min(left.len()));
        stream.write_all(now).await.unwrap();
        *left = later;
    }
    if end == End::Closed {
        rig.live.signal.close(CloseReason::Expired);
    }
    let send = async |side: &mut WriteHalf<DuplexStream>, rest: &[u8]| {
        let sent = side.write_all(rest).await;
        assert!(sent.is_ok() || end == End::Closed);
    };
    tokio::join!(send(&mut client, up), send(&mut upstream, down));
    // The clock stands still until nobody has anything to do.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let _ = tokio::join!(client.shutdown(), upstream.shutdown());
    let arrived = (at_client.await.unwrap(), at_upstream.await.unwrap());
    drop((client, upstream));
    let by = rig.ending.await.unwrap();
    assert_eq!(by == Ending::Gate(CloseReason::Expired), end == End::Closed);
    arrived
}

/// A frame of a stream, and whether a message is complete in front of it.
#[derive(Debug, PartialEq, Eq)]
struct Seen<'b> {
    raw: &'b [u8],
    payload: Vec<u8>,
    is_between_messages: bool,
}

/// A decoder that shares nothing with the gate's. It panics where RFC 6455 §5 is not kept.
fn decode(mut bytes: &[u8], sender: Sender) -> Vec<Seen<'_>> {
    let (mut seen, mut is_open) = (Vec::new(), false);
    while !bytes.is_empty() {
        let (fin, opcode) = (bytes[0] >> 7 == 1, bytes[0] & 0x0f);
        let is_masked = bytes[1] >> 7 == 1;
        assert_eq!(is_masked, sender == Sender::Client);
        let (length, mut header) = match bytes[1] & 0x7f {
            126 => (u64::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            127 => (u64::from_be_bytes(bytes[2..10].try_into().unwrap()), 10),
            length => (u64::from(length), 2),
        };
        let mut key = [0; 4];
        if is_masked {
            key.copy_from_slice(&bytes[header..header + 4]);
            header += 4;
        }
        let length = usize::try_from(length).unwrap();
        let is_between_messages = !is_open;
        match opcode {
            0x0 => {
                assert!(is_open, "a continuation continues something");
                is_open = !fin;
            }
            0x1 | 0x2 => {
                assert!(!is_open, "messages are not mixed");
                is_open = !fin;
            }
            0x8..=0xa => assert!(fin && length <= 125),
            _ => panic!("opcode {opcode}"),
        }
        let payload = bytes[header..header + length].iter().enumerate();
        seen.push(Seen {
            raw: &bytes[..header + length],
            payload: payload.map(|(at, byte)| byte ^ key[at % 4]).collect(),
            is_between_messages,
        });
        bytes = &bytes[header + length..];
        assert!(
            opcode != 0x8 || bytes.is_empty(),
            "nothing comes behind Close"
        );
    }
    seen
}

/// Judges what arrived.
fn judge(
    (up, down): (&[u8], &[u8]),
    (at_client, at_upstream): (&[u8], &[u8]),
    steps: &[Step],
    end: End,
) {
    let mut frames = decode(at_client, Sender::Server);
    let mut to_upstream = decode(at_upstream, Sender::Client);
    if end == End::Closed {
        for frames in [&mut frames, &mut to_upstream] {
            let close = frames.pop().expect("a Close frame");
            assert_eq!(close.raw[0], 0x88);
            assert_eq!(
                close.payload,
                [&4401_u16.to_be_bytes(), &b"token expired"[..]].concat()
            );
        }
    }

    // The gate's own frames.
    let mut said: Vec<Vec<u8>> = Vec::new();
    let mut pings = 0;
    let mut arrived = Vec::new();
    for frame in &frames {
        if frame.raw == ping() {
            pings += 1;
        } else if frame.payload.starts_with(b"notice ") {
            assert!(frame.is_between_messages);
            assert_eq!(frame.raw, from_server(&frame.payload));
            said.push(frame.payload.clone());
        } else {
            arrived.extend_from_slice(frame.raw);
        }
    }
    let asked = |kind: fn(&Step) -> bool| steps.iter().filter(|step| kind(step)).count();
    let (notices, asked_pings) = (
        asked(|step| matches!(step, Step::Say)),
        asked(|step| matches!(step, Step::Ping)),
    );
    // Newer ones take the place of older ones, but the newest is said, unless the end overtakes it.
    let all: Vec<_> = (1..=notices).map(|n| notice(n).into_bytes()).collect();
    assert!(said.is_sorted_by_key(|text| all.iter().position(|one| one == text).unwrap()));
    assert!(pings <= asked_pings);
    if end == End::ByItself {
        assert_eq!(said.last(), all.last());
        assert!(pings > 0 || asked_pings == 0);
    }

    // Everything else.
    let is_foreign = |frame: &&Seen<'_>| frame.payload != ping_payload(SessionId(1));
    let foreign = |frames: &[Seen<'_>]| -> Vec<u8> {
        let raw = frames.iter().filter(is_foreign).map(|frame| frame.raw);
        raw.collect::<Vec<_>>().concat()
    };
    let sent_up = foreign(&decode(up, Sender::Client));
    let arrived_up = foreign(&to_upstream);
    if end == End::Closed {
        assert!(down.starts_with(&arrived));
        assert!(sent_up.starts_with(&arrived_up));
    } else {
        assert!(down == arrived);
        assert!(sent_up == arrived_up);
    }
    if asked_pings == 0 {
        assert!(
            up.starts_with(
                &to_upstream
                    .iter()
                    .map(|frame| frame.raw)
                    .collect::<Vec<_>>()
                    .concat()
            )
        );
    }
}

/// A bound that is never reached changes nothing.
const BOUNDS: [Option<u64>; 2] = [None, Some(1 << 40)];

fn run_and_judge(
    (up, down): (&[u8], &[u8]),
    pipe: usize,
    max_message: Option<u64>,
    steps: &[Step],
    end: End,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (at_client, at_upstream) =
        runtime.block_on(play((up, down), pipe, max_message, steps, end));
    judge((up, down), (&at_client, &at_upstream), steps, end);
}

/// Messages as one side sends them: plain or compressed, in one frame or several, with control
/// frames between those. Some of a client's are answers to the gate's ping.
fn stream(sender: Sender) -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![
        20 => 0_usize..30,
        4 => 120_usize..130,
        2 => 250_usize..1000,
        1 => select(vec![65_535_usize, 65_536, 70_000]),
    ];
    let control = (
        select(vec![0x89, 0x8a]),
        prop::collection::vec(any::<u8>(), 0..125),
    );
    let part = (
        size,
        any::<[u8; 4]>(),
        prop::option::weighted(0.3, control),
        any::<bool>(),
    );
    // Text is never judged in passing, so its bytes may be anything.
    let first = select(vec![0x01, 0x02, 0x41, 0x42]);
    let message = (first, any::<u8>(), prop::collection::vec(part, 1..5));
    prop::collection::vec(message, 0..6).prop_map(move |messages| {
        let make = |first, key: [u8; 4], payload: &[u8]| {
            let mut bytes = frame(
                first,
                if sender == Sender::Client { 0x80 } else { 0 },
                payload,
            );
            if sender == Sender::Client {
                let start = bytes.len() - payload.len();
                bytes[start - 4..start].copy_from_slice(&key);
                for (byte, key) in bytes[start..].iter_mut().zip(key.iter().cycle()) {
                    *byte ^= key;
                }
            }
            bytes
        };
        let mut bytes = Vec::new();
        for (first, filler, parts) in messages {
            let count = parts.len();
            for (at, (size, key, control, answers)) in parts.into_iter().enumerate() {
                let fin = if at + 1 == count { 0x80 } else { 0 };
                let first = if at == 0 { first } else { 0 };
                let payload: Vec<u8> = (0..size)
                    .map(|at| u8::try_from(at % 251).unwrap() ^ filler)
                    .collect();
                bytes.extend(make(first | fin, key, &payload));
                if let Some((opcode, payload)) = control {
                    bytes.extend(make(opcode, key, &payload));
                }
                if answers && sender == Sender::Client {
                    bytes.extend(make(0x8a, key, &ping_payload(SessionId(1))));
                }
            }
        }
        bytes
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![4 => 1_usize..30, 2 => 30_usize..500, 1 => 500_usize..80_000];
    let step = (any::<Index>(), size).prop_map(|(kind, n)| match kind.index(10) {
        0..3 => Step::Up(n),
        3..6 => Step::Down(n),
        6 => Step::Say,
        7 => Step::Ping,
        _ => Step::Settle,
    });
    prop::collection::vec(step, 0..40)
}

proptest! {
    #![proptest_config(Config::with_cases(200))]

    #[test]
    fn what_arrives_is_what_was_sent_and_what_the_gate_says(
        up in stream(Sender::Client),
        down in stream(Sender::Server),
        pipe in select(vec![7_usize, 64, 1000, 100_000]),
        steps in steps(),
        end in select(vec![End::ByItself, End::Closed]),
        max_message in select(BOUNDS.to_vec()),
    ) {
        run_and_judge((&up, &down), pipe, max_message, &steps, end);
    }
}

/// Every kind of header and of place between frames, with a frame of so many bytes.
fn sample(mask_bit: u8, big: usize) -> Vec<u8> {
    let answer = frame(0x8a, mask_bit, &ping_payload(SessionId(1)));
    let frames = [
        frame(0x81, mask_bit, b"text"),
        frame(0xc1, mask_bit, b"deflated"),
        frame(0x41, mask_bit, b"deflated, "),
        frame(0x89, mask_bit, b"ping"),
        frame(0x00, mask_bit, b""),
        answer.clone(),
        frame(0x80, mask_bit, b"in parts"),
        answer,
        frame(0x02, mask_bit, &vec![9; big]),
        frame(0x8a, mask_bit, b"pong"),
        frame(0x80, mask_bit, b"end"),
    ];
    frames.concat()
}

fn speak_and_close_at(big: usize, cuts: impl IntoIterator<Item = usize>) {
    let (up, down) = (sample(0x80, big), sample(0, big));
    for at in cuts {
        let speak = [
            Step::Up(at),
            Step::Down(at),
            Step::Settle,
            Step::Say,
            Step::Ping,
            Step::Settle,
            Step::Up(1),
            Step::Down(1),
            Step::Settle,
        ];
        for end in [End::ByItself, End::Closed] {
            for most in BOUNDS {
                run_and_judge((&up, &down), 100_000, most, &speak, end);
                run_and_judge((&up, &down), 100_000, most, &speak[..3], end);
            }
        }
    }
}

#[test]
fn the_gate_may_speak_and_close_at_every_byte() {
    let bytes = sample(0x80, 130).len();
    speak_and_close_at(130, 0..=bytes);
}

#[test]
fn the_gate_may_speak_and_close_inside_a_long_frame() {
    let long = 66_000;
    // From in front of the long frame into its payload, and around its end.
    let starts = 100..150;
    let end = sample(0x80, long).len();
    speak_and_close_at(long, starts.chain(end - 40..=end));
}
