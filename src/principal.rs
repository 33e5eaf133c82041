//! Who was proven: the outcome of a verified credential.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::secret::Digest;

/// The proven identity behind a request or a socket.
///
/// Every field is what the credential itself says; what a route demands of it is the route's
/// business. A field that the scheme cannot know is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// The user, without its type: `im_user:7` is subject `7`.
    pub subject: Option<Arc<str>>,
    /// The kind of user, such as `im_user` or `sys_user`.
    pub user_type: Option<Arc<str>>,
    /// The device type that the credential was issued for.
    pub device_type: Option<Arc<str>>,
    /// The app: an app key's id, an Easemob app key, a ZEGO app id, an IMKIT app.
    pub app: Option<Arc<str>>,
}

/// A field of a principal that a request may claim as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    App,
    DeviceType,
    Subject,
    UserType,
}

impl Claim {
    /// What a principal says of it.
    pub fn of(self, principal: &Principal) -> Option<&Arc<str>> {
        match self {
            Self::App => principal.app.as_ref(),
            Self::DeviceType => principal.device_type.as_ref(),
            Self::Subject => principal.subject.as_ref(),
            Self::UserType => principal.user_type.as_ref(),
        }
    }
}

/// Stands for one user on one device type: realm, app, user type, subject, device type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimKey(pub(crate) Digest);

impl ClaimKey {
    pub fn of(
        realm: &str,
        app: Option<&str>,
        user_type: Option<&str>,
        subject: &str,
        device_type: Option<&str>,
    ) -> Self {
        let mut parts = SmallVec::<[&[u8]; 8]>::new();
        parts.extend([realm.as_bytes(), subject.as_bytes()]);
        for part in [app, user_type, device_type] {
            // Absent is not empty.
            parts.extend([
                if part.is_some() { b"+" } else { b"-" },
                part.unwrap_or_default().as_bytes(),
            ]);
        }
        Self(Digest::of_parts(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_differs_in_anything_has_a_place_of_its_own() {
        let key = |app, user_type, subject, device| {
            ClaimKey::of("realm", app, user_type, subject, device)
        };
        let all = [
            key(None, None, "7", None),
            key(Some(""), None, "7", None),
            key(Some("a"), None, "7", None),
            key(None, Some("a"), "7", None),
            key(None, None, "7", Some("a")),
            key(None, None, "8", None),
            ClaimKey::of("other", None, None, "7", None),
        ];
        for (position, one) in all.iter().enumerate() {
            assert!(!all[..position].contains(one), "{position}");
        }
    }
}
