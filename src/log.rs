//! The log: one JSON object a line.
//!
//! There is a line for every request, so it is written by hand into the subscriber's buffer: no
//! value tree, no second pass, and the time's text is made once per line.

use std::fmt::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;

pub mod sink;

/// Logs to `writer` from now on. `IMGATE_LOG` takes `tracing` filter directives.
///
/// pingora's own lines below a warning say nothing about the gate's traffic; notify warns of each
/// watched directory that goes away, which is how volumes are swapped.
pub fn start<W>(writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_from_env("IMGATE_LOG").unwrap_or_else(|_| {
        EnvFilter::new(
            "info,notify=error,pingora=warn,pingora_core=warn,pingora_timeout=warn,rustls=warn",
        )
    });
    let log = tracing_subscriber::fmt()
        .event_format(Line)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish();
    // Only a second call in the same process could fail, and then logging is on already.
    let _ = tracing::subscriber::set_global_default(log);
    // pingora logs through the `log` crate.
    let _ = tracing_log::LogTracer::init();
}

/// What stands in the place of a message that may hold a credential.
const WITHHELD: &str = "withheld, since it may repeat a request";

/// Whether lines from there may say what a client has sent. pingora's HTTP app, which serves the metrics
/// listener, shows whole heads (trace) and the beginning of what it cannot read (error).
fn repeats_requests(target: &str) -> bool {
    ["pingora_core::apps", "pingora_core::protocols::http"]
        .iter()
        .any(|place| target.starts_with(place))
}

/// Writes events: time, level, fields in their order, and where it comes from.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        use tracing_log::NormalizeEvent as _;

        // Lines of the `log` crate say in fields where they come from.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let repeats = repeats_requests(metadata.target());
        if repeats && *metadata.level() > Level::WARN {
            return Ok(());
        }
        let now = u64::try_from(clock::now().as_millis()).unwrap_or_default();
        let time = humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(now));
        write!(
            writer,
            r#"{{"timestamp":"{time}","level":"{}""#,
            metadata.level()
        )?;
        let mut fields = Fields {
            writer: writer.by_ref(),
            outcome: Ok(()),
        };
        if repeats {
            fields.text_of("message", WITHHELD)?;
        } else {
            event.record(&mut fields);
        }
        fields.outcome?;
        writer.write_str(r#","target":""#)?;
        Escaped(writer.by_ref()).write_str(metadata.target())?;
        writer.write_str("\"}\n")
    }
}

struct Fields<'w> {
    writer: Writer<'w>,
    outcome: fmt::Result,
}

impl Fields<'_> {
    fn key(&mut self, name: &str) -> fmt::Result {
        self.writer.write_str(",\"")?;
        Escaped(self.writer.by_ref()).write_str(name)?;
        self.writer.write_str("\":")
    }

    fn text_of(&mut self, name: &str, value: &str) -> fmt::Result {
        self.key(name)?;
        self.writer.write_char('"')?;
        Escaped(self.writer.by_ref()).write_str(value)?;
        self.writer.write_char('"')
    }

    fn raw(&mut self, field: &Field, value: fmt::Arguments<'_>) -> fmt::Result {
        self.key(field.name())?;
        self.writer.write_fmt(value)
    }

    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) -> fmt::Result {
        self.key(field.name())?;
        self.writer.write_char('"')?;
        Escaped(self.writer.by_ref()).write_fmt(value)?;
        self.writer.write_char('"')
    }

    fn note(&mut self, written: fmt::Result) {
        self.outcome = self.outcome.and(written);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // What `tracing-log` says of the record is in the metadata.
        if !field.name().starts_with("log.") {
            let written = self.text(field, format_args!("{value:?}"));
            self.note(written);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if !field.name().starts_with("log.") {
            let written = self.text(field, format_args!("{value}"));
            self.note(written);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        let written = self.raw(field, format_args!("{value}"));
        self.note(written);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if !field.name().starts_with("log.") {
            let written = self.raw(field, format_args!("{value}"));
            self.note(written);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        let written = self.raw(field, format_args!("{value}"));
        self.note(written);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows neither infinity nor "not a number".
        let written = if value.is_finite() {
            self.raw(field, format_args!("{value}"))
        } else {
            self.raw(field, format_args!("null"))
        };
        self.note(written);
    }
}

/// Escapes what may not stand in a JSON string (RFC 8259 §7).
struct Escaped<'w>(Writer<'w>);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        while let Some(at) = rest.bytes().position(special) {
            // A special byte is ASCII, so both cuts are at character boundaries.
            let (plain, from) = rest.split_at_checked(at).ok_or(fmt::Error)?;
            let (one, behind) = from.split_at_checked(1).ok_or(fmt::Error)?;
            self.0.write_str(plain)?;
            match one {
                "\"" => self.0.write_str("\\\"")?,
                "\\" => self.0.write_str("\\\\")?,
                "\n" => self.0.write_str("\\n")?,
                "\r" => self.0.write_str("\\r")?,
                "\t" => self.0.write_str("\\t")?,
                other => {
                    for byte in other.bytes() {
                        write!(self.0, "\\u{byte:04x}")?;
                    }
                }
            }
            rest = behind;
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Memory {
        type Writer = Self;

        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    /// The one line that `log` writes, as any JSON reader sees it.
    fn line(log: impl FnOnce()) -> Value {
        let memory = Memory::default();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Line)
            .with_max_level(Level::TRACE)
            .with_writer(memory.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = memory.0.lock().clone();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_line_is_one_json_object_with_its_fields() {
        let line = line(|| {
            tracing::warn!(
                target: "imgate::access",
                status = 200,
                subject = None::<&str>,
                seconds = 0.5,
                endless = f64::INFINITY,
                is_late = true,
                client = %std::net::Ipv4Addr::LOCALHOST,
                "request"
            );
        });
        let time = line["timestamp"].as_str().unwrap();
        assert!(humantime::parse_rfc3339(time).is_ok(), "{time}");
        let mut rest = line.clone();
        rest.as_object_mut().unwrap().remove("timestamp");
        assert_eq!(
            rest,
            json!({
                "level": "WARN", "message": "request", "status": 200, "seconds": 0.5,
                "endless": null, "is_late": true, "client": "127.0.0.1", "target": "imgate::access",
            })
        );
    }

    #[test]
    fn what_may_repeat_a_request_is_withheld() {
        let line = line(|| {
            tracing::error!(target: "pingora_core::apps::http_app", error = "buf: canary", "canary");
            tracing::trace!(target: "pingora_core::apps::http_app", "canary");
            tracing::debug!(target: "pingora_core::protocols::http::v1::server", "canary");
        });
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["message"], WITHHELD);
        assert_eq!(line["error"], Value::Null);
    }

    #[test]
    fn whatever_stands_in_a_field_stays_in_its_field() {
        for hostile in [
            "\"",
            "\\",
            "a\"},{\"b",
            "line\nbreak\r",
            "\t\u{1}\u{1f}\u{7f}",
            "你好 \u{2028}",
            "",
        ] {
            let line = line(|| tracing::info!(subject = hostile, error = %hostile, "x"));
            assert_eq!(line["subject"], hostile);
            assert_eq!(line["error"], hostile);
        }
    }
}
