use super::page::End;
use super::{Chromium, Site, connected, gate_before, policy, ws};
use crate::support::Gate;
use crate::support::mint::{SA_TOKEN_SECRET, sa_token, sa_token_mixin};
use crate::support::process::Signal;
use crate::support::ws_backend::WsBackend;

#[test]
fn a_token_that_ends_is_4401_to_its_page() {
    let (site, backend) = (Site::start(), WsBackend::echo());
    let gate = gate_before(&backend, &site).start();
    let page = Chromium::shared().open(&site.address());
    page.go_to(&site.log_in(&sa_token_mixin("im_user:7", "im_web", 10)));
    let socket = page.connect(&ws(&gate, ""), &["chat"]).opened();
    page.echo(&socket, "still valid");
    assert_eq!(page.end(&socket), End::of(4401, "token expired"));
    page.photograph("expired");
    // And the cookie is worth nothing any more.
    page.connect(&ws(&gate, ""), &["chat"]).expect_refused();
}

#[test]
fn a_gate_that_ends_is_1001_to_its_pages() {
    let (site, backend) = (Site::start(), WsBackend::echo());
    let mut gate = gate_before(&backend, &site).start();
    let (page, socket) = connected(&gate, &site);
    page.echo(&socket, "here");
    gate.signal(Signal::Int);
    assert_eq!(page.end(&socket), End::of(1001, "going away"));
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn a_key_that_is_removed_is_4403_to_its_pages() {
    let (site, backend) = (Site::start(), WsBackend::echo());
    let gate = gate_before(&backend, &site).start();
    let (page, socket) = connected(&gate, &site);
    page.echo(&socket, "here");
    let other = "another secret of the tests, long enough";
    gate.reload(&policy(&site).replace(SA_TOKEN_SECRET, other));
    assert_eq!(page.end(&socket), End::of(4403, "revoked"));
}

#[test]
fn a_policy_that_lets_it_in_no_more_is_4401_to_a_page() {
    let (site, backend) = (Site::start(), WsBackend::echo());
    let gate = gate_before(&backend, &site).start();
    let (page, socket) = connected(&gate, &site);
    page.echo(&socket, "here");
    gate.reload(&policy(&site).replace("[im_web, im_pc_mac]", "[im_pc_mac]"));
    assert_eq!(page.end(&socket), End::of(4401, "log in again"));
}

#[test]
fn a_close_of_the_backend_reaches_the_page() {
    let (site, backend) = (Site::start(), WsBackend::echo());
    let gate = gate_before(&backend, &site).start();
    let (page, socket) = connected(&gate, &site);
    page.run("page.say(0, 'close 4123')");
    assert_eq!(page.end(&socket), End::of(4123, ""));
}

#[test]
fn a_second_tab_replaces_the_first_with_4409() {
    let (site, backend) = (Site::start(), WsBackend::echo());
    let session = "    session: { per_device: 1, on_conflict: replace }\n    upstream: ws\n";
    let policy = policy(&site).replacen("    upstream: ws\n", session, 1);
    let gate = Gate::with(&policy)
        .upstream("ws", backend.address())
        .start();
    let token = sa_token("im_user:7");
    let first = Chromium::shared().open(&site.log_in(&token));
    let old = first.connect(&ws(&gate, ""), &[]).opened();
    first.echo(&old, "first");
    let second = first.beside(&site.address());
    let new = second.connect(&ws(&gate, ""), &[]).opened();
    assert_eq!(first.end(&old), End::of(4409, "replaced by another login"));
    second.echo(&new, "second");
    first.photograph("replaced");
}
