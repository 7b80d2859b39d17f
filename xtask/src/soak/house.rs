//! Everything that runs: Core on a replicated MySQL, two DMAPIs on one S3 store, nginx before them, the replication
//! checker; and one user of our own whose object is always there.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use testbed::mysql::Pair;
use testbed::s3::{ACCESS_KEY_ID, Kind, S3Server, SECRET_ACCESS_KEY};
use testbed::{Proxy, Traffic};

use super::chance::Chance;
use super::edge::Edge;
use super::growth::{MEMORY_KIB, Process};
use super::load::{Login, Place};
use super::replication::{Replication, sql};
use super::weather::Weather;
use super::wrong;
use crate::services::{Answer, Client, Core, Media, Settings, Watch, new_password, text, until};
use crate::stop::{Interrupt, Outcome, Stop, failed};
use crate::terminal::Terminal;

const SCOPES: [&str; 2] = ["media:read", "media:write"];
const KEEPER: &str = "keeper@example.com";
const BUCKET: &str = "media";

/// Our own object.
pub(super) const KEPT: &str = "/api/media/kept";
pub(super) const KEPT_BYTES: &[u8] = b"what is kept";

/// How long what was told to a service may take to be seen.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// What argon2id takes for one password, in KiB: `examples/core/src/password.rs`.
const HASH_KIB: u64 = 19 * 1024;

/// What Core may grow by: as many threads as there are processors hash, and each keeps what a hash took.
fn core_memory_kib() -> u64 {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    u64::try_from(processors).unwrap_or(1) * HASH_KIB + MEMORY_KIB
}

/// Everything.
pub(super) struct House<'a> {
    pub(super) interrupt: &'a Interrupt,
    pub(super) weather: &'a Weather,
    pub(super) client: Client,
    pub(super) watch: Watch,
    // What is reached before what it rests on: things are dropped in this order.
    pub(super) edge: Edge,
    pub(super) media: [Media; 2],
    pub(super) core: Core,
    pub(super) replication: Replication,
    pub(super) before_store: Proxy,
    store: S3Server,
    pub(super) keeper: Login,
    /// Tokens of keys that were retired.
    pub(super) old_tokens: Vec<String>,
}

impl<'a> House<'a> {
    /// Starts all of it: Core, DMAPI and the checker are these programs, nginx has these files.
    pub(super) fn start(
        [core_program, media_program, checker]: &[PathBuf; 3],
        nginx: &Path,
        folder: &Path,
        terminal: &Terminal,
        interrupt: &'a Interrupt,
        weather: &'a Weather,
        faults: Chance,
    ) -> Outcome<Self> {
        let (client, watch) = (Client::new(), Watch::default());

        terminal.progress("starting MySQL, its replica, and the S3 store");
        let store = S3Server::start(Kind::Moto, &folder.join("s3"))
            .and_then(|store| store.make_bucket(BUCKET).map(|()| store))
            .map_err(|error| Stop::because(error.to_string()))?;
        let before_store =
            Proxy::start(store.port()).map_err(|error| failed("cannot start a proxy", error))?;
        let pair = Pair::start().map_err(sql)?;
        interrupt.check()?;

        terminal.progress("starting Core and two DMAPIs");
        let database = database_settings(&pair);
        let in_core = folder.join("core");
        let core = Core::start_with(core_program, &in_core, &client, &watch, database)?;
        let app_id = core.register_app(&core.admin_token()?, "soak", &SCOPES)?;
        let replication = Replication::start(checker, &folder.join("checker"), pair, faults)?;
        let settings = media_settings(folder, before_store.port())?;
        let media = |name: &str| {
            let (url, settings) = (core.service.url(), settings.clone());
            let in_media = folder.join(name);
            Media::start_with(media_program, &in_media, url, &app_id, &watch, settings)
        };
        let media = [media("media-1")?, media("media-2")?];
        let edge = Edge::start(
            nginx,
            &folder.join("nginx"),
            core.service.port(),
            &media.each_ref().map(|media| media.service.port()),
            interrupt,
        )?;
        let mut house = Self {
            interrupt,
            weather,
            client,
            watch,
            edge,
            media,
            keeper: new_user(&core, &app_id, KEEPER)?,
            core,
            replication,
            before_store,
            store,
            old_tokens: Vec::new(),
        };
        house.log_in()?;
        house.put_kept(0)?.expect(201)?;
        Ok(house)
    }

    /// Where the users find everything.
    pub(super) fn place(&self) -> Place {
        Place {
            core: self.edge.core.clone(),
            media: self.edge.media.clone(),
            replicas: self.media.each_ref().map(|media| media.at("")),
            issuer: self.core.service.url().to_owned(),
            app_id: self.keeper.app_id.clone(),
            core_app_id: self.core.app_id.clone(),
            admin_password: self.core.admin_password.clone(),
            kid: self.core.kid.clone(),
        }
    }

