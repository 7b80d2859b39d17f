//! Reads what a service of these tests wrote, when it goes, and holds it to two promises: every answer is
//! one that the document of the API describes, and nothing that must stay secret is in the log.

use std::path::Path;
use std::sync::{LazyLock, Mutex};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value;
use testbed::s3::SECRET_ACCESS_KEY;

static DOCUMENT: LazyLock<Value> = LazyLock::new(dailey_media::server::openapi);

/// What no log may hold beside tokens: headers that carry them, parameters of links and cursors, what opens the
/// bucket.
const NEVER: [&str; 8] = [
    "Bearer ",
    "authorization",
    "access_token",
    "cursor=",
    "signature=",
    "sig=",
    "X-Amz-",
    SECRET_ACCESS_KEY,
];

/// Shorter ones stand in words by chance.
const SHORTEST_SECRET: usize = 10;

/// Remembers what must stay secret.
#[derive(Default)]
pub(crate) struct Witness(Mutex<Vec<String>>);

impl Witness {
    pub(crate) fn keep(&self, secret: &str) {
        if secret.len() >= SHORTEST_SECRET {
            self.0.lock().unwrap().push(secret.to_owned());
        }
    }

    /// The key in the path of an object or a link, and what a query says that is nobody else's to know.
    pub(crate) fn keep_names_in(&self, url: &str) {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        for start in ["/api/media/", "/api/links/"] {
            if let Some((_, key)) = path.split_once(start) {
                self.keep(key);
            }
        }
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if ["signature", "download", "prefix"].contains(&&*name) {
                self.keep(&value);
            }
        }
    }

    /// The keys in the body of an operation.
    pub(crate) fn keep_names_of(&self, wanted: &Value) {
        let one = ["key", "from", "to", "prefix"].map(|name| &wanted[name]);
        let many = wanted["keys"].as_array().into_iter().flatten();
        for name in one.into_iter().chain(many).filter_map(Value::as_str) {
            self.keep(name);
        }
    }

    /// Reads the log of a service whose root is in `folder`.
    pub(crate) fn check(&self, log: &Path, folder: &Path) {
        let bytes = std::fs::read(log).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(secret) = std::fs::read(folder.join("data/media/link-secret")) {
            for form in [
                HEXLOWER.encode(&secret),
                BASE64.encode(&secret),
                BASE64URL_NOPAD.encode(&secret),
            ] {
                self.keep(&form);
            }
        }
        for line in text.lines() {
            assert_eq!(testbed::token_in(line), None, "the log tells a token");
            if let Some(secret) = self.secret_in(line) {
                panic!("the log tells {secret}: {line}");
            }
            if let Some(answered) = Answered::read(line) {
                let described = answered.is_described();
                described.unwrap_or_else(|wrong| panic!("{wrong}: {line}"));
            }
        }
    }

    fn secret_in(&self, line: &str) -> Option<String> {
        let secrets = self.0.lock().unwrap();
        let kept = secrets.iter().map(String::as_str);
        let mut all = NEVER.into_iter().chain(kept);
        all.find(|secret| line.contains(secret)).map(str::to_owned)
    }
}

/// What a line of the access log says.
#[derive(Debug, PartialEq, Eq)]
struct Answered {
    route: String,
    method: String,
    status: String,
    code: Option<String>,
}

impl Answered {
    /// `None`: another line.
    fn read(line: &str) -> Option<Self> {
        if line.contains(" access: answered ") {
            Some(Self::of(|name| {
                let (_, rest) = line.split_once(&format!(" {name}="))?;
                let value = rest.split(' ').next().unwrap_or_default();
                Some(value.trim_matches('"').to_owned())
            }))
        } else if line.contains("\"target\":\"access\"") {
            let line: Value = serde_json::from_str(line).unwrap();
            Some(Self::of(|name| match &line[name] {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            }))
        } else {
            None
        }
    }

    fn of(field: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            route: field("route").unwrap(),
            method: field("method").unwrap(),
            status: field("status").unwrap(),
            code: field("code"),
        }
    }

    /// Whether the answer is in the document; if not, why.
    fn is_described(&self) -> Result<(), String> {
        // There is no such path.
        if self.route == "none" {
            return Ok(());
        }
        let (method, path) = (&self.method, self.route.replace("{*", "{"));
        let item = &DOCUMENT["paths"][&path];
        let own = &item[method.to_lowercase()];
        // Where there is a GET, there is a HEAD.
        let operation = if method == "HEAD" && own.is_null() {
            &item["get"]
        } else {
            own
        };
        let code = self.code.as_deref().unwrap_or_default();
        let name = format!("{method} {path} {} {code}", self.status);
        if self.status == "405" {
            if operation.is_object() && !stands_for_another(operation) {
                return Err(format!("{name}: it has this method"));
            }
            // About the path, so with each method that it has.
            let mut operations = item.as_object().into_iter().flatten().peekable();
            let is_described = operations.peek().is_some()
                && operations.all(|(_, operation)| self.is_described_at(operation));
            return is_described.then_some(()).ok_or_else(|| {
                format!("{name} is not described (`surround` in src/routes/openapi.rs)")
            });
        }
        // A preflight, which is for every path.
        if method == "OPTIONS" && own.is_null() {
            return Ok(());
        }
        if !operation.is_object() {
            return Err(format!(
                "describe {method} {path} in src/routes/openapi.rs (#[utoipa::path] at its handler, its name in `paths`)"
            ));
        }
        let is_described = self.is_described_at(operation);
        is_described
            .then_some(())
            .ok_or_else(|| format!("{name} is not described at its handler"))
    }

    fn is_described_at(&self, operation: &Value) -> bool {
        let response = &operation["responses"][&self.status];
        let description = response["description"].as_str();
        description.is_some_and(|description| {
            let code = self.code.as_ref();
            code.is_none_or(|code| description.contains(&format!("`{code}`")))
        })
    }
}

