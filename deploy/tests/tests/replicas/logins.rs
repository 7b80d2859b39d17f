//! Who registers, logs in, stays logged in, and makes apps.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::client::{CORE, Client, MEDIA};

const PASSWORD: &str = "correct horse battery staple";

/// Everything that Core acknowledged.
pub(crate) struct Logins {
    client: Client,
    app_id: String,
    /// An administrator's token.
    admin: String,
    /// The newest refresh token of each user.
    sessions: Vec<(String, String)>,
    apps: Vec<String>,
}

impl Logins {
    pub(crate) fn new(client: &Client, app_id: &str, admin: String) -> Self {
        Self {
            client: client.clone(),
            app_id: app_id.to_owned(),
            admin,
            sessions: Vec::new(),
            apps: Vec::new(),
        }
    }

    /// A new user with a token that DMAPI takes, a second pair of tokens, and a new app.
    pub(crate) async fn round(&mut self) {
        let number = self.sessions.len();
        let email = format!("user-{number}@example.com");
        register(&self.client, &email).await;
        let pair = log_in(&self.client, &self.app_id, &email, PASSWORD).await;
        let token = pair["access_token"].as_str().unwrap();
        let list = format!("{MEDIA}/api/media");
        let answer = self
            .client
            .ask(self.client.request(Method::GET, &list, token));
        answer.await.must_be(200);
        let refresh_token = self.refresh(&email, pair["refresh_token"].as_str().unwrap());
        let refresh_token = refresh_token.await;
        self.sessions.push((email, refresh_token));
        self.make_app(&format!("app-{number}")).await;
    }

    /// Everybody is still logged in, and every app is there.
    pub(crate) async fn look_at_all(&self) {
        assert!(self.sessions.len() > 2, "{} rounds", self.sessions.len());
        for (email, refresh_token) in &self.sessions {
            self.refresh(email, refresh_token).await;
        }
        let apps = format!("{CORE}/api/apps");
        let list = self.client.request(Method::GET, &apps, &self.admin);
        let answer = self.client.ask(list).await;
        answer.must_be(200);
        let text = answer.document().to_string();
        for app in &self.apps {
            assert!(
                text.contains(&format!("\"{app}\"")),
                "{app} is not in {text}"
            );
        }
    }

    async fn refresh(&self, email: &str, refresh_token: &str) -> String {
        let body = json!({ "refresh_token": refresh_token });
        let request = self.client.json(&format!("{CORE}/api/auth/refresh"), &body);
        let answer = self.client.ask(request).await;
        let pair = if answer.is_done(200, 409) {
            answer.document()
        } else {
            // The new pair was in the answer that never came.
            log_in(&self.client, &self.app_id, email, PASSWORD).await
        };
        pair["refresh_token"].as_str().unwrap().to_owned()
    }

    async fn make_app(&mut self, name: &str) {
        let apps = format!("{CORE}/api/apps");
        let request = self.client.request(Method::POST, &apps, &self.admin);
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .body(json!({ "name": name }).to_string());
        self.client.ask(request).await.is_done(201, 409);
        self.apps.push(name.to_owned());
    }
}

/// A new user who can log in.
pub(crate) async fn register(client: &Client, email: &str) {
    let body = json!({ "email": email, "password": PASSWORD });
    let request = client.json(&format!("{CORE}/api/auth/register"), &body);
    client.ask(request).await.is_done(201, 409);
}

/// The token of a user who has just been made.
pub(crate) async fn new_user(client: &Client, app_id: &str, email: &str) -> String {
    register(client, email).await;
    let pair = log_in(client, app_id, email, PASSWORD).await;
    pair["access_token"].as_str().unwrap().to_owned()
}

pub(crate) async fn log_in(client: &Client, app_id: &str, email: &str, password: &str) -> Value {
    let body = json!({ "app_id": app_id, "email": email, "password": password });
    let answer = client
        .ask(client.json(&format!("{CORE}/api/auth/login"), &body))
        .await;
    answer.must_be(200);
    answer.document()
}
