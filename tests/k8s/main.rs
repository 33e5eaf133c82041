//! Kubernetes: the chart, the injector, a real cluster around them, and the image.
//!
//! `scripts/setup-k8s.sh` fetches the programs. What needs the big ones (an API server, containers)
//! is ignored unless `make k8s` asks for it; all else runs with every other test.

/// Programs, processes, and a cluster.
#[cfg(test)]
mod support;

/// The chart: rendered, validated, and its rules tried.
#[cfg(test)]
mod chart;

/// The injector's binary without a cluster: manifests, and the webhook over HTTPS.
#[cfg(test)]
mod injector;
