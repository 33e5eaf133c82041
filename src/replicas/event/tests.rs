use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::gate::standing::Standing;
use crate::revocation::{Revocation, Target};

const ID: &str = "00000000000000000000000000000abc";

fn written(fields: &[&str]) -> StreamEntry {
    StreamEntry {
        id: "1-0".to_owned(),
        fields: fields.iter().map(|text| text.as_bytes().to_vec()).collect(),
    }
}

fn event(kind: &str, question: &str, body: &str) -> StreamEntry {
    written(&["kind", kind, "from", ID, "question", question, "body", body])
}

fn entry() -> Entry {
    Entry::InForce(Revocation {
        target: Target::App(Arc::from("shop")),
        issued_before: UnixTime::from_secs(1),
        expires_at: UnixTime::from_secs(2),
    })
}

#[test]
fn each_kind_is_read_as_it_is_written() {
    let read = |kind, body: &str| Event::decode(&event(kind, ID, body)).unwrap().body;
    let said = Said {
        sessions: 1,
        verdicts: 2,
        end: 3,
    };
    assert!(matches!(read(kind::ANSWER, &said.encode()), Body::Answer(read) if read == said));
    assert!(matches!(read(kind::JOINED, ""), Body::Joined));
    let chosen = Chosen {
        user: Some("7".to_owned()),
        ..Chosen::default()
    };
    let body = record::write(&chosen).unwrap();
    assert!(matches!(read(kind::END, &body), Body::End(read) if read == chosen));
    assert!(matches!(read(kind::LIST, &body), Body::List(read) if read == chosen));
    assert!(matches!(
        read(kind::REPLACED, &format!("{ID}/{ID}")),
        Body::Replaced(_, SessionId(0xabc))
    ));
    let Body::Revocation(id, read_entry) =
        read(kind::REVOCATION, &format!("{ID} {}", entry().encode()))
    else {
        panic!("another kind");
    };
    assert_eq!((id, read_entry), (RevocationId(0xabc), entry()));
    let key = ClaimKey(Digest::of(b"key"));
    let renewal = Renewal {
        standing: Standing::default(),
        not_after: Some(UnixTime::from_secs(7)),
        unwatched_until: None,
    };
    let Body::Renewal(read) = read(kind::RENEWAL, &Renewing::encode(key, "ws", &renewal)) else {
        panic!("another kind");
    };
    assert_eq!((read.key, &*read.route), (key, "ws"));
    assert_eq!(read.renewal.not_after, renewal.not_after);
}

#[test]
fn what_may_have_been_a_revocation_is_told_apart() {
    let garbled = |entry: &StreamEntry| Event::decode(entry).unwrap_err().may_revoke;
    let body = format!("{ID} {}", entry().encode());
    for (entry, may_revoke) in [
        (written(&[]), true),
        (written(&["kind"]), true),
        (written(&["a", "b", "c", "d", "e", "f", "g", "h"]), true),
        (event(kind::REVOCATION, "", &body[1..]), true),
        (event(kind::REVOCATION, "", &body[..body.len() - 1]), true),
        (event(kind::REVOCATION, "x", &body), true),
        (event("of a later version", "", &body), false),
        (event(kind::ANSWER, "", "{}"), false),
        (event(kind::JOINED, "", "x"), false),
        (event(kind::END, "", "{}"), false),
        (event(kind::LIST, "", "{}"), false),
        (event(kind::REPLACED, "", ID), false),
        (event(kind::RENEWAL, "", "{}"), false),
    ] {
        assert_eq!(garbled(&entry), may_revoke, "{entry:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_a_panic(
        fields in proptest::collection::vec(any::<Vec<u8>>(), 0..10),
        body in any::<Vec<u8>>(),
        kind in prop_oneof!["answer", "end", "joined", "list", "renewal", "replaced", "revocation"],
    ) {
        let _ = Event::decode(&StreamEntry { id: String::new(), fields });
        let mut known = event(&kind, "", "");
        known.fields[7] = body;
        let read = Event::decode(&known);
        let is_empty = known.fields[7].is_empty();
        prop_assert!(read.is_err() || (kind == "joined" && is_empty));
    }
}
