//! HAProxy's configuration: a map of keys, or `jwt_verify` with the algorithm and the expiry checked.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;

use anyhow::Result;

use crate::contender::{Contender, Scheme, Setting};
use crate::lab::{Lab, keys};

pub(crate) fn configuration(lab: &Lab, setting: Setting, address: SocketAddr) -> Result<String> {
    let mut text = format!("global\n  nbthread {}\n  maxconn 6000\n", setting.workers);
    if setting.access_log {
        text.push_str("  log stdout len 4096 format raw local0\n");
    }
    text.push_str(
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 5m\n  timeout server 5m\n  \
         timeout tunnel 1h\n  timeout http-keep-alive 5m\n  http-reuse always\n",
    );
    if setting.access_log {
        text.push_str("  log global\n  option httplog\n");
    }
    write!(text, "frontend gate\n  bind {address} backlog 8192\n")?;
    let adds = setting.contender != Contender::HaproxyBare;
    if adds {
        text.push_str("  http-request del-header x-auth- -m beg\n");
    }
    text.push_str(&judging(lab, setting.scheme)?);
    if adds {
        if let Some(header) = identity(setting.scheme) {
            writeln!(
                text,
                "  http-request set-header {header} %[var(txn.who)]\n  \
                 http-request set-header X-Auth-Authenticator who"
            )?;
        }
        text.push_str(
            "  unique-id-format %[uuid()]\n  \
             http-request set-header X-Request-Id %[unique-id]\n  \
             http-request set-header X-Forwarded-For %[src]\n  \
             http-request set-header X-Forwarded-Proto http\n  \
             http-request set-header X-Forwarded-Host %[req.hdr(host)]\n  \
             http-response set-header X-Request-Id %[unique-id]\n",
        );
    }
    write!(
        text,
        "  use_backend ws if {{ path /ws }}\n  default_backend api\n\
         backend api\n  server api {}\nbackend ws\n  server ws {}\n",
        lab.http_upstream, lab.websocket_upstream,
    )?;
    Ok(text)
}

fn identity(scheme: Scheme) -> Option<&'static str> {
    match scheme {
        Scheme::Public => None,
        Scheme::AppKey => Some("X-Auth-App-Id"),
        Scheme::Hs256 | Scheme::Rs256 | Scheme::Es256 => Some("X-Auth-Subject"),
    }
}

/// Leaves the owner in `txn.who`, or answers 401.
fn judging(lab: &Lab, scheme: Scheme) -> Result<String> {
    let place = lab.directory.display();
    let Some(algorithm) = scheme.algorithm() else {
        if scheme == Scheme::Public {
            return Ok(String::new());
        }
        let mut map = String::new();
        for (id, key) in keys() {
            writeln!(map, "{key} {id}")?;
        }
        fs::write(lab.directory.join("keys.map"), map)?;
        return Ok(format!(
            "  http-request set-var(txn.who) req.hdr(x-app-key),map_str({place}/keys.map)\n  \
             http-request deny deny_status 401 unless {{ var(txn.who) -m found }}\n"
        ));
    };
    let key = match scheme {
        Scheme::Rs256 => format!("{place}/rs256.pem"),
        Scheme::Es256 => format!("{place}/es256.pem"),
        Scheme::Public | Scheme::AppKey | Scheme::Hs256 => {
            fs::read_to_string(lab.directory.join("hs256.key"))?
        }
    };
    Ok(format!(
        "  http-request set-var(txn.token) http_auth_bearer\n  \
         http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')\n  \
         http-request deny deny_status 401 unless {{ var(txn.alg) -m str {algorithm} }}\n  \
         http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify(txn.alg,\"{key}\") 1 }}\n  \
         http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')\n  \
         http-request set-var(txn.now) date()\n  \
         http-request deny deny_status 401 unless {{ var(txn.exp),sub(txn.now) -m int gt 0 }}\n  \
         http-request set-var(txn.who) var(txn.token),jwt_payload_query('$.sub')\n"
    ))
}
