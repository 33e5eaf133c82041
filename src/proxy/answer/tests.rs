use super::*;

fn answer(format: ErrorFormat, head_only: bool) -> String {
    let answer = Answer {
        status: 401,
        reason: "expired",
        message: "the \"credential\" has expired",
        format,
        request_id: "0123",
        headers: "WWW-Authenticate: Bearer realm=\"imgate\"\r\n".to_owned(),
        close: false,
        head_only,
    };
    String::from_utf8(answer.bytes()).unwrap()
}

#[test]
fn json_is_as_promised() {
    assert_eq!(
        answer(ErrorFormat::Json, false),
        "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 82\r\n\
         Cache-Control: no-store\r\nX-Request-Id: 0123\r\n\
         WWW-Authenticate: Bearer realm=\"imgate\"\r\n\r\n\
         {\"error\":\"expired\",\"message\":\"the \\\"credential\\\" has expired\",\"request_id\":\"0123\"}"
    );
}

#[test]
fn ruoyi_is_as_promised() {
    let text = answer(ErrorFormat::Ruoyi, false);
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        body,
        r#"{"code":401,"msg":"the \"credential\" has expired","data":null}"#
    );
}

#[test]
fn an_answer_to_head_has_the_length_and_no_body() {
    let text = answer(ErrorFormat::Json, true);
    assert!(text.contains("Content-Length: 82\r\n") && text.ends_with("\r\n\r\n"));
}

#[test]
fn whoever_is_told_to_upgrade_is_told_by_the_connection_header_as_well() {
    for (status, close, expected) in [
        (426, false, Some("Connection: Upgrade\r\n")),
        (426, true, Some("Connection: Upgrade, close\r\n")),
        (401, true, Some("Connection: close\r\n")),
        (401, false, None),
    ] {
        let answer = Answer {
            status,
            reason: "upgrade",
            message: "",
            format: ErrorFormat::Json,
            request_id: "0123",
            headers: String::new(),
            close,
            head_only: false,
        };
        let text = String::from_utf8(answer.bytes()).unwrap();
        let found = text
            .split_inclusive("\r\n")
            .find(|line| line.starts_with("Connection: "));
        assert_eq!(found, expected, "{status} {close}");
    }
}
