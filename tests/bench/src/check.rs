//! Before anything is measured: does every contender judge, and say who is asking?
//!
//! A proxy that lets everybody in would be fast, and its figure would mean nothing.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::contender::{Contender, Gate, Scheme, Setting};
use crate::http::Connection;
use crate::lab::{Lab, owner};
use crate::websocket::Tunnel;
use crate::{tell, within};

/// Checks every contender with every scheme.
pub(crate) async fn all(lab: &Lab) -> Result<String> {
    for contender in [
        Contender::Imgate,
        Contender::ImgateUncached,
        Contender::Haproxy,
        Contender::Nginx,
    ] {
        for scheme in Scheme::ALL {
            let setting = Setting::new(contender, scheme);
            let what = || format!("{} with {}", contender.name(), scheme.name());
            let gate = lab.start(setting).await.with_context(what)?;
            within(Duration::ZERO, judges(lab, &gate, scheme))
                .await
                .with_context(what)?;
        }
    }
    tell("every contender judges as it should");
    Ok("Checked first, for each contender and scheme: without the credential, and with one character \
        of it changed, the answer is 401; with it the upstream hears the right owner, a request id and \
        the client's address, whatever identity the client claims.\n\n"
        .to_owned())
}

async fn judges(lab: &Lab, gate: &Gate, scheme: Scheme) -> Result<()> {
    let credential = lab.credential(scheme);
    let spoofed = [
        "X-Auth-Subject: mallory",
        "X-Auth-App-Id: mallory",
        "X-Request-Id: forged",
    ];
    let lines = [spoofed.as_slice(), &[&credential]].concat();
    let answer = Connection::open(gate.address)
        .await?
        .get("/api/whoami", &lines)
        .await?;
    ensure!(answer.status == 200, "expected 200, got {}", answer.status);
    let heard: Vec<&str> = answer.body.split(';').collect();
    let [who, request_id, client] = heard.as_slice() else {
        anyhow::bail!("the upstream says `{}`", answer.body);
    };
    ensure!(*who == owner(scheme), "the upstream hears `{who}`");
    ensure!(
        request_id.len() >= 32,
        "the upstream hears the id `{request_id}`"
    );
    ensure!(
        *client == "127.0.0.1",
        "the upstream hears the client `{client}`"
    );
    Tunnel::open(gate.address, &credential)
        .await?
        .close()
        .await?;
    if scheme == Scheme::Public {
        return Ok(());
    }
    for (case, line) in [
        ("no credential", "X-Nothing: 1"),
        ("a wrong one", &tampered(&credential)),
    ] {
        let answer = Connection::open(gate.address)
            .await?
            .get("/api/whoami", &[line])
            .await?;
        ensure!(
            answer.status == 401,
            "{case}: expected 401, got {}",
            answer.status
        );
        let opened = Tunnel::open(gate.address, line).await;
        ensure!(opened.is_err(), "{case}: a WebSocket opened");
    }
    Ok(())
}

/// The credential with one character changed, and not in bits that base64url leaves unused.
fn tampered(credential: &str) -> String {
    let at = credential.len() - 4;
    credential
        .char_indices()
        .map(|(index, letter)| match letter {
            _ if index != at => letter,
            'a' => 'b',
            _ => 'a',
        })
        .collect()
}
