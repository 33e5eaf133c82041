//! What becomes of one session.

use super::*;
use crate::config::document::AtExpiry;

#[test]
fn what_the_store_says_is_done_within_one_interval() {
    for (case, value, expected) in [
        ("replaced", "-4", CloseReason::Replaced),
        ("replaced, quoted", "\"-4\"", CloseReason::Replaced),
        ("kicked out", "-5", CloseReason::Revoked),
        ("another marker", "-1", CloseReason::Revoked),
        ("timed out", "-3", CloseReason::Expired),
        ("somebody else's", "im_user:8", CloseReason::PolicyChanged),
    ] {
        let mut scene = Scene::new();
        let (goes, stays) = (scene.user(), scene.user());
        scene.pass(EVERY);
        scene.users.set(&goes.token, value, None);
        scene.pass(EVERY + TICK);
        assert_eq!(goes.closed_for(), Some(expected), "{case}");
        assert_eq!(stays.closed_for(), None, "{case}");
    }
}

#[test]
fn the_codes_are_those_of_the_contract() {
    for (reason, code) in [
        (CloseReason::Replaced, 4409),
        (CloseReason::Revoked, 4403),
        (CloseReason::Expired, 4401),
        (CloseReason::TryAgain, 1013),
    ] {
        assert_eq!(reason.code(), code, "{reason:?}");
    }
}

#[test]
fn a_session_that_is_gone_in_the_store_is_gone_here() {
    let mut scene = Scene::new();
    let user = scene.user();
    scene.users.sessions.lock().clear();
    scene.pass(EVERY + TICK);
    assert_eq!(user.closed_for(), Some(CloseReason::Expired));
}

#[test]
fn the_store_says_when_a_session_ends() {
    let mut scene = Scene::new();
    let end = |scene: &Scene, secs| Some(scene.now().plus(Duration::from_secs(secs)));
    let longer = scene.user_with(&fresh_token(None), end(&scene, 60));
    let shorter = scene.user_with(&fresh_token(None), end(&scene, 3600));
    let endless = scene.user_with(&fresh_token(None), end(&scene, 60));
    scene
        .users
        .set(&longer.token, "im_user:7", end(&scene, 200));
    scene
        .users
        .set(&shorter.token, "im_user:7", end(&scene, 60));
    scene.users.set(&endless.token, "im_user:7", None);
    scene.pass(Duration::from_secs(59));
    assert_eq!(shorter.closed_for(), None);
    scene.pass(Duration::from_secs(1));
    assert_eq!(shorter.closed_for(), Some(CloseReason::Expired));
    scene.pass(Duration::from_secs(139));
    assert_eq!(longer.closed_for(), None);
    scene.pass(Duration::from_secs(1));
    assert_eq!(longer.closed_for(), Some(CloseReason::Expired));
    scene.pass(HOUR);
    assert_eq!(endless.closed_for(), None);
}

#[test]
fn a_session_that_is_prolonged_just_before_its_end_lives_on() {
    let mut scene = Scene::new();
    let secs = Duration::from_secs;
    let users: Vec<_> = (0..20)
        .map(|_| scene.user_with(&fresh_token(None), Some(scene.now().plus(secs(20)))))
        .collect();
    scene.pass(secs(17));
    for user in &users {
        let end = Some(scene.now().plus(HOUR));
        scene.users.set(&user.token, "im_user:7", end);
    }
    scene.pass(secs(20));
    assert_eq!(alive(&users), 20);
}

#[test]
fn no_store_prolongs_the_token_itself() {
    let mut scene = Scene::new();
    let eff = Mixin::new(
        Some("web".to_owned()),
        Some(Duration::from_secs(100)),
        START,
    );
    let user = scene.user_with(
        &fresh_token(Some(eff)),
        Some(START.plus(Duration::from_secs(50))),
    );
    scene.users.set(&user.token, "im_user:7", None);
    scene.pass(Duration::from_secs(99));
    assert_eq!(user.closed_for(), None);
    scene.pass(Duration::from_secs(1));
    assert_eq!(user.closed_for(), Some(CloseReason::Expired));
}

