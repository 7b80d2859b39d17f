//! Reads what a service of these tests wrote, when it goes, and holds it to two promises: every answer is
//! one that the document of the API describes, and nothing that must stay secret is in the log.

use std::path::Path;
use std::sync::{LazyLock, Mutex};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value;

static DOCUMENT: LazyLock<Value> = LazyLock::new(dailey_media::server::openapi);

/// What no log may hold beside tokens: headers that carry them, parameters of links and cursors.
const NEVER: [&str; 7] = [
    "Bearer ",
    "authorization",
    "access_token",
    "cursor=",
    "signature=",
    "sig=",
    "X-Amz-",
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
        let secrets = self.0.lock().unwrap();
        for line in text.lines() {
            assert_eq!(testbed::token_in(line), None, "the log tells a token");
            let never = NEVER.iter().copied();
            for secret in never.chain(secrets.iter().map(String::as_str)) {
                assert!(!line.contains(secret), "the log tells {secret}: {line}");
            }
            if line.contains(" access: answered ") {
                assert_described(line);
            }
        }
    }
}

/// The answer of a line of the access log is in the document.
fn assert_described(line: &str) {
    let field = |name: &str| {
        let rest = line.split_once(&format!(" {name}="))?.1;
        let value = rest.split(' ').next().unwrap_or_default();
        Some(value.trim_matches('"'))
    };
    let (route, method) = (field("route").unwrap(), field("method").unwrap());
    let status = field("status").unwrap();
    // Paths and methods that there are not, and preflights.
    if route == "none" || status == "405" || method == "OPTIONS" {
        return;
    }
    let path = route.replace("{*", "{");
    let item = &DOCUMENT["paths"][&path];
    let own = &item[method.to_lowercase()];
    // Where there is a GET, there is a HEAD.
    let operation = if method == "HEAD" && own.is_null() {
        &item["get"]
    } else {
        own
    };
    assert!(
        operation.is_object(),
        "describe {method} {path} in src/routes/openapi.rs (#[utoipa::path] at its handler, its name in `paths`)"
    );
    let response = &operation["responses"][status];
    let name = format!("{method} {path} {status}");
    assert!(
        response.is_object(),
        "{name} is not described at its handler: {line}"
    );
    if let Some(code) = field("code") {
        let described = response["description"].as_str().unwrap();
        assert!(
            described.contains(&format!("`{code}`")),
            "{name}: `{code}` is not described at its handler"
        );
    }
}
