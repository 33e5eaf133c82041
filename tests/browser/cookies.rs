use super::{Chromium, Site, gate_before, ws};
use crate::support::mint::sa_token;
use crate::support::ws_backend::WsBackend;

#[test]
fn a_cookie_opens_a_socket_for_its_own_page_and_no_other() {
    let (site, other, backend) = (Site::start(), Site::start(), WsBackend::echo());
    let gate = gate_before(&backend, &site).start();
    let page = Chromium::shared().open(&site.log_in(&sa_token("im_user:7")));
    let socket = page.connect(&ws(&gate, ""), &[]).opened();
    page.echo(&socket, "hello");

    // Another port is another origin, but the same site: the browser sends the cookie, however
    // strict its `SameSite` is.
    let stranger = page.beside(&other.address());
    stranger.connect(&ws(&gate, ""), &[]).expect_refused();
    let refused = [("route", "ws"), ("result", "deny"), ("reason", "conflict")];
    gate.wait_for_metric("imgate_auth_decisions_total", &refused, |count| count > 0.5);
    assert_eq!(backend.handshakes().len(), 1);
    stranger.photograph("stranger");

    // With a token of its own it gets in, as whoever that token is.
    let own = ws(&gate, &format!("&token={}", sa_token("im_user:8")));
    let socket = stranger.connect(&own, &[]).opened();
    stranger.echo(&socket, "hello");
    let received = backend.last_handshake();
    assert_eq!(received.header("x-auth-subject"), Some("8"));
    assert_eq!(received.header("cookie"), Some("theme=dark"));
}
