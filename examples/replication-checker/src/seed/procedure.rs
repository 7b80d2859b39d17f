//! The steps, in their order. Each has a name for what is left when it fails.

use std::time::{Duration, Instant};

use super::plan::{Facts, Method, Refusal, Side, Wish, plan};
use super::proof::{Proof, prove};
use super::server::{Server, identifier, quoted};
use super::{clone, dump};
use crate::settings::DirectHost;

/// Longest that a replica which has left may still be listed.
const REPLICA_LEAVES: Duration = Duration::from_secs(15);

/// How the target reaches the source, which need not be how we do: there may be a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) host: String,
    pub(super) port: u16,
    /// On the target.
    pub(super) ca_file: String,
    pub(super) user: String,
    pub(super) password: String,
}

/// A step that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Look,
    Open,
    Erase,
    Copy,
    Configure,
    Start,
    Prove,
}

impl Step {
    /// What it does, for who waits.
    pub(super) fn doing(self) -> &'static str {
        match self {
            Self::Look => "looking at both servers",
            Self::Open => "stopping replication on the target",
            Self::Erase => "erasing the target",
            Self::Copy => "copying",
            Self::Configure => "pointing the target at its source",
            Self::Start => "starting replication",
            Self::Prove => "proving that the target is a true copy",
        }
    }

    /// What is left when it fails.
    pub(super) fn leaves(self) -> &'static str {
        match self {
            Self::Look => "untouched",
            Self::Open => "its data is there; it does not replicate and may take writes",
            Self::Erase => "partly erased; run this again",
            Self::Copy => "erased and partly filled; run this again",
            Self::Configure => "filled; it does not replicate and may take writes; run this again",
            Self::Start => "filled and read-only; it does not replicate; run this again",
            Self::Prove => "filled, read-only and replicating, but not proven to be a copy",
        }
    }
}

/// Why it did not get to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nothing was touched.
    Refused(Refusal),
    /// A step failed.
    Failed(Step, String),
}

/// Who hears of steps and bytes.
pub(super) trait Progress {
    fn step(&mut self, step: Step, method: Option<Method>);
    fn bytes(&mut self, bytes: u64);
}

pub(super) struct Seeding<'a> {
    pub(super) source: Server,
    pub(super) target: Server,
    pub(super) wish: Wish,
    /// What of the channel is named; the rest is taken from what is there.
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) repl_user: String,
    pub(super) repl_password: String,
    pub(super) progress: &'a mut dyn Progress,
    step: Step,
}

impl<'a> Seeding<'a> {
    pub(super) fn new(
        (source, target): (Server, Server),
        wish: Wish,
        (host, port): (Option<String>, Option<u16>),
        (repl_user, repl_password): (String, String),
        progress: &'a mut dyn Progress,
    ) -> Self {
        Self {
            source,
            target,
            wish,
            host,
            port,
            repl_user,
            repl_password,
            progress,
            step: Step::Look,
        }
    }

    pub(super) async fn run(&mut self) -> Result<(Method, Proof), Stop> {
        self.begin(Step::Look, None);
        let facts = self.look().await.map_err(|error| self.failed(error))?;
        let method = plan(&facts, &self.wish).map_err(Stop::Refused)?;
        let done = self.seed(&facts.target, method).await;
        let proof = done.map_err(|error| self.failed(error))?;
        self.source.close().await;
        self.target.close().await;
        Ok((method, proof))
    }

    fn failed(&self, error: String) -> Stop {
        Stop::Failed(self.step, error)
    }

    fn begin(&mut self, step: Step, method: Option<Method>) {
        self.step = step;
        self.progress.step(step, method);
    }

