//! One user who asks and asks, in a thread of its own: what happens next is drawn, what comes back is held against
//! the model. An answer may be missing only where [`Weather`] knows a reason.

mod accounts;
mod apps;
mod objects;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dailey_auth::testing::{SigningKey, TokenBuilder};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use self::accounts::Accounts;
use self::apps::Apps;
use super::chance::Chance;
use super::model::Objects;
use super::weather::{Part, Retired, Weather};
use super::wrong;
use crate::services::{Answer, Client, authorized, text};
use crate::stop::{Outcome, Stop};

/// What answers about objects rest on. Core and its database are not among it: tokens are verified without them.
const MEDIA: &[Part] = &[Part::Media, Part::Store];

/// What answers about accounts rest on.
const CORE: &[Part] = &[Part::Core, Part::Database];

/// What the key set rests on: it is served while the database is away.
const KEYS: &[Part] = &[Part::Core];

/// Between two requests of one user: three of them are a load, not a flood.
const PAUSE: Duration = Duration::from_millis(4);

/// Logins of one account that may break off before Core makes it wait: their count is never taken back.
const FREE_FAILURES: u32 = 5;

/// Where everything is, and what is known from the beginning.
pub(super) struct Place {
    /// Core and DMAPI as clients reach them: at the edge.
    pub(super) core: String,
    pub(super) media: String,
    /// The DMAPIs themselves.
    pub(super) replicas: [String; 2],
    pub(super) issuer: String,
    pub(super) app_id: String,
    pub(super) core_app_id: String,
    pub(super) admin_password: String,
    /// The key that signs in the beginning: a stranger's tokens claim it.
    pub(super) kid: String,
}

/// Who has a token.
pub(super) struct Login {
    pub(super) app_id: String,
    pub(super) email: String,
    pub(super) password: String,
    pub(super) token: String,
    /// Attempts whose answer never came.
    lost: u32,
}

/// One user.
pub(super) struct Load<'a> {
    place: &'a Place,
    weather: &'a Weather,
    client: Client,
    chance: Chance,
    user: Login,
    admin: Login,
    stranger: SigningKey,
    objects: Objects,
    accounts: Accounts,
    apps: Apps,
    /// A token that an earlier key signed.
    old_token: Option<String>,
}

impl Login {
    pub(super) fn new(app_id: &str, email: &str, password: &str) -> Self {
        Self {
            app_id: app_id.to_owned(),
            email: email.to_owned(),
            password: password.to_owned(),
            token: String::new(),
            lost: 0,
        }
    }
}

impl<'a> Load<'a> {
    /// A user whose account is there.
    pub(super) fn new(
        place: &'a Place,
        weather: &'a Weather,
        client: &Client,
        chance: Chance,
        user: Login,
    ) -> Self {
        let admin = Login::new(
            &place.core_app_id,
            crate::services::ADMIN_EMAIL,
            &place.admin_password,
        );
        Self {
            place,
            weather,
            client: client.clone(),
            chance,
            accounts: Accounts::of(&user.email),
            apps: Apps::default(),
            user,
            admin,
            stranger: SigningKey::generate(),
            objects: Objects::default(),
            old_token: None,
        }
    }

    /// Goes on until all have ended; then what was acknowledged is compared. What to say of it.
    pub(super) fn run(mut self) -> Outcome<String> {
        let ended = self.turns().and_then(|()| self.compare());
        if ended.is_err() {
            self.weather.break_off();
        }
        ended?;
        Ok(format!(
            "{} objects, {}, {}",
            self.objects.keys().len(),
            self.accounts,
            self.apps
        ))
    }

