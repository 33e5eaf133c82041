//! The order in which many are asked about, and what an outage does to it.

use super::*;

fn users(scene: &Scene, count: usize) -> Vec<Lives> {
    (0..count).map(|_| scene.user()).collect()
}

#[test]
fn everybody_is_asked_about_once_in_an_interval_and_few_times_altogether() {
    let mut scene = Scene::new();
    let users = users(&scene, 1200);
    scene.pass(EVERY);
    scene.learned();
    scene.users.trips.lock().clear();
    scene.pass(EVERY);
    assert_eq!(scene.learned(), (1200, 0, 0));
    let trips = scene.users.trips.lock().clone();
    assert!(trips.len() <= 60, "{} round trips", trips.len());
    // 20 are due at each tick, by chance.
    let (least, most) = (trips.iter().min().unwrap(), trips.iter().max().unwrap());
    assert!(*least > 2 && *most < 50, "{trips:?}");
    assert_eq!(alive(&users), 1200);
}

#[test]
fn nobody_asks_about_the_dead() {
    let mut scene = Scene::new();
    drop(users(&scene, 100));
    let closing = scene.user();
    closing
        .session
        .live()
        .signal
        .close(CloseReason::ShuttingDown);
    scene.pass(EVERY * 2);
    assert_eq!(scene.learned(), (0, 0, 0));
}

#[test]
fn an_outage_ends_nobody_before_the_grace_is_over_and_everybody_then() {
    let mut scene = Scene::new();
    let users = users(&scene, 500);
    scene.pass(EVERY);
    scene.turns();
    // Each was confirmed within these 30 s, of which the grace counts.
    scene.users.feel(Mood::Down);
    scene.pass(Duration::from_secs(270));
    assert_eq!(alive(&users), 500);
    assert_eq!(scene.in_grace(), [(Arc::from("users"), 500)]);
    scene.pass(EVERY / 2);
    let half = alive(&users);
    assert!((150..350).contains(&half), "{half} after half an interval");
    scene.pass(EVERY / 2 + TICK * 2);
    assert_eq!(alive(&users), 0);
    let mut reasons = users.iter().map(Lives::closed_for);
    assert!(reasons.all(|reason| reason == Some(CloseReason::TryAgain)));
    scene.pass(TICK);
    assert_eq!(scene.in_grace(), []);
    assert_eq!(scene.turns(), ["lost"]);
}

#[test]
fn an_outage_is_looked_at_by_a_few_only() {
    let mut scene = Scene::new();
    let _users = users(&scene, 1200);
    scene.pass(EVERY);
    scene.users.feel(Mood::Down);
    scene.pass(EVERY);
    scene.users.trips.lock().clear();
    scene.pass(EVERY);
    let trips = scene.users.trips.lock().clone();
    let asked: usize = trips.iter().sum();
    assert!(trips.len() >= 10, "{trips:?}");
    assert!(asked <= 30 * 16, "{asked} questions in vain");
}

#[test]
fn after_an_outage_all_are_asked_soon_and_not_at_once() {
    let mut scene = Scene::new();
    let users = users(&scene, 1200);
    scene.pass(EVERY);
    scene.users.feel(Mood::Down);
    scene.pass(Duration::from_secs(260));
    scene.turns();
    scene.users.feel(Mood::Up);
    scene.users.trips.lock().clear();
    scene.pass(EVERY / 2);
    let (confirmed, ..) = {
        let settled = &scene.settled;
        assert_eq!(
            settled.iter().filter_map(|one| one.turn.as_ref()).count(),
            1
        );
        scene.learned()
    };
    assert!(confirmed >= 1200, "{confirmed} are known again");
    assert!(scene.users.trips.lock().iter().all(|trip| *trip <= 256));
    assert_eq!(scene.in_grace(), []);
    scene.pass(EVERY * 2);
    assert_eq!(alive(&users), 1200);
    // The load is even again.
    scene.users.trips.lock().clear();
    scene.pass(EVERY);
    let trips = scene.users.trips.lock().clone();
    assert!(trips.iter().all(|trip| *trip < 50), "{trips:?}");
}

#[test]
fn a_silent_store_holds_up_nobody_else_and_is_asked_once() {
    let mut scene = Scene::new();
    let (users, guests) = (users(&scene, 50), [scene.guest(), scene.guest()]);
    scene.users.feel(Mood::Silent);
    scene.guests.set(&guests[0].token, "-5", None);
    scene.pass(EVERY + TICK);
    assert_eq!(scene.under_way.len(), 1);
    assert_eq!(scene.users.trips.lock().len(), 1);
    assert_eq!(guests[0].closed_for(), Some(CloseReason::Revoked));
    assert_eq!(guests[1].closed_for(), None);
    assert_eq!(alive(&users), 50);
}

