use proptest::prelude::*;

use super::*;

/// A frame with the shortest form of its length.
fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    if let Ok(length @ ..126) = u8::try_from(payload.len()) {
        bytes.push(bit | length);
    } else if let Ok(length) = u16::try_from(payload.len()) {
        bytes.push(bit | 0x7e);
        bytes.extend(length.to_be_bytes());
    } else {
        bytes.push(bit | 0x7f);
        bytes.extend((payload.len() as u64).to_be_bytes());
    }
    bytes.extend(mask.into_iter().flatten());
    bytes.extend(payload);
    bytes
}

const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

#[test]
fn frames_are_judged_by_their_headers() {
    use FrameError::{ControlFragmented, ControlTooLong, Length, Mask, Opcode, Order};
    #[rustfmt::skip]
    let cases = [
        ("a text", vec![0x81, 0x01, b'a'], Ok(())),
        ("an empty binary", vec![0x82, 0x00], Ok(())),
        ("a text in two frames", vec![0x01, 0x01, b'a', 0x80, 0x01, b'b'], Ok(())),
        ("a ping inside a message", vec![0x01, 0x00, 0x89, 0x00, 0x80, 0x00], Ok(())),
        ("a compressed message", vec![0xc1, 0x01, 0x00], Ok(())),
        ("the longest ping", [vec![0x89, 125], vec![0; 125]].concat(), Ok(())),
        ("a length longer than needed", vec![0x82, 126, 0, 1, b'a'], Ok(())),
        ("a 63-bit length", vec![0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], Ok(())),
        ("a 64-bit length", vec![0x82, 127, 0x80], Err(Length)),
        ("a reserved data opcode", vec![0x83, 0x00], Err(Opcode)),
        ("a reserved control opcode", vec![0x8b, 0x00], Err(Opcode)),
        ("a fragmented ping", vec![0x09, 0x00], Err(ControlFragmented)),
        ("a fragmented close", vec![0x08, 0x00], Err(ControlFragmented)),
        ("a long pong", vec![0x8a, 126, 0, 126], Err(ControlTooLong)),
        ("a very long close", vec![0x88, 127], Err(ControlTooLong)),
        ("a continuation of nothing", vec![0x80, 0x00], Err(Order)),
        ("a continuation of a complete message", vec![0x81, 0x00, 0x80, 0x00], Err(Order)),
        ("a message inside a message", vec![0x01, 0x00, 0x82, 0x00], Err(Order)),
        ("a masked frame of a server", vec![0x81, 0x80, 1, 2, 3, 4], Err(Mask)),
    ];
    for (case, bytes, expected) in cases {
        let mut frames = Frames::new(Sender::Server);
        assert_eq!(frames.feed(&bytes), expected, "{case}");
        assert_eq!(frames.feed(b""), expected, "{case}: an error stays");
    }
}

