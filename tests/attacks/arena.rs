//! One gate between an attacker and a backend that keeps every byte.
//!
//! After each attack an honest request goes the same way. The backend must have seen that one and
//! what the attack may send, and nothing else: neither as a request nor as a stray byte.

use std::cell::Cell;

use jsonwebtoken::{Algorithm, EncodingKey};

use crate::support::gate::Builder;
use crate::support::mint::{SA_TOKEN_SECRET, claims, jwt, sa_token};
use crate::support::raw::request;
use crate::support::recorder::{Exchange, Received};
use crate::support::{Gate, RawClient, Recorder};

const POLICY: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key:
      keys:
        - { id: partner-a, secret: { value: keyAbcd123 } }
        - { id: limited, secret: { value: key-for-reports }, routes: [reports] }
  im-token:
    from: [{ header: token, prefix: Bearer }, { query: token }, { subprotocol: imgate.bearer. }, { cookie: im, origins: [https://chat.example.com] }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }]
      issuer: any
      audience: any
      claims: { subject: sub, user_type: typ, device_type: dev, app: app_id }
routes:
  - name: openapi
    match: { path: /openapi/** }
    require: { any_of: [keys] }
    set_headers: { X-App-Key: { value: backend-key } }
    upstream: im
  - { name: reports, match: { path: /reports/** }, require: { any_of: [keys] }, upstream: im }
  - { name: api, match: { path: /api/** }, require: { any_of: [member] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
  - { name: health, match: { path: /actuator/health, methods: [GET] }, require: public, upstream: im }
  - { name: admin, match: { host: admin.example.com, path: /open/** }, require: { any_of: [keys] }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [im-token] }, upstream: im }
identity: { prefix: X-Auth-, remove: [SA-SAME-TOKEN, X-User-Id] }
";

/// Opens `/openapi/**`.
pub(super) const KEY: &str = "X-App-Key: keyAbcd123\r\n";
/// Opens `/reports/**` alone.
pub(super) const LIMITED_KEY: &str = "X-App-Key: key-for-reports\r\n";
pub(super) const HOST: &str = "Host: im.example.com\r\n";
/// What no backend may ever see; attacks write it into what they smuggle.
pub(super) const SMUGGLED: &str = "smuggled";

/// A header line that opens `/ws`.
pub(super) fn token() -> String {
    format!("token: {}\r\n", sa_token("im_user:7"))
}

/// A header line that opens `/api/**`, with these claims changed.
pub(super) fn member(changes: &[(&str, &str)]) -> String {
    let mut claims = claims("7", 600);
    for (name, value) in changes {
        claims[*name] = (*value).into();
    }
    let key = EncodingKey::from_secret(SA_TOKEN_SECRET.as_bytes());
    format!(
        "Authorization: Bearer {}\r\n",
        jwt("h", Algorithm::HS256, &key, &claims)
    )
}

/// What somebody may hold who has no key for `/openapi/**`.
pub(super) fn other_credentials() -> [(&'static str, String); 4] {
    [
        ("with nothing", String::new()),
        ("with a token for /ws", token()),
        ("with a key for /reports", LIMITED_KEY.to_owned()),
        ("with a member's token", member(&[])),
    ]
}

/// A whole request that no backend may see, with everything that would let it in.
pub(super) fn smuggled() -> String {
    request("GET", "/openapi/smuggled", KEY)
}

/// One attack, how it is answered, and what of it may arrive.
#[derive(Debug)]
pub(super) struct Attack {
    case: String,
    bytes: Vec<u8>,
    answers: Vec<u16>,
    perhaps: Option<u16>,
    arrives: Vec<&'static str>,
}

/// An attack that is answered with one status, after which the connection says no more, and of
/// which nothing arrives.
pub(super) fn attack(case: impl Into<String>, bytes: impl Into<Vec<u8>>, status: u16) -> Attack {
    Attack {
        case: case.into(),
        bytes: bytes.into(),
        answers: vec![status],
        perhaps: None,
        arrives: Vec::new(),
    }
}

impl Attack {
    /// These answers, one after the other.
    pub(super) fn answered(mut self, statuses: &[u16]) -> Self {
        statuses.clone_into(&mut self.answers);
        self
    }

    /// The connection ends, or the request behind is judged on its own and answered so.
    pub(super) fn perhaps_then(mut self, status: u16) -> Self {
        self.perhaps = Some(status);
        self
    }

    fn is_answered_by(&self, statuses: &[u16]) -> bool {
        let longer = || self.answers.iter().copied().chain(self.perhaps);
        statuses == self.answers || self.perhaps.is_some() && statuses.iter().copied().eq(longer())
    }

    /// These requests may arrive, named by method and target.
    pub(super) fn arriving(mut self, requests: &[&'static str]) -> Self {
        requests.clone_into(&mut self.arrives);
        self
    }
}

#[derive(Debug)]
pub(super) struct Arena {
    backend: Recorder,
    gate: Gate,
    markers: Cell<usize>,
}

impl Arena {
    pub(super) fn new() -> Self {
        Self::before(Recorder::serving(echo))
    }

    /// With a backend of its own, which must answer an honest request by [`echo`].
    pub(super) fn before(backend: Recorder) -> Self {
        Self::built(backend, "", |builder| builder)
    }

    /// With further sections of the policy.
    pub(super) fn with(more: &str) -> Self {
        Self::built(Recorder::serving(echo), more, |builder| builder)
    }

    /// With a further key of the listener.
    pub(super) fn listening(key: &str) -> Self {
        Self::built(Recorder::serving(echo), "", |builder| builder.listener(key))
    }

    /// With both.
    pub(super) fn listening_with(key: &str, more: &str) -> Self {
        Self::built(Recorder::serving(echo), more, |builder| {
            builder.listener(key)
        })
    }

    /// With a policy of its own, in which `/open/**` is public and leads to `im`.
    pub(super) fn of(policy: &str, build: impl FnOnce(Builder) -> Builder) -> Self {
        Self::of_policy(Recorder::serving(echo), policy, build)
    }

    fn built(backend: Recorder, more: &str, build: impl FnOnce(Builder) -> Builder) -> Self {
        let policy = POLICY.replace("$SECRET", SA_TOKEN_SECRET) + more;
        Self::of_policy(backend, &policy, build)
    }

    fn of_policy(backend: Recorder, policy: &str, build: impl FnOnce(Builder) -> Builder) -> Self {
        // One worker, so that an honest request takes the connection that an attack may have
        // poisoned.
        let builder = Gate::with(policy)
            .upstream("im", backend.address())
            .workers(1)
            // A failed test shows what the gate printed; a line for each request hides the rest.
            .environment("IMGATE_LOG", "warn");
        Self {
            gate: build(builder).start(),
            backend,
            markers: Cell::new(0),
        }
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Tries all of them and tells of each that had an effect.
    #[track_caller]
    pub(super) fn check(&self, attacks: impl IntoIterator<Item = Attack>) {
        let mut tried = 0;
        let mut wrong = Vec::new();
        for attack in attacks {
            tried += 1;
            wrong.extend(self.attempt(&attack));
            if let Err(problem) = self.nothing_arrived_but(&attack.arrives, Some(SMUGGLED)) {
                wrong.push(format!("{}: {problem}", attack.case));
            }
        }
        assert!(tried > 0, "there is something to try");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// As [`Self::check`], for so many of which nothing arrives that one honest request behind all of
    /// them has to do.
    #[track_caller]
    pub(super) fn check_together(&self, attacks: impl IntoIterator<Item = Attack>) {
        let attacks: Vec<_> = attacks.into_iter().collect();
        assert!(!attacks.is_empty(), "there is something to try");
        let mut wrong: Vec<_> = attacks
            .iter()
            .filter_map(|attack| self.attempt(attack))
            .collect();
        wrong.extend(self.nothing_arrived_but(&[], Some(SMUGGLED)).err());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Sends an attack, and tells if it is answered in another way than it should be.
    fn attempt(&self, attack: &Attack) -> Option<String> {
        let mut client = self.gate.client();
        // A gate that has refused already may not read the rest.
        let _ = client.try_send(&attack.bytes);
        // Nothing more comes: a gate that waits for the rest of something gives up now.
        client.finish_sending();
        let (answers, expected) = (answers(&mut client), &attack.answers);
        let case = &attack.case;
        (!attack.is_answered_by(&answers))
            .then(|| format!("{case}: {expected:?} expected, {answers:?} came"))
    }

    /// Whether these header lines open a target, which then has arrived.
    #[track_caller]
    pub(super) fn expect_open(&self, case: &str, target: &str, lines: &str) {
        let answer = self.gate.get(target, lines);
        assert_eq!(answer.status(), 200, "{case}: {}", answer.text());
        self.expect_arrived(&[&format!("GET {target}")]);
    }

    /// As [`Self::check`], for a test that speaks with the gate itself.
    #[track_caller]
    pub(super) fn expect_arrived(&self, requests: &[&str]) -> Vec<Received> {
        self.nothing_arrived_but(requests, Some(SMUGGLED))
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// As [`Self::expect_arrived`], where the smuggled bytes may arrive in a body.
    #[track_caller]
    pub(super) fn expect_arrived_with_body(&self, requests: &[&str]) -> Vec<Received> {
        self.nothing_arrived_but(requests, None)
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Whether the heads of so many requests have arrived.
    pub(super) fn has_begun(&self, requests: usize) -> bool {
        self.backend.requests().len() == requests
    }

    /// Sends an honest request behind what happened, and looks at all that has arrived.
    fn nothing_arrived_but(
        &self,
        requests: &[&str],
        canary: Option<&str>,
    ) -> Result<Vec<Received>, String> {
        let number = self.markers.get() + 1;
        self.markers.set(number);
        let target = format!("/open/marker-{number}");
        let marker = format!("GET {target}");
        let answer = self.gate.get(&target, "");
        if answer.text() != marker {
            let text = answer.text();
            return Err(format!("an honest request was answered with {text:?}"));
        }
        let mut arrived = self.backend.take();
        let raw = self.backend.take_raw();
        let starts: Vec<_> = arrived.iter().map(named).collect();
        let expected: Vec<_> = requests.iter().copied().chain([marker.as_str()]).collect();
        if starts != expected {
            return Err(format!("{expected:?} were to arrive, {starts:?} did"));
        }
        let raw = String::from_utf8_lossy(&raw);
        if canary.is_some_and(|canary| raw.contains(canary)) {
            return Err(format!("the backend has read what was smuggled:\n{raw}"));
        }
        arrived.pop();
        Ok(arrived)
    }
}

/// Answers with the method and the target that the backend saw.
pub(super) fn echo(exchange: &mut Exchange) {
    exchange.read_body();
    let body = format!("{} {}", exchange.head.method(), exchange.head.target());
    let length = body.len();
    exchange.send(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
}

fn named(received: &Received) -> String {
    format!("{} {}", received.head.method(), received.head.target())
}

/// The statuses of all answers until the gate ends the connection. Frames follow a 101.
fn answers(client: &mut RawClient) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Ok(answer) = client.try_answer() {
        statuses.push(answer.status());
        if answer.status() == 101 {
            break;
        }
    }
    client.drain();
    statuses
}
