//! How a peer is noticed that has gone without a word: its power failed, or the network between.
//!
//! The kernel asks a peer that is silent, and gives up one that does not answer, or that takes no
//! byte of what waits for it. No timer of ours is needed, and a peer that is merely quiet stays.

use std::io;
use std::time::Duration;

use pingora::protocols::TcpKeepalive;
use socket2::Socket;

/// How long a peer may be silent before it is asked.
const IDLE: Duration = Duration::from_mins(1);
/// How long between two questions.
const INTERVAL: Duration = Duration::from_secs(15);
/// How many questions may stay without an answer.
const COUNT: u8 = 4;
/// How long bytes may wait for a peer that does not acknowledge them or has no room for them: as
/// long as it takes to find out about a silent one.
const USER_TIMEOUT: Duration = Duration::from_mins(2);

/// For every connection that this listening socket will accept: on Linux it inherits the options,
/// so they cost no system call of its own.
pub(crate) fn set_for_accepted(listener: &Socket) -> io::Result<()> {
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(IDLE)
        .with_interval(INTERVAL)
        .with_retries(u32::from(COUNT));
    listener.set_tcp_keepalive(&keepalive)?;
    listener.set_tcp_user_timeout(Some(USER_TIMEOUT))
}

/// For a connection to an upstream.
pub(crate) fn of_upstream() -> TcpKeepalive {
    TcpKeepalive {
        idle: IDLE,
        interval: INTERVAL,
        count: usize::from(COUNT),
        user_timeout: USER_TIMEOUT,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream};

    use socket2::{Domain, Type};

    use super::*;

    #[test]
    fn accepted_connections_inherit_the_options() {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        set_for_accepted(&listener).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(1).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let _client = TcpStream::connect(address).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_keepalive_time().unwrap(), IDLE);
        assert_eq!(accepted.tcp_keepalive_interval().unwrap(), INTERVAL);
        assert_eq!(accepted.tcp_keepalive_retries().unwrap(), u32::from(COUNT));
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
    }
}
