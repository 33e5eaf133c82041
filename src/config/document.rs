//! The configuration as written: decoded, with every referenced file read, but not yet related.
//!
//! A [`Document`] is what the text says; whether it makes sense as a whole (names that exist,
//! routes that do not collide) is found out when it is compiled into a policy.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rustls::RootCertStore;
use rustls::sign::CertifiedKey;

use crate::clock::UnixTime;
use crate::credential::Carrier;
use crate::problem::Place;
use crate::revocation::Revocation;
use crate::scheme::{
    app_key, easemob_dynamic, easemob_token, imkit_client_key, introspection, jwt, sa_token,
    zego_token04,
};
use crate::secret::{Digest, Secret};

mod asked;
mod store;

pub use asked::{ClaimPlace, ClaimRule, Limit, LimitBy};
pub use store::{RedisStore, Store};

/// A whole configuration.
#[derive(Debug)]
pub struct Document {
    pub listeners: Vec<Listener>,
    pub upstreams: Vec<Upstream>,
    pub authenticators: Vec<Authenticator>,
    pub routes: Vec<Route>,
    pub errors: ErrorFormat,
    pub identity: Identity,
    pub cors: Option<Cors>,
    pub metrics: Option<SocketAddr>,
    pub admin: Option<Admin>,
    pub limits: Limits,
    /// Of routes that do not say otherwise.
    pub mode: Mode,
    pub cache: CacheLimits,
    /// One-thread services that share the listeners; `None` means one per available core.
    pub workers: Option<usize>,
    pub reload: Reload,
    /// What the configuration itself revokes.
    pub revocations: Vec<Revocation>,
    pub shutdown: ShutdownRule,
    pub store: Store,
    /// How many failures there may be, of a client as of a credential, before both are throttled.
    pub throttle: Option<Rate>,
    /// What works but should not be left as it is, such as a secret written inline.
    pub warnings: Vec<crate::problem::Problem>,
}

/// Something that a later problem may have to point at.
#[derive(Clone, Debug)]
pub struct Located<T> {
    pub value: T,
    pub place: Place,
}

#[derive(Debug)]
pub struct Listener {
    pub address: SocketAddr,
    pub tls: Option<Tls>,
    pub trusted_proxies: Vec<IpNet>,
    /// Whether somebody has thought of them; there may be none.
    pub names_proxies: bool,
    /// Every connection begins with a header of the PROXY protocol, version 2.
    pub proxy_protocol: bool,
    pub place: Place,
}

/// `tls` of a listener: everything was read and parsed, and the key belongs to the certificate.
pub struct Tls {
    /// The chain, leaf first, and its key.
    pub identity: Arc<CertifiedKey>,
    /// Who must have issued a client's certificate; `None` asks for none.
    pub client_ca: Option<Arc<RootCertStore>>,
    /// The leaf's own limits.
    pub not_before: UnixTime,
    pub not_after: UnixTime,
    /// Of everything above, the key included.
    pub fingerprint: Digest,
    /// Points at the certificate.
    pub place: Place,
}

/// Shows no key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("not_after", &self.not_after)
            .field("client_ca", &self.client_ca.is_some())
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub struct Upstream {
    pub name: Located<Arc<str>>,
    /// `host:port`; the host is a name or an IP address.
    pub address: Located<String>,
    pub connect_timeout: Duration,
    pub response_timeout: Duration,
    pub handshake_timeout: Duration,
    pub on_exposed: OnExposed,
}

/// What to do about a backend that is reached at loopback and listens elsewhere, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExposed {
    #[default]
    Warn,
    /// The gate is not ready, so that no traffic is sent to it.
    Unready,
}

#[derive(Debug)]
pub struct Authenticator {
    pub name: Located<Arc<str>>,
    /// Where the credential may be, in file order; never empty.
    pub from: Vec<Carrier>,
    /// Whose users these are; authenticators of one realm know the same users. Its own name unless
    /// configured.
    pub realm: Arc<str>,
    pub scheme: SchemeConfig,
    /// Points at the scheme's map, for problems with its key material.
    pub scheme_place: Place,
}

/// The one enum of schemes.
#[derive(Debug)]
pub enum SchemeConfig {
    AppKey(app_key::Config),
    EasemobDynamic(easemob_dynamic::Config),
    EasemobToken(Box<easemob_token::Config>),
    ImkitClientKey(imkit_client_key::Config),
    Introspection(Box<introspection::Config>),
    Jwt(jwt::Config),
    SaToken(sa_token::Config),
    ZegoToken04(zego_token04::Config),
}

