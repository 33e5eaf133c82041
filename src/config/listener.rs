//! `listeners` and `upstreams`: where the gate listens, and where it connects to.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::cursor::{Cursor, Keys, NAME};
use super::document::{Listener, OnExposed, Upstream};
use super::{spelling, tls};

pub(super) fn listeners(section: &Cursor<'_>) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    for element in section.non_empty_list().unwrap_or_default() {
        let Some(listener) = listener(&element) else {
            continue;
        };
        let is_taken = listeners
            .iter()
            .any(|known| known.address == listener.address);
        // Port 0 is another port each time.
        if is_taken && listener.address.port() != 0 {
            element.problem("another listener above has the same address");
            continue;
        }
        listeners.push(listener);
    }
    listeners
}

pub(super) fn upstreams(section: &Cursor<'_>) -> Vec<Upstream> {
    let entries = section.entries().unwrap_or_default();
    entries
        .iter()
        .filter_map(|(name, cursor)| upstream(name, cursor))
        .collect()
}

const LISTENER: Keys = Keys {
    known: &["address", "proxy_protocol", "tls", "trusted_proxies"],
    later: &[],
};

const UPSTREAM: Keys = Keys {
    known: &[
        "address",
        "connect_timeout",
        "handshake_timeout",
        "on_exposed",
        "response_timeout",
    ],
    later: &["addresses", "balance"],
};

const SECOND: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_hours(1);

fn listener(cursor: &Cursor<'_>) -> Option<Listener> {
    let fields = cursor.map(&LISTENER)?;
    let address = fields
        .required("address")
        .and_then(|address| address.socket_address());
    let trusted_proxies = fields.or_default("trusted_proxies", Vec::new(), |list| {
        Some(list.list()?.iter().filter_map(network).collect())
    });
    let proxy_protocol = fields
        .optional("proxy_protocol", |version| version.word(&[("v2", ())], &[]))
        .is_some();
    if proxy_protocol && trusted_proxies.is_empty() {
        fields
            .problem("`proxy_protocol` needs `trusted_proxies`: anybody could name another client");
    }
    let tls = fields.optional("tls", tls::tls);
    Some(Listener {
        address: address?,
        tls,
        trusted_proxies,
        names_proxies: fields.has("trusted_proxies"),
        proxy_protocol,
        place: cursor.place(),
    })
}

fn network(cursor: &Cursor<'_>) -> Option<IpNet> {
    let network = cursor.parsed("a network such as `10.0.0.0/8`, or an IP address", |text| {
        text.parse()
            .ok()
            .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    })?;
    if network.prefix_len() == 0 {
        cursor.problem("everybody would be believed, expected the networks of your proxies");
        return None;
    }
    if network.trunc() != network {
        cursor.problem("expected zeros behind the prefix length");
        return None;
    }
    Some(network)
}

fn upstream(name: &str, cursor: &Cursor<'_>) -> Option<Upstream> {
    if !spelling::is_name(name) {
        cursor.problem(format!("expected {NAME} as the key"));
    }
    let fields = cursor.map(&UPSTREAM)?;
    let timeout = |key, default| {
        fields.or_default(key, default, |timeout| timeout.duration(SHORTEST..=LONGEST))
    };
    let connect_timeout = timeout("connect_timeout", SECOND);
    let response_timeout = timeout("response_timeout", SECOND * 60);
    let handshake_timeout = timeout("handshake_timeout", SECOND * 10);
    let on_exposed = fields.or_default("on_exposed", OnExposed::default(), |word| {
        word.word(
            &[("warn", OnExposed::Warn), ("unready", OnExposed::Unready)],
            &[],
        )
    });
    if fields.has("addresses") && !fields.has("address") {
        return None;
    }
    let address = fields.required("address")?;
    Some(Upstream {
        name: cursor.locate(Arc::from(name)),
        address: address.locate(address.host_port()?),
        connect_timeout,
        response_timeout,
        handshake_timeout,
        on_exposed,
    })
}
