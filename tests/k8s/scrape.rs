//! A real Prometheus, and its own opinion of what it is given.

use std::fs;
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::gate::Gate;
use crate::support::process::Process;
use crate::support::raw::RawClient;
use crate::support::recorder::Recorder;
use crate::support::tools::{run_with, tool};
use crate::support::{eventually, net};

const POLICY: &str = "
authenticators:
  partner-keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: partner-a, secret: { value: a-key-of-partner-a } }] }
routes:
  - { name: api, match: { path: /** }, require: { any_of: [partner-keys] }, upstream: im }
";

/// A gate that has let somebody in and refused somebody.
fn gate(backend: &Recorder) -> Gate {
    let gate = Gate::with(POLICY).upstream("im", backend.address()).start();
    assert_eq!(gate.get("/", "").status(), 401);
    assert_eq!(
        gate.get("/", "X-App-Key: a-key-of-partner-a\r\n").status(),
        200
    );
    gate
}

#[test]
fn promtool_finds_nothing_to_complain_of() {
    let backend = Recorder::ok();
    let metrics = gate(&backend).metrics().text;
    let complaints = run_with(tool("promtool").args(["check", "metrics"]), &metrics);
    assert_eq!(complaints, "");
}

#[test]
fn prometheus_scrapes_the_gate() {
    let backend = Recorder::ok();
    let gate = gate(&backend);
    let prometheus = Prometheus::scraping(gate.admin_client().peer_address());

    eventually("the target is up", || {
        (prometheus.query("up{job=\"imgate\"}")? == "1").then_some(())
    });
    for (query, expected) in [
        (
            "imgate_auth_decisions_total{result=\"allow\",route=\"api\"}",
            "1",
        ),
        (
            "imgate_auth_decisions_total{result=\"deny\",reason=\"no_credential\"}",
            "1",
        ),
        ("imgate_http_requests_total{code=\"200\"}", "1"),
        (
            "histogram_quantile(0.5, imgate_http_request_duration_seconds_bucket{route=\"api\"}) > bool 0",
            "1",
        ),
        ("imgate_config_last_reload_successful", "1"),
        ("count(imgate_build_info)", "1"),
        ("process_open_fds > bool 0", "1"),
    ] {
        eventually(query, || {
            (prometheus.query(query)? == expected).then_some(())
        });
    }
    // It has been understood whole: as many series as the gate has lines.
    let lines = gate.metrics().text;
    let lines = lines.lines().filter(|line| !line.starts_with('#')).count();
    let scraped = eventually("the number of series", || {
        prometheus.query("scrape_samples_scraped")
    });
    let scraped: usize = scraped.parse().unwrap();
    assert!(scraped > 50 && scraped <= lines, "{scraped} of {lines}");
}

/// A server with its data in a directory of its own. It ends with the test.
struct Prometheus {
    address: SocketAddr,
    process: Process,
    _directory: TempDir,
}

impl Prometheus {
    #[track_caller]
    fn scraping(target: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = net::free_address();
        let file = directory.path().join("prometheus.yml");
        fs::write(
            &file,
            format!(
                "scrape_configs:\n  - job_name: imgate\n    scrape_interval: 1s\n    \
                 scrape_timeout: 1s\n    static_configs: [{{ targets: [\"{target}\"] }}]\n"
            ),
        )
        .unwrap();
        let mut process = Process::start(
            tool("prometheus")
                .arg(format!("--config.file={}", file.display()))
                .arg(format!(
                    "--storage.tsdb.path={}",
                    directory.path().join("data").display()
                ))
                .arg(format!("--web.listen-address={address}")),
        );
        eventually("Prometheus listens", || {
            assert!(process.has_ended().is_none(), "{}", process.output());
            TcpStream::connect(address).ok()
        });
        Self {
            address,
            process,
            _directory: directory,
        }
    }

    /// The one value of an expression, if there is one.
    fn query(&self, expression: &str) -> Option<String> {
        let mut client = RawClient::connect(self.address);
        let encoded: String =
            percent_encoding::utf8_percent_encode(expression, percent_encoding::NON_ALPHANUMERIC)
                .collect();
        let answer = client.get(
            &format!("/api/v1/query?query={encoded}"),
            "Connection: close\r\n",
        );
        let answer: Value = serde_json::from_str(&answer.text()).ok()?;
        let series = answer["data"]["result"].as_array()?;
        assert!(
            series.len() <= 1,
            "{expression}: {series:?}, {}",
            self.process.output()
        );
        Some(series.first()?["value"][1].as_str()?.to_owned())
    }
}
