//! However a file changes, it is noticed without a signal; and what is the same is no change.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::super::support::mint::{claims, jwt};
use super::super::support::wait::pause;
use super::super::support::{Gate, Recorder, eventually};
use super::{gate, opens, policy, reloads, watched};

#[test]
fn every_swap_of_a_volume_takes_force() {
    let policy = policy("{}", "key");
    let (gate, volume) = gate(&policy).start_with_volume(&[("key", "key-0")]);
    let configuration = gate.configuration(&policy);
    assert!(opens(&gate, "key-0"));
    for version in 1..=4 {
        let key = format!("key-{version}");
        volume.swap(&[("imgate.yaml", &configuration), ("key", &key)]);
        eventually("the new key opens", || opens(&gate, &key).then_some(()));
        assert!(!opens(&gate, &format!("key-{}", version - 1)));
    }
    assert!(reloads(&gate, "error") < 0.5, "no swap was seen half done");
    assert_eq!(gate.generation(), 5);
    eventually("the volume and what it shows are watched", || {
        (watched(&gate) == 2).then_some(())
    });
    let output = gate.output();
    let complaints = output.lines().filter(|line| line.contains("notify"));
    assert_eq!(complaints.count(), 0, "a swap is nothing unusual: {output}");
}

#[test]
fn a_volume_may_bring_new_files_with_a_new_configuration() {
    let (gate, volume) = gate(&policy("{}", "one")).start_with_volume(&[("one", "key-1")]);
    let configuration = gate.configuration(&policy("{}", "sub/two"));
    volume.swap(&[
        ("imgate.yaml", configuration.as_str()),
        ("sub/two", "key-2"),
    ]);
    eventually("the new file is read", || {
        opens(&gate, "key-2").then_some(())
    });
    // The file is below a directory that is itself a link into the volume.
    volume.swap(&[
        ("imgate.yaml", configuration.as_str()),
        ("sub/two", "key-3"),
    ]);
    eventually("and read again", || opens(&gate, "key-3").then_some(()));
    assert!(!opens(&gate, "key-2"));
}

const SLOW: &str = "
reload: { poll: 24h, debounce: 10ms }
authenticators:
  many:
    from: [{ header: X-Many }]
    app_key: { keys_file: many }
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: demo, secret: { file: $FILE } }] }
routes:
  - { match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: im }
";

/// The second swap of a round comes while the first one is still being read: its event counts later,
/// and files of before and after are never mixed. The poll is no help.
#[test]
fn a_swap_during_a_reload_is_seen_and_seen_whole() {
    let line = |number| format!("- {{ id: k{number}, sha256: \"{number:064x}\" }}\n");
    let many = (0..3000).map(line).collect::<Vec<_>>().concat();
    let policy = |version: u64| SLOW.replace("$FILE", &format!("key-{version}"));
    let (gate, volume) = gate(&policy(0)).start_with_volume(&[("many", &many), ("key-0", "key-0")]);
    let swap = |version: u64| {
        let key = format!("key-{version}");
        let configuration = gate.configuration(&policy(version));
        // Each version has a name of its own, and no other version's.
        volume.swap(&[
            ("imgate.yaml", &*configuration),
            ("many", &many),
            (&key, &key),
        ]);
        key
    };
    for round in 0..20 {
        swap(2 * round + 1);
        pause(Duration::from_millis(10 + 8 * round));
        let last = swap(2 * round + 2);
        eventually("the last swap", || opens(&gate, &last).then_some(()));
    }
    assert!(reloads(&gate, "error") < 0.5, "{}", gate.output());
}

#[test]
fn a_directory_that_is_written_to_all_the_time_puts_nothing_off() {
    let policy = policy("{ poll: 24h }", "key");
    let gate = gate(&policy).file("key", "key-1").start();
    thread::scope(|scope| {
        let (done, is_done) = channel::<()>();
        let log = gate.path("log");
        scope.spawn(move || {
            // Until the other end is dropped.
            let pause = Duration::from_millis(50);
            while is_done.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                fs::write(&log, "a line\n").unwrap();
            }
        });
        let _done = done;
        gate.replace_file("key", "key-2");
        eventually("the new key opens", || opens(&gate, "key-2").then_some(()));
    });
}

