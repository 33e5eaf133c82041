//! The image, built and run: buildah, podman and runc, without a daemon and with storage of their own.
//!
//! The binary is the one that `scripts/image.sh --binary-only` builds (a release, 10 minutes the first time), or
//! `IMGATE_IMAGE_BINARY`. All of it needs root, since networks are entered and files belong to others.

mod contents;
mod ending;
mod engine;
mod network;
mod running;
mod shut_in;
