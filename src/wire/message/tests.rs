use proptest::prelude::*;

use super::*;

const AMPLE: Budget = Budget {
    bytes: 1 << 20,
    frames: 1 << 10,
};

/// A server's frame with the shortest form of its length.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    if let Ok(length @ ..126) = u8::try_from(payload.len()) {
        bytes.push(length);
    } else {
        bytes.push(0x7e);
        bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

fn masked(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(first, payload);
    bytes[1] |= 0x80;
    let header = bytes.len() - payload.len();
    bytes.splice(header..header, mask);
    for (at, byte) in bytes[header + 4..].iter_mut().enumerate() {
        *byte ^= mask[at % 4];
    }
    bytes
}

/// Everything that comes of these bytes, fed in pieces.
fn read<'b>(
    sender: Sender,
    budget: Budget,
    pieces: impl IntoIterator<Item = &'b [u8]>,
) -> (Vec<Message>, Result<(), MessageError>, Vec<u8>) {
    let mut messages = Messages::new(sender, budget);
    let (mut found, mut outcome, mut unread) = (Vec::new(), Ok(()), Vec::new());
    for piece in pieces {
        if outcome.is_ok() {
            outcome = messages.feed(piece);
            found.extend(messages.by_ref());
        } else {
            unread.extend_from_slice(piece);
        }
    }
    let rest = [messages.into_rest(), unread].concat();
    (found, outcome, rest)
}

/// Each message in a server's bytes.
fn of_server(bytes: &[u8]) -> Vec<Told> {
    let (found, outcome, rest) = read(Sender::Server, AMPLE, [bytes]);
    assert_eq!((outcome, rest), (Ok(()), Vec::new()));
    let told = |message: Message| (message.kind, message.payload, message.is_fragmented);
    found.into_iter().map(told).collect()
}

#[test]
fn messages_are_put_together() {
    for (case, bytes, expected) in [
        ("nothing", vec![], vec![]),
        ("a text", frame(0x81, b"a"), vec![(Kind::Text, "a", false)]),
        (
            "an empty text",
            frame(0x81, b""),
            vec![(Kind::Text, "", false)],
        ),
        (
            "a binary",
            frame(0x82, b"b"),
            vec![(Kind::Binary, "b", false)],
        ),
        ("a ping", frame(0x89, b"p"), vec![(Kind::Ping, "p", false)]),
        ("a pong", frame(0x8a, b"q"), vec![(Kind::Pong, "q", false)]),
        (
            "a close",
            frame(0x88, b"\x03xyz"),
            vec![(Kind::Close, "\x03xyz", false)],
        ),
        (
            "a text in three frames",
            [frame(0x01, b"a"), frame(0x00, b""), frame(0x80, b"b")].concat(),
            vec![(Kind::Text, "ab", true)],
        ),
        (
            "a character in two frames",
            [frame(0x01, b"\xc3"), frame(0x80, b"\xa4")].concat(),
            vec![(Kind::Text, "ä", true)],
        ),
        (
            "a character in two frames, and a ping between them",
            [frame(0x01, b"\xc3"), frame(0x89, b""), frame(0x80, b"\xa4")].concat(),
            vec![(Kind::Ping, "", false), (Kind::Text, "ä", true)],
        ),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(kind, payload, fragmented)| (kind, payload.as_bytes().to_vec(), fragmented))
            .collect();
        assert_eq!(of_server(&bytes), expected, "{case}");
    }
}

#[test]
fn a_binary_need_not_be_text_and_says_nothing_of_the_next_message() {
    let bytes = [
        frame(0x02, b"\xc3"),
        frame(0x80, b"\xff"),
        frame(0x81, b"c"),
    ]
    .concat();
    let kinds: Vec<_> = of_server(&bytes).iter().map(|found| found.0).collect();
    assert_eq!(kinds, [Kind::Binary, Kind::Text]);
}

