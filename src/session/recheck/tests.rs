//! Living sessions before stores that the tests can change, and a clock that they move.

use std::collections::HashMap;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::*;
use crate::config::document::SessionRule;
use crate::credential::Credential;
use crate::gate::standing::Standing;
use crate::gate::{self, Handshake};
use crate::policy::testing::try_policy_with;
use crate::request::testing;
use crate::request_id::session_id;
use crate::scheme::sa_token::{Answer, Mint, Mixin, SessionStore, StoreError, Ttl, mint};
use crate::secret::Secret;
use crate::session::Opening;
use crate::session::live::Renewal;
use crate::session::registry::Session;

mod lives;
mod rounds;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const START: UnixTime = UnixTime::from_secs(1_800_000_000);
const EVERY: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_mins(5);
const HOUR: Duration = Duration::from_hours(1);

const POLICY: &str = r#"
authenticators:
  users:
    from: [{ header: token }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { redis: { address: "users:6379", key: "{token}" }, max_stale: 20s, recheck: 30s, live_grace: 5m }
  guests:
    from: [{ header: guest }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { redis: { address: "guests:6379", key: "{token}" }, recheck: 30s, live_grace: 5m }
  unasked:
    from: [{ header: unasked }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { redis: { address: "users:6379", key: "{token}" }, recheck: off }
  partners:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: a, secret: { value: key-a } }] }
routes:
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [users, guests, unasked, partners] }, upstream: im }
  - { name: both, match: { path: /both }, websocket: true, require: { all_of: [users, partners] }, upstream: im }
"#;

/// A store of sessions.
#[derive(Default)]
struct Store {
    sessions: Mutex<HashMap<Vec<u8>, Entry>>,
    mood: Mutex<Mood>,
    now: Mutex<Option<UnixTime>>,
    /// A key that it cannot answer.
    refuses: Mutex<Option<Vec<u8>>>,
    /// How many each question for many was about.
    trips: Mutex<Vec<usize>>,
}

