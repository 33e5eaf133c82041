//! A gate in a container, with the backend on the loopback of the same network.

use std::fs;
use std::process::Command;

use super::engine::{Container, Engine};
use super::network::local;
use crate::support::eventually;
use crate::support::metrics::Metrics;
use crate::support::raw::RawClient;
use crate::support::recorder::{Exchange, Recorder};
use crate::support::tls::{Authority, NAME};
use crate::support::volume::Volume;

/// A configuration whose only partner has this key.
pub(super) fn configuration(key: &str) -> String {
    format!(
        "
listeners: [{{ address: 0.0.0.0:9688 }}]
upstreams: {{ im: {{ address: 127.0.0.1:8080 }} }}
authenticators:
  partner-keys:
    from: [{{ header: X-App-Key }}]
    app_key: {{ keys: [{{ id: partner-a, secret: {{ value: {key} }} }}] }}
routes:
  - {{ match: {{ path: /** }}, require: {{ any_of: [partner-keys] }}, upstream: im }}
  - {{ match: {{ path: /ws }}, websocket: true, require: {{ any_of: [partner-keys] }}, upstream: im }}
metrics: {{ address: 0.0.0.0:9690 }}
admin: {{ unix: /run/imgate/admin.sock }}
shutdown: {{ lame_duck: 0s, drain: 1s, deadline: 20s }}
"
    )
}

/// A directory as the kubelet mounts a `ConfigMap`.
pub(super) fn mounted(engine: &Engine, configuration: &str) -> Volume {
    let volume = Volume::new(&engine.path("config"));
    volume.swap(&[("imgate.yaml", configuration)]);
    volume
}

/// Starts the gate with the directory that [`mounted`] has made, and a place for its socket file.
pub(super) fn start<'e>(engine: &'e Engine, options: &[&str]) -> Container<'e> {
    let config = engine.path("config").display().to_string();
    let mount = format!("{config}:/etc/imgate/config:ro");
    let run = "/run/imgate:rw,size=1m,mode=0777";
    let gate = engine.start(&[&["-v", &mount, "--tmpfs", run], options].concat(), &[]);
    gate.wait_until_ready();
    gate
}

pub(super) fn status(gate: &Container<'_>, headers: &str) -> u16 {
    gate.network().inside(|| {
        RawClient::connect(local(9688))
            .get("/openapi/v1", headers)
            .status()
    })
}

fn metrics(gate: &Container<'_>) -> Metrics {
    let text = gate
        .network()
        .inside(|| RawClient::connect(local(9690)).get("/metrics", "").text());
    Metrics { text }
}

#[test]
#[ignore = "make k8s"]
fn a_key_opens_the_way_to_a_backend_in_the_same_network() {
    let engine = Engine::with_image();
    let _volume = mounted(&engine, &configuration("first-key"));
    let gate = start(&engine, &[]);
    let backend = Recorder::on(gate.network().listen(8080), Exchange::ok);

    assert_eq!(status(&gate, ""), 401);
    assert_eq!(status(&gate, "X-App-Key: another-key\r\n"), 401);
    assert!(backend.requests().is_empty());
    assert_eq!(status(&gate, "X-App-Key: first-key\r\n"), 200);
    assert_eq!(backend.only().head.target(), "/openapi/v1");

    let process = fs::read_to_string(format!("/proc/{}/status", gate.pid())).unwrap();
    for expected in [
        "Uid:\t65532\t65532\t65532\t65532",
        "Gid:\t65532\t65532\t65532\t65532",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(process.contains(expected), "{expected} in {process}");
    }
    // The limit was 1024, and as much more as one could have.
    let limits = fs::read_to_string(format!("/proc/{}/limits", gate.pid())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let files: Vec<_> = files.unwrap().split_whitespace().skip(3).take(2).collect();
    assert_eq!(files, ["4096", "4096"]);
    assert!(
        !gate.log().contains("\"WARN\",\"message\":\"cannot"),
        "{}",
        gate.log()
    );
}

#[test]
#[ignore = "make k8s"]
fn a_swap_in_the_mounted_directory_takes_force_without_a_signal() {
    let engine = Engine::with_image();
    let volume = mounted(&engine, &configuration("first-key"));
    let gate = start(&engine, &[]);
    let _backend = Recorder::on(gate.network().listen(8080), Exchange::ok);
    assert_eq!(status(&gate, "X-App-Key: second-key\r\n"), 401);

    volume.swap(&[("imgate.yaml", configuration("second-key"))]);
    eventually("the second key is good", || {
        (status(&gate, "X-App-Key: second-key\r\n") == 200).then_some(())
    });
    assert_eq!(status(&gate, "X-App-Key: first-key\r\n"), 401);
    assert!((metrics(&gate).value("imgate_config_watch_active", &[]) - 1.0).abs() < f64::EPSILON);
}

#[test]
#[ignore = "make k8s"]
fn names_are_resolved_and_servers_are_known_by_the_images_certificates() {
    let engine = Engine::with_image();
    // The server is there before the gate asks: it is in the network of a first container.
    let _volume = mounted(&engine, &configuration("first-key"));
    let first = start(&engine, &[]);
    let network = first.network();
    network.name_server(NAME);

    let authority = Authority::new();
    let server = authority.server();
    let files = engine.path("server");
    fs::create_dir(&files).unwrap();
    for (name, contents) in [
        ("cert.pem", server.certificate.as_str()),
        ("key.pem", &server.key),
        ("authority.pem", &authority.certificate),
        ("resolv.conf", "nameserver 127.0.0.1\n"),
        ("jwks.json", KEYS),
    ] {
        fs::write(files.join(name), contents).unwrap();
    }
    let mut command = Command::new("openssl");
    command
        .args(["s_server", "-quiet", "-HTTP", "-accept", "127.0.0.1:8443"])
        .args(["-cert", "cert.pem", "-key", "key.pem"])
        .current_dir(&files);
    let _server = network.inside(|| crate::support::process::Process::start(&mut command));

    let volume = Volume::new(&engine.path("second"));
    let second = configuration("first-key")
        .replace("0.0.0.0:9688", "0.0.0.0:9788")
        .replace("0.0.0.0:9690", "0.0.0.0:9790")
        .replace(
            "app_key: { keys: [{ id: partner-a, secret: { value: first-key } }] }",
            &format!("jwt: {{ jwks: {{ url: \"https://{NAME}:8443/jwks.json\", refresh: 1s }}, issuer: im, audience: im, claims: {{ subject: sub }} }}"),
        );
    volume.swap(&[("imgate.yaml", &second)]);
    let mounts = [
        format!("{}:/etc/imgate/config:ro", engine.path("second").display()),
        format!(
            "{}:/etc/resolv.conf:ro",
            files.join("resolv.conf").display()
        ),
        format!(
            "{}:/etc/ssl/certs/ca-certificates.crt:ro",
            files.join("authority.pem").display()
        ),
    ];
    let pod = format!("container:{}", first.id());
    let mut options = vec![
        "--network",
        &pod,
        "--tmpfs",
        "/run/imgate:rw,size=1m,mode=0777",
    ];
    for mount in &mounts {
        options.extend(["-v", mount]);
    }
    let second = engine.start(&options, &[]);
    eventually("the gate has the server's keys", || {
        assert!(second.is_running(), "{}", second.log());
        let asked = network.inside(|| {
            std::net::TcpStream::connect(local(9790)).ok()?;
            Some(RawClient::connect(local(9790)).get("/metrics", "").text())
        })?;
        let keys = Metrics { text: asked }.value("imgate_jwks_keys", &[("state", "in_use")]);
        (keys > 0.5).then_some(())
    });
}

/// An answer with the public key of RFC 7517, appendix A.1.
const KEYS: &str = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n\
{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"use\":\"sig\",\"kid\":\"1\",\
\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\",\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}";
