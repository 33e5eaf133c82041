use super::*;

const RATE: Rate = Rate {
    count: 3,
    per: Duration::from_secs(30),
};

const fn at(millis: i64) -> UnixTime {
    UnixTime::from_millis(1_800_000_000_000 + millis)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const fn throttled(by: ThrottledBy, millis: u64) -> Result<(), Throttled> {
    Err(Throttled {
        by,
        retry_after: Duration::from_millis(millis),
    })
}

#[test]
fn a_client_that_guesses_is_throttled_and_others_are_not() {
    let throttle = Throttle::new(RATE);
    let guesser = ip("192.0.2.1");
    for guess in 0..3_u8 {
        let credential = throttle.credential(&[guess]);
        assert_eq!(throttle.fail(guesser, &[credential], at(0)), Ok(()));
    }
    let good = throttle.credential(b"good");
    let by_client = throttled(ThrottledBy::Client, 10_000);
    assert_eq!(throttle.check(guesser, &[good], at(0)), by_client);
    assert_eq!(throttle.fail(guesser, &[good], at(0)), by_client);
    assert_eq!(throttle.fail(guesser, &[], at(0)), by_client);
    assert_eq!(throttle.check(ip("192.0.2.2"), &[good], at(0)), Ok(()));
    // What it tried is nobody else's failure, and what was refused has not been counted.
    assert_eq!(throttle.kept(ThrottledBy::Credential), 3);
    for _ in 0..3 {
        assert_eq!(throttle.fail(ip("192.0.2.2"), &[good], at(0)), Ok(()));
    }
    assert_eq!(throttle.fail(guesser, &[], at(10_000)), Ok(()));
    assert_eq!(throttle.fail(guesser, &[], at(10_000)), by_client);
}

#[test]
fn a_bad_credential_is_throttled_wherever_it_comes_from() {
    let throttle = Throttle::new(RATE);
    let bad = throttle.credential(b"bad");
    let clients = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.3"].map(ip);
    for client in &clients[..3] {
        assert_eq!(throttle.fail(*client, &[bad], at(0)), Ok(()));
    }
    let by_credential = throttled(ThrottledBy::Credential, 10_000);
    assert_eq!(throttle.fail(clients[3], &[bad], at(0)), by_credential);
    let other = throttle.credential(b"other");
    assert_eq!(throttle.fail(clients[3], &[other], at(0)), Ok(()));
    // Beside another one it is the same.
    assert_eq!(
        throttle.fail(clients[3], &[other, bad], at(0)),
        by_credential
    );
    assert_eq!(throttle.kept(ThrottledBy::Client), 4);
}

#[test]
fn a_network_is_one_client() {
    let throttle = Throttle::new(RATE);
    for client in ["2001:db8:1:1::1", "2001:db8:1:1:ffff::", "2001:db8:1:1::7"] {
        assert_eq!(throttle.fail(ip(client), &[], at(0)), Ok(()));
    }
    assert!(throttle.check(ip("2001:db8:1:1::9"), &[], at(0)).is_err());
    assert!(throttle.check(ip("2001:db8:1:2::1"), &[], at(0)).is_ok());
    for client in ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"] {
        assert_eq!(throttle.fail(ip(client), &[], at(0)), Ok(()));
    }
    assert!(throttle.check(ip("192.0.2.1"), &[], at(0)).is_err());
    assert!(throttle.check(ip("192.0.2.0"), &[], at(0)).is_ok());
}

#[test]
fn the_longer_wait_is_told() {
    let throttle = Throttle::new(RATE);
    let (client, bad) = (ip("192.0.2.1"), throttle.credential(b"bad"));
    for _ in 0..3 {
        assert_eq!(throttle.fail(client, &[], at(0)), Ok(()));
    }
    for other in ["192.0.2.2", "192.0.2.3", "192.0.2.4"] {
        assert_eq!(throttle.fail(ip(other), &[bad], at(4000)), Ok(()));
    }
    let by_credential = throttled(ThrottledBy::Credential, 10_000);
    assert_eq!(throttle.check(client, &[bad], at(4000)), by_credential);
    let by_client = throttled(ThrottledBy::Client, 6000);
    assert_eq!(throttle.check(client, &[], at(4000)), by_client);
}

#[test]
fn a_flood_throttles_nobody_else() {
    let throttle = Throttle::new(Rate { count: 1, ..RATE });
    for flood in 0..200_000_u32 {
        let client = IpAddr::from(flood.to_be_bytes());
        let credential = throttle.credential(&flood.to_le_bytes());
        assert_eq!(throttle.fail(client, &[credential], at(0)), Ok(()));
    }
    assert!(throttle.kept(ThrottledBy::Client) <= 1 << 16);
    assert!(throttle.kept(ThrottledBy::Credential) <= 1 << 16);
    let good = throttle.credential(b"good");
    assert_eq!(throttle.check(ip("192.0.2.1"), &[good], at(0)), Ok(()));
}
