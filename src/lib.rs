//! imgate: an authentication sidecar for chat backends.
//!
//! The modules stand in layers; each uses only lower ones (a test below reads the `use` lines).

// Layer 0, words: no I/O, no async, no pingora.
pub mod clock;
pub mod credential;
pub mod principal;
pub mod problem;
pub mod request;
pub mod secret;
pub mod wire;

// Layer 1, proof.
pub mod remote;
pub mod revocation;
pub mod scheme;

// Layer 2, text to policy.
pub mod config;
pub mod policy;

// Layer 3, decision.
pub mod gate;

// Layer 4, living connections.
pub mod request_id;
pub mod session;
pub mod tunnel;

// Layer 5, crust: the only modules that import pingora.
pub mod admin;
pub mod app_health;
pub mod cli;
pub mod exposure;
pub mod log;
pub mod metrics;
pub mod proxy;
pub mod reload;
pub mod replicas;
pub mod server;
pub mod shutdown;
pub mod signals;
pub mod upkeep;

#[cfg(test)]
mod layers {
    //! Reads the sources and fails on a `use` that points upwards.

    use std::fs;
    use std::path::Path;

    /// From the lowest to the highest, as listed above.
    const LAYERS: [&[&str]; 6] = [
        &[
            "clock",
            "credential",
            "principal",
            "problem",
            "request",
            "secret",
            "wire",
        ],
        &["remote", "revocation", "scheme"],
        &["config", "policy"],
        &["gate"],
        &["request_id", "session", "tunnel"],
        &[
            "admin",
            "app_health",
            "cli",
            "exposure",
            "log",
            "metrics",
            "proxy",
            "reload",
            "replicas",
            "server",
            "shutdown",
            "signals",
            "upkeep",
        ],
    ];

    fn layer_of(module: &str) -> usize {
        LAYERS
            .iter()
            .position(|layer| layer.contains(&module))
            .unwrap_or_else(|| panic!("module `{module}` is in no layer"))
    }

    fn visit(path: &Path, check: &mut impl FnMut(&Path, &str)) {
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                visit(&entry.unwrap().path(), check);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            check(path, &fs::read_to_string(path).unwrap());
        }
    }

    #[test]
    fn no_module_uses_a_higher_layer_and_only_the_crust_uses_pingora() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut edges = 0;
        visit(&root, &mut |path, text| {
            let module = path
                .strip_prefix(&root)
                .unwrap()
                .components()
                .next()
                .unwrap();
            let module = module.as_os_str().to_str().unwrap().trim_end_matches(".rs");
            if ["lib", "main", "bin"].contains(&module) {
                return;
            }
            let own = layer_of(module);
            for line in text.lines() {
                let line = line.trim_start().trim_start_matches("pub ");
                if let Some(used) = line.split("crate::").nth(1)
                    && !line.starts_with("//")
                {
                    let used: String = used
                        .chars()
                        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                        .collect();
                    if used.chars().next().is_some_and(|c| c.is_ascii_lowercase()) {
                        edges += 1;
                        assert!(layer_of(&used) <= own, "{}: {line}", path.display());
                    }
                }
                let is_pingora = line.contains("pingora::") && !line.starts_with("//");
                assert!(!is_pingora || own == 5, "{}: {line}", path.display());
            }
        });
        assert!(edges > 100, "the sources were read");
    }
}
