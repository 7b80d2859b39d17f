//! What happens to the house while everybody goes on: each accident is made, looked at, mended and proven to be over.

use std::fmt;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use testbed::Traffic;

use super::chance::Chance;
use super::house::{DEADLINE, House, KEPT, KEPT_BYTES};
use super::load::kid_of;
use super::replication::sql;
use super::weather::{Part, Retired};
use super::wrong;
use crate::services::{text, until};
use crate::stop::{Outcome, Stop};

/// Tokens of retired keys that are tried again in the end.
const OLD_TOKENS: usize = 20;

/// How long the store answers nothing, at least: less than DMAPI and its clients wait.
const STUMBLE: Duration = Duration::from_secs(2);

/// An accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accident {
    KeyRotated,
    CoreRestarted,
    CoreKilled,
    MediaRestarted,
    MediaKilled,
    StoreCut,
    StoreStalled,
    DatabaseKilled,
}

/// All of them.
pub(super) const ALL: [Accident; 8] = [
    Accident::KeyRotated,
    Accident::CoreRestarted,
    Accident::CoreKilled,
    Accident::MediaRestarted,
    Accident::MediaKilled,
    Accident::StoreCut,
    Accident::StoreStalled,
    Accident::DatabaseKilled,
];

/// Those that end no process of ours, so that one can be seen to grow. The primary's death is one of many: faults of
/// the replication wait for its return.
pub(super) const WITHOUT_AN_END: [Accident; 7] = [
    Accident::KeyRotated,
    Accident::StoreCut,
    Accident::StoreStalled,
    Accident::KeyRotated,
    Accident::StoreCut,
    Accident::StoreStalled,
    Accident::DatabaseKilled,
];

impl fmt::Display for Accident {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::KeyRotated => "another signing key, the old one retired",
            Self::CoreRestarted => "Core restarted in order",
            Self::CoreKilled => "kill -9 of Core",
            Self::MediaRestarted => "a DMAPI restarted in order",
            Self::MediaKilled => "kill -9 of a DMAPI",
            Self::StoreCut => "no connection to the store",
            Self::StoreStalled => "the store does not answer",
            Self::DatabaseKilled => "kill -9 of the primary",
        })
    }
}