#[derive(Debug)]
pub struct Route {
    /// The given name, or the path pattern when there is none.
    pub name: Arc<str>,
    /// In lower case, without a port.
    pub host: Option<String>,
    pub path: Located<String>,
    /// `None` allows every method.
    pub methods: Option<Vec<String>>,
    pub websocket: bool,
    pub require_tls: bool,
    pub require: Requirement,
    pub credential: CredentialRule,
    pub pass_unverified: Vec<Located<Arc<str>>>,
    /// Header name as written, and its value.
    pub set_headers: Vec<(String, Secret)>,
    pub session: SessionRule,
    pub limit: Option<Limit>,
    pub sizes: Sizes,
    pub upstream: Located<Arc<str>>,
    pub errors: Option<ErrorFormat>,
    /// `None` is that of the gate as a whole.
    pub mode: Option<Mode>,
    pub place: Place,
}

/// `mode`: whether refusals are carried out.
#[derive(Clone, Debug)]
pub enum Mode {
    Enforce,
    /// Whoever would be refused is counted and let pass as nobody, until this moment.
    Observe {
        until: Located<UnixTime>,
    },
}

/// `max_request` and `max_response`: how many bytes a body may have, without the framing of chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    pub request: Option<u64>,
    pub response: Option<u64>,
}

#[derive(Debug)]
pub enum Requirement {
    Public,
    Credentials {
        combine: Combine,
        authenticators: Vec<Located<Arc<str>>>,
        device_type: Option<DeviceType>,
        /// `None` where the request itself brings the credentials.
        first_message: Option<Box<FirstMessage>>,
        /// What the request claims and the credential has to prove.
        matches: Vec<ClaimRule>,
    },
}

