//! Hears signals from the first moment, and keeps them until somebody listens.
//!
//! The handlers are in place before the first port is bound: whoever can connect can also be sure
//! that a signal does what it should.

use std::io;
use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What was heard and not yet acted upon.
#[derive(Debug)]
pub struct Signals {
    /// SIGHUP: load the configuration again.
    pub reload: UnboundedReceiver<()>,
    pub end: UnboundedReceiver<End>,
    /// For whoever may ask for the end without a signal.
    pub asker: UnboundedSender<End>,
}

/// How the process is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// An operator, over the admin interface: as SIGTERM, which often follows.
    Asked,
    /// SIGINT: at once.
    Now,
    /// SIGTERM: when what is under way is done.
    Soon,
}

impl End {
    /// The word for the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "admin",
            Self::Now => "SIGINT",
            Self::Soon => "SIGTERM",
        }
    }
}

/// Installs the handlers.
///
/// # Errors
///
/// If the system refuses them, or a thread to wait in.
pub fn listen() -> io::Result<Signals> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut hang_up, mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (
            signal(SignalKind::hangup())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    let (reload_sender, reload) = unbounded_channel();
    let (end_sender, end) = unbounded_channel();
    let asker = end_sender.clone();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                // When nobody is left to tell, the process is about to end.
                loop {
                    let is_heard = tokio::select! {
                        _ = hang_up.recv() => reload_sender.send(()).is_ok(),
                        _ = interrupt.recv() => end_sender.send(End::Now).is_ok(),
                        _ = terminate.recv() => end_sender.send(End::Soon).is_ok(),
                    };
                    if !is_heard {
                        return;
                    }
                }
            });
        })?;
    Ok(Signals { reload, end, asker })
}
