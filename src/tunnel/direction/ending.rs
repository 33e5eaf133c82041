//! How a direction ends: between two frames, and with its source read.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use crate::tunnel::Side;
use crate::tunnel::direction::{Direction, Mode};
use crate::tunnel::scratch::with_scratch;

impl Direction {
    /// Whether a Close frame may still be sent in this direction.
    fn can_close(&self) -> bool {
        let passed_close = match &self.sieve {
            Some(sieve) => sieve.passed_close(),
            None => self.frames.saw_close(),
        };
        matches!(self.mode, Mode::Carrying | Mode::Finishing)
            && self.pending.is_empty()
            && self.passed_whole_frames()
            && !passed_close
    }

    /// Nothing more is to be written; the source may end.
    pub(in crate::tunnel) fn discard(&mut self) {
        self.sieve = None;
        self.pending = Vec::new();
        self.mode = Mode::Discarding;
    }

    /// How much more may be read for nobody.
    pub(in crate::tunnel) const fn may_discard(&self) -> usize {
        self.may_discard
    }

    /// Carries on to the end of the frame that is under way. Ready when there, or never to be.
    pub(in crate::tunnel) fn poll_to_boundary(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Side,
        to: &mut impl Side,
    ) -> Poll<()> {
        while self.mode == Mode::Carrying {
            if ready!(self.poll_flush(cx, to)).is_err() {
                self.mode = Mode::Discarding;
                break;
            }
            if self.passed_whole_frames() {
                break;
            }
            let limit = self.frames.max_take();
            if ready!(self.poll_fill(cx, from, to, limit)).is_err() {
                self.mode = Mode::Discarding;
            }
        }
        Poll::Ready(())
    }

    /// Says goodbye from here on: with a Close frame, if it may stand here.
    pub(in crate::tunnel) fn close(&mut self, frame: &[u8]) {
        if self.mode != Mode::Ended {
            self.pending = if self.can_close() {
                frame.to_vec()
            } else {
                Vec::new()
            };
            self.mode = Mode::Finishing;
        }
    }

    /// Reads and forgets what nobody gets any more. Ready when the source has ended, or has sent
    /// too much.
    pub(in crate::tunnel) fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Side,
    ) -> Poll<()> {
        while self.may_discard > 0 {
            let read = with_scratch(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                let read = Pin::new(&mut *from).poll_read(cx, &mut buffer);
                read.map(|result| result.map_or(0, |()| buffer.filled().len()))
            });
            self.may_discard = match ready!(read) {
                0 => 0,
                n => self.may_discard.saturating_sub(n),
            };
        }
        Poll::Ready(())
    }

    /// Carries on to the end of the source, tells the sink, and is then ready. If the sink takes
    /// no more, the source is still read to its end.
    pub(in crate::tunnel) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Side,
        to: &mut impl Side,
    ) -> Poll<()> {
        loop {
            match self.mode {
                Mode::Carrying => {
                    // The mode has changed when this is ready.
                    let _ = ready!(self.poll_carry(cx, from, to, |_| ()));
                    if self.mode == Mode::Carrying {
                        self.mode = Mode::Discarding;
                    }
                }
                Mode::Finishing => {
                    let told = match ready!(self.poll_flush(cx, to)) {
                        Ok(()) => ready!(Pin::new(&mut *to).poll_shutdown(cx)),
                        Err(error) => Err(error),
                    };
                    // Whether or not it heard, there is nothing more to tell.
                    drop(told);
                    self.mode = Mode::Ended;
                }
                Mode::Discarding => {
                    ready!(self.poll_discard(cx, from));
                    self.mode = Mode::Ended;
                }
                Mode::Ended => return Poll::Ready(()),
            }
        }
    }

    fn passed_whole_frames(&self) -> bool {
        match &self.sieve {
            Some(sieve) => sieve.passed_whole_frames(),
            None => self.frames_passed().at_boundary(),
        }
    }
}