/// Whether the method that counts is in a header, so that the path may not have it.
fn stands_for_another(operation: &Value) -> bool {
    let parameters = operation["parameters"].as_array();
    let mut parameters = parameters.into_iter().flatten();
    parameters.any(|parameter| parameter["name"] == "X-HTTP-Method-Override")
}

#[test]
fn a_line_is_read_alike_as_text_and_as_json() {
    let text = "2026-11-30T14:22:38.123456Z  INFO access: answered request_id=\"id\" route=\"/api/media/{*key}\" method=\"GET\" status=404 code=\"object_not_found\" subject=\"ab\" ms=1.250";
    let json = r#"{"timestamp":"2026-11-30T14:22:38.123456Z","level":"INFO","message":"answered","request_id":"id","route":"/api/media/{*key}","method":"GET","status":404,"code":"object_not_found","subject":"ab","ms":1.25,"target":"access"}"#;
    let read = Answered::read(text).unwrap();
    let (status, code) = ("404".to_owned(), Some("object_not_found".to_owned()));
    assert_eq!((&read.status, &read.code), (&status, &code));
    assert_eq!(Answered::read(json), Some(read));
    let bare = json.replace(r#""code":"object_not_found","#, "");
    assert_eq!(Answered::read(&bare).unwrap().code, None);
    assert_eq!(Answered::read("INFO dailey_media: answered"), None);
}

#[test]
fn an_answer_that_the_document_does_not_have_is_noticed() {
    let not_allowed = Some("method_not_allowed");
    for (method, route, status, code, is_described) in [
        ("GET", "/api/media/{*key}", "200", None, true),
        ("HEAD", "/health", "200", None, true),
        ("GET", "/api/media/{*key}", "299", None, false),
        ("GET", "/api/media/{*key}", "404", Some("made_up"), false),
        ("PUT", "/health", "200", None, false),
        ("GET", "/made/up", "200", None, false),
        ("GET", "none", "404", Some("not_found"), true),
        // A 405 is about the path.
        ("PATCH", "/api/media/{*key}", "405", not_allowed, true),
        ("other", "/health", "405", not_allowed, true),
        ("OPTIONS", "/api/media", "405", not_allowed, true),
        ("PATCH", "/api/media/{*key}", "405", Some("made_up"), false),
        ("PATCH", "/made/up", "405", not_allowed, false),
        ("GET", "/api/media/{*key}", "405", not_allowed, false),
        ("HEAD", "/health", "405", not_allowed, false),
        ("POST", "/api/uploads/{id}", "405", not_allowed, true),
        // A preflight is for every path, and an OPTIONS of its own is held to what it says.
        ("OPTIONS", "/api/media/{*key}", "204", None, true),
        ("OPTIONS", "/api/uploads", "204", None, true),
        (
            "OPTIONS",
            "/api/uploads",
            "403",
            Some("origin_not_allowed"),
            true,
        ),
        ("OPTIONS", "/api/uploads", "200", None, false),
    ] {
        let answered = Answered {
            route: route.to_owned(),
            method: method.to_owned(),
            status: status.to_owned(),
            code: code.map(str::to_owned),
        };
        let told = answered.is_described();
        assert_eq!(told.is_ok(), is_described, "{answered:?}: {told:?}");
    }
}

#[test]
fn a_line_with_a_secret_or_the_name_of_an_object_is_noticed() {
    let witness = Witness::default();
    witness.keep_names_in("/api/media/holiday-one.jpg?download=holiday-two.jpg");
    witness.keep_names_in(
        "http://127.0.0.1/api/links/holiday-three.jpg?expires=1&signature=of-whoever",
    );
    witness.keep_names_of(&serde_json::json!({
        "from": "holiday-four.jpg", "keys": ["holiday-five.jpg"], "method": "GET"
    }));
    for secret in [
        "holiday-one.jpg",
        "holiday-two.jpg",
        "holiday-three.jpg",
        "of-whoever",
        "holiday-four.jpg",
        "holiday-five.jpg",
        SECRET_ACCESS_KEY,
    ] {
        let line = format!("INFO dailey_media: it was {secret}");
        assert_eq!(witness.secret_in(&line).as_deref(), Some(secret));
    }
    assert_eq!(witness.secret_in("INFO dailey_media: GET, expires=1"), None);
}
