//! Backends that listen where the gate does not need them to.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::admin::send_over_file;
use super::super::support::recorder::Exchange;
use super::super::support::wait::{eventually_within, patience};
use super::super::support::{Gate, Recorder, eventually};
use super::{POLICY, at, caveats, gate, listen};

const WARNING: &str = "the backend's port is OPEN beyond loopback";

fn exposed(gate: &Gate, upstream: &str) -> Option<bool> {
    let metrics = gate.metrics();
    let series = format!("imgate_backend_exposed{{upstream=\"{upstream}\"}} ");
    let line = metrics
        .text
        .lines()
        .find_map(|line| line.strip_prefix(&series))?;
    Some(line == "1")
}

/// Until there has been another look. Where thousands of closed connections wait in the kernel's
/// table, as those of other tests do, one takes long, and the next comes a hundred times as late.
fn by_another_look<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    eventually_within(patience() * 6, what, probe)
}

fn wait_until(gate: &Gate, upstream: &str, expected: bool) {
    by_another_look("the backend is looked at", || {
        (exposed(gate, upstream) == Some(expected)).then_some(())
    });
}

fn lines(gate: &Gate, level: &str, beginning: &str) -> usize {
    let lines = gate.lines(level).into_iter();
    lines
        .filter(|line| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.starts_with(beginning))
        })
        .count()
}

#[test]
fn a_backend_beyond_loopback_is_told_of_in_every_way() {
    let everywhere = Recorder::on(listen(Ipv4Addr::UNSPECIFIED), Exchange::ok);
    let inside = Recorder::on(listen(Ipv4Addr::LOCALHOST), Exchange::ok);
    let gate = gate()
        .upstream("im", at(Ipv4Addr::LOCALHOST, everywhere.address()))
        .upstream("in", inside.address())
        .upstream("far", at([192, 0, 2, 1], everywhere.address()))
        .arguments(&["--admin-socket", "run/admin.sock"])
        .start();
    wait_until(&gate, "im", true);
    wait_until(&gate, "in", false);
    assert_eq!(
        exposed(&gate, "far"),
        None,
        "it is nowhere that the gate could look"
    );
    eventually("it is in the log", || {
        (lines(&gate, "WARN", WARNING) == 1).then_some(())
    });

    let verbose = gate.status();
    let told = caveats(&verbose, "im");
    assert!(
        told.len() == 1 && told[0].contains("open beyond loopback"),
        "{verbose}"
    );
    assert!(
        told[0].contains(&everywhere.address().to_string()),
        "{verbose}"
    );
    assert_eq!(caveats(&verbose, "in"), [""; 0]);
    let socket = gate.path("run/admin.sock");
    let status = send_over_file(&socket, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n").json();
    assert_eq!(caveats(&status, "im"), told);

    // It is a warning and no more.
    assert_eq!(gate.admin("/readyz").status(), 200);
    assert_eq!(gate.get("/open/x", "").status(), 200);
}

#[test]
fn a_gate_that_must_not_be_passed_is_unready_as_long_as_it_can_be() {
    for flag in [true, false] {
        let port = listen(Ipv4Addr::UNSPECIFIED);
        let address = at(Ipv4Addr::LOCALHOST, port.local_addr().unwrap());
        let builder = if flag {
            gate()
                .upstream("im", address)
                .arguments(&["--require-loopback"])
        } else {
            gate().upstream_with("im", address, "on_exposed: unready")
        };
        let mut gate = builder.start_without_waiting();
        gate.wait_until_it_answers();
        wait_until(&gate, "im", true);
        let verbose = gate.admin("/readyz?verbose");
        assert_eq!(verbose.status(), 503);
        assert_eq!(verbose.json()["ready"], false);
        assert_eq!(caveats(&verbose.json(), "im").len(), 1);
        assert_eq!(gate.admin("/readyz").status(), 503);
        assert_eq!(gate.admin("/livez").status(), 200, "nobody has to end it");
        // Whoever comes all the same is judged as ever.
        assert_eq!(gate.get("/closed/x", "").status(), 404);

        drop(port);
        by_another_look("it is ready", || {
            (gate.admin("/readyz").status() == 200).then_some(())
        });
        assert_eq!(exposed(&gate, "im"), Some(false));
        assert_eq!(caveats(&gate.status(), "im"), [""; 0]);
        let said = (
            lines(&gate, "WARN", WARNING),
            lines(&gate, "INFO", "the backend's port is open at loopback only"),
        );
        assert_eq!(said, (1, 1));
    }
}

#[test]
fn a_backend_that_listens_only_at_loopback_does_not_keep_the_gate_from_being_ready() {
    let backend = Recorder::on(listen(Ipv4Addr::LOCALHOST), Exchange::ok);
    let gate = gate()
        .upstream_with("im", backend.address(), "on_exposed: unready")
        .start();
    assert_eq!(exposed(&gate, "im"), Some(false));
    assert_eq!(gate.get("/open/x", "").status(), 200);
}

#[test]
fn all_addresses_of_ipv6_are_all_addresses() {
    // Where there is no IPv6 there is nothing to see.
    let Ok(port) = std::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) else {
        return;
    };
    let address = port.local_addr().unwrap();
    let gate = gate()
        .upstream("im", at(Ipv4Addr::LOCALHOST, address))
        .upstream("six", at(Ipv6Addr::LOCALHOST, address))
        .start();
    wait_until(&gate, "im", true);
    wait_until(&gate, "six", true);
    drop(port);
    let inside = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, address.port()));
    wait_until(&gate, "six", false);
    drop(inside);
}

/// What has been seen counts for a new policy at once.
#[test]
fn a_reload_needs_no_second_look() {
    let port = listen(Ipv4Addr::UNSPECIFIED);
    let inside = Recorder::on(listen(Ipv4Addr::LOCALHOST), Exchange::ok);
    let mut gate = gate().upstream("im", inside.address()).start();
    wait_until(&gate, "im", false);
    let open = at(Ipv4Addr::LOCALHOST, port.local_addr().unwrap());
    gate.amend(&inside.address().to_string(), &open.to_string());
    gate.amend("connect_timeout: 1s", "on_exposed: unready");
    gate.reload_and_wait(POLICY);
    assert_eq!(gate.admin("/readyz").status(), 503);
    assert_eq!(exposed(&gate, "im"), Some(true));
}

/// The gate may be at the backend's port itself, where others look for the backend.
#[test]
fn the_gate_itself_is_no_exposed_backend() {
    let port = listen(Ipv4Addr::LOCALHOST);
    let backend = port.local_addr().unwrap();
    let own = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        // Nothing is sent; the system says from where it would be.
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    let Some(own) = own
        .ok()
        .map(|own| own.ip())
        .filter(|own| !own.is_loopback())
    else {
        return;
    };
    let listener = at(own, backend);
    let gate = gate()
        .upstream("im", backend)
        .arguments(&["--listen", &listener.to_string(), "--require-loopback"])
        .start();
    assert!(std::net::TcpStream::connect(listener).is_ok());
    wait_until(&gate, "im", false);
    assert_eq!(gate.admin("/readyz").status(), 200);
}
