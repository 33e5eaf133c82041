use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;
use crate::proxy::tether::Governed;
use crate::proxy::tls;
use crate::session::Kind;

#[tokio::test]
async fn an_exchange_ends_when_its_answer_has_left_the_session() {
    const LENGTH: usize = 20_000;
    // The wire holds less than the answer, the session all of it.
    let (mut client, mut reader) = tls::tests::pair(1024).await;
    let (mut backend, upstream) = duplex(2 * LENGTH);
    let mut upstream: Stream = Box::new(upstream);
    backend.write_all(&vec![7; LENGTH]).await.unwrap();
    let mut upload = Pump::new(Body::new(Framing::None, Side::Request));
    let mut download = Pump::new(Body::new(Framing::Length(LENGTH as u64), Side::Response));
    let mut watch = Watch::default();
    let mut tether = Tether::new(&Nobody, Instant::now());
    let mut finishing = Box::pin(finish(
        &mut client,
        &mut upstream,
        &mut upload,
        &mut download,
        &mut watch,
        &mut tether,
    ));
    for _ in 0..10 {
        let polled = poll_fn(|cx| Poll::Ready(finishing.as_mut().poll(cx))).await;
        assert!(polled.is_pending(), "nobody has read the answer yet");
    }
    let mut arrived = vec![0; LENGTH];
    let (ended, read) = tokio::join!(finishing, reader.read_exact(&mut arrived));
    assert_eq!((ended, read.unwrap()), (Ok(true), LENGTH));
    assert_eq!(arrived, vec![7; LENGTH]);
}

/// No answer becomes a session here.
struct Nobody;

impl Govern for Nobody {
    fn begin(&self, _: Kind) -> Option<Governed> {
        None
    }
}
