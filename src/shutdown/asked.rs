//! Who asked for the end, and whether a further request means that it shall come at once.

use tokio::sync::mpsc::UnboundedReceiver;

use crate::signals::End;

/// The requests, in their order.
#[derive(Debug)]
pub(super) struct Asked {
    end: UnboundedReceiver<End>,
    /// The platform has still to say what an operator, or its own hook, has said already.
    expects_signal: bool,
}

impl Asked {
    pub(super) fn new(end: UnboundedReceiver<End>) -> Self {
        Self {
            end,
            expects_signal: false,
        }
    }

    /// Waits for the request that begins the end.
    pub(super) async fn first(&mut self) -> End {
        let first = self.end.recv().await.unwrap_or(End::Now);
        self.expects_signal = first == End::Asked;
        first
    }

    /// Waits for a request to be quicker.
    ///
    /// Kubernetes sends SIGTERM as soon as a `preStop` hook has returned, and a hook that asks twice
    /// means the same drain: neither is impatience.
    pub(super) async fn again(&mut self) {
        loop {
            match self.end.recv().await {
                Some(End::Asked) => {}
                Some(End::Soon) if self.expects_signal => self.expects_signal = false,
                Some(End::Now | End::Soon) => return,
                None => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[test]
    fn a_second_signal_is_impatience_and_what_follows_a_hook_is_not() {
        use End::{Asked as Hook, Now, Soon};
        for (case, requests, is_impatient) in [
            ("SIGTERM alone", &[Soon][..], false),
            ("SIGTERM twice", &[Soon, Soon], true),
            ("SIGTERM and SIGINT", &[Soon, Now], true),
            ("SIGTERM and a hook", &[Soon, Hook], false),
            ("a hook and SIGTERM", &[Hook, Soon], false),
            ("a hook and SIGTERM twice", &[Hook, Soon, Soon], true),
            ("a hook and SIGINT", &[Hook, Now], true),
            ("a hook twice", &[Hook, Hook], false),
            ("SIGINT and SIGTERM", &[Now, Soon], true),
        ] {
            let (sender, end) = unbounded_channel();
            for request in requests {
                sender.send(*request).unwrap();
            }
            let mut asked = Asked::new(end);
            assert_eq!(asked.first().now_or_never(), Some(requests[0]), "{case}");
            let again = asked.again().now_or_never();
            assert_eq!(again.is_some(), is_impatient, "{case}");
        }
    }
}
