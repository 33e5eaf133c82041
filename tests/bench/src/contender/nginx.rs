//! nginx's configuration: a map of keys, or tokens verified by njs.
//!
//! HMACs have a synchronous API in njs, so HS256 is a variable. RSA and ECDSA are only in its
//! `WebCrypto`, whose answers come later than a variable may; they need `auth_request`.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use crate::contender::{Scheme, Setting};
use crate::lab::{Lab, keys};

const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_js_module.so";

pub(crate) fn configuration(lab: &Lab, setting: Setting, address: SocketAddr) -> Result<String> {
    let directory = lab.directory.join("nginx");
    fs::create_dir_all(&directory)?;
    let place = directory.display();
    let mut text = String::new();
    if setting.scheme.algorithm().is_some() {
        writeln!(text, "load_module {MODULE};")?;
    }
    let log = if setting.access_log {
        format!("{place}/access.log")
    } else {
        "off".to_owned()
    };
    write!(
        text,
        "worker_processes {};\ndaemon off;\npid {place}/pid;\n\
         events {{ worker_connections 8192; }}\n\
         http {{\n  access_log {log};\n  keepalive_requests 1000000000;\n  keepalive_timeout 5m;\n{}",
        setting.workers,
        temporary_paths(&directory),
    )?;
    for (name, upstream) in [("api", lab.http_upstream), ("ws", lab.websocket_upstream)] {
        writeln!(
            text,
            "  upstream {name} {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}"
        )?;
    }
    let judging = judging(lab, setting.scheme, &directory)?;
    text.push_str(&judging.global);
    write!(
        text,
        "  server {{\n    listen {address} backlog=8192;\n{}    add_header X-Request-Id $request_id;\n",
        judging.server
    )?;
    for (path, upstream) in [("/api/", "api"), ("= /ws", "ws")] {
        write!(
            text,
            "    location {path} {{\n{}      proxy_pass http://{upstream};\n      \
             proxy_http_version 1.1;\n{}      \
             proxy_set_header X-Auth-User-Type \"\";\n      \
             proxy_set_header X-Auth-Device-Type \"\";\n      \
             proxy_set_header Host $http_host;\n      \
             proxy_set_header X-Request-Id $request_id;\n      \
             proxy_set_header X-Forwarded-For $remote_addr;\n      \
             proxy_set_header X-Forwarded-Proto http;\n      \
             proxy_set_header X-Forwarded-Host $http_host;\n",
            judging.location, judging.headers,
        )?;
        text.push_str(if upstream == "ws" {
            "      proxy_read_timeout 1h;\n      proxy_set_header Upgrade $http_upgrade;\n      \
             proxy_set_header Connection Upgrade;\n    }\n"
        } else {
            "      proxy_set_header Connection \"\";\n    }\n"
        });
    }
    text.push_str("  }\n}\n");
    Ok(text)
}

/// Places that are writable without being root.
pub(crate) fn temporary_paths(directory: &Path) -> String {
    let mut text = String::new();
    for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "  {name}_temp_path {}/{name};", directory.display());
    }
    text
}

/// The lines that verify a credential, by where they stand.
struct Judging {
    global: String,
    server: String,
    location: String,
    headers: String,
}

fn judging(lab: &Lab, scheme: Scheme, directory: &Path) -> Result<Judging> {
    let headers = |subject: &str, app: &str, authenticator: &str| {
        format!(
            "      proxy_set_header X-Auth-Subject {subject};\n      \
             proxy_set_header X-Auth-App-Id {app};\n      \
             proxy_set_header X-Auth-Authenticator {authenticator};\n"
        )
    };
    let unless = |variable: &str| format!("      if ({variable} = \"\") {{ return 401; }}\n");
    let import = format!("  js_path {};\n  js_import auth.js;\n", directory.display());
    let place = lab.directory.display();
    Ok(match scheme {
        Scheme::Public => Judging {
            global: String::new(),
            server: String::new(),
            location: String::new(),
            headers: headers("\"\"", "\"\"", "\"\""),
        },
        Scheme::AppKey => {
            let mut global =
                "  map_hash_bucket_size 128;\n  map $http_x_app_key $who {\n".to_owned();
            for (id, key) in keys() {
                writeln!(global, "    {key} {id};")?;
            }
            global.push_str("    default \"\";\n  }\n");
            Judging {
                global,
                server: String::new(),
                location: unless("$who"),
                headers: headers("\"\"", "$who", "who"),
            }
        }
        Scheme::Hs256 => {
            let secret = fs::read_to_string(lab.directory.join("hs256.key"))?;
            fs::write(directory.join("auth.js"), HMAC.replace("@SECRET@", &secret))?;
            Judging {
                global: format!("{import}  js_set $who auth.subject;\n"),
                server: String::new(),
                location: unless("$who"),
                headers: headers("$who", "\"\"", "who"),
            }
        }
        Scheme::Rs256 | Scheme::Es256 => {
            let (name, algorithm) = if scheme == Scheme::Rs256 {
                ("rs256", "{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }")
            } else {
                (
                    "es256",
                    "{ name: 'ECDSA', hash: 'SHA-256', namedCurve: 'P-256' }",
                )
            };
            let pem = fs::read_to_string(format!("{place}/{name}.pem"))?;
            let key: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
            let script = SIGNATURE
                .replace("@ALG@", scheme.algorithm().unwrap_or_default())
                .replace("@KEY@", &key)
                .replace("@ALGORITHM@", algorithm);
            fs::write(directory.join("auth.js"), script)?;
            Judging {
                global: import,
                server: "    location = /verify { internal; js_content auth.verify; }\n".to_owned(),
                location: "      auth_request /verify;\n      \
                           auth_request_set $who $sent_http_x_subject;\n"
                    .to_owned(),
                headers: headers("$who", "\"\"", "who"),
            }
        }
    })
}

const HMAC: &str = r"import crypto from 'crypto';

function subject(r) {
    try {
        const token = r.headersIn.Authorization;
        if (!token.startsWith('Bearer ')) return '';
        const parts = token.slice(7).split('.');
        if (parts.length != 3) return '';
        if (JSON.parse(Buffer.from(parts[0], 'base64url')).alg !== 'HS256') return '';
        const mac = crypto.createHmac('sha256', '@SECRET@')
            .update(parts[0] + '.' + parts[1]).digest('base64url');
        if (mac !== parts[2]) return '';
        const claims = JSON.parse(Buffer.from(parts[1], 'base64url'));
        return claims.exp > Date.now() / 1000 ? claims.sub : '';
    } catch (e) {
        return '';
    }
}

export default { subject };
";

const SIGNATURE: &str = r"const algorithm = @ALGORITHM@;
const spki = Buffer.from('@KEY@', 'base64');

async function verify(r) {
    try {
        const token = r.headersIn.Authorization;
        if (!token.startsWith('Bearer ')) return r.return(401);
        const parts = token.slice(7).split('.');
        if (parts.length != 3) return r.return(401);
        if (JSON.parse(Buffer.from(parts[0], 'base64url')).alg !== '@ALG@') return r.return(401);
        const key = await crypto.subtle.importKey('spki', spki, algorithm, false, ['verify']);
        const genuine = await crypto.subtle.verify(algorithm, key,
            Buffer.from(parts[2], 'base64url'), parts[0] + '.' + parts[1]);
        const claims = JSON.parse(Buffer.from(parts[1], 'base64url'));
        if (!genuine || !(claims.exp > Date.now() / 1000)) return r.return(401);
        r.headersOut['X-Subject'] = claims.sub;
        r.return(204);
    } catch (e) {
        r.return(401);
    }
}

export default { verify };
";
