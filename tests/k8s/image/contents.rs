//! What is in the image, and what is not.

use std::fs::File;
use std::path::Path;

use super::engine::{BINARY, Engine, IMAGE};
use crate::support::tools::run;

const MOST_BYTES: u64 = 25_000_000;

#[test]
#[ignore = "make k8s"]
fn it_is_small_and_says_what_it_is() {
    let engine = Engine::with_image();
    let image = engine.inspect("image", IMAGE);
    let config = &image["Config"];
    let labels = &config["Labels"];
    for (label, expected) in [
        ("title", "imgate"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("revision", "0123456789ab"),
        ("licenses", env!("CARGO_PKG_LICENSE")),
        ("description", env!("CARGO_PKG_DESCRIPTION")),
        ("source", "https://github.com/imgate/imgate"),
    ] {
        assert_eq!(
            labels[format!("org.opencontainers.image.{label}")],
            expected,
            "{label}"
        );
    }
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"][0], BINARY);
    let size = image["Size"].as_u64().unwrap();
    // A debug build, with which one may try these tests, is of another size.
    if std::env::var_os("IMGATE_IMAGE_BINARY").is_none() {
        assert!(size < MOST_BYTES, "{size} bytes");
    }
}

#[test]
#[ignore = "make k8s"]
fn there_is_one_program_and_no_shell() {
    let engine = Engine::with_image();
    let files = files(&engine);
    let expected = [
        "etc/group",
        "etc/passwd",
        "etc/ssl/certs/ca-certificates.crt",
        "usr/local/bin/imgate",
    ];
    assert_eq!(files, expected);
}

/// The image's files, without what podman adds to a container.
fn files(engine: &Engine) -> Vec<String> {
    let archive = engine.path("image.tar");
    let directory = engine.path("image");
    std::fs::create_dir(&directory).unwrap();
    run(engine
        .podman()
        .args(["save", "--quiet", "--format", "oci-archive", "-o"])
        .arg(&archive)
        .arg(IMAGE));
    unpack(&archive, &directory);
    let blobs = directory.join("blobs/sha256");
    let mut files = Vec::new();
    for blob in std::fs::read_dir(blobs).unwrap() {
        let path = blob.unwrap().path();
        // Layers are archives, and manifests are JSON.
        if std::fs::read(&path).unwrap().starts_with(b"{") {
            continue;
        }
        let list = run(std::process::Command::new("tar").arg("-tf").arg(&path));
        files.extend(list.lines().map(str::to_owned));
    }
    files.retain(|name| !name.ends_with('/'));
    files.sort();
    files
}

fn unpack(archive: &Path, into: &Path) {
    assert!(File::open(archive).is_ok());
    run(std::process::Command::new("tar")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(into));
}
