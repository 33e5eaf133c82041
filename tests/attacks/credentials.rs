//! Credentials that are sent twice, in either order and in any form (A23).

use super::arena::{Arena, attack, member, token};
use crate::support::gate::handshake;
use crate::support::raw::request;

#[test]
fn a_credential_sent_twice_opens_nothing() {
    let arena = Arena::new();
    let good = "keyAbcd123";
    let member = member(&[]);
    let bearer = member.trim_end().trim_start_matches("Authorization: ");
    let mut attacks = Vec::new();
    for (target, name, good) in [
        ("/openapi/smuggled", "X-App-Key", good),
        ("/api/smuggled", "Authorization", bearer),
    ] {
        let lower = name.to_ascii_lowercase();
        for (one, other) in [
            (good, good),
            (good, "bad"),
            ("bad", good),
            (good, ""),
            ("", good),
            ("bad", "bad"),
        ] {
            for lines in [
                format!("{name}: {one}\r\n{name}: {other}\r\n"),
                format!("{name}: {one}\r\n{lower}: {other}\r\n"),
                format!("{name}: {one}\r\nX-Between: 1\r\n{name}: {other}\r\n"),
            ] {
                attacks.push(attack(
                    format!("{lines:?}"),
                    request("GET", target, &lines),
                    400,
                ));
            }
            // A list is one value, and no credential.
            for list in [
                format!("{one},{other}"),
                format!("{one}, {other}"),
                format!("{one} , {other}"),
                format!("{one};{other}"),
            ] {
                if list.trim_matches([',', ' ', ';']).is_empty() {
                    continue;
                }
                let lines = format!("{name}: {list}\r\n");
                attacks.push(attack(
                    format!("{lines:?}"),
                    request("GET", target, &lines),
                    401,
                ));
            }
        }
    }
    arena.check(attacks);
}

#[test]
fn a_token_in_two_places_opens_no_socket() {
    let arena = Arena::new();
    let one = token().trim_end().trim_start_matches("token: ").to_owned();
    let other = token().trim_end().trim_start_matches("token: ").to_owned();
    #[rustfmt::skip]
    let cases = [
        ("the header twice", "/ws".to_owned(), format!("token: {one}\r\ntoken: {one}\r\n"), 400),
        ("the header twice in two spellings", "/ws".to_owned(), format!("token: {one}\r\nTOKEN: {one}\r\n"), 400),
        ("two headers", "/ws".to_owned(), format!("token: {one}\r\ntoken: {other}\r\n"), 400),
        ("header and query", format!("/ws?token={other}"), format!("token: {one}\r\n"), 400),
        ("header and nonsense", "/ws?token=x".to_owned(), format!("token: {one}\r\n"), 400),
        ("the query twice", format!("/ws?token={one}&token={one}"), String::new(), 400),
        ("the query twice, once escaped", format!("/ws?token={one}&%74oken={one}"), String::new(), 400),
        ("the query and behind a semicolon", format!("/ws?token={one};token={other}"), String::new(), 400),
        ("behind a semicolon", format!("/ws?a=b;token={one}"), String::new(), 400),
        ("a semicolon in the value", format!("/ws?token={one};a=b"), String::new(), 400),
        ("a list", "/ws".to_owned(), format!("token: {one}, {one}\r\n"), 401),
        ("the prefix twice", "/ws".to_owned(), format!("token: Bearer Bearer {one}\r\n"), 401),
    ];
    arena.check(
        cases.map(|(case, target, lines, status)| attack(case, handshake(&target, &lines), status)),
    );
}