#[test]
fn one_that_nobody_can_tell_about_is_no_outage() {
    let mut scene = Scene::new();
    let users = users(&scene, 300);
    scene.pass(EVERY);
    let odd = &users[0];
    // A list, say, where a text should be.
    *scene.users.refuses.lock() = Some(odd.token.clone().into_bytes());
    scene.learned();
    scene.pass(EVERY + TICK);
    assert_eq!(scene.in_grace(), [(Arc::from("users"), 1)]);
    let (confirmed, withdrawn, unavailable) = scene.learned();
    assert!(confirmed >= 299 && withdrawn == 0 && unavailable >= 1);
    scene.pass(GRACE);
    assert_eq!(odd.closed_for(), Some(CloseReason::TryAgain));
    assert_eq!(alive(&users), 299);
}

#[test]
fn a_renamed_authenticator_is_not_asked_for_its_sessions() {
    let mut scene = Scene::new();
    let users = users(&scene, 10);
    scene.pass(EVERY);
    scene.learned();
    scene.reload("users", "members");
    assert_eq!(alive(&users), 0, "the reload has ended them");
    scene.pass(EVERY * 2);
    assert_eq!(scene.learned(), (0, 0, 0));
}

#[test]
fn what_a_session_does_not_rest_on_any_more_is_wiped() {
    for (case, from, to) in [
        (
            "asks no more",
            "recheck: 30s, live_grace: 5m",
            "recheck: off",
        ),
        (
            "is gone from a public route",
            "require: { any_of: [users, guests, unasked, partners] }",
            "require: public",
        ),
    ] {
        let mut scene = Scene::new();
        let user = scene.user();
        scene.pass(EVERY);
        scene.reload(from, to);
        if case == "is gone from a public route" {
            // Nobody needs it; but it is there, and asked.
            scene.users.set(&user.token, "-4", None);
        }
        scene.pass(EVERY + TICK);
        assert_eq!(user.closed_for(), None, "{case}");
        assert!(user.session.live().withdrawable().is_empty(), "{case}");
    }
}

#[test]
fn a_new_interval_takes_force_at_once() {
    let mut scene = Scene::new();
    let users = users(&scene, 100);
    scene.pass(EVERY);
    scene.learned();
    scene.reload("recheck: 30s", "recheck: 2s");
    // The next tick sees the change.
    scene.pass(TICK + Duration::from_secs(2));
    assert_eq!(scene.learned(), (100, 0, 0));
    scene.pass(Duration::from_secs(20));
    assert_eq!(scene.learned(), (1000, 0, 0));
    assert_eq!(alive(&users), 100);
}

#[test]
fn the_answer_of_a_store_that_is_not_asked_any_more_does_not_count() {
    let mut scene = Scene::new();
    let user = scene.user();
    scene.passed += EVERY;
    scene.tell_time();
    let batches = scene.rounds.due(&scene.policy, scene.now(), scene.steady());
    scene.users.sessions.lock().clear();
    let mut cx = Context::from_waker(Waker::noop());
    let mut asking: Vec<_> = batches.into_iter().map(|one| Box::pin(one.ask())).collect();
    let Poll::Ready(answers) = asking[0].as_mut().poll(&mut cx) else {
        panic!("nothing waits here")
    };
    // Another account at the same store; before this the store had lost its data, say.
    scene.reload(
        "address: \"users:6379\",",
        "address: \"users:6379\", database: 0, timeout: 1s,",
    );
    scene.users.set(&user.token, "im_user:7", None);
    let policy = Arc::clone(&scene.policy);
    let settled = scene.rounds.settle(
        answers,
        &|| Arc::clone(&policy),
        scene.now(),
        scene.steady(),
    );
    assert_eq!((settled.confirmed, settled.withdrawn), (0, 0));
    scene.pass(TICK);
    assert_eq!(scene.learned(), (1, 0, 0), "asked at once again");
    assert_eq!(user.closed_for(), None);
}

#[test]
fn one_of_two_authenticators_of_a_credential_suffices() {
    let mut scene = Scene::new();
    scene.reload("from: [{ header: guest }]", "from: [{ header: token }]");
    let token = fresh_token(None);
    for store in [&scene.users, &scene.guests] {
        store.set(&token, "im_user:7", None);
    }
    let session = scene.register(scene.standing("/ws", &format!("token: {token}")));
    let reason = || session.live().signal.reason();
    scene.users.set(&token, "-4", None);
    scene.pass(EVERY + TICK);
    assert_eq!(reason(), None);
    scene.guests.set(&token, "-5", None);
    scene.pass(EVERY + TICK);
    // The first in file order says why.
    assert_eq!(reason(), Some(CloseReason::Replaced));
}