impl House<'_> {
    /// Makes it and sees it through.
    pub(super) fn befall(&mut self, accident: Accident, chance: &mut Chance) -> Outcome<()> {
        let which = usize::from(chance.below(2) == 1);
        let moment = Duration::from_millis(chance.below(1_500));
        match accident {
            Accident::KeyRotated => self.rotate(),
            Accident::CoreRestarted => self.core_ends(|house| house.core.service.stop()),
            Accident::CoreKilled => self.core_ends(|house| house.core.service.kill()),
            Accident::MediaRestarted => {
                self.media_ends(which, |house| house.media[which].service.stop())
            }
            Accident::MediaKilled => {
                self.media_ends(which, |house| house.media[which].service.kill())
            }
            Accident::StoreCut => self.store_is_away(moment),
            Accident::StoreStalled => self.store_stumbles(moment),
            Accident::DatabaseKilled => self.database_is_away(),
        }
    }

    /// A new key; the old one is retired at once, so its tokens must be refused from then on.
    fn rotate(&mut self) -> Outcome<()> {
        self.log_in()?;
        let (old_kid, old_token) = (self.core.kid.clone(), self.keeper.token.clone());
        let kid = text(&self.core.command(&["keys", "generate", "--json"])?, "kid")?;
        self.core.command(&["keys", "publish", &kid, "--json"])?;
        self.core.service.reload()?;
        self.published(&kid, true)?;
        // Verifiers have it before anything is signed with it.
        self.reload_media()?;
        self.core.command(&["keys", "activate", &kid, "--json"])?;
        self.core.service.reload()?;
        self.core.kid.clone_from(&kid);
        let retire = ["keys", "retire", old_kid.as_str(), "--now", "--json"];
        self.weather.retire(&old_kid, Retired::Soon);
        until("signing with the new key", DEADLINE, self.interrupt, || {
            Ok(self.core.command(&retire).ok())
        })?;
        self.core.service.reload()?;
        self.published(&old_kid, false)?;
        self.reload_media()?;
        for which in 0..self.media.len() {
            let validate = self.media[which].at("/api/auth/validate");
            let what = "the refusal of a retired key";
            self.until_answered(what, &validate, 401, Some(&old_token))?;
        }
        self.weather.retire(&old_kid, Retired::Now);
        self.old_tokens.push(old_token);
        if self.old_tokens.len() > OLD_TOKENS {
            self.old_tokens.remove(0);
        }
        self.log_in()?;
        if kid_of(&self.keeper.token) != kid {
            return Err(wrong("Core signs with another key than the active one"));
        }
        for which in 0..self.media.len() {
            self.get_kept(which)?.expect(200)?;
        }
        Ok(())
    }

    fn published(&self, kid: &str, wanted: bool) -> Outcome<()> {
        until("a change of the key set", DEADLINE, self.interrupt, || {
            let there = self.core.published_kids()?.iter().any(|one| one == kid);
            Ok((there == wanted).then_some(()))
        })
    }

    fn reload_media(&self) -> Outcome<()> {
        self.media
            .iter()
            .try_for_each(|media| media.service.reload())
    }

    /// Tokens are verified meanwhile, which the users see to.
    fn core_ends(&mut self, end: impl Fn(&Self) -> Outcome<()>) -> Outcome<()> {
        self.weather.disturb(Part::Core);
        end(self)?;
        self.core.start_again(&self.watch)?;
        let health = format!("{}/health", self.edge.core);
        self.until_answered("Core's return", &health, 200, None)?;
        self.weather.mended(Part::Core);
        Ok(())
    }

    /// The other one answers meanwhile.
    fn media_ends(&mut self, which: usize, end: impl Fn(&Self) -> Outcome<()>) -> Outcome<()> {
        self.log_in()?;
        self.weather.disturb(Part::Media);
        end(self)?;
        let kept = format!("{}{KEPT}", self.edge.media);
        let what = "a read while one DMAPI is gone";
        self.until_answered(what, &kept, 200, Some(&self.keeper.token))?;
        self.media[which].start_again(&self.watch)?;
        self.get_kept(which)?.expect(200)?;
        self.weather.mended(Part::Media);
        Ok(())
    }

    /// Reads and writes are answered "not now", and never "nothing is there"; then both serve again by themselves.
    fn store_is_away(&mut self, moment: Duration) -> Outcome<()> {
        self.log_in()?;
        self.weather.disturb(Part::Store);
        self.before_store.set(Traffic::Breaks);
        let (client, token, interrupt) = (&self.client, &self.keeper.token, self.interrupt);
        thread::scope(|scope| {
            let looks = self.media.each_ref().map(|media| {
                let url = media.at(KEPT);
                scope.spawn(move || {
                    until("a refusal without the store", DEADLINE, interrupt, || {
                        let read = client.get(&url, Some(token))?;
                        match (read.status, read.code().as_str()) {
                            (503, "storage_unavailable" | "storage_busy") => Ok(Some(())),
                            (200, _) if read.body == KEPT_BYTES => Ok(None),
                            (status, code) => Err(wrong(format!(
                                "without its store a DMAPI answers {status} {code}"
                            ))),
                        }
                    })?;
                    let write = client.put(&url, token, "text/plain", KEPT_BYTES)?;
                    match write.status {
                        503 => Ok(()),
                        status => Err(wrong(format!(
                            "without its store a DMAPI answers a write with {status}"
                        ))),
                    }
                })
            });
            joined(looks)
        })?;
        thread::sleep(moment);
        self.store_is_back()
    }

    /// What is asked for meanwhile waits, or is told "not now"; nothing else.
    fn store_stumbles(&mut self, moment: Duration) -> Outcome<()> {
        self.log_in()?;
        self.weather.disturb(Part::Store);
        self.before_store.set(Traffic::Stalls);
        let (client, token) = (&self.client, &self.keeper.token);
        thread::scope(|scope| {
            let looks = self.media.each_ref().map(|media| {
                let url = media.at(KEPT);
                scope.spawn(move || {
                    let read = client.get(&url, Some(token))?;
                    match read.status {
                        200 if read.body == KEPT_BYTES => Ok(()),
                        503 => Ok(()),
                        status => Err(wrong(format!(
                            "while its store stumbles a DMAPI answers {status}"
                        ))),
                    }
                })
            });
            thread::sleep(STUMBLE + moment);
            self.before_store.set(Traffic::Flows);
            joined(looks)
        })?;
        self.store_is_back()
    }

    fn store_is_back(&self) -> Outcome<()> {
        self.before_store.set(Traffic::Flows);
        for which in 0..self.media.len() {
            let (kept, health) = (self.media[which].at(KEPT), self.media[which].at("/health"));
            self.until_answered("the store's return", &health, 200, None)?;
            self.until_answered("the store's return", &kept, 200, Some(&self.keeper.token))?;
        }
        self.weather.mended(Part::Store);
        Ok(())
    }

    /// The key set is served meanwhile; what was acknowledged is there afterwards, which the users see to.
    fn database_is_away(&mut self) -> Outcome<()> {
        self.weather.disturb(Part::Database);
        self.replication.pair.primary.kill();
        let health = format!("{}/health", self.core.service.url());
        self.until_answered("Core's word of its database", &health, 503, None)?;
        if self.core.published_kids()?.is_empty() {
            return Err(wrong("Core publishes no keys without its database"));
        }
        let watcher = &mut self.replication.watcher;
        until(
            "the checker's word of a dead primary",
            DEADLINE,
            self.interrupt,
            || {
                let lines = watcher.lines()?;
                let said = lines
                    .iter()
                    .any(|line| line.says("host_unreachable@coredb1"));
                Ok(said.then_some(()))
            },
        )?;
        let primary = &mut self.replication.pair.primary;
        primary.start_again(&[]).map_err(sql)?;
        self.until_answered("Core's return", &health, 200, None)?;
        self.weather.mended(Part::Database);
        self.replication.faults.begin_anew();
        Ok(())
    }
}

fn joined<const COUNT: usize>(looks: [ScopedJoinHandle<'_, Outcome<()>>; COUNT]) -> Outcome<()> {
    looks.into_iter().try_for_each(|look| {
        look.join()
            .unwrap_or_else(|_| Err(Stop::because("a look broke")))
    })
}