#[test]
fn another_proof_ends_when_it_ends() {
    let mut scene = Scene::new();
    let token = fresh_token(None);
    scene.users.set(&token, "im_user:7", None);
    let headers = format!("token: {token}\nX-App-Key: key-a");
    let session = scene.register(scene.standing("/both", &headers));
    // 100 s after the start.
    let ends = "{ id: a, not_after: 2027-01-15T08:01:40Z,";
    scene.reload("{ id: a,", ends);
    scene.pass(Duration::from_secs(99));
    assert_eq!(session.live().signal.reason(), None);
    scene.pass(Duration::from_secs(1));
    let reason = session.live().signal.reason();
    assert_eq!(reason, Some(CloseReason::Expired));
}

#[test]
fn a_slow_handshake_hides_no_withdrawal() {
    let mut scene = Scene::new();
    let token = fresh_token(None);
    scene.users.set(&token, "im_user:7", None);
    let standing = scene.standing("/ws", &format!("token: {token}"));
    scene.users.set(&token, "-4", None);
    // The upstream takes its time.
    scene.passed += EVERY;
    let session = scene.register(standing);
    scene.tick();
    let reason = session.live().signal.reason();
    assert_eq!(reason, Some(CloseReason::Replaced));
}

#[test]
fn a_remembered_verdict_counts_from_its_question() {
    let mut scene = Scene::new();
    let first = scene.user();
    let token = first.token.clone();
    // While it lives, the verdict is made anew when its turn comes.
    drop(first);
    scene.pass(Duration::from_secs(15));
    let second = scene.register(scene.standing("/ws", &format!("token: {token}")));
    scene.users.set(&token, "-5", None);
    // 20 s is max_stale, so the verdict was 15 s old.
    scene.pass(Duration::from_secs(15) + TICK);
    let reason = second.live().signal.reason();
    assert_eq!(reason, Some(CloseReason::Revoked));
}

#[test]
fn a_refuted_verdict_is_not_remembered() {
    let mut scene = Scene::new();
    scene.reload(
        "max_stale: 20s, recheck: 30s",
        "max_stale: 20s, recheck: 5s",
    );
    let user = scene.user();
    let authenticator = find(&scene.policy, "users").unwrap().0;
    let credential = Credential::single(user.token.as_bytes());
    let policy = Arc::clone(&scene.policy);
    let ask = |now| {
        let asker = policy.asker([127, 0, 0, 1].into());
        testing::block_on(authenticator.authenticate(&credential, &asker, now)).0
    };
    scene.users.set(&user.token, "-4", None);
    assert!(matches!(ask(scene.now()), Outcome::Verified(_)), "for 20 s");
    scene.pass(Duration::from_secs(5) + TICK);
    assert_eq!(user.closed_for(), Some(CloseReason::Replaced));
    let outcome = ask(scene.now());
    assert!(matches!(outcome, Outcome::Rejected(Rejection::Replaced)));
}

#[test]
fn only_a_session_that_is_asked_about_keeps_its_credential() {
    let scene = Scene::new();
    let token = fresh_token(None);
    scene.users.set(&token, "im_user:7", None);
    for (headers, kept) in [
        (format!("token: {token}"), 1),
        (format!("unasked: {token}"), 0),
        ("X-App-Key: key-a".to_owned(), 0),
    ] {
        let standing = scene.standing("/ws", &headers);
        assert_eq!(standing.withdrawable().len(), kept, "{headers}");
    }
}

#[test]
fn nothing_shows_a_kept_credential() {
    let mut scene = Scene::new();
    let user = scene.user();
    scene.users.feel(Mood::Silent);
    scene.passed += EVERY;
    let batches = scene.rounds.due(&scene.policy, scene.now(), scene.steady());
    assert_eq!(batches.len(), 1);
    let shown = format!(
        "{:?} {:?} {batches:?} {:?}",
        scene.registry, scene.rounds, user.session
    );
    assert!(shown.contains("[redacted]"), "it is kept");
    let signature = user.token.rsplit('.').next().unwrap();
    assert!(!shown.contains(signature), "{shown}");
    // As the bytes of a list would be shown.
    let bytes = format!("{:?}", &signature.as_bytes()[..8]);
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
}

