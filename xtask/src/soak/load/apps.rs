//! Apps: made, disabled, given another secret. A secret that was acknowledged gets tokens, one that was revoked gets
//! none, ever.

use std::fmt;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{CORE, Load, Login, unexpected};
use crate::services::{Answer, authorized, text};
use crate::soak::wrong;
use crate::stop::Outcome;

/// Apps that one user makes.
const APPS: usize = 30;

/// An app's id and secret.
#[derive(Clone)]
struct Credentials {
    app_id: String,
    secret: String,
}

/// What Core acknowledged.
#[derive(Default)]
pub(super) struct Apps {
    made: usize,
    good: Vec<Credentials>,
    revoked: Vec<Credentials>,
}

impl fmt::Display for Apps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} apps, {} credentials revoked",
            self.made,
            self.revoked.len()
        )
    }
}

impl Load<'_> {
    pub(super) fn change_apps(&mut self) -> Outcome<()> {
        match self.chance.below(5) {
            0 | 1 if self.apps.made < APPS => self.make_app(),
            0..=2 => self.get_tokens(),
            3 => self.disable_app(),
            _ => self.rotate_secret(),
        }
    }

    fn make_app(&mut self) -> Outcome<()> {
        self.apps.made += 1;
        let name = format!("{} of {}", self.apps.made, self.user.email);
        let body = json!({ "name": name, "scopes": ["media:read"] });
        let Some(answer) = self.administer("POST", "", &body)? else {
            return Ok(());
        };
        if answer.status != 201 {
            return Err(unexpected("a new app", &answer));
        }
        let made = answer.json(201)?;
        self.apps.good.push(Credentials {
            app_id: text(&made, "app_id")?,
            secret: text(&made, "client_secret")?,
        });
        Ok(())
    }

    fn disable_app(&mut self) -> Outcome<()> {
        // Without an answer nobody knows: it is left alone.
        let Some(app) = self.take_app() else {
            return Ok(());
        };
        let path = format!("/{}", app.app_id);
        match self.administer("PATCH", &path, &json!({ "disabled": true }))? {
            Some(answer) if answer.status == 200 => self.apps.revoked.push(app),
            Some(answer) => return Err(unexpected("disabling an app", &answer)),
            None => {}
        }
        Ok(())
    }

    fn rotate_secret(&mut self) -> Outcome<()> {
        let Some(app) = self.take_app() else {
            return Ok(());
        };
        let path = format!("/{}/secret", app.app_id);
        match self.administer("POST", &path, &json!({ "revoke_old": true }))? {
            Some(answer) if answer.status == 200 => {
                self.apps.good.push(Credentials {
                    app_id: app.app_id.clone(),
                    secret: text(&answer.json(200)?, "client_secret")?,
                });
                self.apps.revoked.push(app);
            }
            Some(answer) => return Err(unexpected("another secret", &answer)),
            None => {}
        }
        Ok(())
    }

    /// One good app and one revoked one.
    fn get_tokens(&mut self) -> Outcome<()> {
        if let Some(app) = self.take_app() {
            self.token_of(&app, 200)?;
            self.apps.good.push(app);
        }
        let revoked = u64::try_from(self.apps.revoked.len()).unwrap_or_default();
        let one = usize::try_from(self.chance.below(revoked)).unwrap_or_default();
        match self.apps.revoked.get(one).cloned() {
            Some(app) => self.token_of(&app, 401).map(drop),
            None => Ok(()),
        }
    }

    /// Asks for a token; whether there was an answer, which must be this one.
    fn token_of(&mut self, app: &Credentials, expected: u16) -> Outcome<bool> {
        let basic = BASE64.encode(format!("{}:{}", app.app_id, app.secret).as_bytes());
        let fields = vec![
            ("Authorization", format!("Basic {basic}")),
            (
                "Content-Type",
                "application/x-www-form-urlencoded".to_owned(),
            ),
        ];
        let url = format!("{}/oauth/token", self.place.core);
        match self.ask(CORE, "POST", &url, fields, b"grant_type=client_credentials")? {
            None => Ok(false),
            Some(answer) if answer.status == expected => Ok(true),
            Some(answer) => Err(unexpected(
                match expected {
                    200 => "a good app's request for a token",
                    _ => "a revoked app's request for a token",
                },
                &answer,
            )),
        }
    }

    fn take_app(&mut self) -> Option<Credentials> {
        let good = &mut self.apps.good;
        let count = u64::try_from(good.len()).ok()?;
        let one = usize::try_from(self.chance.below(count)).ok()?;
        (one < good.len()).then(|| good.swap_remove(one))
    }

    /// As the administrator, who logs in when there is no token or its key was retired.
    fn administer(&mut self, method: &str, path: &str, body: &Value) -> Outcome<Option<Answer>> {
        if self.admin.token.is_empty() {
            let mut admin = std::mem::replace(&mut self.admin, Login::new("", "", ""));
            let pair = self.login_of(&mut admin);
            self.admin = admin;
            if pair?.is_none() {
                return Ok(None);
            }
        }
        let mut fields = authorized(Some(&self.admin.token));
        fields.push(("Content-Type", "application/json".to_owned()));
        let url = format!("{}/api/apps{path}", self.place.core);
        let answer = self.ask(CORE, method, &url, fields, body.to_string().as_bytes())?;
        let Some(answer) = answer.filter(|answer| answer.status != 401) else {
            // Of the next turn's: a token lives ten minutes.
            self.admin.token.clear();
            return Ok(None);
        };
        Ok(Some(answer))
    }

    pub(super) fn compare_apps(&mut self) -> Outcome<()> {
        let good = self.apps.good.clone().into_iter().map(|app| (app, 200));
        let revoked = self.apps.revoked.clone().into_iter().map(|app| (app, 401));
        for (app, expected) in good.chain(revoked).collect::<Vec<_>>() {
            if !self.token_of(&app, expected)? {
                return Err(wrong("Core does not answer in the end"));
            }
        }
        Ok(())
    }
}
