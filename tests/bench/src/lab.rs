//! What all cells share: keys, tokens, upstreams, and which core is whose.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::contender::{Gate, Scheme, Setting};
use crate::machine;
use crate::options::Options;
use crate::process::{Launch, Process};
use crate::websocket;

/// Files that 2 000 tunnels take in the proxy, and in us for both of their ends.
const FILES: u64 = 16_384;
/// Application keys that every contender has to choose from.
const KEYS: usize = 100;

/// Which cores the proxies and the load have, as `taskset -c` takes them.
#[derive(Debug)]
struct Cores {
    one: Option<String>,
    two: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) directory: PathBuf,
    pub(crate) imgate: PathBuf,
    pub(crate) http_upstream: SocketAddr,
    pub(crate) websocket_upstream: SocketAddr,
    cores: Cores,
    tokens: Vec<(Scheme, String)>,
    _upstream: Process,
}

impl Lab {
    pub(crate) async fn open(options: &Options) -> Result<Self> {
        let directory = options.directory.join("lab");
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        ensure!(
            options.imgate.exists(),
            "no binary at {}: `cargo build --release` makes it",
            options.imgate.display()
        );
        allow_files()?;
        let cores = divide_cores()?;
        let tokens = make_credentials(&directory, &options.imgate)?;
        let http_upstream = free_address()?;
        let upstream = start_upstream(&directory, http_upstream).await?;
        Ok(Self {
            websocket_upstream: websocket::echo()?,
            imgate: options.imgate.clone(),
            directory,
            http_upstream,
            cores,
            tokens,
            _upstream: upstream,
        })
    }

    /// Starts a contender afresh, on the first core if there are several.
    pub(crate) async fn start(&self, setting: Setting) -> Result<Gate> {
        let cores = if setting.workers == 1 {
            &self.cores.one
        } else {
            &self.cores.two
        };
        Gate::start(self, setting, cores.as_deref()).await
    }

    /// The header line that a client of this scheme sends.
    pub(crate) fn credential(&self, scheme: Scheme) -> String {
        let token = self.tokens.iter().find(|(of, _)| *of == scheme);
        match (scheme, token) {
            (Scheme::AppKey, _) => format!("X-App-Key: {}", key(KEYS / 2)),
            (_, Some((_, token))) => format!("Authorization: Bearer {token}"),
            // A public route is asked with the bytes of a key all the same.
            (_, None) => format!("X-Other-Key: {}", key(KEYS / 2)),
        }
    }

    pub(crate) fn heading(&self, options: &Options) -> Result<String> {
        let version = |program: &str, argument: &str| {
            let output = Command::new(program).arg(argument).output()?;
            // nginx tells its version on standard error.
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            anyhow::Ok(text.lines().next().unwrap_or_default().to_owned())
        };
        let pinned = match &self.cores.one {
            Some(core) => format!("the proxy on core {core} alone, load and upstreams elsewhere"),
            None => "one core for all, so waiting is not a matter of the proxy".to_owned(),
        };
        Ok(format!(
            "# imgate beside HAProxy and nginx\n\n\
             - {}\n- {}\n- {}\n- {}\n\
             - rounds: {}, {} s a cell, {pinned}\n\
             - a figure is the median over the rounds, with least and most behind it; a ratio is the \
             median of the ratios within each round\n\n",
            version(&self.imgate.to_string_lossy(), "--version")?,
            version("haproxy", "-v")?,
            version("nginx", "-v")?,
            machine::description(),
            options.rounds,
            options.cell.as_secs(),
        ))
    }
}

/// The number-th application key.
pub(crate) fn key(number: usize) -> String {
    format!("partner-{number:03}-0123456789abcdef")
}

/// The id of the number-th application key.
pub(crate) fn key_id(number: usize) -> String {
    format!("partner-{number:03}")
}

pub(crate) fn keys() -> impl Iterator<Item = (String, String)> {
    (0..KEYS).map(|number| (key_id(number), key(number)))
}

/// The subject of every token.
pub(crate) const SUBJECT: &str = "alice";

/// Whom a scheme's credential belongs to.
pub(crate) fn owner(scheme: Scheme) -> String {
    match scheme {
        Scheme::Public => String::new(),
        Scheme::AppKey => key_id(KEYS / 2),
        Scheme::Hs256 | Scheme::Rs256 | Scheme::Es256 => SUBJECT.to_owned(),
    }
}