/// What it has for a token, and until when.
type Entry = (String, Option<UnixTime>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Up,
    Down,
    Silent,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    fn set(&self, token: &str, value: &str, end: Option<UnixTime>) {
        let entry = (value.to_owned(), end);
        self.sessions
            .lock()
            .insert(token.as_bytes().to_vec(), entry);
    }

    fn feel(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    async fn answer(&self, key: &[u8]) -> Answer {
        // Each lock is let go before anything waits.
        let mood = *self.mood.lock();
        match mood {
            Mood::Up => {}
            Mood::Down => return Err(StoreError::Timeout),
            Mood::Silent => std::future::pending().await,
        }
        if self.refuses.lock().as_deref() == Some(key) {
            return Err(StoreError::Garbled);
        }
        let now = self.now.lock().unwrap_or(START);
        let sessions = self.sessions.lock();
        let Some((value, end)) = sessions.get(key) else {
            return Ok(None);
        };
        let ttl = match end {
            None => Ttl::Forever,
            Some(end) if *end <= now => return Ok(None),
            Some(end) => Ttl::For(end.since(now)),
        };
        Ok(Some((value.clone().into_bytes(), ttl)))
    }
}

#[async_trait]
impl SessionStore for Store {
    async fn value_and_ttl(&self, key: &[u8]) -> Answer {
        self.answer(key).await
    }

    async fn values_and_ttls(&self, keys: &[Vec<u8>]) -> Vec<Answer> {
        self.trips.lock().push(keys.len());
        let mut answers = Vec::new();
        for key in keys {
            answers.push(self.answer(key).await);
        }
        answers
    }
}

/// A gate without its sockets.
struct Scene {
    users: Arc<Store>,
    guests: Arc<Store>,
    policy: Arc<Policy>,
    registry: Arc<Registry>,
    rounds: Rounds,
    under_way: Vec<BoxFuture<'static, Answers>>,
    settled: Vec<Settled>,
    passed: Duration,
}

/// A living session, and the token behind it.
struct Lives {
    session: Session,
    token: String,
}

impl Lives {
    fn closed_for(&self) -> Option<CloseReason> {
        self.session.live().signal.reason()
    }
}

impl Scene {
    fn new() -> Self {
        let (users, guests) = (Arc::default(), Arc::default());
        let policy = compile(None, POLICY, &users, &guests);
        let registry = Arc::default();
        Self {
            rounds: Rounds::new(Arc::clone(&registry)),
            users,
            guests,
            policy,
            registry,
            under_way: Vec::new(),
            settled: Vec::new(),
            passed: Duration::ZERO,
        }
    }

    fn now(&self) -> UnixTime {
        START.plus(self.passed)
    }

    fn steady(&self) -> Steady {
        // Not where the other clock is.
        Steady::from_millis(1_000_000).plus(self.passed)
    }

    /// Puts a changed policy in force, and judges the living as a reload does.
    fn reload(&mut self, from: &str, to: &str) {
        assert!(POLICY.contains(from), "nothing to replace");
        let yaml = POLICY.replace(from, to);
        self.policy = compile(Some(&self.policy), &yaml, &self.users, &self.guests);
        let (now, steady) = (self.now(), self.steady());
        self.registry.judge_again(&self.policy, now, steady);
    }

    /// What a handshake with these headers stands on.
    fn standing(&self, path: &str, headers: &str) -> Standing {
        self.tell_time();
        let bytes = testing::bytes(&format!("GET {path} HTTP/1.1\n{headers}"));
        let head = testing::head(&bytes);
        let request = testing::request(&head);
        let deciding = gate::decide(&self.policy, &request, Handshake::Valid, self.now());
        let ruling = testing::block_on(deciding).outcome.unwrap();
        let permit = ruling.permit();
        Standing::of(&permit, &self.policy, &request)
    }

    fn register(&self, standing: Standing) -> Session {
        self.register_with(standing, SessionRule::default())
    }

    fn register_with(&self, standing: Standing, rule: SessionRule) -> Session {
        let rule = SessionRule {
            idle_timeout: Duration::from_hours(1000),
            ..rule
        };
        let opening = Opening {
            route: Arc::from("ws"),
            rule: Arc::new(rule),
            not_after: standing.end(),
            standing,
            ..Opening::default()
        };
        let (now, steady) = (self.now(), self.steady());
        self.registry.open(session_id(), opening, now, steady)
    }

    fn renew(&self, live: &Live, headers: &str) -> Option<UnixTime> {
        let standing = self.standing("/ws", headers);
        let renewal = Renewal {
            not_after: standing.end(),
            standing,
            unwatched_until: None,
        };
        self.registry.renew_one(live, &renewal)
    }

    fn in_grace(&self) -> Vec<(Arc<str>, usize)> {
        self.registry.rechecks.in_grace()
    }

    /// A user whose session in the store has an hour left.
    fn user(&self) -> Lives {
        let end = self.now().plus(HOUR);
        self.user_with(&fresh_token(None), Some(end))
    }

    fn user_with(&self, token: &str, end: Option<UnixTime>) -> Lives {
        self.users.set(token, "im_user:7", end);
        Lives {
            session: self.register(self.standing("/ws", &format!("token: {token}"))),
            token: token.to_owned(),
        }
    }

    fn guest(&self) -> Lives {
        let token = fresh_token(None);
        self.guests.set(&token, "im_user:7", None);
        Lives {
            session: self.register(self.standing("/ws", &format!("guest: {token}"))),
            token,
        }
    }

    fn tell_time(&self) {
        for store in [&self.users, &self.guests] {
            *store.now.lock() = Some(self.now());
        }
    }

    /// Lets time pass, tick by tick.
    fn pass(&mut self, duration: Duration) {
        let until = self.passed + duration;
        while self.passed < until {
            self.passed += TICK;
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.tell_time();
        let (now, steady) = (self.now(), self.steady());
        let due = self.rounds.due(&self.policy, now, steady);
        for batch in due {
            self.under_way.push(Box::pin(batch.ask()));
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut answers = Vec::new();
        self.under_way
            .retain_mut(|asking| match asking.as_mut().poll(&mut cx) {
                Poll::Ready(answer) => {
                    answers.push(answer);
                    false
                }
                Poll::Pending => true,
            });
        let policy = Arc::clone(&self.policy);
        for answer in answers {
            let policies = || Arc::clone(&policy);
            let settled = self.rounds.settle(answer, &policies, now, steady);
            self.settled.push(settled);
        }
        self.registry.sweep(now, steady);
    }

    /// What was learned since the last look: confirmed, withdrawn, unavailable.
    fn learned(&mut self) -> (usize, usize, usize) {
        let settled = std::mem::take(&mut self.settled);
        settled.iter().fold((0, 0, 0), |sum, one| {
            let Settled {
                confirmed,
                withdrawn,
                unavailable,
                ..
            } = one;
            (sum.0 + confirmed, sum.1 + withdrawn, sum.2 + unavailable)
        })
    }

    fn turns(&mut self) -> Vec<&'static str> {
        let settled = std::mem::take(&mut self.settled);
        let turns = settled.into_iter().filter_map(|one| one.turn);
        turns
            .map(|turn| match turn {
                Turn::Lost { .. } => "lost",
                Turn::Found => "found",
            })
            .collect()
    }
}

fn compile(
    previous: Option<&Policy>,
    yaml: &str,
    users: &Arc<Store>,
    guests: &Arc<Store>,
) -> Arc<Policy> {
    let policy = try_policy_with(previous, yaml, &|redis| {
        let is_guests = redis.address.starts_with("guests");
        let store = if is_guests { guests } else { users };
        let store: Arc<dyn SessionStore> = Arc::<Store>::clone(store);
        store
    });
    Arc::new(policy.unwrap_or_else(|problems| panic!("{problems}")))
}

/// A token of user 7, like no other.
fn fresh_token(mixin: Option<Mixin>) -> String {
    let claims = Mint {
        login_type: "login".to_owned(),
        user_type: "im_user".to_owned(),
        separator: ':',
        user: "7".to_owned(),
        random: session_id().to_string(),
        mixin,
    };
    mint(&Secret::new(SECRET), &claims)
}

/// How many of them have not been told to close.
fn alive(sessions: &[Lives]) -> usize {
    let alive = sessions.iter().filter(|one| one.closed_for().is_none());
    alive.count()
}
