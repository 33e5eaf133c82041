//! How a request of the demo is asked for in a shell, so that it can be tried again.

use std::fmt::Write as _;

use super::client::Ask;

/// The command with which this very program was started.
#[derive(Debug)]
pub(super) struct Program(String);

impl Program {
    pub(super) fn of_this_process() -> Self {
        let name = std::env::args_os()
            .next()
            .map(|name| name.to_string_lossy().into_owned());
        Self(quoted(name.as_deref().unwrap_or("imgate")))
    }

    /// The command that opens this WebSocket.
    pub(super) fn connect(&self, ask: &Ask) -> String {
        let mut command = format!("{} demo connect {}", self.0, quoted(&ask.url.to_string()));
        for (name, value) in &ask.headers {
            if name.eq_ignore_ascii_case("sec-websocket-protocol") {
                for protocol in value.split(", ") {
                    // Writing to a `String` cannot fail.
                    let _ = write!(command, " --subprotocol {}", quoted(protocol));
                }
            } else {
                let _ = write!(command, " -H {}", quoted(&format!("{name}: {value}")));
            }
        }
        command
    }
}

/// The command that sends this request; `-i` shows the status.
pub(super) fn curl(ask: &Ask) -> String {
    let mut command = format!("curl -i {}", quoted(&ask.url.to_string()));
    for (name, value) in &ask.headers {
        let _ = write!(command, " -H {}", quoted(&format!("{name}: {value}")));
    }
    if let Some(body) = &ask.body {
        let _ = write!(command, " -d {}", quoted(body));
    }
    command
}

/// One word of a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_become_commands() {
        let url = "http://127.0.0.1:9688/openapi/v1/user/login"
            .parse()
            .unwrap();
        let ask = Ask::post(url, r#"{"id":"7"}"#).header("X-App-Key", "k");
        assert_eq!(
            curl(&ask),
            "curl -i http://127.0.0.1:9688/openapi/v1/user/login \
             -H 'Content-Type: application/json' -H 'X-App-Key: k' -d '{\"id\":\"7\"}'"
        );
        let url = "ws://127.0.0.1:9688/ws?deviceType=im_web".parse().unwrap();
        let ask = Ask::get(url)
            .header("token", "Bearer t")
            .header("Sec-WebSocket-Protocol", "imgate.bearer.dA, chat");
        assert_eq!(
            Program("imgate".to_owned()).connect(&ask),
            "imgate demo connect 'ws://127.0.0.1:9688/ws?deviceType=im_web' \
             -H 'token: Bearer t' --subprotocol imgate.bearer.dA --subprotocol chat"
        );
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in [
            "plain",
            "",
            "it's",
            "$HOME `id` \\",
            "a\nb",
            "-n",
            "钥匙 *",
            "!!",
        ] {
            let script = format!("printf %s {}", quoted(text));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn quotes_are_balanced_and_nothing_is_lost(text in "\\PC{0,40}") {
            let word = quoted(&text);
            let inner = word.strip_prefix('\'').and_then(|word| word.strip_suffix('\''));
            prop_assert_eq!(inner.unwrap_or(&word).replace(r"'\''", "'"), text);
        }
    }
}