/// `first_message`: the credentials come in the first message of the socket.
#[derive(Debug)]
pub struct FirstMessage {
    pub form: MessageForm,
    /// How long the socket may live without them.
    pub deadline: Duration,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageForm {
    /// A JSON text with the credential at this place (RFC 6901).
    Json {
        pointer: String,
        /// Further texts may stand in the message, each in a line of its own.
        lines: bool,
    },
    /// The event `auth2` of Socket.IO, with a client key and a user's token.
    SocketioAuth2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    AllOf,
    AnyOf,
}

/// `device_type`: where it is claimed, and what is allowed.
#[derive(Debug)]
pub struct DeviceType {
    /// Only headers (without prefix) and query parameters; never empty.
    pub from: Vec<Carrier>,
    pub one_of: Vec<Arc<str>>,
    /// Other spelling → one of `one_of`.
    pub aliases: Vec<(String, Located<Arc<str>>)>,
}

/// `credential`: how the verified credential reaches the upstream.
#[derive(Debug, Default)]
pub struct CredentialRule {
    pub form: CredentialForm,
    /// The one place where it arrives; a header without prefix or a query parameter.
    pub carried_as: Option<Carrier>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CredentialForm {
    /// `Bearer <token>`.
    Bearer,
    /// The token alone.
    Bare,
    /// As the client wrote it.
    #[default]
    Keep,
    /// Not at all.
    Strip,
}

/// `session`: what governs a WebSocket after its handshake.
#[derive(Clone, Debug)]
pub struct SessionRule {
    pub at_expiry: AtExpiry,
    /// How long a session may go on after its end, so that it can still be renewed.
    pub grace: Duration,
    pub idle_timeout: Duration,
    /// Closes that fall due together are spread over this.
    pub jitter: Duration,
    /// How long a message of the client may be, in bytes of payload as they are sent.
    pub max_message: Option<u64>,
    pub max_session: Option<Duration>,
    pub notice: Option<Notice>,
    pub per_device: Option<PerDevice>,
    /// How long a client may be silent before the gate asks for a sign of life.
    pub ping: Option<Duration>,
    pub renew: Option<Renew>,
    pub place: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtExpiry {
    Close,
    /// The credential's end does not end the session.
    Keep,
}

/// What a client is told before its session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub before: Duration,
    /// `{seconds}` stands for the time that is left.
    pub text: Arc<str>,
}

/// How many sessions one user may have on one device type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerDevice {
    pub limit: u32,
    pub on_conflict: OnConflict,
    /// How often a user's sessions may replace each other.
    pub replace_limit: Rate,
}

impl PerDevice {
    /// Two clients that reconnect whenever they are replaced would replace each other for ever.
    pub const REPLACE_LIMIT: Rate = Rate {
        count: 5,
        per: Duration::from_mins(1),
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// The newcomer is refused.
    Reject,
    /// The oldest goes.
    Replace,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub count: u32,
    pub per: Duration,
}

/// How a session is prolonged by a new credential.
#[derive(Clone, Debug)]
pub struct Renew {
    /// Where the new credential is posted to.
    pub path: Option<Located<String>>,
    /// Where it stands in a message of the client that is JSON (RFC 6901). Such a message is the
    /// gate's and does not reach the upstream.
    pub pointer: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorFormat {
    Easemob,
    Imkit,
    Json,
    /// RFC 9457.
    Problem,
    Ruoyi,
    Text,
}

#[derive(Debug)]
pub struct Identity {
    /// As written; `X-Auth-` by default.
    pub prefix: String,
    /// Further headers that no client may send, as written.
    pub remove: Vec<String>,
    pub sign: Option<Sign>,
}

/// `identity.sign`: how assertions for the upstream are signed.
#[derive(Debug)]
pub struct Sign {
    pub secret: Secret,
    pub ttl: Duration,
}

#[derive(Debug)]
pub struct Cors {
    /// Exact origins, in lower case; `*` is refused.
    pub origins: Vec<String>,
    pub headers: Vec<String>,
    pub max_age: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub head_bytes: usize,
    pub headers: usize,
    pub target_bytes: usize,
    pub credential_bytes: usize,
    pub head_timeout: Duration,
    pub keepalive_idle: Duration,
    /// Open connections of one client; `None` sets no bound.
    pub connections_per_client: Option<usize>,
    pub unauthenticated: Unauthenticated,
}

/// `limits.unauthenticated`: how many sockets may wait for their credential at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unauthenticated {
    pub total: usize,
    /// Of one IPv4 address, or one IPv6 network of 64 bits.
    pub per_client: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    pub max_entries: u64,
    pub max_age: Duration,
}

/// `reload`: how a change of the configuration's files comes to be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// `false` leaves it to SIGHUP alone.
    pub watch: bool,
    /// How often the files are compared even if nothing was heard of a change.
    pub poll: Duration,
    /// How long it must be quiet after a change before the files are read.
    pub debounce: Duration,
}

/// `admin`: where operators talk to the gate.
#[derive(Clone, Debug)]
pub struct Admin {
    pub place: AdminPlace,
    /// Who may over TCP; over a socket file, whoever may open it.
    pub token: Option<AdminToken>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminPlace {
    Tcp(SocketAddr),
    /// Resolved against the configuration's directory, and UTF-8.
    Unix(PathBuf),
}

/// The admin token and its predecessors, each until its own end.
#[derive(Clone, Debug)]
pub struct AdminToken {
    pub current: Secret,
    pub previous: Vec<(Secret, UnixTime)>,
}

/// `shutdown`: how long the gate takes to leave, each from the signal on or from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownRule {
    /// How long everything is still served while `/readyz` says that nobody more should come.
    pub lame_duck: Duration,
    /// Over how long the sessions' ends are spread after that.
    pub drain: Duration,
    /// When, counted from the signal, what is left is closed at once.
    pub deadline: Duration,
}

impl Default for SessionRule {
    fn default() -> Self {
        Self {
            at_expiry: AtExpiry::Close,
            grace: Duration::ZERO,
            idle_timeout: Duration::from_mins(2),
            jitter: Duration::ZERO,
            max_message: None,
            max_session: None,
            notice: None,
            per_device: None,
            ping: None,
            renew: None,
            place: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 16 * 1024,
            headers: 100,
            target_bytes: 8 * 1024,
            credential_bytes: 8 * 1024,
            head_timeout: Duration::from_secs(15),
            keepalive_idle: Duration::from_mins(1),
            connections_per_client: None,
            unauthenticated: Unauthenticated {
                total: 1000,
                per_client: 20,
            },
        }
    }
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            max_entries: 100_000,
            max_age: Duration::from_mins(1),
        }
    }
}

impl Default for Reload {
    fn default() -> Self {
        Self {
            watch: true,
            poll: Duration::from_secs(30),
            debounce: Duration::from_millis(300),
        }
    }
}

impl Default for ShutdownRule {
    /// Five seconds less than the grace period that Kubernetes gives unless told otherwise.
    fn default() -> Self {
        Self {
            lame_duck: Duration::from_secs(5),
            drain: Duration::from_secs(15),
            deadline: Duration::from_secs(25),
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            prefix: "X-Auth-".to_owned(),
            remove: Vec::new(),
            sign: None,
        }
    }
}