/// A port that nobody listens on, until somebody does.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

/// Runs a program to its end and gives what it printed.
fn output_of(program: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} {}: {said}", program.display(), arguments.join(" "));
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn make_credentials(directory: &Path, imgate: &Path) -> Result<Vec<(Scheme, String)>> {
    let path = |name: &str| directory.join(name).to_string_lossy().into_owned();
    let openssl = |arguments: &[&str]| output_of(Path::new("openssl"), arguments);
    fs::write(path("hs256.key"), openssl(&["rand", "-hex", "32"])?.trim())?;
    let pairs = [
        ("rs256", "RSA", "rsa_keygen_bits:2048"),
        ("es256", "EC", "ec_paramgen_curve:P-256"),
    ];
    for (name, algorithm, option) in pairs {
        let (private, public) = (path(&format!("{name}.key")), path(&format!("{name}.pem")));
        openssl(&[
            "genpkey",
            "-quiet",
            "-algorithm",
            algorithm,
            "-pkeyopt",
            option,
            "-out",
            &private,
        ])?;
        openssl(&["pkey", "-in", &private, "-pubout", "-out", &public])?;
    }
    let token = |scheme: Scheme| {
        let algorithm = scheme.algorithm().context("only tokens are minted")?;
        let key = path(&format!("{}.key", algorithm.to_lowercase()));
        let arguments = [
            "token",
            "mint",
            "jwt",
            "--alg",
            algorithm,
            "--secret-file",
            &key,
            "--subject",
            SUBJECT,
            "--expires-in",
            "24h",
        ];
        Ok((scheme, output_of(imgate, &arguments)?.trim().to_owned()))
    };
    [Scheme::Hs256, Scheme::Rs256, Scheme::Es256]
        .into_iter()
        .map(token)
        .collect()
}

/// One nginx worker that answers 128 bytes, or says who it was told is asking.
async fn start_upstream(directory: &Path, address: SocketAddr) -> Result<Process> {
    let directory = directory.join("upstream");
    fs::create_dir_all(&directory)?;
    let configuration = directory.join("nginx.conf");
    let body = "0123456789abcdef".repeat(8);
    let place = directory.display();
    fs::write(
        &configuration,
        format!(
            "worker_processes 1;\ndaemon off;\npid {place}/pid;\nerror_log {place}/error.log;\n\
             events {{ worker_connections 8192; }}\n\
             http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  keepalive_timeout 1h;\n\
             {}  server {{\n    listen {address} backlog=8192;\n\
             \x20   location / {{ return 200 {body}; }}\n\
             \x20   location /api/whoami {{ return 200 \
             \"$http_x_auth_subject$http_x_auth_app_id;$http_x_request_id;$http_x_forwarded_for\"; }}\n  }}\n}}\n",
            crate::contender::nginx::temporary_paths(&directory),
        ),
    )?;
    let launch = Launch {
        program: "nginx".as_ref(),
        arguments: vec![
            "-e".as_ref(),
            "stderr".as_ref(),
            "-c".as_ref(),
            configuration.as_os_str(),
        ],
        environment: Vec::new(),
        cores: None,
        log: &directory.join("out.log"),
    };
    Process::start(&launch, address).await
}

/// The last core, or all but the first two, are ours and inherited by load and upstreams.
fn divide_cores() -> Result<Cores> {
    let count = std::thread::available_parallelism()?.get();
    if count < 2 {
        return Ok(Cores {
            one: None,
            two: None,
        });
    }
    let ours = if count < 4 { 1..count } else { 2..count };
    let mut set = CpuSet::new();
    ours.for_each(|core| set.set(core));
    sched_setaffinity(None, &set).context("cannot choose a core")?;
    Ok(Cores {
        one: Some("0".to_owned()),
        two: Some("0,1".to_owned()),
    })
}

fn allow_files() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|maximum| maximum < FILES) {
        bail!("expected a hard limit of open files of at least {FILES}: see `ulimit -Hn`");
    }
    let raised = Rlimit {
        current: limit.maximum.or(Some(FILES)),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")
}