    async fn look(&mut self) -> Result<Facts, String> {
        let source = self.source.look().await?;
        let mut target = self.target.look().await?;
        // A replica that has left is listed until its server next sends it something, which is at the
        // latest the heartbeat of the channel.
        let deadline = Instant::now() + REPLICA_LEAVES;
        while target.replicas > 0
            && source.follows.as_ref() != Some(&target.uuid)
            && Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_secs(1)).await;
            target.replicas = self.target.rows("SHOW REPLICAS").await?.len();
        }
        let has = self.target.set("@@GLOBAL.gtid_executed").await?;
        let errant = self
            .source
            .set(&format!("GTID_SUBTRACT('{has}', @@GLOBAL.gtid_executed)"))
            .await?;
        let others = self
            .source
            .rows(
                "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) AS t FROM information_schema.TABLES \
                 WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE <> 'InnoDB' \
                 AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema') LIMIT 10",
            )
            .await?;
        Ok(Facts {
            source,
            target,
            errant,
            not_innodb: others
                .iter()
                .filter_map(|row| row.text("t").map(str::to_owned))
                .collect(),
            no_dump: dump::unavailable().await,
        })
    }

    async fn seed(&mut self, target: &Side, method: Method) -> Result<Proof, String> {
        let channel = self.channel().await?;
        self.begin(Step::Open, Some(method));
        self.target
            .run(&[
                "STOP REPLICA",
                "RESET REPLICA ALL",
                "SET GLOBAL super_read_only = OFF",
                "SET GLOBAL event_scheduler = OFF",
            ])
            .await?;
        match method {
            Method::Clone => {
                self.begin(Step::Copy, Some(method));
                clone::clone(&self.source, &mut self.target, &channel, &target.uuid).await?;
                // Configured anew by its restart.
                self.target
                    .run(&[
                        "STOP REPLICA",
                        "RESET REPLICA ALL",
                        "SET GLOBAL super_read_only = OFF",
                        "SET GLOBAL event_scheduler = OFF",
                    ])
                    .await?;
            }
            Method::Dump => {
                self.begin(Step::Erase, Some(method));
                self.erase().await?;
                self.begin(Step::Copy, Some(method));
                self.dump().await?;
            }
        }
        self.begin(Step::Configure, Some(method));
        self.disable_events().await?;
        self.configure(&channel).await?;
        self.begin(Step::Start, Some(method));
        self.target.run(&["START REPLICA"]).await?;
        self.begin(Step::Prove, Some(method));
        prove(&mut self.source, &mut self.target).await
    }

    /// What is named; else what the target used to reach this source; else what we use.
    async fn channel(&mut self) -> Result<Channel, String> {
        let status = self.target.rows("SHOW REPLICA STATUS").await?;
        let used = |name: &str| status.first().and_then(|row| row.filled(name));
        let own_ca = self.target.value("@@GLOBAL.ssl_ca").await?;
        Ok(Channel {
            host: self
                .host
                .clone()
                .or_else(|| used("Source_Host").map(str::to_owned))
                .unwrap_or_else(|| self.source.host.host.clone()),
            port: self
                .port
                .or_else(|| used("Source_Port").and_then(|port| port.parse().ok()))
                .unwrap_or(self.source.host.port),
            ca_file: used("Source_SSL_CA_File").map_or(own_ca, str::to_owned),
            user: self.repl_user.clone(),
            password: self.repl_password.clone(),
        })
    }

    /// Schemas that a dump would not replace, and every GTID.
    async fn erase(&mut self) -> Result<(), String> {
        let schemas = self
            .target
            .rows(
                "SELECT SCHEMA_NAME AS s FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN \
                 ('mysql', 'sys', 'performance_schema', 'information_schema')",
            )
            .await?;
        self.target
            .run(&[
                "SET SESSION sql_log_bin = 0",
                "SET SESSION foreign_key_checks = 0",
            ])
            .await?;
        for schema in schemas.iter().filter_map(|row| row.text("s")) {
            let drop = format!("DROP DATABASE {}", identifier(schema));
            self.target.run(&[&drop]).await?;
        }
        self.target.run(&["RESET BINARY LOGS AND GTIDS"]).await
    }

    async fn dump(&mut self) -> Result<(), String> {
        let missing = "an account is missing";
        let with_account = |server: &Server| {
            let (user, password) = server.account()?;
            let host = DirectHost {
                user: user.to_owned(),
                ..server.host.clone()
            };
            Some((host, password.to_owned()))
        };
        let (source, source_password) = with_account(&self.source).ok_or(missing)?;
        let (target, target_password) = with_account(&self.target).ok_or(missing)?;
        let progress = &mut *self.progress;
        dump::copy(
            (&source, &source_password),
            (&target, &target_password),
            &mut |bytes| progress.bytes(bytes),
        )
        .await?;
        // Accounts and plugins are the source's now.
        self.target.forget_connection();
        self.target.connect().await
    }

    /// Events come ENABLED, and would write on the replica.
    async fn disable_events(&mut self) -> Result<(), String> {
        let events = self
            .target
            .rows(
                "SELECT EVENT_SCHEMA AS s, EVENT_NAME AS e, DEFINER AS d FROM information_schema.EVENTS \
                 WHERE STATUS = 'ENABLED'",
            )
            .await?;
        self.target.run(&["SET SESSION sql_log_bin = 0"]).await?;
        for row in &events {
            let (Some(schema), Some(event), Some(definer)) =
                (row.text("s"), row.text("e"), row.text("d"))
            else {
                continue;
            };
            // Without it, the event would become ours.
            let Some((user, host)) = definer.rsplit_once('@') else {
                continue;
            };
            let alter = format!(
                "ALTER DEFINER = {}@{} EVENT {}.{} DISABLE ON REPLICA",
                quoted(user),
                quoted(host),
                identifier(schema),
                identifier(event)
            );
            self.target.run(&[&alter]).await?;
        }
        Ok(())
    }

    async fn configure(&mut self, channel: &Channel) -> Result<(), String> {
        let change = format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = {}, SOURCE_PORT = {}, SOURCE_USER = {}, \
             SOURCE_PASSWORD = {}, SOURCE_AUTO_POSITION = 1, SOURCE_SSL = 1, SOURCE_SSL_CA = {}, \
             SOURCE_SSL_VERIFY_SERVER_CERT = 1, SOURCE_HEARTBEAT_PERIOD = 5, \
             SOURCE_CONNECT_RETRY = 10, SOURCE_RETRY_COUNT = 86400",
            quoted(&channel.host),
            channel.port,
            quoted(&channel.user),
            quoted(&channel.password),
            quoted(&channel.ca_file)
        );
        self.target
            .run(&[&change, "SET PERSIST super_read_only = ON"])
            .await
    }
}