const MANY_FILES: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys_file: lists/keys.yaml }
  spring:
    from: [{ header: X-Spring-Key }]
    app_key: { keys: [{ id: s, secret: { yaml: spring/application.yml, key: im.app-key } }] }
  jwks:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt: { jwks: { file: jwks/keys.json }, issuer: any, audience: any }
routes:
  - match: { path: /openapi/** }
    require: { any_of: [keys, spring, jwks] }
    set_headers: { X-Backend: { file: backend/key } }
    upstream: im
";

#[test]
fn every_kind_of_file_is_watched_however_it_is_written() {
    let backend = Recorder::ok();
    let list = |secret: &str| format!("- {{ id: a, secret: {{ file: {secret} }} }}\n");
    let spring = |key: &str| format!("im: {{ app-key: {key} }}\n");
    let gate = Gate::with(MANY_FILES)
        .file("lists/keys.yaml", &list("a"))
        .file("lists/a", "key-a")
        .file("lists/b", "key-b")
        .file("spring/application.yml", &spring("key-c"))
        .file("jwks/keys.json", &jwks("1"))
        .file("backend/key", "backend-1")
        .upstream("im", backend.address())
        .start();
    let status = |header: &str| gate.get("/openapi/x", header).status();
    let in_place = |path: &str, contents: &str| fs::write(gate.path(path), contents).unwrap();
    let over = |path: &str, contents: &str| gate.replace_file(path, contents);
    let wait = |what: &str, header: &str| {
        eventually(what, || (status(header) == 200).then_some(()));
    };

    assert_eq!(status("X-App-Key: key-a\r\n"), 200);
    in_place("lists/keys.yaml", &list("b"));
    wait("a list, in place", "X-App-Key: key-b\r\n");
    over("lists/keys.yaml", &list("a"));
    wait("a list, moved over", "X-App-Key: key-a\r\n");
    in_place("lists/a", "key-aa");
    wait("a secret of a list", "X-App-Key: key-aa\r\n");
    assert_eq!(status("X-App-Key: key-a\r\n"), 401);

    in_place("spring/application.yml", &spring("key-d"));
    wait("a Spring file, in place", "X-Spring-Key: key-d\r\n");
    over("spring/application.yml", &spring("key-e"));
    wait("a Spring file, moved over", "X-Spring-Key: key-e\r\n");

    let bearer = |kid: &str| format!("Authorization: Bearer {}\r\n", token(kid));
    assert_eq!(status(&bearer("1")), 200);
    over("jwks/keys.json", &jwks("2"));
    wait("a JWKS", &bearer("2"));
    assert_eq!(status(&bearer("1")), 401);

    over("backend/key", "backend-2");
    eventually("a secret of a route", || {
        gate.get("/openapi/x", "X-App-Key: key-aa\r\n");
        let received = backend.last().head;
        (received.header("x-backend") == Some("backend-2")).then_some(())
    });

    let configuration = gate.configuration(&MANY_FILES.replace("X-App-Key", "X-Other-Key"));
    in_place("imgate.yaml", &configuration);
    wait("the configuration, in place", "X-Other-Key: key-aa\r\n");
    gate.replace_policy(MANY_FILES);
    wait("the configuration, moved over", "X-App-Key: key-aa\r\n");
}

const SECRET: &str = "an hmac secret of the tests, made up for them alone";

fn jwks(kid: &str) -> String {
    use base64::Engine as _;
    let key = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(SECRET);
    serde_json::json!({ "keys": [{ "kty": "oct", "kid": kid, "alg": "HS256", "k": key }] })
        .to_string()
}

fn token(kid: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jwt(kid, jsonwebtoken::Algorithm::HS256, &key, &claims("7", 60))
}

#[test]
fn files_and_directories_may_go_and_come() {
    let gate = gate(&policy("{}", "keys/key"))
        .file("keys/key", "key-1")
        .start();
    fs::remove_dir_all(gate.path("keys")).unwrap();
    failed(&gate);
    assert!(opens(&gate, "key-1"), "the old policy stays");
    gate.replace_file("keys/key", "key-2");
    eventually("made again", || opens(&gate, "key-2").then_some(()));

    // In one go, so that the directory is another one when it is looked at.
    gate.replace_file("new/key", "key-3");
    fs::rename(gate.path("keys"), gate.path("old")).unwrap();
    fs::rename(gate.path("new"), gate.path("keys")).unwrap();
    eventually("another directory", || opens(&gate, "key-3").then_some(()));
    gate.replace_file("keys/key", "key-4");
    eventually("which is watched", || opens(&gate, "key-4").then_some(()));

    fs::create_dir(gate.path("linked")).unwrap();
    fs::write(gate.path("linked/key"), "key-5").unwrap();
    fs::remove_file(gate.path("keys/key")).unwrap();
    symlink("../linked/key", gate.path("keys/key")).unwrap();
    eventually("a link", || opens(&gate, "key-5").then_some(()));
    fs::write(gate.path("linked/key"), "key-6").unwrap();
    eventually("what it points at", || opens(&gate, "key-6").then_some(()));
    assert_eq!(watched(&gate), 3);
    gate.replace_file("keys/key", "key-7");
    eventually("no link any more", || opens(&gate, "key-7").then_some(()));
    eventually("where it pointed is left alone", || {
        (watched(&gate) == 2).then_some(())
    });
}

#[test]
fn a_file_that_was_missing_is_picked_up_when_it_appears() {
    let gate = gate(&policy("{}", "keys/key"))
        .file("keys/key", "key-1")
        .start();
    gate.replace_policy(&policy("{}", "secrets/deep/key"));
    failed(&gate);
    assert!(opens(&gate, "key-1"), "the old policy stays");
    // Each on its own: first there is nothing to watch but what is above.
    fs::create_dir(gate.path("secrets")).unwrap();
    fs::create_dir(gate.path("secrets/deep")).unwrap();
    fs::write(gate.path("secrets/deep/key"), "key-2").unwrap();
    eventually("it appears", || opens(&gate, "key-2").then_some(()));
    assert!(!opens(&gate, "key-1"));
}

#[track_caller]
fn failed(gate: &Gate) {
    gate.wait_for_metric("imgate_config_last_reload_successful", &[], |value| {
        value < 0.5
    });
}

#[test]
fn equal_content_makes_no_reload() {
    let policy = policy("{ poll: 1s, debounce: 50ms }", "key");
    let (gate, volume) = gate(&policy).start_with_volume(&[("key", "key-1")]);
    let configuration = gate.configuration(&policy);
    let files = [("imgate.yaml", configuration.as_str()), ("key", "key-1")];
    let unheard_of = Duration::from_millis(1500);
    for (case, change) in [
        ("a swap", &(|| volume.swap(&files)) as &dyn Fn()),
        ("a write", &|| {
            fs::write(volume.path("key"), "key-1").unwrap();
        }),
        ("another file", &|| {
            fs::write(volume.path("x"), "x").unwrap();
        }),
        ("another time", &|| {
            let file = fs::File::options().write(true).open(volume.path("key"));
            file.unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        }),
    ] {
        change();
        // Longer than both the watch and the poll need.
        pause(unheard_of);
        assert!(reloads(&gate, "ok") < 0.5, "{case}");
    }
    assert!(!gate.output().contains("reloaded"), "and says nothing");
    gate.signal(super::super::support::process::Signal::Hup);
    eventually("a signal reloads all the same", || {
        (gate.generation() == 2).then_some(())
    });
    assert!((reloads(&gate, "ok") - 1.0).abs() < 0.5);
}
