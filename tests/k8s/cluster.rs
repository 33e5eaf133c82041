//! The chart and the injector in a real cluster: an API server asks about every pod.
//!
//! The injector runs with the token of its own service account, so that whatever it does here its
//! roles allow. Most tests share a release; those that change or end it have it alone for the time.

/// Certificates: lost, altered, made by two at once.
mod certificates;
/// Pods that get the gate, and pods that do not.
mod injection;
/// Install, upgrade, uninstall.
mod lifecycle;
/// The injector is away.
mod outage;
/// What the injector may do, and what not.
mod privileges;
/// Pods that cannot get the gate are refused, with a reason.
mod refusals;
