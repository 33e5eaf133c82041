//! Each header towards the upstream has one owner, and one spelling.

use percent_encoding::NON_ALPHANUMERIC;

use super::*;

#[test]
fn a_place_named_for_credentials_is_filled_once() {
    check(
        "require: { any_of: [partners, users] }, \
         credential: { form: bare, as: { header: Authorization } }",
        "GET /r HTTP/1.1\nHost: chat\nAuthorization: Basic eve\nX-App-Key: key-a\ntoken: Bearer TOKEN",
        "GET /r HTTP/1.1\nHost: chat\nAuthorization: key-a\nX-Auth-App-Id: shop\n\
         X-Auth-Authenticator: partners",
    );
    check(
        "require: { any_of: [users, partners] }, \
         credential: { form: bearer, as: { query: access } }",
        "GET /r?access=eve HTTP/1.1\nHost: chat\nX-App-Key: key-a\ntoken: TOKEN",
        &format!(
            "GET /r?access=Bearer%20{} HTTP/1.1\nHost: chat\nX-Auth-Subject: 7\n\
             X-Auth-User-Type: im_user\nX-Auth-Authenticator: users",
            percent_encode(token().as_bytes(), NON_ALPHANUMERIC)
        ),
    );
}

#[test]
fn a_waved_through_credential_never_stands_beside_the_verified_one() {
    for place in ["token", "Token"] {
        check(
            &format!(
                "{BY_KEY}, pass_unverified: [users], \
                 credential: {{ form: bare, as: {{ header: {place} }} }}"
            ),
            "GET /r HTTP/1.1\nHost: chat\ntoken: forged\nX-App-Key: key-a",
            &format!(
                "GET /r HTTP/1.1\nHost: chat\n{place}: key-a\nX-Auth-App-Id: shop\n\
                 X-Auth-Authenticator: partners"
            ),
        );
    }
    check(
        &format!(
            "{BY_KEY}, pass_unverified: [users], \
             credential: {{ form: bare, as: {{ query: token }} }}"
        ),
        "GET /r?token=forged&a=1 HTTP/1.1\nHost: chat\nX-App-Key: key-a",
        "GET /r?a=1&token=key%2Da HTTP/1.1\nHost: chat\nX-Auth-App-Id: shop\n\
         X-Auth-Authenticator: partners",
    );
}

#[test]
fn another_spelling_of_a_configured_underscore_is_cut() {
    for (case, route, carried) in [
        (
            "of a credential",
            "require: { any_of: [internal] }",
            "app_token: key-i\nApp-Token: forged\napp.token: forged",
        ),
        (
            "of a header that is set",
            "require: { any_of: [internal] }, set_headers: { app_secret: { value: ours } }",
            "app_token: key-i\nApp-Secret: forged\napp_secret: forged",
        ),
        (
            "of a place for the credential",
            "require: { any_of: [internal] }, credential: { as: { header: inner_token } }",
            "app_token: key-i\nInner-Token: forged\nInner.Token: forged",
        ),
    ] {
        let sent = forwarded(
            route,
            &format!("GET /r HTTP/1.1\nHost: chat\n{carried}"),
            false,
        );
        assert!(!sent.contains("forged"), "{case}: {sent}");
        assert_eq!(sent.matches("key-i").count(), 1, "{case}: {sent}");
    }
}

#[test]
fn a_client_names_no_other_path_and_no_other_hop() {
    check(
        BY_KEY,
        "GET /r HTTP/1.1\nHost: chat\nX-App-Key: key-a\nX-Forwarded-Prefix: /admin\n\
         X-Forwarded-Uri: /admin\nX-Forwarded-Port: 1\nx_forwarded_prefix: /admin\n\
         X-Original-URL: /admin\nx_original_url: /admin\nX-Rewrite-URL: /admin\n\
         X-Real-IP: 1.1.1.1\nX-Request-Id: forged",
        "GET /r HTTP/1.1\nHost: chat\nX-App-Key: key-a\n\
         X-Auth-App-Id: shop\nX-Auth-Authenticator: partners",
    );
}
