//! Where the server is and as whom to log in, in the terms of the library.

use ::redis::io::tcp::TcpSettings;
use ::redis::{Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

use crate::scheme::sa_token::RedisAddress;

/// The port where an address names none.
const DEFAULT_PORT: u16 = 6379;

/// `None` when the address is not one.
pub(super) fn client(address: &RedisAddress) -> Option<Client> {
    let RedisAddress {
        address,
        username,
        password,
        database,
        timeout: _,
    } = address;
    let (host, port) = host_and_port(address)?;
    let mut login = RedisConnectionInfo::default().set_db(*database);
    if let Some(username) = username {
        login = login.set_username(username);
    }
    if let Some(password) = password {
        login = login.set_password(std::str::from_utf8(password.expose()).ok()?);
    }
    let info = ConnectionAddr::Tcp(host.to_owned(), port)
        .into_connection_info()
        .ok()?
        .set_redis_settings(login)
        .set_tcp_settings(TcpSettings::default().set_nodelay(true));
    Client::open(info).ok()
}

/// `host:port`, `host`, `[::1]:port`.
pub(super) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    (!host.is_empty()).then_some((host, port))
}