#[test]
fn what_is_no_message_is_refused() {
    use MessageError::{Frame, Reserved, Text};
    for (case, bytes, expected) in [
        ("RSV1", frame(0xc1, b"a"), Reserved),
        ("RSV2", frame(0xa1, b"a"), Reserved),
        ("RSV3 in a ping", frame(0x99, b""), Reserved),
        (
            "a masked frame of a server",
            masked(0x81, [1, 2, 3, 4], b"a"),
            Frame(FrameError::Mask),
        ),
        (
            "a reserved opcode",
            frame(0x83, b""),
            Frame(FrameError::Opcode),
        ),
        (
            "a continuation of nothing",
            frame(0x80, b""),
            Frame(FrameError::Order),
        ),
        (
            "a fragmented ping",
            frame(0x09, b""),
            Frame(FrameError::ControlFragmented),
        ),
        (
            "a long ping",
            vec![0x89, 0x7e],
            Frame(FrameError::ControlTooLong),
        ),
        (
            "a 64-bit length",
            vec![0x81, 0x7f, 0x80],
            Frame(FrameError::Length),
        ),
        ("a byte that is in no UTF-8", frame(0x81, b"\xff"), Text),
        ("a surrogate", frame(0x81, b"\xed\xa0\x80"), Text),
        ("a longer form than needed", frame(0x81, b"\xc0\xaf"), Text),
        (
            "beyond the last character",
            frame(0x81, b"\xf4\x90\x80\x80"),
            Text,
        ),
        ("half a character", frame(0x81, b"\xc3"), Text),
        (
            "half a character and an empty end",
            [frame(0x01, b"\xc3"), frame(0x80, b"")].concat(),
            Text,
        ),
        (
            "half a character and something else",
            [frame(0x01, b"\xc3"), frame(0x00, b"a")].concat(),
            Text,
        ),
        (
            "a bad byte early in an endless text",
            vec![0x81, 0x7e, 0x0f, 0xff, 0xff],
            Text,
        ),
    ] {
        let mut messages = Messages::new(Sender::Server, AMPLE);
        assert_eq!(messages.feed(&bytes), Err(expected), "{case}");
        assert_eq!(messages.feed(b""), Err(expected), "{case}: an error stays");
        assert_eq!(messages.next(), None, "{case}");
        assert_eq!(messages.into_rest(), bytes, "{case}");
    }
}

#[test]
fn a_client_is_unmasked_and_its_bytes_are_kept() {
    let mask = [0xde, 0xad, 0xbe, 0xef];
    let (one, ping, two) = (
        masked(0x01, mask, b"hello, "),
        masked(0x89, [0; 4], b"?"),
        masked(0x80, [9, 8, 7, 6], b"world"),
    );
    let bytes = [&*one, &ping, &two].concat();
    let (found, outcome, rest) = read(Sender::Client, AMPLE, [&*bytes]);
    assert_eq!((outcome, rest), (Ok(()), Vec::new()));
    let [inside, text] = found.try_into().unwrap();
    assert_eq!(
        (inside.kind, inside.payload, inside.raw),
        (Kind::Ping, b"?".to_vec(), ping)
    );
    assert_eq!(inside.interrupts_at, one.len());
    assert_eq!(text.payload, b"hello, world");
    assert_eq!((text.raw, text.interrupts_at), ([one, two].concat(), 0));
}

#[test]
fn a_budget_is_for_everything_that_is_fed() {
    let three = [frame(0x81, b"abc"), frame(0x89, b"?"), frame(0x81, b"de")].concat();
    for (case, bytes, frames, expected, whole) in [
        ("all of it", 6, 3, Ok(()), 3),
        ("a byte less", 5, 3, Err(MessageError::TooLong), 2),
        ("a frame less", 6, 2, Err(MessageError::TooMany), 2),
        ("no frame", 6, 0, Err(MessageError::TooMany), 0),
        ("no byte", 0, 3, Err(MessageError::TooLong), 0),
    ] {
        let (found, outcome, rest) = read(Sender::Server, Budget { bytes, frames }, [&*three]);
        assert_eq!((outcome, found.len()), (expected, whole), "{case}");
        let raw: Vec<_> = found.into_iter().flat_map(|message| message.raw).collect();
        assert_eq!([raw, rest].concat(), three, "{case}");
    }
}

#[test]
fn a_message_that_is_refunded_makes_room_for_as_much() {
    let budget = Budget {
        bytes: 6,
        frames: 3,
    };
    let mut messages = Messages::new(Sender::Server, budget);
    let text = [frame(0x01, b"ab"), frame(0x89, b"?"), frame(0x80, b"cd")].concat();
    for _ in 0..5 {
        messages.feed(&text).unwrap();
        for message in messages.by_ref().collect::<Vec<_>>() {
            messages.refund(&message);
        }
    }
    // No more than that.
    messages.feed(&frame(0x81, b"abcdef")).unwrap();
    assert_eq!(
        messages.feed(&frame(0x81, b"a")),
        Err(MessageError::TooLong)
    );
    let message = messages.next().unwrap();
    messages.refund(&message);
    assert_eq!(messages.feed(b""), Err(MessageError::TooLong), "it stays");
}

