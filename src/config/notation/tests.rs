use proptest::prelude::*;

use super::*;

const DAY: u64 = 24 * 60 * 60 * 1000;

#[test]
fn durations_are_a_number_and_a_unit() {
    for (text, millis) in [
        ("500ms", Some(500)),
        ("30s", Some(30_000)),
        ("5m", Some(300_000)),
        ("24h", Some(DAY)),
        ("30d", Some(30 * DAY)),
        ("0s", Some(0)),
        ("", None),
        ("s", None),
        ("5", None),
        ("5 s", None),
        ("-5s", None),
        ("1.5s", None),
        ("5S", None),
        ("1h30m", None),
        ("5us", None),
        ("18446744073709551615s", None),
        ("99999999999999999999s", None),
    ] {
        assert_eq!(
            duration(text),
            millis.map(Duration::from_millis),
            "`{text}`"
        );
    }
}

#[test]
fn sizes_are_a_number_and_a_binary_unit() {
    for (text, bytes) in [
        ("8KiB", Some(8192)),
        ("512B", Some(512)),
        ("1MiB", Some(1_048_576)),
        ("8", None),
        ("8KB", None),
        ("8kib", None),
        ("KiB", None),
        ("18446744073709551615MiB", None),
    ] {
        assert_eq!(size(text), bytes, "`{text}`");
    }
}

#[test]
fn times_are_rfc_3339() {
    for (case, text, millis) in [
        ("the epoch", "1970-01-01T00:00:00Z", Some(0)),
        (
            "a leap day",
            "2024-02-29T12:00:00Z",
            Some(1_709_208_000_000),
        ),
        ("a fraction", "1970-01-01T00:00:01.5Z", Some(1500)),
        ("east of Greenwich", "1970-01-01T08:00:01+08:00", Some(1000)),
        (
            "west of Greenwich",
            "1970-01-01T00:00:00-03:30",
            Some(12_600_000),
        ),
        (
            "before the epoch, by its offset",
            "1970-01-01T00:00:00+08:00",
            Some(-28_800_000),
        ),
        ("no zone", "2027-01-01T00:00:00", None),
        ("a space", "2027-01-01 00:00:00Z", None),
        ("only a date", "2027-01-01", None),
        ("no such month", "2027-13-01T00:00:00Z", None),
        ("no such day", "2027-02-29T00:00:00Z", None),
        ("no such offset", "2027-01-01T00:00:00+24:00", None),
        ("two zones", "2027-01-01T00:00:00Z+08:00", None),
        ("two offsets", "2027-01-01T00:00:00+00:00Z", None),
        ("a cut offset", "2027-01-01T00:00:00+08", None),
        ("letters", "2027-01-01T00:00:00.xZ", None),
        ("not ASCII", "２０２７-01-01T00:00:00Z", None),
        ("empty", "", None),
    ] {
        assert_eq!(
            timestamp(text).map(UnixTime::as_millis),
            millis,
            "{case}: `{text}`"
        );
    }
}

#[test]
fn an_address_is_a_host_and_a_port() {
    for (case, text, good) in [
        ("IPv4", "127.0.0.1:8080", true),
        ("IPv6", "[::1]:8080", true),
        ("a name", "im.internal:8080", true),
        ("a container's name", "im_gateway:8080", true),
        ("no port", "127.0.0.1", false),
        ("port zero", "127.0.0.1:0", false),
        ("port zero of a name", "im:0", false),
        ("a large port", "im:65536", false),
        ("a signed port", "im:+80", false),
        ("no host", ":8080", false),
        ("a URL", "http://im:8080", false),
        ("IPv6 without brackets", "::1:8080", false),
        ("a space", "im internal:8080", false),
        ("an empty label", "im..internal:80", false),
    ] {
        assert_eq!(is_host_port(text), good, "{case}: `{text}`");
    }
}

#[test]
fn a_digest_has_64_hexadecimal_digits() {
    assert_eq!(sha256_digits(&"0F".repeat(32)), Some([0x0f; 32]));
    for text in [
        "",
        "0f",
        &"0".repeat(63),
        &"0".repeat(65),
        &"g".repeat(64),
        &"ä".repeat(32),
        &"+f".repeat(32),
    ] {
        assert_eq!(sha256_digits(text), None, "`{text}`");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in any::<String>()) {
        let _ = (duration(&text), size(&text), timestamp(&text), sha256_digits(&text));
        let _ = (is_host(&text), is_host_port(&text), is_token(&text));
    }

    #[test]
    fn a_time_reads_back_as_it_was_written(seconds in 0_i64..253_402_300_799) {
        let time = UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
        let text = humantime::format_rfc3339_seconds(time).to_string();
        prop_assert_eq!(timestamp(&text), Some(UnixTime::from_secs(seconds)));
        // The same moment on another clock.
        let east = text.replace('Z', "+08:00");
        let earlier = UnixTime::from_secs(seconds - 8 * 60 * 60);
        prop_assert_eq!(timestamp(&east), Some(earlier));
    }

    #[test]
    fn a_duration_reads_back_as_it_was_written(millis in 0_u64..1 << 40, unit in 0_usize..5) {
        let unit = [1, 1000, 60_000, 3_600_000, DAY][unit];
        let written = Duration::from_millis(millis - millis % unit);
        prop_assert_eq!(duration(&format_duration(written)), Some(written));
    }

    #[test]
    fn a_size_reads_back_as_it_was_written(bytes in 0_usize..1 << 40) {
        prop_assert_eq!(size(&format_size(bytes)), Some(bytes));
    }
}
