//! Core and DMAPI with one user, and what is done to them.

use std::path::Path;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dailey_auth::testing::{SigningKey, TokenBuilder};
use serde_json::{Value, json};

use super::chance::Chance;
use super::growth::{CORE_MEMORY_KIB, Growth, MEMORY_KIB};
use super::model::Objects;
use super::wrong;
use crate::services::{
    Answer, CORE, Client, Core, MEDIA, Media, Watch, build, new_password, text, until,
};
use crate::stop::{Interrupt, Outcome, Stop};
use crate::terminal::Terminal;
use crate::workspace::Workspace;

const SCOPES: [&str; 2] = ["media:read", "media:write"];
const EMAIL: &str = "user@example.com";

/// Objects that are written again and again.
const KEYS: u64 = 200;

/// Most bytes of an object.
const MAX_BYTES: u64 = 200_000;

/// Sessions that are open at once.
const SESSIONS: usize = 20;

/// How long what was told to a service may take to be seen.
const DEADLINE: Duration = Duration::from_secs(20);

/// Everything.
pub(super) struct House<'a> {
    core: Core,
    media: Media,
    core_growth: Growth,
    media_growth: Growth,
    client: Client,
    watch: Watch,
    interrupt: &'a Interrupt,
    app_id: String,
    password: String,
    token: String,
    stranger: SigningKey,
    objects: Objects,
    /// Refresh tokens that must be good, and such that must not.
    sessions: Vec<String>,
    ended: Vec<String>,
    turns: u64,
    accidents: u64,
    unanswered: u64,
}

/// Which of the two.
#[derive(Clone, Copy)]
enum Which {
    Core,
    Media,
}

impl<'a> House<'a> {
    pub(super) fn start(
        workspace: &Workspace,
        terminal: &Terminal,
        interrupt: &'a Interrupt,
        watch: &Watch,
        folder: &Path,
    ) -> Outcome<Self> {
        let client = Client::new();
        let [core_program, media_program] = build([CORE, MEDIA], workspace, terminal, interrupt)?;
        let core = Core::start(&core_program, &folder.join("core"), &client, watch)?;
        let app_id = core.register_app(&core.admin_token()?, "soak", &SCOPES)?;
        let password = new_password();
        core.command_with_password(&["users", "create", EMAIL, "--json"], &password)?;
        let url = core.service.url().to_owned();
        let media = Media::start(&media_program, &folder.join("media"), &url, &app_id, watch)?;
        let token = core.log_in(&app_id, EMAIL, &password)?;
        Ok(Self {
            core_growth: core_growth(&core),
            media_growth: media_growth(&media),
            core,
            media,
            client,
            watch: watch.clone(),
            interrupt,
            app_id,
            password,
            token,
            stranger: SigningKey::generate(),
            objects: Objects::default(),
            sessions: Vec::new(),
            ended: Vec::new(),
            turns: 0,
            accidents: 0,
            unanswered: 0,
        })
    }

    /// What was done so far.
    pub(super) fn counts(&self) -> String {
        format!(
            "{} turns, {} accidents, {} without an answer, {} objects, {} sessions",
            self.turns,
            self.accidents,
            self.unanswered,
            self.objects.keys().len(),
            self.sessions.len()
        )
    }

    /// One request; what comes back is held against the model.
    pub(super) fn turn(&mut self, chance: &mut Chance) -> Outcome<()> {
        self.one(chance, false)?;
        self.core_growth.turn()?;
        self.media_growth.turn()
    }

    fn one(&mut self, chance: &mut Chance, dying: bool) -> Outcome<()> {
        self.turns += 1;
        let done = match chance.below(100) {
            0..40 => self.put(chance),
            40..65 => self.read(chance),
            65..72 => self.delete(chance),
            72..82 => self.refresh(chance),
            82..86 => self.log_in(),
            86..88 => self.log_out(chance),
            88..94 => self.validate(),
            _ => self.forge(),
        };
        match done {
            // While one of them dies an answer may be missing. What must not be is wrong at any time.
            Err(Stop::Failed(failure)) if dying && !failure.reason.starts_with("what must") => {
                self.unanswered += 1;
                Ok(())
            }
            done => done,
        }
    }

    fn object(&self, key: &str) -> String {
        self.media.at(&format!("/api/media/{key}"))
    }

    fn key(chance: &mut Chance) -> String {
        format!(
            "folder-{}/object-{}",
            chance.below(10),
            chance.below(KEYS / 10)
        )
    }

    fn put(&mut self, chance: &mut Chance) -> Outcome<()> {
        let key = Self::key(chance);
        let size = chance.below(MAX_BYTES) >> chance.below(8);
        let bytes = chance.bytes(size);
        let url = self.object(&key);
        let answer = self
            .client
            .put(&url, &self.token, "application/octet-stream", &bytes);
        self.changed(&key, Some(bytes), answer, &[200, 201])
    }