#[test]
fn a_frame_that_is_too_long_is_refused_by_its_header() {
    let budget = Budget {
        bytes: 100,
        frames: 10,
    };
    for header in [
        vec![0x81, 0x7e, 0x00, 0x65],
        vec![0x81, 0x7e, 0xff, 0xff],
        vec![0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let mut messages = Messages::new(Sender::Server, budget);
        assert_eq!(messages.feed(&header), Err(MessageError::TooLong));
    }
    let mut messages = Messages::new(Sender::Server, budget);
    assert_eq!(messages.feed(&[0x81, 0x7e, 0x00, 0x64]), Ok(()));
}

#[test]
fn what_was_sent_behind_a_message_is_not_lost() {
    let (credential, next) = (frame(0x81, b"secret"), frame(0x82, &[7; 300]));
    let budget = Budget {
        bytes: 20,
        frames: 2,
    };
    let mut messages = Messages::new(Sender::Server, budget);
    let both = [&*credential, &next].concat();
    assert_eq!(messages.feed(&both), Err(MessageError::TooLong));
    assert_eq!(messages.next().unwrap().raw, credential);
    assert_eq!(messages.into_rest(), next);
}

#[test]
fn debug_shows_no_payload() {
    let mut messages = Messages::new(Sender::Server, AMPLE);
    messages.feed(&frame(0x81, b"secret")).unwrap();
    assert!(!format!("{messages:?}").contains("secret"));
    assert!(!format!("{:?}", messages.next().unwrap()).contains("secret"));
}

/// Kind, payload and whether it came in fragments.
type Told = (Kind, Vec<u8>, bool);

/// What a stream holds, found the simple way, and what is wrong behind that.
fn reference(bytes: &[u8], sender: Sender, budget: Budget) -> (Vec<Told>, Option<MessageError>) {
    let (mut found, mut open) = (Vec::new(), None::<(Kind, Vec<u8>)>);
    let (mut at, mut frames, mut total) = (0, 0, 0_usize);
    let is_text = |kind, payload: &[u8], is_whole: bool| {
        kind != Kind::Text
            || match std::str::from_utf8(payload) {
                Ok(_) => true,
                Err(error) => error.error_len().is_none() && !is_whole,
            }
    };
    while let Some([first, second]) = bytes.get(at..at + 2) {
        let (fin, opcode, length) = (first & 0x80 != 0, first & 0x0f, second & 0x7f);
        let fault = match opcode {
            0 if open.is_none() => Some(FrameError::Order),
            1 | 2 if open.is_some() => Some(FrameError::Order),
            8..=10 if !fin => Some(FrameError::ControlFragmented),
            8..=10 if length > 125 => Some(FrameError::ControlTooLong),
            0..=2 | 8..=10 => None,
            _ => Some(FrameError::Opcode),
        };
        if let Some(fault) = fault {
            return (found, Some(fault.into()));
        }
        if (second & 0x80 != 0) != (sender == Sender::Client) {
            return (found, Some(FrameError::Mask.into()));
        }
        let digits = [0, 2, 8][usize::from(length.saturating_sub(125))];
        if digits == 8 && bytes.get(at + 2).is_some_and(|high| *high > 0x7f) {
            return (found, Some(FrameError::Length.into()));
        }
        let mask_bytes = if sender == Sender::Client { 4 } else { 0 };
        let header = 2 + digits + mask_bytes;
        let Some(head) = bytes.get(at..at + header) else {
            break;
        };
        let length = match digits {
            0 => usize::from(length),
            _ => head[2..2 + digits]
                .iter()
                .fold(0, |length, digit| length * 256 + usize::from(*digit)),
        };
        frames += 1;
        total = total.saturating_add(length);
        let fault = if first & 0x70 != 0 {
            Some(MessageError::Reserved)
        } else if frames > budget.frames {
            Some(MessageError::TooMany)
        } else if total > budget.bytes {
            Some(MessageError::TooLong)
        } else {
            None
        };
        if fault.is_some() {
            return (found, fault);
        }
        let mut mask = [0; 4];
        mask[..mask_bytes].copy_from_slice(&head[2 + digits..]);
        let have = length.min(bytes.len() - at - header);
        let payload = bytes[at + header..at + header + have].iter().enumerate();
        let payload: Vec<u8> = payload.map(|(at, byte)| byte ^ mask[at % 4]).collect();
        let is_whole = have == length;
        at += header + have;
        if opcode >= 8 {
            let kind = [Kind::Close, Kind::Ping, Kind::Pong][usize::from(opcode - 8)];
            if is_whole {
                found.push((kind, payload, false));
            }
            continue;
        }
        let is_fragmented = opcode == 0 || !fin;
        let (kind, before) = open.take().unwrap_or_else(|| {
            let kind = [Kind::Text, Kind::Binary][usize::from(opcode - 1)];
            (kind, Vec::new())
        });
        let payload = [before, payload].concat();
        if !is_text(kind, &payload, fin && is_whole) {
            return (found, Some(MessageError::Text));
        }
        if fin && is_whole {
            found.push((kind, payload, is_fragmented));
        } else {
            open = Some((kind, payload));
        }
    }
    (found, None)
}

/// The bytes in the order in which they came.
fn in_order(found: &[Message], rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut inside: Vec<Message> = Vec::new();
    for message in found {
        if matches!(message.kind, Kind::Text | Kind::Binary) {
            put_together(&mut bytes, &message.raw, &mut inside);
        } else {
            inside.push(message.clone());
        }
    }
    // What interrupts a message that is not complete stands in the middle of the rest.
    put_together(&mut bytes, rest, &mut inside);
    bytes
}

fn sender() -> impl Strategy<Value = Sender> {
    prop_oneof![Just(Sender::Client), Just(Sender::Server)]
}

fn budget() -> impl Strategy<Value = Budget> {
    prop_oneof![
        4 => Just(AMPLE),
        1 => (0_usize..300, 0_usize..8).prop_map(|(bytes, frames)| Budget { bytes, frames }),
    ]
}

/// Frames in an order that is mostly right, with texts that are mostly UTF-8, perhaps cut short.
fn stream(sender: Sender) -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        20 => prop::sample::select(vec![0x81, 0x82, 0x88, 0x89, 0x8a]),
        1 => prop::sample::select(vec![0xc1, 0x01, 0x02, 0x00, 0x80]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        20 => "[a-zäß你🎉]{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => "[ä]{60,70}".prop_map(String::into_bytes),
    ];
    let parts = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    let frames = prop::collection::vec((first, any::<[u8; 4]>(), payload, parts), 0..8);
    (frames, any::<prop::sample::Index>(), any::<bool>()).prop_map(move |(frames, cut, whole)| {
        let make = |first, mask, payload: &[u8]| match sender {
            Sender::Client => masked(first, mask, payload),
            Sender::Server => frame(first, payload),
        };
        let mut bytes = Vec::new();
        for (first, mask, payload, parts) in frames {
            let mut cuts: Vec<_> = parts.iter().map(|at| at.index(payload.len() + 1)).collect();
            cuts.sort_unstable();
            if !matches!(first & 0x0f, 1 | 2) || first & 0x80 == 0 {
                cuts.clear();
            }
            let (mut at, mut first) = (0, first);
            for cut in cuts {
                bytes.extend(make(first & 0x7f, mask, &payload[at..cut]));
                bytes.extend(make(0x89, mask, b"ping"));
                (at, first) = (cut, 0x80);
            }
            bytes.extend(make(first, mask, &payload[at..]));
        }
        if !whole && !bytes.is_empty() {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes
    })
}

proptest! {
    #[test]
    fn messages_cut_anywhere_agree_with_a_simple_reader(
        (sender, bytes) in sender().prop_flat_map(|sender| (Just(sender), stream(sender))),
        budget in budget(),
        sizes in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let (expected, fault) = reference(&bytes, sender, budget);
        let mut rest = &*bytes;
        let pieces = sizes.iter().cycle().map_while(|size| {
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        let (found, outcome, left) = read(sender, budget, pieces);
        prop_assert_eq!(outcome.err(), fault);
        prop_assert_eq!(in_order(&found, &left), bytes);
        let found: Vec<_> = found
            .into_iter()
            .map(|message| (message.kind, message.payload, message.is_fragmented))
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_taken_is_the_rest(
        (sender, bytes) in sender().prop_flat_map(|sender| (Just(sender), stream(sender))),
        budget in budget(),
        cut: prop::sample::Index,
        taken in 0_usize..4,
    ) {
        let mut messages = Messages::new(sender, budget);
        let (one, two) = bytes.split_at(cut.index(bytes.len() + 1));
        let mut fed = one.len();
        if messages.feed(one).is_ok() {
            let _ = messages.feed(two);
            fed = bytes.len();
        }
        let found: Vec<_> = messages.by_ref().take(taken).collect();
        prop_assert_eq!(in_order(&found, &messages.into_rest()), &bytes[..fed]);
    }

    #[test]
    fn any_bytes_are_fed_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), sender in sender()) {
        let (found, outcome, rest) = read(sender, AMPLE, bytes.chunks(7));
        let (expected, fault) = reference(&bytes, sender, AMPLE);
        prop_assert_eq!((found.len(), outcome.err()), (expected.len(), fault));
        prop_assert_eq!(in_order(&found, &rest), bytes);
    }
}
