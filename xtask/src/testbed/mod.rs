//! `cargo xtask testbed`: the real parts, for working by hand. They stay until they are taken down.

use std::process::ExitCode;
use std::time::Instant;

use clap::{Subcommand, ValueEnum};
use testbed::mysql::Standing;
use testbed::parts::{
    ChromiumPart, MotoPart, MysqlPart, NginxPart, PartError, Pm2Part, S3sFsPart, SshdPart,
    SystemdPart,
};

use crate::stop::{Interrupt, Outcome, Stop};
use crate::terminal::{Terminal, indented, spoken};
use crate::workspace::Workspace;

/// What to do with the parts.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Action {
    /// Downloads what is missing, starts what does not run, and says how to reach it
    Up {
        /// One part; all of them when left out
        part: Option<Part>,
    },
    /// Stops what runs and removes its data
    Down {
        /// One part; all of them when left out
        part: Option<Part>,
    },
    /// Says what is there and what runs
    Status {
        /// One part; all of them when left out
        part: Option<Part>,
    },
}

/// A real part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Two MySQL servers: coredb1, and coredb2 as its replica
    Mysql,
    /// An ssh server; tests start their own, so `up` only unpacks it
    Sshd,
    /// The edge in front of the services; tests start their own, so `up` only unpacks it
    Nginx,
    /// What checks the units; `up` unpacks it
    Systemd,
    /// What keeps the services running; `up` installs it in a folder of its own
    Pm2,
    /// Two S3 servers, moto and s3s-fs; tests start their own, so `up` only sets them up
    S3,
    /// A browser and what drives it; tests start their own, so `up` only unpacks it
    Chromium,
}

/// Does it.
pub(crate) fn run(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
    action: Action,
) -> ExitCode {
    let (Action::Up { part } | Action::Down { part } | Action::Status { part }) = action;
    let parts = match part {
        Some(part) => vec![part],
        None => vec![
            Part::Sshd,
            Part::Nginx,
            Part::Systemd,
            Part::Pm2,
            Part::S3,
            Part::Chromium,
            Part::Mysql,
        ],
    };
    let done = parts.into_iter().try_for_each(|part| match (action, part) {
        (Action::Up { .. }, Part::Mysql) => up(workspace, terminal, interrupt),
        (Action::Down { .. }, Part::Mysql) => down(workspace, terminal),
        (Action::Status { .. }, Part::Mysql) => status(workspace, terminal),
        (Action::Up { .. }, part) => kept(part, To::SetUp)
            .into_iter()
            .try_for_each(|(name, version)| unpacked_now(terminal, name, version)),
        (Action::Down { .. }, _) => Ok(()),
        (Action::Status { .. }, part) => {
            for (name, version) in kept(part, To::Find) {
                terminal.line(&match version {
                    Ok(version) => format!("{name} {version} is set up"),
                    Err(error) => format!("{name}: {error}"),
                });
            }
            Ok(())
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(terminal),
    }
}

fn up(workspace: &Workspace, terminal: &Terminal, interrupt: &Interrupt) -> Outcome<()> {
    let started = Instant::now();
    if MysqlPart::find().is_err() {
        terminal.line("mysql: downloading and unpacking (some 70 MB, once for this user)");
    }
    let part = MysqlPart::set_up().map_err(|error| Stop::because(error.to_string()))?;
    interrupt.check()?;
    let home = workspace.testbed("mysql")?;
    let standing = Standing::in_folder(&home);
    standing
        .up()
        .map_err(|error| Stop::because(error.to_string()))?;
    terminal.line(&format!(
        "{} mysql {} is up  {}",
        terminal.good("✓"),
        part.version(),
        terminal.dim(&spoken(started.elapsed()))
    ));
    show(terminal, &standing);
    let [replica, source] = standing.servers();
    let url = |server: &testbed::mysql::StandingServer| {
        format!(
            "mysql://replmon@127.0.0.1:{}/?ssl-ca={}&tls-hostname={}",
            server.port.unwrap_or_default(),
            server.folder.join("ca.pem").display(),
            server.name
        )
    };
    terminal.line("try next:");
    terminal.line(&indented(&format!(
        "REPL_SQL_USER=replmon REPL_SQL_PASS_FILE={} \\\nREPL_MYSQL_URLS='{},{}' \\\nREPL_HEARTBEAT_TABLE=repl_heartbeat.beat \\\n  cargo run -p replication-checker --bin core-replica-health -- --mode direct --format text",
        home.join("replmon.password").display(),
        url(&source),
        url(&replica),
    )));
    terminal.line(&indented("cargo xtask testbed down mysql"));
    Ok(())
}

/// What to do about a part whose servers the tests start themselves.
#[derive(Clone, Copy)]
enum To {
    Find,
    SetUp,
}

/// The programs of such a part, each with its version.
fn kept(part: Part, to: To) -> Vec<(&'static str, Result<String, PartError>)> {
    macro_rules! version {
        ($part:ty) => {
            match to {
                To::Find => <$part>::find(),
                To::SetUp => <$part>::set_up(),
            }
            .map(|part| part.version().to_owned())
        };
    }
    match part {
        Part::Sshd => vec![("sshd", version!(SshdPart))],
        Part::Nginx => vec![("nginx", version!(NginxPart))],
        Part::Systemd => vec![("systemd", version!(SystemdPart))],
        Part::Pm2 => vec![("pm2", version!(Pm2Part))],
        Part::S3 => vec![
            ("moto", version!(MotoPart)),
            ("s3s-fs", version!(S3sFsPart)),
        ],
        Part::Chromium => vec![("chromium", version!(ChromiumPart))],
        Part::Mysql => vec![("mysql", version!(MysqlPart))],
    }
}

fn unpacked_now(
    terminal: &Terminal,
    name: &str,
    version: Result<String, PartError>,
) -> Outcome<()> {
    let version = version.map_err(|error| Stop::because(error.to_string()))?;
    terminal.line(&format!(
        "{} {name} {version} is set up; tests start their own",
        terminal.good("✓")
    ));
    Ok(())
}

fn down(workspace: &Workspace, terminal: &Terminal) -> Outcome<()> {
    let home = workspace.testbed("mysql")?;
    Standing::in_folder(&home)
        .down()
        .map_err(|error| Stop::because(error.to_string()))?;
    terminal.line("mysql is down, its data is gone");
    Ok(())
}

fn status(workspace: &Workspace, terminal: &Terminal) -> Outcome<()> {
    match MysqlPart::find() {
        Ok(part) => terminal.line(&format!("mysql {} is unpacked", part.version())),
        Err(error) => terminal.line(&format!("mysql: {error}")),
    }
    show(terminal, &Standing::in_folder(&workspace.testbed("mysql")?));
    Ok(())
}

fn show(terminal: &Terminal, standing: &Standing) {
    let mut servers = standing.servers();
    servers.reverse();
    for server in servers {
        let said = match (server.process_id, server.port) {
            (Some(id), Some(port)) => format!(
                "127.0.0.1:{port}  process {id}  {}",
                server.folder.display()
            ),
            _ => "does not run".to_owned(),
        };
        terminal.line(&indented(&format!("{}  {said}", server.name)));
    }
}