    /// A user who may log in.
    pub(super) fn new_user(&self, email: &str) -> Outcome<Login> {
        new_user(&self.core, &self.keeper.app_id, email)
    }

    /// Our processes, and how much each may grow.
    pub(super) fn processes(&self) -> Vec<Process> {
        let process = |name, id, memory_kib| Process {
            name,
            id,
            memory_kib,
        };
        let [first, second] = self.media.each_ref().map(|media| media.service.id());
        vec![
            process("dailey-core", self.core.service.id(), core_memory_kib()),
            process("dailey-media 1", first, MEMORY_KIB),
            process("dailey-media 2", second, MEMORY_KIB),
            process("checker", self.replication.watcher.id(), MEMORY_KIB),
        ]
    }

    /// An error when something has ended that nobody ended.
    pub(super) fn check(&mut self) -> Outcome<()> {
        self.watch.check()?;
        self.edge.check()
    }

    /// Our own user, directly at Core.
    pub(super) fn log_in(&mut self) -> Outcome<()> {
        let keeper = &self.keeper;
        self.keeper.token = self
            .core
            .log_in(&keeper.app_id, &keeper.email, &keeper.password)?;
        Ok(())
    }

    /// Our own object, at one of the two.
    pub(super) fn get_kept(&self, which: usize) -> Outcome<Answer> {
        self.client
            .get(&self.media[which].at(KEPT), Some(&self.keeper.token))
    }

    pub(super) fn put_kept(&self, which: usize) -> Outcome<Answer> {
        self.client.put(
            &self.media[which].at(KEPT),
            &self.keeper.token,
            "text/plain",
            KEPT_BYTES,
        )
    }

    /// Waits until a request is answered as it should be.
    pub(super) fn until_answered(
        &self,
        what: &str,
        url: &str,
        status: u16,
        token: Option<&str>,
    ) -> Outcome<()> {
        until(what, DEADLINE, self.interrupt, || {
            let answer = self.client.get(url, token);
            Ok(answer
                .ok()
                .filter(|answer| answer.status == status)
                .map(drop))
        })
    }

    /// In the end: what is outside of the users' own view.
    pub(super) fn compare(&mut self) -> Outcome<()> {
        self.log_in()?;
        for which in 0..self.media.len() {
            if self.get_kept(which)?.body != KEPT_BYTES {
                return Err(wrong("the object that was always there is another"));
            }
            let validate = self.media[which].at("/api/auth/validate");
            for token in &self.old_tokens {
                let answer = self.client.get(&validate, Some(token))?;
                if answer.status != 401 {
                    return Err(wrong("a token of a retired key is accepted"));
                }
            }
        }
        self.replication.compare()
    }

    /// Ends what is ours in order; the others are dropped.
    pub(super) fn stop(self) -> Outcome<()> {
        self.before_store.set(Traffic::Flows);
        for media in &self.media {
            media.service.stop()?;
        }
        let stopped = self.core.service.stop();
        drop(self.store);
        stopped
    }
}

fn new_user(core: &Core, app_id: &str, email: &str) -> Outcome<Login> {
    let password = new_password();
    let made = core.command_with_password(&["users", "create", email, "--json"], &password)?;
    text(&made, "user_id")?;
    Ok(Login::new(app_id, email, &password))
}

/// As `deploy/mysql/accounts.sql` has it: the account `core`, over verified TLS.
fn database_settings(pair: &Pair) -> Settings {
    let primary = &pair.primary;
    let url = format!(
        "mysql://core@127.0.0.1:{}/core?ssl-ca={}&tls-hostname={}",
        primary.port(),
        primary.ca_file().display(),
        primary.name()
    );
    vec![
        ("DATABASE_URL", url),
        ("DATABASE_PASSWORD", primary.passwords().core.clone()),
        ("ALLOW_REGISTRATION", "true".to_owned()),
    ]
}

/// The store behind the proxy, and a secret that both share.
fn media_settings(folder: &Path, store_port: u16) -> Outcome<Settings> {
    let config = folder.join("media.toml");
    let text = format!(
        "[storage.s3]\nbucket = \"{BUCKET}\"\nregion = \"auto\"\nendpoint = \"http://127.0.0.1:{store_port}\"\n\
         path_style = true\n"
    );
    fs::write(&config, text).map_err(|error| failed("cannot write DMAPI's settings", error))?;
    let path = |name: &str| folder.join(name).display().to_string();
    Ok(vec![
        ("DAILEY_CONFIG", config.display().to_string()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
        ("LINK_SECRET_FILE", path("link-secret")),
    ])
}
