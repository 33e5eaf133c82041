//! Small notations: durations, sizes, times, addresses, tokens. Text in, value or nothing out.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, UNIX_EPOCH};

use crate::clock::UnixTime;

/// A whole number and one of `ms`, `s`, `m`, `h`, `d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// The shortest way to write a duration of whole milliseconds.
pub(super) fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    for (unit, name) in [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
    ] {
        // One day is still 24 hours, as people say it.
        if millis.is_multiple_of(unit) && (name != "d" || millis > unit) {
            return format!("{}{name}", millis / unit);
        }
    }
    format!("{millis}ms")
}

/// How often something may happen: `5 per 1m`, or `10/s`.
pub(super) fn rate(text: &str) -> Option<(u32, Duration)> {
    let (count, per) = match text.split_once('/') {
        Some((count, unit)) if unit.starts_with(|first: char| first.is_ascii_alphabetic()) => {
            (count, duration(&format!("1{unit}"))?)
        }
        Some(_) => return None,
        None => {
            let (count, per) = text.split_once(" per ")?;
            (count, duration(per)?)
        }
    };
    let count = is_digits(count).then(|| count.parse().ok())??;
    Some((count, per))
}

/// A whole number and one of `B`, `KiB`, `MiB`.
pub(super) fn size(text: &str) -> Option<usize> {
    let (number, unit) = number_and_unit(text)?;
    let bytes = match unit {
        "B" => 1,
        "KiB" => KIB,
        "MiB" => KIB * KIB,
        _ => return None,
    };
    usize::try_from(number).ok()?.checked_mul(bytes)
}

/// The shortest way to write a size.
pub(super) fn format_size(bytes: usize) -> String {
    if bytes.is_multiple_of(KIB * KIB) {
        format!("{}MiB", bytes / (KIB * KIB))
    } else if bytes.is_multiple_of(KIB) {
        format!("{}KiB", bytes / KIB)
    } else {
        format!("{bytes}B")
    }
}

/// A date and time as RFC 3339 writes it, such as `2027-01-01T08:00:00+08:00`, from 1970 on.
pub(super) fn timestamp(text: &str) -> Option<UnixTime> {
    // humantime reads UTC only, so the offset is taken off first.
    let (local, offset) = match text.strip_suffix('Z') {
        Some(local) => (local, "+00:00"),
        None => text.split_at_checked(text.len().checked_sub(6)?)?,
    };
    let offset_minutes = offset_minutes(offset)?;
    // Digits only: the library would take a sign or an offset of its own for a fraction's end.
    if local
        .bytes()
        .any(|byte| !byte.is_ascii_digit() && !b"-T:.".contains(&byte))
    {
        return None;
    }
    let time = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let millis = i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?;
    Some(UnixTime::from_millis(
        millis.checked_sub(offset_minutes.checked_mul(60_000)?)?,
    ))
}

/// `host:port`, where the host is a name, an IPv4 address or an IPv6 address in brackets.
pub(super) fn is_host_port(text: &str) -> bool {
    if text
        .parse::<SocketAddr>()
        .is_ok_and(|address| address.port() != 0)
    {
        return true;
    }
    text.rsplit_once(':').is_some_and(|(host, port)| {
        is_digits(port) && port.parse::<u16>().is_ok_and(|port| port != 0) && is_host_name(host)
    })
}

/// A host as the `Host` header names it, without a port.
pub(super) fn is_host(text: &str) -> bool {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => is_host_name(text),
    }
}

/// A token of RFC 9110, section 5.6.2: what a header name or a method is made of.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// A SHA-256 digest in hexadecimal digits.
pub(super) fn sha256_digits(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        let nibble = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(nibble(high)? * 16 + nibble(low)?).ok()?;
    }
    Some(digest)
}

const KIB: usize = 1024;

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit))
}

/// `+08:00` or `-03:30`, in minutes.
fn offset_minutes(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 || !is_digits(hours) || !is_digits(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Labels of letters, digits, `-`, and `_`, which container networks allow.
fn is_host_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

#[cfg(test)]
mod tests;
