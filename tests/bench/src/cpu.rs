//! CPU time of the proxy per HTTP request, per WebSocket message and per WebSocket session.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::contender::{Contender, Gate, Scheme, Setting};
use crate::lab::Lab;
use crate::options::Options;
use crate::table::{Row, markdown};
use crate::websocket::{self, Tunnel};
use crate::wrk;
use crate::{tell, within};

const WARM_UP: Duration = Duration::from_secs(1);
const TUNNELS: usize = 20;
/// The two clocks of the kernel may differ by this much before a figure is in doubt.
const DISAGREEMENT: f64 = 0.05;

/// What is done to a contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Requests { access_log: bool },
    Messages,
    Sessions,
}

/// One line of a table.
#[derive(Debug)]
struct Case {
    name: String,
    work: Work,
    scheme: Scheme,
    contenders: Vec<Contender>,
}

use Contender::{Haproxy, HaproxyBare, Imgate, ImgateUncached, Nginx};

pub(crate) async fn section(lab: &Lab, options: &Options) -> Result<String> {
    let cases = cases();
    let mut rows: Vec<Row> = cases.iter().map(|_| Row::default()).collect();
    for round in 1..=options.rounds {
        for (case, row) in cases.iter().zip(&mut rows) {
            tell(&format!(
                "round {round} of {}: {}",
                options.rounds, case.name
            ));
            for contender in shuffled(&case.contenders) {
                let figure = measure(lab, options, case, contender);
                let figure = within(options.cell, figure).await;
                row.note(contender, figure);
            }
        }
    }
    let mut named = cases.into_iter().zip(rows);
    let mut take = |count: usize| -> Vec<(String, Row)> {
        named
            .by_ref()
            .take(count)
            .map(|(case, row)| (case.name, row))
            .collect()
    };
    let (requests, logged, messages, sessions) = (take(5), take(1), take(1), take(3));
    let all = [Imgate, ImgateUncached, Haproxy, HaproxyBare, Nginx];
    let ratios = [
        (Imgate, Haproxy),
        (Imgate, Nginx),
        (ImgateUncached, Haproxy),
    ];
    let mut text = format!(
        "## CPU per HTTP request, µs\n\n\
         User and system time of the proxy, under `wrk -t1 -c32` with answers of 128 bytes, kept-alive on both \
         sides, one worker, no access log. The token is the same in every request, so the gate answers from \
         its verdict cache; \"cache off\" verifies each time. \"Bare\" looks the key up and touches no header.\n\n{}",
        markdown(
            "credential",
            &requests,
            &all,
            &[ratios.as_slice(), &[(Imgate, HaproxyBare)]].concat()
        ),
    );
    text.push_str("With an access line for each request into a file:\n\n");
    let three = [Imgate, Haproxy, Nginx];
    text.push_str(&markdown("credential", &logged, &three, &ratios[..2]));
    let _ = write!(
        text,
        "## CPU per WebSocket message, µs

{TUNNELS} tunnels; each sends 64 bytes and waits for them to \
         come back.

"
    );
    text.push_str(&markdown("", &messages, &three, &ratios[..2]));
    text.push_str(
        "## CPU per WebSocket session, µs\n\nConnect, handshake with a credential, Close frames, end of both \
         connections; eight at a time.\n\n",
    );
    let four = [Imgate, ImgateUncached, Haproxy, Nginx];
    text.push_str(&markdown("credential", &sessions, &four, &ratios));
    Ok(text)
}

/// In the order of the tables.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for scheme in Scheme::ALL {
        let mut contenders = vec![Imgate, Haproxy, Nginx];
        if scheme.algorithm().is_some() {
            contenders.push(ImgateUncached);
        }
        if scheme == Scheme::AppKey {
            contenders.push(HaproxyBare);
        }
        cases.push(Case {
            name: scheme.name().to_owned(),
            work: Work::Requests { access_log: false },
            scheme,
            contenders,
        });
    }
    cases.push(Case {
        name: "app key, access log".to_owned(),
        work: Work::Requests { access_log: true },
        scheme: Scheme::AppKey,
        contenders: vec![Imgate, Haproxy, Nginx],
    });
    cases.push(Case {
        name: "64-byte echo".to_owned(),
        work: Work::Messages,
        scheme: Scheme::AppKey,
        contenders: vec![Imgate, Haproxy, Nginx],
    });
    for scheme in [Scheme::Hs256, Scheme::Rs256, Scheme::Es256] {
        cases.push(Case {
            name: scheme.name().to_owned(),
            work: Work::Sessions,
            scheme,
            contenders: vec![Imgate, ImgateUncached, Haproxy, Nginx],
        });
    }
    cases
}

/// A new order each time: whoever comes first after a pause is not always the same.
pub(crate) fn shuffled(contenders: &[Contender]) -> Vec<Contender> {
    let random = RandomState::new();
    let mut contenders = contenders.to_vec();
    contenders.sort_by_key(|contender| random.hash_one(contender));
    contenders
}

async fn measure(lab: &Lab, options: &Options, case: &Case, contender: Contender) -> Result<f64> {
    let setting = Setting {
        access_log: case.work == Work::Requests { access_log: true },
        ..Setting::new(contender, case.scheme)
    };
    let gate = lab.start(setting).await?;
    let credential = lab.credential(case.scheme);
    match case.work {
        Work::Requests { .. } => requests(&gate, &credential, options.cell).await,
        Work::Messages => messages(&gate, &credential, options.cell * 2 / 3).await,
        Work::Sessions => sessions(&gate, &credential, options.cell * 2 / 3).await,
    }
}

async fn requests(gate: &Gate, credential: &str, time: Duration) -> Result<f64> {
    wrk::run(gate.address, credential, WARM_UP).await?;
    let before = gate.process.cpu()?;
    let load = wrk::run(gate.address, credential, time).await?;
    ensure!(load.failures == 0, "{} failures", load.failures);
    per_unit(gate, before, load.requests)
}

async fn messages(gate: &Gate, credential: &str, time: Duration) -> Result<f64> {
    let mut tunnels = Vec::new();
    for _ in 0..TUNNELS {
        tunnels.push(Tunnel::open(gate.address, credential).await?);
    }
    let (_, tunnels) = websocket::messages(tunnels, WARM_UP / 2).await?;
    let before = gate.process.cpu()?;
    let (count, _tunnels) = websocket::messages(tunnels, time).await?;
    per_unit(gate, before, count)
}

async fn sessions(gate: &Gate, credential: &str, time: Duration) -> Result<f64> {
    websocket::sessions(gate.address, credential, WARM_UP / 2).await?;
    let before = gate.process.cpu()?;
    let count = websocket::sessions(gate.address, credential, time).await?;
    per_unit(gate, before, count)
}

/// Microseconds since `before` for each of `count`.
fn per_unit(gate: &Gate, before: crate::process::Cpu, count: u64) -> Result<f64> {
    let used = gate.process.cpu()?.since(before);
    ensure!(count > 0, "nothing was done");
    let off = used.disagreement();
    ensure!(
        off < DISAGREEMENT,
        "the kernel's two clocks differ by {:.0} %",
        off * 100.0
    );
    let count = u32::try_from(count)?;
    Ok(used.total.as_secs_f64() * 1e6 / f64::from(count))
}
