use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn fact(at: UnixTime) -> Fact {
    Fact {
        app: Some("org#app".into()),
        subject: Some("alice".into()),
        not_after: Some(NOW.plus(Duration::from_mins(1))),
        at,
        confirmed: false,
    }
}

fn new(capacity: usize, per_client: usize) -> Learned {
    Learned::bounded(Digest::of(b"rules"), None, capacity, per_client)
}

fn token(number: u32) -> Digest {
    Digest::of(&number.to_be_bytes())
}

fn client(last: u8) -> Client {
    Client::of(IpAddr::from([10, 0, 0, last]))
}

fn later(seconds: u64) -> UnixTime {
    NOW.plus(Duration::from_secs(seconds))
}

#[test]
fn a_token_holds_until_its_end() {
    let learned = new(100, 100);
    learned.learn(token(1), fact(NOW), client(1));
    assert_eq!(learned.get(&token(1), later(59)), Some(fact(NOW)));
    assert_eq!(learned.get(&token(2), NOW), None);
    assert_eq!(learned.get(&token(1), later(60)), None);
    // For good, even if the clock is set back.
    assert_eq!(learned.get(&token(1), NOW), None);
    assert!(learned.is_empty());
}

#[test]
fn the_answer_to_the_later_question_counts() {
    let learned = new(100, 100);
    learned.learn(token(1), fact(later(2)), client(1));
    learned.refuse(token(1), Rejection::Revoked, later(1));
    learned.learn(token(1), fact(later(1)), client(1));
    assert_eq!(learned.get(&token(1), later(3)), Some(fact(later(2))));
    assert_eq!(learned.refusal(&token(1), later(3)), None);

    learned.refuse(token(1), Rejection::Revoked, later(2));
    assert_eq!(learned.get(&token(1), later(3)), None);
    let refusal = |at| learned.refusal(&token(1), at);
    assert_eq!(refusal(later(3)), Some(Rejection::Revoked));
    assert_eq!(refusal(later(7)), None, "not for long");
    assert_eq!(refusal(later(1)), None, "a clock that was set back");

    learned.learn(token(1), fact(later(3)), client(1));
    assert_eq!(
        refusal(later(3)),
        None,
        "what is learned is refused no more"
    );
    assert!(learned.get(&token(1), later(3)).is_some());
}

#[test]
fn a_clock_that_was_set_back_makes_no_answer_the_later_one() {
    let learned = new(100, 100);
    let an_hour_on = later(3600);
    for number in [1, 2] {
        learned.learn(token(number), fact(an_hour_on), client(1));
    }
    learned.refuse(token(1), Rejection::Revoked, NOW);
    learned.learn(token(2), fact(NOW), client(1));
    // Also when that hour comes.
    assert_eq!(learned.get(&token(1), an_hour_on), None);
    assert_eq!(learned.get(&token(2), later(1)), Some(fact(NOW)));
}

#[test]
fn who_brings_most_gives_way() {
    let learned = new(6, 4);
    let known = |tokens: std::ops::Range<u32>| {
        tokens
            .filter(|number| learned.get(&token(*number), NOW).is_some())
            .collect::<Vec<_>>()
    };
    for number in 0..2 {
        learned.learn(token(number), fact(NOW), client(1));
    }
    // One alone cannot have all the room,
    for number in 10..20 {
        learned.learn(token(number), fact(NOW), client(2));
    }
    assert_eq!(known(0..20), [0, 1, 16, 17, 18, 19]);
    // and makes room for those who have less.
    for number in 20..22 {
        learned.learn(token(number), fact(NOW), client(3));
    }
    assert_eq!(known(0..30), [0, 1, 18, 19, 20, 21]);
    // Whoever brings a token again changes nothing about whose it is, or how many there are.
    for _ in 0..10 {
        learned.learn(token(0), fact(NOW), client(2));
    }
    assert_eq!(known(0..30), [0, 1, 18, 19, 20, 21]);
    assert_eq!(learned.len(), 6);
    let facts = learned.facts.lock();
    assert_eq!(
        facts.shares.iter().map(|(count, _)| count).sum::<usize>(),
        6
    );
    assert_eq!(facts.by_client.len(), 3);
}

#[test]
fn other_rules_begin_anew() {
    let begin = |earlier: Option<&Arc<Learned>>, rules: &[u8]| {
        let beginning = Beginning {
            earlier: earlier.cloned(),
            shared: None,
        };
        beginning.read_by(Digest::of(rules))
    };
    let learned = begin(None, b"rules");
    learned.learn(token(1), fact(NOW), client(1));
    assert_eq!(begin(Some(&learned), b"rules").len(), 1);
    assert!(begin(Some(&learned), b"others").is_empty());
}

#[test]
fn an_ipv6_client_is_its_network() {
    let of = |text: &str| Client::of(text.parse().unwrap());
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_eq!(of("::ffff:10.0.0.1"), client(1));
    assert_ne!(client(1), client(2));
}

#[test]
fn doubts_are_few() {
    let learned = new(100, 100);
    for number in 0..40 {
        learned.learn(token(number), fact(NOW), client(1));
    }
    let doubted = |at| {
        (0..40)
            .filter(|number| learned.doubt(&token(*number), at))
            .count()
    };
    assert_eq!(doubted(NOW), 16);
    assert_eq!(doubted(NOW), 0);
    assert_eq!(doubted(later(1)), 16);
    assert_eq!(learned.len(), 8);
    // What the backend has just said of this very token stands.
    let confirmed = Fact {
        confirmed: true,
        ..fact(later(10))
    };
    learned.learn(token(100), confirmed, client(1));
    assert!(!learned.doubt(&token(100), later(14)));
    assert!(learned.doubt(&token(100), later(15)));
    assert!(!learned.doubt(&token(101), later(15)), "unknown");
}

#[test]
fn refusals_have_an_end() {
    let learned = new(100, 100);
    let number = u32::try_from(REFUSALS).unwrap() + 2000;
    for refused in 0..number {
        learned.refuse(token(refused), Rejection::Revoked, NOW);
    }
    learned.refusals.run_pending_tasks();
    assert!(learned.refused() <= REFUSALS, "{}", learned.refused());
}
