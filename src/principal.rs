//! Who was proven: the outcome of a verified credential.

use std::sync::Arc;

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
