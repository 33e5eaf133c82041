use std::process::Command;

use serde_json::{Value, json};

use super::Chromium;
use super::page::Page;
use crate::cli::demo_port;
use crate::support::eventually;
use crate::support::gate::binary;
use crate::support::process::Process;

/// Fills a field of the page.
fn fill(page: &Page, field: &str, value: &str) {
    let script = format!(
        "document.getElementById('{field}').value = {}",
        json!(value)
    );
    page.run(&script);
}

fn submit(page: &Page, form: &str) {
    page.run(&format!(
        "document.getElementById('{form}').requestSubmit()"
    ));
}

/// Waits until the page shows a line that ends so.
#[track_caller]
fn expect_shown(page: &Page, end: &str) {
    let script = "[...document.querySelectorAll('#log li')].map((line) => line.textContent)";
    eventually(end, || {
        let lines = page.run(script);
        let mut lines = lines.as_array()?.iter().filter_map(Value::as_str);
        lines.any(|line| line.ends_with(end)).then_some(())
    });
}

#[test]
fn the_page_of_the_demo_logs_in_talks_and_sees_its_token_end() {
    let port = demo_port(22_000).to_string();
    let arguments = ["demo", "--fast", "--port", &port];
    let demo = Process::start(Command::new(binary()).args(arguments));
    let chromium = Chromium::shared();
    let address = eventually("the demo names its page", || {
        let output = demo.output();
        let line = output.split("the room in a browser: ").nth(1)?;
        line.contains('\n')
            .then(|| line.lines().next().unwrap().to_owned())
    });
    let page = chromium.open(&address);
    for (place, subprotocol) in [
        ("query", "none"),
        ("cookie", "none"),
        ("subprotocol", "chat"),
    ] {
        page.run("document.getElementById('log').replaceChildren()");
        fill(&page, "place", place);
        fill(&page, "seconds", "60");
        submit(&page, "login");
        expect_shown(&page, &format!("open; subprotocol {subprotocol}"));
        fill(&page, "text", "hello");
        submit(&page, "talk");
        expect_shown(&page, "< hello");
    }
    // Long enough to open, even on a busy machine.
    fill(&page, "seconds", "8");
    submit(&page, "login");
    expect_shown(&page, "closed 4401 token expired: log in again");
    fill(&page, "key", "wrong");
    submit(&page, "login");
    expect_shown(&page, "login: 401 the key is not known");
    page.photograph("demo");
}
