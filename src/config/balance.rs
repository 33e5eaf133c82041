//! The addresses of an upstream, `balance` and `health`: how requests are spread, and who is left out.

use std::net::SocketAddr;
use std::time::Duration;

use super::cursor::{Cursor, Fields, Keys};
use super::document::{Balance, HealthRule, Located};

/// More would be asked for their health all the time; whoever has so many has a balancer as well.
pub(super) const MOST_ADDRESSES: usize = 64;

const BALANCE: Keys = Keys {
    known: &["hash"],
    later: &[],
};

const HEALTH: Keys = Keys {
    known: &[
        "healthy_after",
        "interval",
        "path",
        "timeout",
        "unhealthy_after",
    ],
    later: &[],
};

const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const LONGEST_INTERVAL: Duration = Duration::from_hours(1);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
const LONGEST_TIMEOUT: Duration = Duration::from_mins(1);
const MOST_IN_A_ROW: u32 = 100;
const LONGEST_PATH: usize = 1024;

/// Reads `address`, or `addresses`.
pub(super) fn addresses(fields: &Fields<'_>) -> Option<Vec<Located<String>>> {
    match fields.among(&["address", "addresses"]).as_slice() {
        ["address"] => {
            let address = fields.get("address")?;
            Some(vec![address.locate(address.host_port()?)])
        }
        ["addresses"] => list(&fields.get("addresses")?),
        kinds => fields.choose(kinds.len(), "either `address`, or `addresses`"),
    }
}

fn list(cursor: &Cursor<'_>) -> Option<Vec<Located<String>>> {
    let elements = cursor.non_empty_list()?;
    if elements.len() > MOST_ADDRESSES {
        cursor.problem(format!("expected at most {MOST_ADDRESSES} addresses"));
        return None;
    }
    let mut addresses: Vec<Located<String>> = Vec::with_capacity(elements.len());
    for element in elements {
        let Some(address) = element.host_port() else {
            continue;
        };
        let is_same = |known: &Located<String>| canonical(&known.value) == canonical(&address);
        if addresses.iter().any(is_same) {
            element.problem("the same address stands above");
            continue;
        }
        addresses.push(element.locate(address));
    }
    (!addresses.is_empty()).then_some(addresses)
}

/// Two ways to write one address are one.
fn canonical(address: &str) -> String {
    if let Ok(address) = address.parse::<SocketAddr>() {
        return address.to_string();
    }
    match address.rsplit_once(':') {
        Some((host, port)) => {
            let host = host.strip_suffix('.').unwrap_or(host);
            let port = port.trim_start_matches('0');
            format!("{}:{port}", host.to_ascii_lowercase())
        }
        None => address.to_owned(),
    }
}

/// Reads `balance`; it is about several addresses.
pub(super) fn balance(fields: &Fields<'_>) -> Located<Balance> {
    let Some(cursor) = fields.get("balance") else {
        return fields.cursor.locate(Balance::default());
    };
    if fields.has("address") && !fields.has("addresses") {
        cursor.problem("there is one `address`, expected `balance` beside `addresses`");
    }
    let balance = match cursor.as_map() {
        Some(_) => hash(&cursor),
        None => cursor.word(
            &[
                ("least_conn", Balance::LeastConn),
                ("round_robin", Balance::RoundRobin),
            ],
            &[],
        ),
    };
    cursor.locate(balance.unwrap_or_default())
}

fn hash(cursor: &Cursor<'_>) -> Option<Balance> {
    let fields = cursor.map(&BALANCE)?;
    let hash = fields.required("hash")?;
    hash.word(&[("subject", Balance::HashSubject)], &[])
}

/// Reads `health`.
pub(super) fn health(cursor: &Cursor<'_>) -> Option<HealthRule> {
    let fields = cursor.map(&HEALTH)?;
    let HealthRule {
        path: _,
        interval,
        timeout,
        unhealthy_after,
        healthy_after,
    } = HealthRule::default();
    let in_a_row =
        |key, default| fields.or_default(key, default, |count| count.integer(1..=MOST_IN_A_ROW));
    Some(HealthRule {
        path: fields.optional("path", |path| {
            path.parsed("a path such as `/healthz`, with its query", |text| {
                is_target(text).then(|| text.to_owned())
            })
        }),
        interval: fields.or_default("interval", interval, |interval| {
            interval.duration(SHORTEST_INTERVAL..=LONGEST_INTERVAL)
        }),
        timeout: fields.or_default("timeout", timeout, |timeout| {
            timeout.duration(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT)
        }),
        unhealthy_after: in_a_row("unhealthy_after", unhealthy_after),
        healthy_after: in_a_row("healthy_after", healthy_after),
    })
}

/// What may stand in a request line as it is.
fn is_target(text: &str) -> bool {
    let is_visible = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    text.starts_with('/') && text.len() <= LONGEST_PATH && text.bytes().all(is_visible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_however_it_is_written() {
        for (one, other, same) in [
            ("10.0.0.1:8080", "10.0.0.1:08080", true),
            ("im.internal:80", "IM.internal.:80", true),
            ("[::1]:80", "[0:0::1]:80", true),
            ("10.0.0.1:8080", "10.0.0.1:8081", false),
            ("im-1:80", "im-2:80", false),
        ] {
            assert_eq!(canonical(one) == canonical(other), same, "{one} {other}");
        }
    }
}
