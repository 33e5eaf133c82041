use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout};

use super::*;

/// Everything that can be a reason, and the time until one is.
struct Reasons {
    rule: Reload,
    ask: UnboundedSender<()>,
    asked: UnboundedReceiver<()>,
    changed: Notify,
}

impl Reasons {
    fn with(rule: Reload) -> Self {
        let (ask, asked) = unbounded_channel();
        Self {
            rule,
            ask,
            asked,
            changed: Notify::new(),
        }
    }

    /// The next reason and when it comes, in milliseconds, while a change is heard of at these
    /// moments.
    async fn next(&mut self, changes: impl IntoIterator<Item = u64>) -> (Option<Cause>, u128) {
        let start = Instant::now();
        let changing = async {
            for moment in changes {
                tokio::time::sleep_until(start + Duration::from_millis(moment)).await;
                self.changed.notify_one();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            cause = next(self.rule, &mut self.asked, &self.changed) => {
                (cause, start.elapsed().as_millis())
            }
            () = changing => (None, 0),
        }
    }
}

fn about(millis: u128) -> std::ops::RangeInclusive<u128> {
    // The timer's own steps.
    millis..=millis + 5
}

#[tokio::test(start_paused = true)]
async fn a_change_is_looked_at_when_it_is_quiet_and_soon() {
    for (case, changes, expected) in [
        ("one", vec![50], 350),
        ("one that came before", vec![0], 300),
        ("some in a row", vec![0, 200, 400], 700),
        ("some with a pause", vec![0, 200, 600], 500),
        (
            "one after the other",
            (0..100).map(|n| n * 100).collect(),
            1000,
        ),
        ("none", vec![], 30_000),
    ] {
        let (cause, after) = Reasons::with(Reload::default()).next(changes).await;
        assert_eq!(cause, Some(Cause::Noticed), "{case}");
        assert!(about(expected).contains(&after), "{case}: {after}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_does_not_wait() {
    let mut reasons = Reasons::with(Reload::default());
    for _ in 0..3 {
        reasons.ask.send(()).unwrap();
    }
    let (cause, after) = reasons.next([0]).await;
    assert_eq!(cause, Some(Cause::Asked));
    assert!(about(0).contains(&after), "{after}");
    let (cause, _) = reasons.next([]).await;
    assert_eq!(cause, Some(Cause::Noticed), "the others were answered too");

    let ask = reasons.ask.clone();
    let asking = async {
        sleep(Duration::from_millis(100)).await;
        ask.send(()).unwrap();
    };
    let ((cause, after), ()) = tokio::join!(reasons.next([0]), asking);
    assert_eq!(cause, Some(Cause::Asked), "while it is not quiet");
    assert!(about(100).contains(&after), "{after}");
}

#[tokio::test(start_paused = true)]
async fn without_the_watch_nothing_else_counts() {
    let rule = Reload {
        watch: false,
        ..Reload::default()
    };
    let mut reasons = Reasons::with(rule);
    let day = Duration::from_hours(24);
    let waited = timeout(day, reasons.next([0, 100, 200])).await;
    assert!(waited.is_err());
    reasons.ask.send(()).unwrap();
    assert_eq!(reasons.next([0]).await.0, Some(Cause::Asked));
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_nobody_can_ask_any_more() {
    let mut reasons = Reasons::with(Reload::default());
    let (ask, _) = unbounded_channel();
    reasons.ask = ask;
    assert_eq!(reasons.next([]).await.0, None);
}
