//! Which Kubernetes this is.

use std::fmt;
use std::str::FromStr;

/// Such as 1.33.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }
}

/// What is no version.
#[derive(Debug, thiserror::Error)]
#[error("expected a version of Kubernetes such as `1.33`")]
pub struct NotAVersion;

impl FromStr for Version {
    type Err = NotAVersion;

    /// Reads `1.33`, `v1.33.2-gke.1`, and `1.27+` as some providers say it.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut parts = text.split('.');
        let mut number = || {
            let part = parts.next().ok_or(NotAVersion)?;
            let digits = part
                .find(|c: char| !c.is_ascii_digit())
                .and_then(|end| part.get(..end))
                .unwrap_or(part);
            digits.parse().map_err(|_| NotAVersion)
        };
        Ok(Self {
            major: number()?,
            minor: number()?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_clusters_say_them() {
        for (text, expected) in [
            ("1.33", Some(Version::new(1, 33))),
            ("v1.29.4", Some(Version::new(1, 29))),
            ("1.27+", Some(Version::new(1, 27))),
            ("v1.31.1-gke.1846000", Some(Version::new(1, 31))),
            ("1", None),
            ("", None),
            ("one.two", None),
            ("1.", None),
        ] {
            assert_eq!(text.parse::<Version>().ok(), expected, "{text}");
        }
        assert!(Version::new(1, 9) < Version::new(1, 29));
    }
}