    fn delete(&mut self, chance: &mut Chance) -> Outcome<()> {
        let key = Self::key(chance);
        let answer = self.client.delete(&self.object(&key), &self.token);
        self.changed(&key, None, answer, &[204, 404])
    }

    fn changed(
        &mut self,
        key: &str,
        content: Option<Vec<u8>>,
        answer: Outcome<Answer>,
        good: &[u16],
    ) -> Outcome<()> {
        match answer {
            Ok(answer) if good.contains(&answer.status) => {
                self.objects.acknowledged(key, content);
                Ok(())
            }
            Ok(answer) => {
                self.objects.unanswered(key, content);
                Err(refused("a change", &answer))
            }
            Err(stop) => {
                self.objects.unanswered(key, content);
                Err(stop)
            }
        }
    }

    fn read(&mut self, chance: &mut Chance) -> Outcome<()> {
        let key = Self::key(chance);
        self.compare_one(&key)
    }

    fn compare_one(&mut self, key: &str) -> Outcome<()> {
        let answer = self.client.get(&self.object(key), Some(&self.token))?;
        match answer.status {
            200 => self.objects.seen(key, Some(answer.body)),
            404 => self.objects.seen(key, None),
            _ => Err(refused("a read", &answer)),
        }
    }

    fn log_in(&mut self) -> Outcome<()> {
        let body = json!({ "app_id": self.app_id, "email": EMAIL, "password": self.password });
        let pair = self.core_post("/api/auth/login", &body)?.json(200)?;
        self.remember(&pair)
    }

    fn remember(&mut self, pair: &Value) -> Outcome<()> {
        self.token = text(pair, "access_token")?;
        self.sessions.push(text(pair, "refresh_token")?);
        if self.sessions.len() > SESSIONS {
            self.sessions.remove(0);
        }
        Ok(())
    }

    fn refresh(&mut self, chance: &mut Chance) -> Outcome<()> {
        let Some(session) = self.take(chance) else {
            return self.log_in();
        };
        // Without an answer nobody knows whether it was spent: the session is left alone.
        let answer = self.core_post("/api/auth/refresh", &json!({ "refresh_token": session }))?;
        match answer.status {
            200 => self.remember(&answer.json(200)?),
            401 | 409 => Err(wrong(format!(
                "a good session is refused: {}",
                answer.code()
            ))),
            _ => Err(refused("a refresh", &answer)),
        }
    }

    fn log_out(&mut self, chance: &mut Chance) -> Outcome<()> {
        let Some(session) = self.take(chance) else {
            return Ok(());
        };
        let answer = self.core_post("/api/auth/logout", &json!({ "refresh_token": session }))?;
        answer.expect(204)?;
        self.ended.push(session);
        Ok(())
    }

    fn take(&mut self, chance: &mut Chance) -> Option<String> {
        let count = u64::try_from(self.sessions.len())
            .ok()
            .filter(|count| *count > 0)?;
        Some(
            self.sessions
                .swap_remove(usize::try_from(chance.below(count)).ok()?),
        )
    }

    fn validate(&self) -> Outcome<()> {
        let answer = self
            .client
            .get(&self.media.at("/api/auth/validate"), Some(&self.token))?;
        match answer.status {
            200 => Ok(()),
            401 => Err(wrong(format!(
                "a good token is called bad: {}",
                answer.code()
            ))),
            _ => Err(refused("a validation", &answer)),
        }
    }

    /// A stranger's token under a key id of ours.
    fn forge(&self) -> Outcome<()> {
        let token = TokenBuilder::new(self.core.service.url(), &self.app_id)
            .header("kid", self.core.kid.as_str())
            .claim("scope", "media:read media:write")
            .sign(&self.stranger);
        let answer = self
            .client
            .get(&self.media.at("/api/media?limit=1"), Some(&token))?;
        match answer.status {
            200 => Err(wrong("a forged token is accepted")),
            _ => Ok(()),
        }
    }

    fn core_post(&self, path: &str, body: &Value) -> Outcome<Answer> {
        let url = format!("{}{path}", self.core.service.url());
        self.client.post(&url, None, body)
    }

    /// A rotation, a restart or a kill in the middle of requests.
    pub(super) fn accident(&mut self, chance: &mut Chance) -> Outcome<()> {
        self.accidents += 1;
        match chance.below(6) {
            0 => self.rotate(),
            1 => self.restart(Which::Core),
            2 => self.restart(Which::Media),
            3 => self.kill(Which::Core, chance),
            _ => self.kill(Which::Media, chance),
        }
    }

