//! A chunked body has the same end and the same payload, whole or cut.
#![no_main]

use imgate::wire::body::{Body, Dechunk, Framing, Side};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, data) = input;
    let (first, second) = data.split_at(usize::from(cut).min(data.len()));
    for side in [Side::Request, Side::Response] {
        let whole = Body::new(Framing::Chunked, side)
            .feed(data)
            .map(|fed| fed.taken);
        let mut body = Body::new(Framing::Chunked, side);
        let taken = |fed: imgate::wire::body::Fed| fed.taken;
        let cut = body
            .feed(first)
            .map(taken)
            .and_then(|n| Ok(n + body.feed(second).map(taken)?));
        assert_eq!(whole, cut);
    }
    let plain = |pieces: &[&[u8]]| {
        let (mut dechunk, mut payload) = (Dechunk::new(), Vec::new());
        for piece in pieces {
            let found = dechunk.feed(piece)?;
            found
                .payload
                .into_iter()
                .for_each(|range| payload.extend_from_slice(&piece[range]));
        }
        Ok::<_, imgate::wire::body::BodyError>(payload)
    };
    assert_eq!(plain(&[data]), plain(&[first, second]));
});