#[test]
fn a_message_is_as_long_as_all_its_frames() {
    let two = |first, second| {
        [
            frame(0x01, None, &vec![0; first]),
            frame(0x80, None, &vec![0; second]),
        ]
        .concat()
    };
    for (case, bytes, expected) in [
        ("as long as it may be", frame(0x82, None, &[0; 300]), Ok(())),
        (
            "longer",
            frame(0x82, None, &[0; 301]),
            Err(FrameError::TooLong),
        ),
        (
            "two that are not one",
            frame(0x82, None, &[0; 300]).repeat(2),
            Ok(()),
        ),
        ("in parts", two(150, 150), Ok(())),
        ("in parts, longer", two(150, 151), Err(FrameError::TooLong)),
        (
            "a sum beyond all numbers",
            [
                frame(0x02, None, &[0]),
                vec![0x80, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            ]
            .concat(),
            Err(FrameError::TooLong),
        ),
        (
            "a ping in between",
            [
                frame(0x02, None, &[0; 200]),
                frame(0x89, None, &[0; 125]),
                frame(0x80, None, &[0; 100]),
            ]
            .concat(),
            Ok(()),
        ),
    ] {
        let mut frames = Frames::new(Sender::Server).with_most(300);
        assert_eq!(frames.feed(&bytes), expected, "{case}");
    }
}

#[test]
fn clients_mask_their_frames() {
    let mut frames = Frames::new(Sender::Client);
    assert_eq!(frames.feed(&frame(0x81, MASK, b"abc")), Ok(()));
    assert!(frames.at_boundary());
    assert_eq!(
        frames.feed(&frame(0x81, None, b"abc")),
        Err(FrameError::Mask)
    );
}

#[test]
fn another_message_may_stand_only_where_the_last_one_ended() {
    let mut frames = Frames::new(Sender::Server);
    // Fed bytes, then: at a frame's boundary, between two messages, a Close was seen.
    for (bytes, boundary, between, close) in [
        (b"".as_slice(), true, true, false),
        (&[0x01], false, false, false),
        (&[0x02], false, false, false),
        (b"a", false, false, false),
        (b"b", true, false, false),
        (&[0x89, 0x00], true, false, false),
        (&[0x80, 0x00], true, true, false),
        (&[0x89, 0x00], true, true, false),
        (&[0x88], false, false, false),
        (&[0x02], false, false, true),
        (&[0x03, 0xe8], true, true, true),
    ] {
        frames.feed(bytes).unwrap();
        let found = (
            frames.at_boundary(),
            frames.between_messages(),
            frames.saw_close(),
        );
        assert_eq!(found, (boundary, between, close), "after {bytes:x?}");
    }
}

#[test]
fn a_read_is_never_longer_than_the_frame() {
    for (case, sender, bytes, expected) in [
        ("nothing of a header", Sender::Client, b"".as_slice(), 2),
        ("half of it", Sender::Client, &[0x81], 1),
        ("a short masked frame", Sender::Client, &[0x81, 0x85], 9),
        ("a part of the mask", Sender::Client, &[0x81, 0x85, 1], 8),
        (
            "the whole mask",
            Sender::Client,
            &[0x81, 0x85, 1, 2, 3, 4],
            5,
        ),
        (
            "a part of the payload",
            Sender::Client,
            &[0x81, 0x85, 1, 2, 3, 4, 5],
            4,
        ),
        (
            "the whole frame",
            Sender::Client,
            &[0x81, 0x81, 1, 2, 3, 4, 5],
            2,
        ),
        ("a 16-bit length", Sender::Server, &[0x82, 126], 2),
        ("a masked 64-bit length", Sender::Client, &[0x82, 0xff], 12),
        (
            "a part of a 64-bit length",
            Sender::Server,
            &[0x82, 127, 0, 0, 0],
            5,
        ),
        (
            "its whole payload",
            Sender::Server,
            &[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0],
            1 << 32,
        ),
    ] {
        let mut frames = Frames::new(sender);
        frames.feed(bytes).unwrap();
        assert_eq!(frames.max_take(), expected, "{case}");
    }
}

#[test]
fn a_close_frame_is_what_the_reader_expects() {
    assert_eq!(
        close_frame(1000, "", None).as_slice(),
        [0x88, 0x02, 0x03, 0xe8]
    );
    assert_eq!(
        close_frame(4401, "expired", None).as_slice(),
        [&[0x88, 0x09, 0x11, 0x31], b"expired".as_slice()].concat()
    );
    assert_eq!(
        close_frame(1000, "hi", Some([1, 2, 3, 4])).as_slice(),
        [
            0x88,
            0x84,
            1,
            2,
            3,
            4,
            0x03 ^ 1,
            0xe8 ^ 2,
            b'h' ^ 3,
            b'i' ^ 4
        ]
    );
}

#[test]
fn a_long_reason_is_cut_after_a_character() {
    let fits = "a".repeat(123);
    assert_eq!(close_frame(1000, &fits, None).len(), 127);
    assert_eq!(close_frame(1000, &fits, MASK).len(), 131);
    let longer = format!("{}ä", "a".repeat(122));
    let frame = close_frame(1000, &longer, None);
    assert_eq!(&frame[4..], "a".repeat(122).as_bytes());
    assert_eq!(usize::from(frame[1]), 124);
}

#[test]
fn a_text_frame_has_the_shortest_length() {
    for (length, header) in [
        (0, vec![0x81, 0]),
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (65_535, vec![0x81, 126, 0xff, 0xff]),
        (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let text = "a".repeat(length);
        assert_eq!(text_frame(&text), [&*header, text.as_bytes()].concat());
    }
}

#[test]
fn the_answer_to_a_ping_is_its_payload_under_any_mask() {
    let payload = *b"0123456789abcdef";
    assert_eq!(ping_frame(payload), *b"\x89\x100123456789abcdef");
    let pong = frame(0x8a, Some([0; 4]), &payload);
    let xored: Vec<u8> = payload
        .iter()
        .zip([1, 2, 3, 4].iter().cycle())
        .map(|(a, b)| a ^ b)
        .collect();
    let mut longer = payload.to_vec();
    longer.push(0);
    for (case, pong, expected) in [
        ("a mask of zeros", pong.clone(), true),
        ("another mask", frame(0x8a, MASK, &xored), true),
        ("another payload", frame(0x8a, MASK, &payload), false),
        ("a ping", frame(0x89, Some([0; 4]), &payload), false),
        ("a reserved bit", frame(0xca, Some([0; 4]), &payload), false),
        ("not masked", frame(0x8a, None, &payload), false),
        ("a longer one", frame(0x8a, Some([0; 4]), &longer), false),
        (
            "a shorter one",
            frame(0x8a, Some([0; 4]), &payload[..15]),
            false,
        ),
        ("not all of it", pong[..21].to_vec(), false),
        ("nothing", vec![], false),
    ] {
        assert_eq!(answers_ping(&pong, payload), expected, "{case}");
    }
}

#[test]
fn a_pong_is_met_from_its_first_byte_to_its_last() {
    let mut frames = Frames::new(Sender::Server);
    for (bytes, expected) in [
        (&b""[..], false),
        (&[0x81, 0x01], false),
        (b"a", false),
        (&[0x8a], true),
        (&[0x02], true),
        (b"x", true),
        (b"y", true),
        (&[0x89, 0x00], false),
        (&[0x8a, 0x00, 0x81, 0x00], true),
        (&[0x82, 0x0a], false),
    ] {
        frames.feed(bytes).unwrap();
        assert_eq!(frames.met_pong(), expected, "after {bytes:x?}");
    }
}

#[test]
fn the_accept_value_is_that_of_the_rfc() {
    assert_eq!(
        &accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
        b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
}

#[test]
fn a_key_is_the_canonical_base64_of_16_bytes() {
    for (case, key, expected) in [
        ("the RFC's", "dGhlIHNhbXBsZSBub25jZQ==", true),
        ("zeros", "AAAAAAAAAAAAAAAAAAAAAA==", true),
        ("nothing", "", false),
        ("15 bytes", "AAAAAAAAAAAAAAAAAAAA", false),
        ("15 bytes and padding", "AAAAAAAAAAAAAAAAAAAA====", false),
        ("17 bytes", "AAAAAAAAAAAAAAAAAAAAAAA=", false),
        ("18 bytes", "AAAAAAAAAAAAAAAAAAAAAAAA", false),
        ("no padding", "AAAAAAAAAAAAAAAAAAAAAA", false),
        ("bits left over", "AAAAAAAAAAAAAAAAAAAAAB==", false),
        ("base64url", "AAAAAAAAAAAAAAAAAAA_AA==", false),
        ("a blank", "AAAAAAAAAA AAAAAAAAAAA==", false),
    ] {
        assert_eq!(is_key(key.as_bytes()), expected, "{case}");
    }
}

/// What a whole stream holds, found the simple way: the end of each complete frame, whether a
/// message is open there, and whether all is well so far.
fn reference(mut bytes: &[u8], sender: Sender) -> (Vec<(usize, bool)>, bool) {
    let all = bytes.len();
    let (mut ends, mut open) = (Vec::new(), false);
    while let [first, second, rest @ ..] = bytes {
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        let (masked, length) = (second & 0x80 != 0, second & 0x7f);
        let good = match opcode {
            0 => open,
            1 | 2 => !open,
            8..=10 => fin && length <= 125,
            _ => false,
        };
        if !good || masked != (sender == Sender::Client) {
            return (ends, false);
        }
        let extended = [0, 2, 8][usize::from(length.saturating_sub(125))];
        if extended == 8 && rest.first().is_some_and(|high| *high > 0x7f) {
            return (ends, false);
        }
        let Some((digits, rest)) = rest.split_at_checked(extended) else {
            break;
        };
        let length = match extended {
            0 => u64::from(length),
            _ => digits
                .iter()
                .fold(0, |length, digit| length * 256 + u64::from(*digit)),
        };
        let Some(rest) = rest.get(if masked { 4 } else { 0 }..) else {
            break;
        };
        if opcode < 8 {
            open = !fin;
        }
        let Some(rest) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(length..))
        else {
            break;
        };
        bytes = rest;
        ends.push((all - bytes.len(), open));
    }
    (ends, true)
}

fn sender() -> impl Strategy<Value = Sender> {
    prop_oneof![Just(Sender::Client), Just(Sender::Server)]
}

/// Frames as one side sends them, in an order that is mostly right, perhaps cut short.
fn stream(sender: Sender) -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        20 => prop::sample::select(vec![0x81, 0x82, 0xc1, 0x88, 0x89, 0x8a]),
        2 => prop::sample::select(vec![0x01, 0x02, 0x00, 0x80]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        20 => prop::collection::vec(any::<u8>(), 0..20),
        2 => prop::collection::vec(any::<u8>(), 120..130),
        1 => Just(vec![0x81; 65_536]),
    ];
    let fragmented = any::<bool>();
    let frames = prop::collection::vec((first, any::<[u8; 4]>(), payload, fragmented), 0..8);
    (frames, any::<prop::sample::Index>(), any::<bool>()).prop_map(move |(frames, cut, whole)| {
        let mask = |mask| (sender == Sender::Client).then_some(mask);
        let mut bytes = Vec::new();
        for (first, key, payload, fragmented) in frames {
            if fragmented && matches!(first, 0x81 | 0x82 | 0xc1) {
                bytes.extend(frame(first & 0x7f, mask(key), &payload));
                bytes.extend(frame(0x89, mask(key), b"ping"));
                bytes.extend(frame(0x80, mask(key), &payload));
            } else {
                bytes.extend(frame(first, mask(key), &payload));
            }
        }
        if !whole && !bytes.is_empty() {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes
    })
}

proptest! {
    #[test]
    fn frames_cut_anywhere_agree_with_a_simple_parser(
        (sender, bytes) in sender().prop_flat_map(|sender| (Just(sender), stream(sender))),
        pieces in prop::collection::vec(1_usize..200, 1..6),
    ) {
        let (ends, good) = reference(&bytes, sender);
        let mut frames = Frames::new(sender);
        let (mut at, mut outcome) = (0, Ok(()));
        for piece in pieces.iter().cycle() {
            if at == bytes.len() || outcome.is_err() {
                break;
            }
            let next = (at + piece).min(bytes.len());
            outcome = frames.feed(&bytes[at..next]);
            at = next;
            if outcome.is_ok() {
                let end = ends.iter().find(|(end, _)| *end == at);
                prop_assert_eq!(frames.at_boundary(), end.is_some());
                prop_assert_eq!(frames.between_messages(), end.is_some_and(|(_, open)| !open));
            }
        }
        prop_assert_eq!(outcome.is_ok(), good);
    }

    #[test]
    fn reads_of_max_take_meet_every_boundary(
        (sender, bytes) in sender().prop_flat_map(|sender| (Just(sender), stream(sender))),
    ) {
        let (ends, _) = reference(&bytes, sender);
        let mut frames = Frames::new(sender);
        let (mut at, mut met) = (0, Vec::new());
        while at < bytes.len() {
            let take = frames.max_take();
            prop_assert!(take > 0);
            let next = at.saturating_add(take).min(bytes.len());
            if frames.feed(&bytes[at..next]).is_err() {
                break;
            }
            at = next;
            if frames.at_boundary() {
                met.push((at, !frames.between_messages()));
            }
        }
        prop_assert_eq!(met, ends);
    }

    #[test]
    fn a_close_frame_is_one_whole_frame(code: u16, reason in "\\PC{0,200}", mask: Option<[u8; 4]>) {
        let bytes = close_frame(code, &reason, mask);
        prop_assert!(!bytes.spilled());
        let mut frames =
            Frames::new(if mask.is_some() { Sender::Client } else { Sender::Server });
        prop_assert_eq!(frames.feed(&bytes), Ok(()));
        prop_assert!(frames.at_boundary() && frames.saw_close());
        let payload = &bytes[if mask.is_some() { 6 } else { 2 }..];
        let key = mask.unwrap_or_default();
        let plain: Vec<u8> =
            payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
        prop_assert_eq!(&plain[..2], &code.to_be_bytes());
        prop_assert!(reason.starts_with(str::from_utf8(&plain[2..]).unwrap()));
    }

    #[test]
    fn any_bytes_are_fed_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), sender in sender()) {
        let mut frames = Frames::new(sender);
        prop_assert_eq!(frames.feed(&bytes).is_ok(), reference(&bytes, sender).1);
    }
}
