//! What must be on the machine already, and which Debian package has it.

use std::process::Command;

use crate::stop::{Outcome, Stop};

/// The oldest Node that the outside verifier `jose` runs on.
const NODE_MAJOR: u32 = 20;

/// What a selection of tests needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// A C compiler, and what keeps children from outliving their parent.
    Build,
    /// Python and Node too, and what real servers are unpacked and reached with.
    OutsideVerifiers,
}

/// What was found; what is missing, in plain words.
pub(crate) struct Prerequisites {
    compiler: Result<String, String>,
    setpriv: Result<String, String>,
    python: Result<String, String>,
    node: Result<String, String>,
    npm: Result<String, String>,
    apt: Result<String, String>,
    ssh: Result<String, String>,
    curl: Result<String, String>,
    openssl: Result<String, String>,
    ip: Result<String, String>,
    needs: Needs,
}

impl Prerequisites {
    pub(crate) fn look(needs: Needs) -> Self {
        Self {
            compiler: version("cc", &["-dumpfullversion"], "build-essential"),
            setpriv: version("setpriv", &["--version"], "util-linux"),
            python: version("python3", &["--version"], "python3").and_then(with_venv),
            node: version("node", &["--version"], "nodejs").and_then(new_enough),
            npm: version("npm", &["--version"], "npm"),
            // Real servers come as Debian packages, so this needs a Debian.
            apt: version("apt-get", &["--version"], "apt"),
            ssh: version("ssh", &["-V"], "openssh-client"),
            // What an operator types, and the network that a deployment is tried in.
            curl: version("curl", &["--version"], "curl"),
            openssl: version("openssl", &["version"], "openssl"),
            ip: version("ip", &["-Version"], "iproute2"),
            needs,
        }
    }

    /// What is there, or everything that is missing.
    pub(crate) fn check(&self) -> Outcome<String> {
        let all = [
            ("cc", &self.compiler),
            ("setpriv", &self.setpriv),
            ("python3", &self.python),
            ("node", &self.node),
            ("npm", &self.npm),
            ("apt-get", &self.apt),
            ("ssh", &self.ssh),
            ("curl", &self.curl),
            ("openssl", &self.openssl),
            ("ip", &self.ip),
        ];
        let needed = if self.needs == Needs::Build {
            &all[..2]
        } else {
            &all[..]
        };
        let missing: Vec<&str> = needed
            .iter()
            .filter_map(|(_, found)| found.as_ref().err().map(String::as_str))
            .collect();
        if !missing.is_empty() {
            return Err(Stop::because(missing.join("; ")));
        }
        let found = needed.iter().filter_map(|(name, found)| {
            found
                .as_ref()
                .ok()
                .map(|version| format!("{name} {version}"))
        });
        Ok(found.collect::<Vec<_>>().join(", "))
    }

    /// An error when there is no Python to use.
    pub(crate) fn python(&self) -> Outcome<()> {
        self.python.as_ref().map(|_| ()).map_err(Stop::because)
    }

    /// An error when there is no Node with npm to use.
    pub(crate) fn node(&self) -> Outcome<()> {
        self.node
            .as_ref()
            .and(self.npm.as_ref())
            .map(|_| ())
            .map_err(Stop::because)
    }
}

/// Nothing needs valgrind but one bench: in plain words, where it is missing.
pub(crate) fn valgrind() -> Result<(), String> {
    version("valgrind", &["--version"], "valgrind").map(|_| ())
}

fn version(program: &str, arguments: &[&str], package: &str) -> Result<String, String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => {
            // ssh says its version on standard error.
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            let word = said
                .split_whitespace()
                .find(|word| word.contains(|letter: char| letter.is_ascii_digit()));
            Ok(word
                .unwrap_or_default()
                .trim_start_matches('v')
                .trim_end_matches(',')
                .to_owned())
        }
        _ => Err(format!(
            "`{program}` is missing: install it (Debian: apt-get install {package})"
        )),
    }
}

/// Debian keeps what makes virtual environments in a package of its own.
fn with_venv(version: String) -> Result<String, String> {
    let found = Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .output();
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(version);
    }
    Err("`python3` cannot make virtual environments: install python3-venv (Debian: apt-get install python3-venv)".to_owned())
}

fn new_enough(version: String) -> Result<String, String> {
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= NODE_MAJOR) {
        return Ok(version);
    }
    Err(format!(
        "`node` is {version}, which is too old: install Node {NODE_MAJOR} or newer (Debian: the package nodejs of Debian 13)"
    ))
}
