//! Sessions and accounts: what Core acknowledged is there, and what was ended has ended.

use std::fmt;

use serde_json::{Value, json};

use super::{Load, Login, kid_of, unexpected};
use crate::services::{new_password, text};
use crate::soak::wrong;
use crate::stop::Outcome;

/// Sessions of one user that are open at once.
const SESSIONS: usize = 20;

/// Accounts that one user makes: each costs a login in the end.
const ACCOUNTS: usize = 25;

/// What Core acknowledged.
pub(super) struct Accounts {
    name: String,
    made: usize,
    /// Accounts that are there.
    registered: Vec<Login>,
    /// Refresh tokens that must be good, and such that must not.
    sessions: Vec<String>,
    ended: Vec<String>,
}

impl Accounts {
    /// Of a user whose further accounts have names made of this one.
    pub(super) fn of(email: &str) -> Self {
        Self {
            name: email.to_owned(),
            made: 0,
            registered: Vec::new(),
            sessions: Vec::new(),
            ended: Vec::new(),
        }
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} accounts, {} sessions ended",
            self.registered.len(),
            self.ended.len()
        )
    }
}

impl Load<'_> {
    pub(super) fn log_in(&mut self) -> Outcome<()> {
        let mut user = std::mem::replace(&mut self.user, Login::new("", "", ""));
        let before = user.token.clone();
        let pair = self.login_of(&mut user);
        self.user = user;
        match pair? {
            Some(pair) => self.remember(before, &pair),
            None => Ok(()),
        }
    }

    fn remember(&mut self, before: String, pair: &Value) -> Outcome<()> {
        self.user.token = text(pair, "access_token")?;
        if !before.is_empty() && kid_of(&before) != kid_of(&self.user.token) {
            self.old_token = Some(before);
        }
        let sessions = &mut self.accounts.sessions;
        sessions.push(text(pair, "refresh_token")?);
        if sessions.len() > SESSIONS {
            sessions.remove(0);
        }
        Ok(())
    }

    fn take_session(&mut self) -> Option<String> {
        let sessions = &mut self.accounts.sessions;
        let count = u64::try_from(sessions.len()).ok()?;
        let one = usize::try_from(self.chance.below(count)).ok()?;
        (one < sessions.len()).then(|| sessions.swap_remove(one))
    }

    pub(super) fn refresh(&mut self) -> Outcome<()> {
        let Some(session) = self.take_session() else {
            return self.log_in();
        };
        // Without an answer nobody knows whether it was spent: the session is left alone.
        let body = json!({ "refresh_token": session });
        let Some(answer) = self.ask_core("/api/auth/refresh", &body)? else {
            return Ok(());
        };
        if answer.status != 200 {
            return Err(unexpected("a good session", &answer));
        }
        let before = self.user.token.clone();
        self.remember(before, &answer.json(200)?)
    }

    pub(super) fn log_out(&mut self) -> Outcome<()> {
        let Some(session) = self.take_session() else {
            return Ok(());
        };
        let body = json!({ "refresh_token": session });
        match self.ask_core("/api/auth/logout", &body)? {
            Some(answer) if answer.status == 204 => self.accounts.ended.push(session),
            Some(answer) => return Err(unexpected("a logout", &answer)),
            None => {}
        }
        Ok(())
    }

    pub(super) fn register(&mut self) -> Outcome<()> {
        if self.accounts.registered.len() == ACCOUNTS {
            return Ok(());
        }
        self.accounts.made += 1;
        let email = format!("{}.{}", self.accounts.made, self.accounts.name);
        let password = new_password();
        let body = json!({ "email": email, "password": password });
        match self.ask_core("/api/auth/register", &body)? {
            Some(answer) if answer.status == 201 => {
                let login = Login::new(&self.place.app_id, &email, &password);
                self.accounts.registered.push(login);
            }
            Some(answer) => return Err(unexpected("a registration", &answer)),
            None => {}
        }
        Ok(())
    }

    pub(super) fn compare_accounts(&mut self) -> Outcome<()> {
        for session in std::mem::take(&mut self.accounts.ended) {
            self.must_be_ended(&session)?;
            self.accounts.ended.push(session);
        }
        for session in std::mem::take(&mut self.accounts.sessions) {
            let body = json!({ "refresh_token": session });
            let answer = self.ask_core("/api/auth/refresh", &body)?;
            match answer {
                Some(answer) if answer.status == 200 => {}
                Some(answer) => return Err(unexpected("an acknowledged session", &answer)),
                None => return Err(wrong("Core does not answer in the end")),
            }
        }
        for mut login in std::mem::take(&mut self.accounts.registered) {
            if self.login_of(&mut login)?.is_none() {
                return Err(wrong("an acknowledged account cannot log in"));
            }
            self.accounts.registered.push(login);
        }
        Ok(())
    }

    fn must_be_ended(&mut self, session: &str) -> Outcome<()> {
        let body = json!({ "refresh_token": session });
        match self.ask_core("/api/auth/refresh", &body)? {
            Some(answer) if answer.status == 401 => Ok(()),
            Some(answer) => Err(unexpected("a session that was ended", &answer)),
            None => Err(wrong("Core does not answer in the end")),
        }
    }
}