#[test]
fn renewed_credentials_count_and_the_old_ones_do_not() {
    let mut scene = Scene::new();
    let user = scene.user();
    let renewed = fresh_token(None);
    scene.users.set(&renewed, "im_user:7", None);
    scene.passed += EVERY;
    let batches = scene.rounds.due(&scene.policy, scene.now(), scene.steady());
    let live = user.session.live();
    let header = format!("token: {renewed}");
    assert_eq!(scene.renew(live, &header), Some(UnixTime::NEVER));
    // The answer about the old token comes only now: the new login has replaced it.
    scene.users.set(&user.token, "-4", None);
    for batch in batches {
        scene.under_way.push(Box::pin(batch.ask()));
    }
    scene.tick();
    scene.pass(EVERY * 3);
    assert_eq!(user.closed_for(), None);
    let (confirmed, withdrawn, _) = scene.learned();
    assert_eq!(withdrawn, 1);
    assert!((3..=4).contains(&confirmed), "{confirmed} questions");
    scene.users.set(&renewed, "-5", None);
    scene.pass(EVERY + TICK);
    assert_eq!(user.closed_for(), Some(CloseReason::Revoked));
    assert_eq!(scene.renew(live, "X-App-Key: key-a"), None);
}

#[test]
fn an_outage_about_old_credentials_ends_nobody_who_was_renewed() {
    let mut scene = Scene::new();
    let (user, other) = (scene.user(), scene.user());
    scene.passed += GRACE;
    let batches = scene.rounds.due(&scene.policy, scene.now(), scene.steady());
    let renewed = fresh_token(None);
    scene.users.set(&renewed, "im_user:7", None);
    let header = format!("token: {renewed}");
    assert!(scene.renew(user.session.live(), &header).is_some());
    scene.users.feel(Mood::Down);
    for batch in batches {
        scene.under_way.push(Box::pin(batch.ask()));
    }
    scene.tick();
    assert_eq!(user.closed_for(), None);
    assert_eq!(other.closed_for(), Some(CloseReason::TryAgain));
}

#[test]
fn sessions_of_one_renewal_have_each_their_own_turn() {
    let mut scene = Scene::new();
    let users: Vec<_> = (0..20).map(|_| scene.user()).collect();
    let renewed = fresh_token(None);
    scene.users.set(&renewed, "im_user:7", None);
    let standing = scene.standing("/ws", &format!("token: {renewed}"));
    let renewal = Renewal {
        standing,
        not_after: None,
        unwatched_until: None,
    };
    for user in &users {
        scene.registry.renew_one(user.session.live(), &renewal);
    }
    scene.pass(TICK);
    scene.learned();
    scene.pass(EVERY);
    assert_eq!(scene.learned(), (20, 0, 0));
    scene.users.set(&renewed, "-4", None);
    scene.pass(EVERY);
    assert_eq!(alive(&users), 0);
}

#[test]
fn who_may_outlive_its_token_outlives_the_key_in_the_store() {
    let keep = || SessionRule {
        at_expiry: AtExpiry::Keep,
        ..SessionRule::default()
    };
    let lingering = || SessionRule {
        grace: EVERY * 2,
        ..SessionRule::default()
    };
    let mut scene = Scene::new();
    let open = |scene: &Scene, rule| {
        let token = fresh_token(None);
        let end = Some(START.plus(EVERY * 2));
        scene.users.set(&token, "im_user:7", end);
        let standing = scene.standing("/ws", &format!("token: {token}"));
        let session = scene.register_with(standing, rule);
        Lives { session, token }
    };
    let sessions = [
        open(&scene, keep()),
        open(&scene, lingering()),
        open(&scene, keep()),
    ];
    scene.pass(EVERY);
    // This one logs out, which is no end by time.
    scene
        .users
        .sessions
        .lock()
        .remove(sessions[2].token.as_bytes());
    scene.pass(Duration::from_millis(89_500));
    assert_eq!(sessions[0].closed_for(), None);
    assert_eq!(sessions[1].closed_for(), None);
    assert_eq!(sessions[2].closed_for(), Some(CloseReason::Expired));
    scene.pass(TICK);
    assert_eq!(sessions[0].closed_for(), None);
    assert_eq!(sessions[1].closed_for(), Some(CloseReason::Expired));
}

#[test]
fn who_came_in_by_the_grace_of_an_outage_has_the_grace_of_the_living() {
    let mut scene = Scene::new();
    scene.reload(
        "max_stale: 20s,",
        "max_stale: 0s, on_outage: { grace: 20s },",
    );
    let first = scene.user();
    let header = format!("token: {}", first.token);
    scene.users.feel(Mood::Down);
    scene.pass(Duration::from_secs(10));
    let second = Lives {
        session: scene.register(scene.standing("/ws", &header)),
        token: String::new(),
    };
    scene.pass(Duration::from_secs(289));
    assert_eq!(second.closed_for(), None);
    scene.pass(Duration::from_secs(2));
    assert_eq!(second.closed_for(), Some(CloseReason::TryAgain));
}