    /// A new key; the old one is retired at once, so its tokens must be refused from then on.
    fn rotate(&mut self) -> Outcome<()> {
        let (old_kid, old_token) = (self.core.kid.clone(), self.token.clone());
        let kid = text(&self.core.command(&["keys", "generate", "--json"])?, "kid")?;
        for step in ["publish", "activate"] {
            self.core.command(&["keys", step, &kid, "--json"])?;
            self.core.service.reload()?;
            self.published(&kid, true)?;
        }
        self.core.kid = kid;
        let retire = ["keys", "retire", old_kid.as_str(), "--now", "--json"];
        until("signing with the new key", DEADLINE, self.interrupt, || {
            Ok(self.core.command(&retire).ok())
        })?;
        self.core.service.reload()?;
        self.published(&old_kid, false)?;
        self.media.service.reload()?;
        let validate = self.media.at("/api/auth/validate");
        until(
            "the refusal of a retired key",
            DEADLINE,
            self.interrupt,
            || {
                let answer = self.client.get(&validate, Some(&old_token))?;
                Ok((answer.status == 401).then_some(()))
            },
        )?;
        self.log_in()?;
        self.validate()
    }

    fn published(&self, kid: &str, wanted: bool) -> Outcome<()> {
        until("a change of the key set", DEADLINE, self.interrupt, || {
            let there = self.core.published_kids()?.iter().any(|one| one == kid);
            Ok((there == wanted).then_some(()))
        })
    }

    fn restart(&mut self, which: Which) -> Outcome<()> {
        match which {
            Which::Core => self.core.service.stop()?,
            Which::Media => self.media.service.stop()?,
        }
        self.start_again(which)
    }

    fn start_again(&mut self, which: Which) -> Outcome<()> {
        match which {
            Which::Core => {
                self.core.start_again(&self.watch)?;
                self.core_growth = core_growth(&self.core);
            }
            Which::Media => {
                self.media.start_again(&self.watch)?;
                self.media_growth = media_growth(&self.media);
            }
        }
        Ok(())
    }

    /// SIGKILL within some milliseconds, while requests go on.
    fn kill(&mut self, which: Which, chance: &mut Chance) -> Outcome<()> {
        let process = match which {
            Which::Core => self.core.service.id(),
            Which::Media => self.media.service.id(),
        };
        let killer = kill_in(Duration::from_millis(chance.below(60)), process);
        while !killer.is_finished() {
            self.one(chance, true)?;
        }
        let _ = killer.join();
        for _ in 0..3 {
            self.one(chance, true)?;
        }
        self.start_again(which)
    }

    /// In the end: everything that was acknowledged is there, and what was ended has ended.
    pub(super) fn compare(&mut self) -> Outcome<()> {
        self.log_in()?;
        for key in self.objects.keys() {
            self.interrupt.check()?;
            self.compare_one(&key)?;
        }
        if self.listed()? != self.objects.present() {
            return Err(wrong("the list names other objects than there are"));
        }
        for session in std::mem::take(&mut self.ended) {
            let answer =
                self.core_post("/api/auth/refresh", &json!({ "refresh_token": session }))?;
            if answer.status == 200 {
                return Err(wrong("a session that was ended goes on"));
            }
        }
        for session in self.sessions.clone() {
            let answer =
                self.core_post("/api/auth/refresh", &json!({ "refresh_token": session }))?;
            if answer.status != 200 {
                return Err(wrong(format!("a session is lost: {}", answer.code())));
            }
        }
        Ok(())
    }

    fn listed(&self) -> Outcome<Vec<String>> {
        let page = self
            .client
            .get(&self.media.at("/api/media?limit=1000"), Some(&self.token))?;
        let page = page.json(200)?;
        let objects = page["objects"].as_array().into_iter().flatten();
        Ok(objects
            .filter_map(|object| object["key"].as_str().map(str::to_owned))
            .collect())
    }

    pub(super) fn stop(&self) -> Outcome<()> {
        self.media.service.stop()?;
        self.core.service.stop()
    }
}

fn core_growth(core: &Core) -> Growth {
    Growth::of("dailey-core", core.service.id(), CORE_MEMORY_KIB)
}

fn media_growth(media: &Media) -> Growth {
    Growth::of("dailey-media", media.service.id(), MEMORY_KIB)
}

fn refused(what: &str, answer: &Answer) -> Stop {
    Stop::because(format!(
        "{what} is refused: {} {}",
        answer.status,
        answer.code()
    ))
}

/// Ends a process of ours outright, from a thread of its own.
fn kill_in(delay: Duration, process: u32) -> JoinHandle<()> {
    thread::spawn(move || {
        thread::sleep(delay);
        let _ = Command::new("kill")
            .args(["-9", &process.to_string()])
            .status();
    })
}
