//! The gate's log, as the demo sees it: the lines that `imgate run` would write.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::say;

/// A line is written when its request is over, so it may come after the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the gate writes.
#[derive(Clone, Debug)]
pub(super) struct Sink(UnboundedSender<String>);

/// What the gate has written.
#[derive(Debug)]
pub(super) struct Log {
    lines: UnboundedReceiver<String>,
    /// Lines that nobody asked for yet, in order.
    unasked: Vec<String>,
}

/// Makes both ends.
pub(super) fn channel() -> (Sink, Log) {
    let (sender, lines) = unbounded_channel();
    (
        Sink(sender),
        Log {
            lines,
            unasked: Vec::new(),
        },
    )
}

impl MakeWriter<'_> for Sink {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// `tracing_subscriber` writes each line at once.
impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Without a reader the demo is over.
        let _ = self
            .0
            .send(String::from_utf8_lossy(bytes).trim_end().to_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Waits for the line whose fields have these texts; `None` if it does not come.
    pub(super) async fn line(&mut self, fields: &[(&str, &str)]) -> Option<String> {
        let has_all = |line: &String| {
            let parsed: Value = serde_json::from_str(line).unwrap_or_default();
            fields
                .iter()
                .all(|(name, value)| parsed.get(name).and_then(Value::as_str) == Some(*value))
        };
        if let Some(at) = self.unasked.iter().position(has_all) {
            return Some(self.unasked.remove(at));
        }
        let coming = async {
            loop {
                let line = self.lines.recv().await?;
                if has_all(&line) {
                    return Some(line);
                }
                self.unasked.push(line);
            }
        };
        timeout(PATIENCE, coming).await.ok().flatten()
    }

    /// Prints what was not asked for and all that comes, until the gate is gone.
    pub(super) async fn follow(&mut self) {
        for line in self.unasked.drain(..) {
            say(&line);
        }
        while let Some(line) = self.lines.recv().await {
            say(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use io::Write as _;

    use super::*;

    #[tokio::test]
    async fn a_line_is_found_by_its_fields_and_the_others_stay() {
        let (sink, mut log) = channel();
        for line in [
            r#"{"message":"request","request_id":"a","reason":"expired"}"#,
            "not JSON",
            r#"{"message":"request","request_id":"b","reason":"ok"}"#,
        ] {
            sink.make_writer()
                .write_all(format!("{line}\n").as_bytes())
                .unwrap();
        }
        let found = log
            .line(&[("request_id", "b"), ("reason", "ok")])
            .await
            .unwrap();
        assert!(found.contains(r#""request_id":"b""#));
        let found = log.line(&[("request_id", "a")]).await.unwrap();
        assert!(found.contains("expired"));
        assert_eq!(log.unasked, ["not JSON"]);
    }

    #[tokio::test]
    async fn a_gate_that_is_gone_writes_no_more() {
        let (sink, mut log) = channel();
        drop(sink);
        assert_eq!(log.line(&[("request_id", "a")]).await, None);
    }
}
