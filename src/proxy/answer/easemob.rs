//! Refusals as the REST interface of Easemob words them.
//!
//! Its SDKs show `error_description` and tell errors apart by `error`; both are those of the
//! vendor's tables wherever these know the case. `exception` is the class that the vendor's own
//! answers name.

use std::fmt;

use crate::proxy::answer::bodies::text;
use crate::proxy::answer::{Answer, phrase};

/// What is told apart.
struct Told<'a> {
    error: &'a str,
    exception: &'static str,
    description: &'a str,
}

/// Where the vendor's answers name no class of their own.
const GENERAL: &str = "javax.ws.rs.WebApplicationException";
const SECURITY: &str = "org.apache.usergrid.rest.exceptions.SecurityException";

pub(super) fn body(answer: &Answer<'_>) -> String {
    let message = answer.message;
    let not_found;
    let told = match (answer.status, answer.reason) {
        (400, _) => Told {
            error: "illegal_argument",
            exception: "java.lang.IllegalArgumentException",
            description: message,
        },
        (401, reason) => unauthorized(reason),
        (403, _) => Told {
            error: "forbidden_op",
            exception: "EasemobForbiddenOpException",
            description: message,
        },
        (404, "wrong_app") => {
            not_found = NoApplication(answer.path).to_string();
            Told {
                error: "organization_application_not_found",
                exception: "org.apache.usergrid.rest.exceptions.OrganizationApplicationNotFoundException",
                description: &not_found,
            }
        }
        (404, _) => Told {
            error: "service_resource_not_found",
            exception: "org.apache.usergrid.services.exceptions.ServiceResourceNotFoundException",
            description: "Service resource not found",
        },
        (405, _) => Told {
            error: "unsupported_service_operation",
            exception: "org.apache.usergrid.services.exceptions.UnsupportedServiceOperationException",
            description: "Service operation not supported",
        },
        (429, _) => Told {
            error: "reach_limit",
            exception: GENERAL,
            description: "This request has reached api limit",
        },
        (status, _) => {
            let error = phrase(status).to_ascii_lowercase().replace(' ', "_");
            return line(answer, &error, GENERAL, message);
        }
    };
    line(answer, told.error, told.exception, told.description)
}

/// The three things that a token can be: none or out of date, out of shape or of another app or
/// kind, well-formed but issued by somebody else.
fn unauthorized(reason: &str) -> Told<'static> {
    let (error, description) = match reason {
        "expired" => (
            "unauthorized",
            "Unable to authenticate due to expired access token",
        ),
        "doubled_prefix" | "malformed" | "wrong_algorithm" | "wrong_app" | "wrong_audience"
        | "wrong_issuer" | "wrong_principal" => (
            "auth_bad_access_token",
            "Unable to authenticate due to corrupt access token",
        ),
        "bad_signature" | "unknown_key" => ("auth_bad_access_token", "Unable to authenticate"),
        _ => ("unauthorized", "Unable to authenticate (OAuth)"),
    };
    Told {
        error,
        exception: SECURITY,
        description,
    }
}

/// In the order of the vendor's documentation.
fn line(answer: &Answer<'_>, error: &str, exception: &str, description: &str) -> String {
    format!(
        r#"{{"error":{},"error_description":{},"exception":{},"timestamp":{},"duration":0}}"#,
        text(error),
        text(description),
        text(exception),
        answer.now.as_millis(),
    )
}

/// Says which application there is none of: the vendor's clients are used to being told.
struct NoApplication<'a>(Option<&'a str>);

impl fmt::Display for NoApplication<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uri = self.0.unwrap_or_default().trim_start_matches('/');
        let mut segments = uri.split('/');
        match (segments.next(), segments.next()) {
            (Some(org), Some(app)) => {
                write!(
                    f,
                    "Could not find application for {org}/{app} from URI: {uri}"
                )
            }
            _ => f.write_str("Could not find application"),
        }
    }
}
