//! Where log lines go: into memory, and from there to the output, by a thread of their own.
//!
//! So nobody who serves ever waits for whoever reads the log, and no output that fails is anybody's
//! error: a pipe that is full or closed, or a disk that is full, costs lines and nothing else. Lines
//! that are lost are counted, and told as soon as something can be told again.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

#[cfg(test)]
mod tests;

/// Bytes that wait to be written at most; about six thousand requests.
const MOST: usize = 2 << 20;
/// A buffer that has grown beyond this is given back.
const KEPT: usize = 64 << 10;
/// An output that takes nothing at the moment is asked again after so long.
const PAUSE: Duration = Duration::from_millis(20);

/// The lines that this process has lost.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many lines were lost since the process began.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Takes lines and returns at once.
#[derive(Clone)]
pub struct Sink(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// There is something to write, or nothing more will come.
    filled: Condvar,
    /// The writer has ended.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    is_waiting: bool,
    is_closing: bool,
    is_over: bool,
}

impl Sink {
    /// Writes to standard output.
    ///
    /// # Errors
    ///
    /// If there is no further file descriptor or thread.
    pub fn stdout() -> io::Result<Self> {
        // Beside the standard library's own buffer, which would keep what could not be written.
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Self::before(output)
    }

    fn before(output: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let writer = Arc::clone(&queue);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || Writer::of(output).run(&writer))?;
        Ok(Self(queue))
    }

    /// Waits until everything is written, for so long at most. What comes afterwards is lost.
    pub fn close(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = self.0.state.lock();
        state.is_closing = true;
        self.0.filled.notify_all();
        while !state.is_over {
            if self.0.emptied.wait_until(&mut state, deadline).timed_out() {
                return;
            }
        }
    }

    fn put(&self, line: &[u8]) {
        let mut state = self.0.state.lock();
        if state.is_over || state.lines.len().saturating_add(line.len()) > MOST {
            LOST.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.lines.extend_from_slice(line);
        if state.is_waiting {
            self.0.filled.notify_one();
        }
    }
}

impl Queue {
    /// Waits for lines and exchanges them for an empty buffer; `false` when nothing more will come.
    fn take(&self, lines: &mut Vec<u8>) -> bool {
        let mut state = self.state.lock();
        while state.lines.is_empty() {
            if state.is_closing {
                state.is_over = true;
                self.emptied.notify_all();
                return false;
            }
            state.is_waiting = true;
            self.filled.wait(&mut state);
            state.is_waiting = false;
        }
        std::mem::swap(&mut state.lines, lines);
        true
    }

    /// Waits a moment.
    fn pause(&self) {
        let _ = self.filled.wait_for(&mut self.state.lock(), PAUSE);
    }
}

/// What stands on the other side of the queue.
struct Writer<W> {
    output: W,
    /// The output ends in the middle of a line.
    is_torn: bool,
    /// It has taken what was written last.
    is_open: bool,
    /// Lost lines that were told of.
    told: u64,
}

impl<W: Write> Writer<W> {
    fn of(output: W) -> Self {
        Self {
            output,
            is_torn: false,
            is_open: false,
            told: lost(),
        }
    }

    fn run(mut self, queue: &Queue) {
        let mut lines = Vec::new();
        while queue.take(&mut lines) {
            // There is room for a line now.
            self.tell();
            self.write(&lines, queue);
            lines.clear();
            lines.shrink_to(KEPT);
        }
    }

    fn write(&mut self, lines: &[u8], queue: &Queue) {
        let torn: &[u8] = if self.is_torn { b"\n" } else { b"" };
        let rest = match self.write_all(torn, queue) {
            0 => self.write_all(lines, queue),
            _ => lines.len(),
        };
        let (written, rest) = lines
            .split_at_checked(lines.len() - rest)
            .unwrap_or_default();
        if let Some(last) = written.last() {
            self.is_torn = *last != b'\n';
        }
        self.is_open = rest.is_empty();
        if !self.is_open {
            let lines = memchr::memchr_iter(b'\n', rest).count();
            LOST.fetch_add(lines as u64, Ordering::Relaxed);
        }
    }

    /// Writes as much as the output takes. Returns how many bytes it did not.
    fn write_all(&mut self, mut bytes: &[u8], queue: &Queue) -> usize {
        while !bytes.is_empty() {
            match self.output.write(bytes) {
                Ok(count @ 1..) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Somebody shares the pipe who does not want to wait for it.
                Err(error) if error.kind() == ErrorKind::WouldBlock => queue.pause(),
                Ok(_) | Err(_) => return bytes.len(),
            }
        }
        0
    }

    /// Whoever reads the log learns what is missing.
    fn tell(&mut self) {
        let lost = lost();
        if self.is_open && lost > self.told {
            warn!(lines = lost - self.told, "log lines were lost");
            self.told = lost;
        }
    }
}

impl<'w> MakeWriter<'w> for Sink {
    type Writer = &'w Self;

    fn make_writer(&'w self) -> Self::Writer {
        self
    }
}

/// `tracing_subscriber` writes each line at once.
impl Write for &Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}