    fn turns(&mut self) -> Outcome<()> {
        while !self.weather.has_ended() {
            self.weather.turns.fetch_add(1, Ordering::Relaxed);
            self.turn()?;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn turn(&mut self) -> Outcome<()> {
        if self.user.token.is_empty() {
            return self.log_in();
        }
        match self.chance.below(200) {
            0..62 => self.put(),
            62..66 => self.create(),
            66..76 => self.upload(),
            76..126 => self.read(),
            126..138 => self.delete(),
            138..158 => self.refresh(),
            158..164 => self.log_in(),
            164..168 => self.log_out(),
            168..170 => self.register(),
            170..174 => self.look_at_keys(),
            174..180 => self.change_apps(),
            180..190 => self.validate(),
            _ => self.forge(),
        }
    }

    /// In the end, in calm weather: everything that was acknowledged is there, and what was ended has ended.
    fn compare(&mut self) -> Outcome<()> {
        if self.weather.is_broken() {
            return Ok(());
        }
        self.log_in()?;
        self.compare_objects()?;
        self.compare_accounts()?;
        self.compare_apps()
    }

    /// Asks; nothing when the answer is missing or "not now", and there is a reason for it.
    fn ask(
        &mut self,
        parts: &[Part],
        method: &str,
        url: &str,
        mut fields: Vec<(&'static str, String)>,
        body: &[u8],
    ) -> Outcome<Option<Answer>> {
        // Each time another address: limits are for one client, and these are many.
        let (high, low) = (self.chance.below(256), self.chance.below(256));
        fields.push(("X-Client", format!("198.18.{high}.{low}")));
        let asked = Instant::now();
        let answer = self.client.send(method, url, &fields, body);
        let missing = match answer {
            Ok(answer) if matches!(answer.status, 502..=504) => {
                format!("is answered {} {}", answer.status, answer.code())
            }
            Ok(answer) => return Ok(Some(answer)),
            Err(Stop::Failed(failure)) => format!("has no answer ({})", failure.reason),
            Err(stop) => return Err(stop),
        };
        if self.weather.was_rough(parts, asked) {
            self.weather.excuse();
            return Ok(None);
        }
        Err(wrong(format!(
            "{method} {missing} while nothing that it needs is disturbed"
        )))
    }

    /// The same at DMAPI with the user's token. A token of a retired key may be refused: then a new one is fetched
    /// and nothing was done.
    fn ask_media(
        &mut self,
        method: &str,
        path: &str,
        mut fields: Vec<(&'static str, String)>,
        body: &[u8],
    ) -> Outcome<Option<Answer>> {
        fields.extend(authorized(Some(&self.user.token)));
        let url = format!("{}{path}", self.place.media);
        let Some(answer) = self.ask(MEDIA, method, &url, fields, body)? else {
            return Ok(None);
        };
        if answer.status != 401 {
            return Ok(Some(answer));
        }
        self.must_be_retired(&self.user.token, &answer)?;
        self.log_in()?;
        Ok(None)
    }

    fn must_be_retired(&self, token: &str, answer: &Answer) -> Outcome<()> {
        match self.weather.retired(&kid_of(token)) {
            Some(_) => Ok(()),
            None => Err(wrong(format!(
                "a good token is called bad: {}",
                answer.code()
            ))),
        }
    }

    /// At Core, with JSON.
    fn ask_core(&mut self, path: &str, body: &Value) -> Outcome<Option<Answer>> {
        let fields = vec![("Content-Type", "application/json".to_owned())];
        let url = format!("{}{path}", self.place.core);
        self.ask(CORE, "POST", &url, fields, body.to_string().as_bytes())
    }

    /// The pair of tokens of a login; nothing when there was no answer.
    fn login_of(&mut self, login: &mut Login) -> Outcome<Option<Value>> {
        let body =
            json!({ "app_id": login.app_id, "email": login.email, "password": login.password });
        let Some(answer) = self.ask_core("/api/auth/login", &body)? else {
            login.lost += 1;
            return Ok(None);
        };
        // Each attempt is counted before it is looked at; a count is taken back with the answer.
        if answer.status == 429 && login.lost >= FREE_FAILURES {
            self.weather.excuse();
            return Ok(None);
        }
        if answer.status != 200 {
            return Err(unexpected("a login", &answer));
        }
        let pair = answer.json(200)?;
        login.token = text(&pair, "access_token")?;
        Ok(Some(pair))
    }

    fn look_at_keys(&mut self) -> Outcome<()> {
        let url = format!("{}/.well-known/jwks.json", self.place.core);
        match self.ask(KEYS, "GET", &url, Vec::new(), &[])? {
            Some(answer) if answer.status != 200 => Err(unexpected("the key set", &answer)),
            _ => Ok(()),
        }
    }

    /// Asks DMAPI about the token at hand, and about one that an earlier key signed.
    fn validate(&mut self) -> Outcome<()> {
        let answer = self.ask_media("GET", "/api/auth/validate", Vec::new(), &[])?;
        if let Some(answer) = answer.filter(|answer| answer.status != 200) {
            return Err(unexpected("a validation", &answer));
        }
        let Some(old) = self.old_token.clone() else {
            return Ok(());
        };
        let retired = self.weather.retired(&kid_of(&old));
        let url = format!("{}/api/auth/validate", self.place.media);
        let answer = self.ask(MEDIA, "GET", &url, authorized(Some(&old)), &[])?;
        match answer.map(|answer| answer.status) {
            Some(200) if retired == Some(Retired::Now) => {
                Err(wrong("a token of a retired key is accepted"))
            }
            _ => Ok(()),
        }
    }

    /// A stranger's token under a key id of ours, or a good one that is for another app.
    fn forge(&mut self) -> Outcome<()> {
        let of_ours = match self.chance.below(3) {
            0 => self.place.kid.clone(),
            _ => kid_of(&self.user.token),
        };
        let for_another = !self.admin.token.is_empty() && self.chance.below(3) == 0;
        let token = if for_another {
            self.admin.token.clone()
        } else {
            TokenBuilder::new(&self.place.issuer, &self.place.app_id)
                .header("kid", of_ours)
                .claim("scope", "media:read media:write")
                .sign(&self.stranger)
        };
        let url = format!("{}/api/media/folder-1/object-1", self.place.media);
        let answer = self.ask(MEDIA, "GET", &url, authorized(Some(&token)), &[])?;
        match answer {
            Some(answer) if answer.status != 401 => Err(wrong(format!(
                "a token that is not for DMAPI is answered {}",
                answer.status
            ))),
            _ => Ok(()),
        }
    }
}

/// An answer that is neither what was asked for nor "not now" has no excuse at any time.
fn unexpected(what: &str, answer: &Answer) -> Stop {
    wrong(format!(
        "{what} is answered {} {}",
        answer.status,
        answer.code()
    ))
}

/// The key id that a token of Core's names.
pub(super) fn kid_of(token: &str) -> String {
    let header = token.split('.').next().unwrap_or_default();
    let header = BASE64URL_NOPAD
        .decode(header.as_bytes())
        .unwrap_or_default();
    let header: Value = serde_json::from_slice(&header).unwrap_or_default();
    header["kid"].as_str().unwrap_or_default().to_owned()
}
