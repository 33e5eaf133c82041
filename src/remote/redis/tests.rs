use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::remote::redis::address::host_and_port;
use crate::remote::redis::answer::life;
use crate::remote::redis::tests::server::{PATIENCE, Server};
use crate::scheme::sa_token::Ttl;
use crate::secret::Secret;

mod server;

const TIMEOUT: Duration = Duration::from_millis(500);
fn address(port: u16) -> RedisAddress {
    RedisAddress {
        address: format!("127.0.0.1:{port}"),
        username: None,
        password: None,
        database: 0,
        timeout: TIMEOUT,
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Asks until the answer fits; fails when it never does.
fn eventually(redis: &Redis, key: &str, fits: impl Fn(&Answer) -> bool) -> Answer {
    let runtime = runtime();
    let begin = std::time::Instant::now();
    loop {
        let answer = runtime.block_on(redis.value_and_ttl(key.as_bytes()));
        if fits(&answer) {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "the answer remains {answer:?}");
    }
}

#[test]
fn value_and_time_come_together() {
    let server = Server::start();
    server.set("timed", "im_user:7", Some(60_000));
    server.set("timeless", "\"im_user:7\"", None);
    let long = format!("token:{}", "x".repeat(8 * 1024));
    server.set(&long, "long", None);
    let redis = Redis::new(&address(server.port));
    runtime().block_on(async {
        let (value, ttl) = redis.value_and_ttl(b"timed").await.unwrap().unwrap();
        assert_eq!(value, b"im_user:7");
        assert!(
            matches!(ttl, Ttl::For(left) if left <= Duration::from_mins(1)
                && left > Duration::from_secs(50)),
            "{ttl:?}"
        );
        let timeless = redis.value_and_ttl(b"timeless").await;
        assert_eq!(
            timeless,
            Ok(Some((b"\"im_user:7\"".to_vec(), Ttl::Forever)))
        );
        assert_eq!(redis.value_and_ttl(b"missing").await, Ok(None));
        let answer = redis.value_and_ttl(long.as_bytes()).await;
        assert_eq!(answer, Ok(Some((b"long".to_vec(), Ttl::Forever))));
    });
}

#[test]
fn an_error_holds_no_text_of_the_server() {
    let server = Server::start();
    ::redis::cmd("LPUSH")
        .arg("list")
        .arg("x")
        .exec(&mut server.admin())
        .unwrap();
    let redis = Redis::new(&address(server.port));
    let answer = runtime().block_on(redis.value_and_ttl(b"list"));
    assert_eq!(
        answer,
        Err(StoreError::Refused {
            code: "WRONGTYPE".into()
        })
    );
}

#[test]
fn many_keys_cost_few_round_trips_and_each_has_its_own_answer() {
    let server = Server::start();
    let many = 3 * PIPELINE - 100;
    let keys: Vec<_> = (0..many)
        .map(|number| format!("token:{number}").into_bytes())
        .collect();
    let expected = |number| match number {
        300 => Err(StoreError::Refused {
            code: "WRONGTYPE".into(),
        }),
        number if number % 3 == 0 => Ok(None),
        number => Ok(Some((number.to_string().into_bytes(), Ttl::Forever))),
    };
    for number in (0..many).filter(|number| number % 3 > 0) {
        server.set(&format!("token:{number}"), &number.to_string(), None);
    }
    ::redis::cmd("LPUSH")
        .arg("token:300")
        .arg("x")
        .exec(&mut server.admin())
        .unwrap();
    let redis = Redis::new(&address(server.port));
    let (answers, none) = runtime().block_on(async {
        (
            redis.values_and_ttls(&keys).await,
            redis.values_and_ttls(&[]).await,
        )
    });
    assert_eq!(answers, (0..many).map(expected).collect::<Vec<_>>());
    assert_eq!(none, []);
}

#[test]
fn a_silent_server_costs_many_keys_no_more_time_than_one() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let redis = Redis::new(&address(silent.local_addr().unwrap().port()));
    let keys = vec![b"x".to_vec(); 4 * PIPELINE];
    let begin = Instant::now();
    let answers = runtime().block_on(redis.values_and_ttls(&keys));
    assert_eq!(answers, vec![Err(StoreError::Timeout); 4 * PIPELINE]);
    assert!(begin.elapsed() < TIMEOUT * 2, "{:?}", begin.elapsed());
}

#[test]
fn password_account_and_database_are_used() {
    let account = "--user gate on >s3cret ~token:* +get +pttl +select --requirepass admin";
    let options: Vec<&str> = account.split(' ').collect();
    let server = Server::start_with(&options);
    let client = Client::open(format!("redis://:admin@127.0.0.1:{}/3", server.port)).unwrap();
    ::redis::cmd("SET")
        .arg("token:a")
        .arg("v")
        .exec(&mut client.get_connection().unwrap())
        .unwrap();
    let with = |username: &str, password: &str, database| RedisAddress {
        username: Some(username.to_owned()),
        password: Some(Secret::new(password)),
        database,
        ..address(server.port)
    };
    for (case, address, key, expected) in [
        (
            "the account",
            with("gate", "s3cret", 3),
            "token:a",
            Ok(Some((b"v".to_vec(), Ttl::Forever))),
        ),
        (
            "another database",
            with("gate", "s3cret", 0),
            "token:a",
            Ok(None),
        ),
        (
            "a key that it may not read",
            with("gate", "s3cret", 3),
            "other",
            Err(StoreError::Refused {
                code: "NOPERM".into(),
            }),
        ),
        (
            "a wrong password",
            with("gate", "wrong", 3),
            "token:a",
            Err(StoreError::LoginRefused),
        ),
    ] {
        let redis = Redis::new(&address);
        let answer = runtime().block_on(redis.value_and_ttl(key.as_bytes()));
        assert_eq!(answer, expected, "{case}");
        let shown = format!("{redis:?} {answer:?}");
        assert!(
            !shown.contains("s3cret") && !shown.contains("wrong"),
            "{shown}"
        );
    }
    let nobody = Redis::new(&address(server.port));
    let answer = runtime().block_on(nobody.value_and_ttl(b"token:a"));
    assert_eq!(
        answer,
        Err(StoreError::Refused {
            code: "NOAUTH".into()
        })
    );
}

#[test]
fn nothing_is_opened_before_it_is_asked_and_one_connection_serves_all() {
    let server = Server::start();
    let redis = Arc::new(Redis::new(&address(server.port)));
    assert_eq!(server.connections(), 0);
    runtime().block_on(async {
        let asked = (0..50).map(|_| redis.value_and_ttl(b"x"));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(answer, Ok(None));
        }
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn a_server_that_restarts_is_found_again_within_one_question() {
    let mut server = Server::start();
    let redis = Redis::new(&address(server.port));
    let runtime = runtime();
    assert_eq!(runtime.block_on(redis.value_and_ttl(b"x")), Ok(None));
    server.stop();
    server.start_again();
    assert_eq!(
        runtime.block_on(redis.value_and_ttl(b"x")),
        Ok(None),
        "the retry finds it"
    );
}

#[test]
fn a_server_that_is_down_fails_fast_and_comes_back_by_itself() {
    let mut server = Server::start();
    let redis = Redis::new(&address(server.port));
    let runtime = runtime();
    assert_eq!(runtime.block_on(redis.value_and_ttl(b"x")), Ok(None));
    server.stop();
    let begin = std::time::Instant::now();
    for _ in 0..20 {
        let answer = runtime.block_on(redis.value_and_ttl(b"x"));
        let refused = io::ErrorKind::ConnectionRefused;
        assert_eq!(answer, Err(StoreError::Unreachable { kind: refused }));
    }
    assert!(begin.elapsed() < TIMEOUT, "{:?}", begin.elapsed());
    server.start_again();
    assert_eq!(eventually(&redis, "x", Result::is_ok), Ok(None));
}

#[test]
fn a_server_that_is_silent_costs_no_more_than_the_time_limit() {
    // It accepts connections, in the kernel, and never answers.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let redis = Redis::new(&address(silent.local_addr().unwrap().port()));
    runtime().block_on(async {
        let begin = Instant::now();
        let asked = (0..50).map(|_| redis.value_and_ttl(b"x"));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(answer, Err(StoreError::Timeout));
        }
        assert!(begin.elapsed() < TIMEOUT * 2, "{:?}", begin.elapsed());
        let begin = Instant::now();
        assert_eq!(redis.value_and_ttl(b"x").await, Err(StoreError::Timeout));
        assert!(begin.elapsed() < PAUSE, "{:?}", begin.elapsed());
    });
}

#[test]
fn while_it_is_down_one_knocks_and_the_others_fail_at_once() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let redis = Redis::new(&address(silent.local_addr().unwrap().port()));
    runtime().block_on(async {
        assert_eq!(redis.value_and_ttl(b"x").await, Err(StoreError::Timeout));
        tokio::time::sleep(PAUSE).await;
        let begin = Instant::now();
        let knocking = redis.value_and_ttl(b"x");
        let others = async {
            tokio::task::yield_now().await;
            let asked = (0..50).map(|_| redis.value_and_ttl(b"x"));
            for answer in futures_util::future::join_all(asked).await {
                assert_eq!(answer, Err(StoreError::Timeout));
            }
            assert!(begin.elapsed() < TIMEOUT / 2, "{:?}", begin.elapsed());
        };
        let (knocked, ()) = futures_util::future::join(knocking, others).await;
        assert_eq!(knocked, Err(StoreError::Timeout));
    });
}

#[test]
fn a_connection_that_went_silent_is_replaced_within_the_time_limit() {
    let server = Server::start();
    server.set("x", "v", None);
    let relay = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    relay.set_nonblocking(true).unwrap();
    let redis = Redis::new(&address(relay.local_addr().unwrap().port()));
    let port = server.port;
    runtime().block_on(async move {
        let relay = tokio::net::TcpListener::from_std(relay).unwrap();
        let (cut, mut is_cut) = tokio::sync::oneshot::channel::<()>();
        let relaying = async {
            let (mut client, _) = relay.accept().await.unwrap();
            let mut upstream = tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .unwrap();
            // The first connection is open for ever, and passes nothing on after the cut.
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut upstream) => {}
                _ = &mut is_cut => {}
            }
            let (mut second, _) = relay.accept().await.unwrap();
            let mut upstream = tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .unwrap();
            let _ = tokio::io::copy_bidirectional(&mut second, &mut upstream).await;
            drop(client);
        };
        let asking = async {
            let good = Ok(Some((b"v".to_vec(), Ttl::Forever)));
            assert_eq!(redis.value_and_ttl(b"x").await, good);
            cut.send(()).unwrap();
            let begin = Instant::now();
            assert_eq!(redis.value_and_ttl(b"x").await, good);
            assert!(begin.elapsed() < TIMEOUT, "{:?}", begin.elapsed());
        };
        tokio::select! { () = relaying => {}, () = asking => {} }
    });
}

