//! What the demo's gate is configured with: a directory as a deployment has it.
//!
//! ```text
//! imgate.yaml              the gate's configuration
//! application-common.yml   the backend's own, from which the gate reads two secrets
//! keys/partner-a           a partner's key
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::random_hex;
use crate::secret::Secret;

/// Where the demo listens, always on the loopback.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) gate: u16,
    pub(super) metrics: u16,
    pub(super) backend: u16,
}

/// The directory, and the secrets in it.
#[derive(Debug)]
pub(super) struct Site {
    directory: PathBuf,
    pub(super) ports: Ports,
    pub(super) backend_key: Secret,
    pub(super) token_secret: Secret,
    /// The one secret that the demo shows, since its commands need it.
    pub(super) partner_key: String,
}

/// The highest port of the gate, so that the backend's is one as well.
pub(super) const HIGHEST_PORT: u16 = u16::MAX - BACKEND_OFFSET;
/// 9688 and 19688, as in a RuoYi deployment that has moved its netty server.
const BACKEND_OFFSET: u16 = 10_000;
const METRICS_OFFSET: u16 = 2;

impl Ports {
    /// All three follow from the gate's, which is at most [`HIGHEST_PORT`].
    pub(super) const fn of(gate: u16) -> Self {
        Self {
            gate,
            metrics: gate.saturating_add(METRICS_OFFSET),
            backend: gate.saturating_add(BACKEND_OFFSET),
        }
    }
}

impl Site {
    /// Writes everything into an empty directory.
    pub(super) fn build(directory: &Path, ports: Ports) -> io::Result<Self> {
        let fresh = || random_hex().map_err(io::Error::other);
        let (backend_key, token_secret, partner_key) = (fresh()?, fresh()?, fresh()?);
        fs::write(
            directory.join("application-common.yml"),
            format!(
                "im:\n  app-key: \"{backend_key}\"\n\
                 sa-token:\n  jwt-secret-key: \"{token_secret}\"\n"
            ),
        )?;
        fs::create_dir(directory.join("keys"))?;
        let site = Self {
            directory: directory.to_owned(),
            ports,
            backend_key: Secret::new(backend_key),
            token_secret: Secret::new(token_secret),
            partner_key,
        };
        fs::write(site.partner_key_file(), &site.partner_key)?;
        fs::write(site.configuration(), configuration(ports))?;
        Ok(site)
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.directory.join("imgate.yaml")
    }

    pub(super) fn partner_key_file(&self) -> PathBuf {
        self.directory.join("keys/partner-a")
    }

    /// Gives the partner another key. The gate notices when it reloads.
    pub(super) fn change_partner_key(&mut self) -> io::Result<()> {
        self.partner_key = random_hex().map_err(io::Error::other)?;
        // A reader sees the old key or the new one, never half of one.
        let draft = self.directory.join("keys/partner-a.new");
        fs::write(&draft, &self.partner_key)?;
        fs::rename(draft, self.partner_key_file())
    }
}

fn configuration(ports: Ports) -> String {
    let Ports {
        gate,
        metrics,
        backend,
    } = ports;
    // As browsers name an origin: without the port that goes without saying.
    let port = if gate == 80 {
        String::new()
    } else {
        format!(":{gate}")
    };
    format!(
        r"# The gate of `imgate demo`.
listeners:
  - address: 127.0.0.1:{gate}

upstreams:                               # one process here; the RuoYi gateway and netty elsewhere
  api: {{ address: 127.0.0.1:{backend} }}
  ws: {{ address: 127.0.0.1:{backend} }}

authenticators:
  partner-keys:
    from: [{{ header: X-App-Key }}]
    app_key:
      keys:
        - {{ id: partner-a, secret: {{ file: keys/partner-a }} }}
  im-token:
    from:
      - {{ header: token, prefix: Bearer }}
      - {{ query: token }}
      - {{ subprotocol: imgate.bearer. }}
      - {{ cookie: im, origins: [http://127.0.0.1{port}, http://localhost{port}] }}
    sa_token:
      secret: {{ yaml: application-common.yml, key: sa-token.jwt-secret-key }}
      user_types: [im_user]
      sessions: {{ none: {{ max_age: 12h }} }}     # the demo has no Redis; its tokens end by themselves

routes:
  - name: openapi
    match: {{ path: /openapi/** }}
    require: {{ any_of: [partner-keys] }}
    set_headers: {{ X-App-Key: {{ yaml: application-common.yml, key: im.app-key }} }}
    upstream: api
  - name: ws
    match: {{ path: /ws }}
    websocket: true
    require:
      any_of: [im-token]
      device_type:
        from: [{{ header: deviceType }}, {{ query: deviceType }}]
        one_of: [im_app_ios, im_app_android, im_web, im_pc_win, im_pc_mac]
    credential: {{ form: bare, as: {{ header: token }} }}
    session: {{ at_expiry: close, idle_timeout: 120s }}
    upstream: ws
  - name: page
    match: {{ path: /, methods: [GET] }}
    require: public
    upstream: api
  - name: health
    match: {{ path: /actuator/health, methods: [GET] }}
    require: public
    upstream: api

errors: ruoyi
identity: {{ prefix: X-Auth-, remove: [SA-SAME-TOKEN, X-User-Id] }}
metrics: {{ address: 127.0.0.1:{metrics} }}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reload;

    #[test]
    fn the_gate_accepts_the_site_without_a_warning() {
        for port in [9688, 80] {
            let directory = tempfile::tempdir().unwrap();
            let site = Site::build(directory.path(), Ports::of(port)).unwrap();
            let loaded = reload::load(&site.configuration(), None).unwrap();
            assert_eq!(loaded.warnings, []);
            let routes = loaded.policy.routes().all();
            let names: Vec<&str> = routes.iter().map(|route| &*route.name).collect();
            assert_eq!(names.len(), 4, "{names:?}");
        }
    }

    #[test]
    fn a_changed_key_is_another_one_and_in_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut site = Site::build(directory.path(), Ports::of(9688)).unwrap();
        let before = site.partner_key.clone();
        site.change_partner_key().unwrap();
        assert_ne!(site.partner_key, before);
        assert_eq!(
            fs::read_to_string(site.partner_key_file()).unwrap(),
            site.partner_key
        );
    }

    #[test]
    fn three_ports_are_three_ports() {
        let Ports {
            gate,
            metrics,
            backend,
        } = Ports::of(HIGHEST_PORT);
        assert_eq!([gate, metrics, backend], [55_535, 55_537, 65_535]);
    }
}
