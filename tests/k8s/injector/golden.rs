//! Manifests before and after, in `tests/k8s/golden`: `<case>.in.yaml` and `<case>.out.yaml`.
//!
//! `INSTA_UPDATE=always` writes the second anew, as with all snapshots; the difference is for a
//! person to look at.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::binary;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/k8s/golden")
}

#[test]
fn manifests_come_out_as_they_did() {
    let is_update = std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always");
    let mut cases: Vec<PathBuf> = fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(".in.yaml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 7, "the cases are there");
    for case in cases {
        let output = Command::new(binary())
            .args(["inject", "--kubernetes", "1.33", "--template"])
            .arg(golden().join("sidecar.yaml"))
            .stdin(Stdio::from(fs::File::open(&case).unwrap()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", case.display());
        let found = String::from_utf8(output.stdout).unwrap();
        let expected = PathBuf::from(case.to_str().unwrap().replace(".in.yaml", ".out.yaml"));
        if is_update {
            fs::write(&expected, &found).unwrap();
        }
        let expected_text = fs::read_to_string(&expected).unwrap_or_default();
        // The version is the only thing that a release changes.
        let current = format!("imgate.dev/injected: \"{}\"", env!("CARGO_PKG_VERSION"));
        let expected_text = expected_text.replace("imgate.dev/injected: \"0.1.0\"", &current);
        assert_eq!(found, expected_text, "{}", expected.display());
    }
}