#[test]
fn it_outlives_the_runtime_that_connected() {
    let server = Server::start();
    let redis = Arc::new(Redis::new(&address(server.port)));
    let first = runtime();
    assert_eq!(first.block_on(redis.value_and_ttl(b"x")), Ok(None));
    drop(first);
    assert_eq!(
        runtime().block_on(redis.value_and_ttl(b"x")),
        Ok(None),
        "the next one connects"
    );
    // A runtime that is there but does not run: its connection is silent.
    let idle = runtime();
    assert_eq!(idle.block_on(redis.value_and_ttl(b"x")), Ok(None));
    assert_eq!(runtime().block_on(redis.value_and_ttl(b"x")), Ok(None));
    drop(idle);
}

#[test]
fn several_runtimes_share_it() {
    let server = Server::start();
    server.set("x", "v", None);
    let redis = Arc::new(Redis::new(&address(server.port)));
    let ask = |redis: Arc<Redis>| {
        runtime().block_on(async {
            for _ in 0..200 {
                let answer = redis.value_and_ttl(b"x").await;
                assert_eq!(answer, Ok(Some((b"v".to_vec(), Ttl::Forever))));
            }
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ask(Arc::clone(&redis)));
        }
    });
}

#[test]
fn an_address_is_understood_or_refused() {
    for (address, expected) in [
        ("127.0.0.1:6380", Some(("127.0.0.1", 6380))),
        ("redis.im.svc:6379", Some(("redis.im.svc", 6379))),
        ("redis", Some(("redis", 6379))),
        ("[::1]:6380", Some(("::1", 6380))),
        ("[::1]", Some(("::1", 6379))),
        ("", None),
        (":6379", None),
        ("redis:", None),
        ("redis:port", None),
        ("redis:99999", None),
        ("::1:6379", None),
        ("[::1", None),
    ] {
        assert_eq!(host_and_port(address), expected, "{address}");
    }
    let nowhere = Redis::new(&RedisAddress {
        address: "redis:port".to_owned(),
        ..address(1)
    });
    let answer = runtime().block_on(nowhere.value_and_ttl(b"x"));
    assert_eq!(answer, Err(StoreError::Address));
}

#[test]
fn a_name_is_resolved() {
    let server = Server::start();
    let named = format!("localhost:{}", server.port);
    let redis = Redis::new(&RedisAddress {
        address: named,
        ..address(server.port)
    });
    assert_eq!(runtime().block_on(redis.value_and_ttl(b"x")), Ok(None));
}

#[test]
fn odd_times_are_not_taken_for_a_life() {
    let value = || Some(b"v".to_vec());
    for (case, value, millis, expected) in [
        ("gone between the two", value(), -2, Ok(None)),
        ("came between the two", None, 5, Ok(None)),
        (
            "a number that has no meaning",
            value(),
            -3,
            Err(StoreError::Garbled),
        ),
    ] {
        assert_eq!(life(value, millis), expected, "{case}");
    }
}
