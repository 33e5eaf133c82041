//! The gate as pages see it, in a real Chromium without a window.
//!
//! A page can set no header on a WebSocket and sees of a refusal nothing but 1006; what a browser
//! sends along unasked is what cross-site attacks live on. So what is promised to pages is tried
//! with pages: `page.html` connects, talks and shows what it saw, and the tests ask it.

mod chromium;
mod page;
mod site;

/// Cookies, and the pages that they count from.
mod cookies;
/// Plain requests of pages to another origin.
mod cors;
/// The page of `imgate demo`.
mod demo;
/// How a page learns that its socket has ended.
mod ends;
/// The places where a page can carry a token.
mod places;

use crate::support::Gate;
use crate::support::gate::Builder;
use crate::support::mint::{SA_TOKEN_SECRET, sa_token};
use crate::support::ws_backend::WsBackend;
use chromium::Chromium;
use page::{Page, Socket};
use site::Site;

/// `$ORIGIN` is the page's.
const POLICY: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: demo, secret: { value: keyAbcd123 } }] }
  im-token:
    from:
      - { header: token, prefix: Bearer }
      - { query: token }
      - { subprotocol: imgate.bearer. }
      - { cookie: im, origins: [$ORIGIN] }
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
cors: { origins: [$ORIGIN], headers: [X-App-Key], max_age: 10m }
routes:
  - name: ws
    match: { path: /ws }
    websocket: true
    require:
      any_of: [im-token]
      device_type: { from: [{ query: deviceType }], one_of: [im_web, im_pc_mac] }
    credential: { form: bare, as: { header: token } }
    upstream: ws
  - { name: openapi, match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: ws }
";

fn policy(site: &Site) -> String {
    POLICY
        .replace("$ORIGIN", &site.origin())
        .replace("$SECRET", SA_TOKEN_SECRET)
}

fn gate_before(backend: &WsBackend, site: &Site) -> Builder {
    Gate::with(&policy(site)).upstream("ws", backend.address())
}

/// The address of the gate's WebSocket, with further parameters.
fn ws(gate: &Gate, parameters: &str) -> String {
    format!("ws://{}/ws?deviceType=im_web{parameters}", gate.address())
}

/// A page of the site with a socket that is open.
fn connected(gate: &Gate, site: &Site) -> (Page, Socket) {
    let page = Chromium::shared().open(&site.address());
    let url = ws(gate, &format!("&token={}", sa_token("im_user:7")));
    let socket = page.connect(&url, &[]).opened();
    (page, socket)
}
