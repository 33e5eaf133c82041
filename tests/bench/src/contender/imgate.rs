//! The gate's configuration.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::Result;

use crate::contender::{Contender, Scheme, Setting};
use crate::lab::{Lab, keys};

pub(crate) fn configuration(lab: &Lab, setting: Setting, address: SocketAddr) -> Result<String> {
    let place = lab.directory.display();
    let mut text = format!(
        "listeners: [{{ address: {address} }}]\n\
         workers: {}\n\
         upstreams: {{ api: {{ address: {} }}, ws: {{ address: {} }} }}\n",
        setting.workers, lab.http_upstream, lab.websocket_upstream,
    );
    let jwt = |key: &str| {
        format!(
            "authenticators:\n  who:\n    from: [{{ header: Authorization, prefix: Bearer }}]\n\
             \x20   jwt: {{ keys: [{{ {key} }}], issuer: any, audience: any }}\n"
        )
    };
    let token = match setting.scheme {
        Scheme::Public => String::new(),
        Scheme::AppKey => {
            let mut keyed =
                "authenticators:\n  who:\n    from: [{ header: X-App-Key }]\n    app_key:\n      keys:\n"
                    .to_owned();
            for (id, key) in keys() {
                writeln!(
                    keyed,
                    "        - {{ id: {id}, secret: {{ value: {key} }} }}"
                )?;
            }
            keyed
        }
        Scheme::Hs256 => jwt(&format!(
            "algorithm: HS256, secret: {{ file: {place}/hs256.key }}"
        )),
        Scheme::Rs256 => jwt(&format!(
            "algorithm: RS256, public_key: {{ file: {place}/rs256.pem }}"
        )),
        Scheme::Es256 => jwt(&format!(
            "algorithm: ES256, public_key: {{ file: {place}/es256.pem }}"
        )),
    };
    text.push_str(&token);
    let require = match setting.scheme {
        Scheme::Public => "public",
        Scheme::AppKey | Scheme::Hs256 | Scheme::Rs256 | Scheme::Es256 => "{ any_of: [who] }",
    };
    write!(
        text,
        "routes:\n\
         \x20 - {{ name: api, match: {{ path: /api/** }}, require: {require}, upstream: api }}\n\
         \x20 - {{ name: ws, match: {{ path: /ws }}, websocket: true, require: {require}, upstream: ws }}\n",
    )?;
    if setting.contender == Contender::ImgateUncached {
        text.push_str("cache: { max_entries: 0 }\n");
    }
    Ok(text)
}
