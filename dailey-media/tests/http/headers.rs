//! Every header of every route, as it leaves: `headers.txt` beside this file, to be read as a whole. After a
//! change that is meant, `UPDATE=1 cargo nextest run -p dailey-media --test http headers` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use dailey_auth::testing::{Fault, TokenBuilder};
use reqwest::{Method, RequestBuilder, Response};
use testbed::{Proxy, Signal, Traffic};
use tokio::task::JoinSet;

use crate::openapi::ROUTES;
use crate::service::{ORIGIN, Service, header};
use crate::store::Store;

/// They tell when, or a name that was made up, not what.
const VARYING: [&str; 4] = ["date", "last-modified", "location", "upload-expires"];

/// What says how a browser is to treat an answer. Where one is as in the first answer of the file, which has
/// them all, it is not written again; where it is missing, that is written.
const PROFILE: [&str; 13] = [
    "cache-control",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "origin-agent-cluster",
    "permissions-policy",
    "referrer-policy",
    "x-content-type-options",
    "x-dns-prefetch-control",
    "x-download-options",
    "x-frame-options",
    "x-permitted-cross-domain-policies",
    "x-xss-protection",
];

/// Larger than any JSON body that is taken.
const TOO_LARGE: usize = 300 * 1024;

/// Who asks slowly has its share back meanwhile, so it may take more than the share.
const MOST_TRIES: usize = 1000;

/// Of a flood.
const AT_ONCE: usize = 8;

/// So that the end can be looked at while it comes.
const SLOW_END: &str = "[limits]\nlame_duck_seconds = 60\n";

/// What an upload and a link are called in a path; the service makes up another name each time.
const ID: &str = "{id}";
const LINK: &str = "{link}";

/// With S3 such a link goes to the bucket, and the answer is not ours.
const LINK_TO_READ: &str = "by a link to read";
const BY_LINKS_TO_READ: [&str; 2] = ["GET /api/links/{key}", "HEAD /api/links/{key}"];

struct Snapshot<'a> {
    service: &'a Service,
    text: String,
    /// Of the first answer.
    profile: Vec<(&'static str, String)>,
    /// Each case has an address of its own, so that it has a stranger's whole bucket.
    cases: u16,
    /// Whose cases these are: so many that one subject's buckets would not do for all.
    subject: &'static str,
    /// The last of each name that the service made up.
    made_up: BTreeMap<&'static str, String>,
    /// Which routes gave more than a refusal.
    served: BTreeSet<String>,
}

/// A request: method, path, token's scope (`None`: no token), headers, body.
type Asked<'a> = (
    &'a str,
    &'a str,
    Option<&'a str>,
    &'a [(&'a str, &'a str)],
    &'a str,
);

const ALL: Option<&str> = Some("media:read media:write");
const JSON: (&str, &str) = ("content-type", "application/json");
const TUS: (&str, &str) = ("tus-resumable", "1.0.0");

impl Snapshot<'_> {
    fn token(&self, subject: &str, scope: &str) -> TokenBuilder {
        let token = self.service.token().claim("sub", subject);
        token.claim("scope", scope)
    }

    fn request(&self, subject: &str, asked: &Asked<'_>) -> RequestBuilder {
        let (method, path, scope, headers, body) = asked;
        let method: Method = method.parse().unwrap();
        let made_up = self.made_up.iter();
        let path = made_up.fold((*path).to_owned(), |path, (name, value)| {
            path.replace(name, value)
        });
        let mut request = match scope {
            None => self.service.bare(method, &path),
            Some(scope) => {
                let token = self.token(subject, scope);
                self.service.request_as(method, &path, &token)
            }
        };
        let address = format!("203.0.{}.{}", self.cases / 250, self.cases % 250);
        request = request
            .header("x-request-id", "id")
            .header("x-forwarded-for", address);
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        request.body((*body).to_owned())
    }

    /// Asks as the subject whose cases these are, and writes down what comes.
    async fn case(&mut self, what: &str, asked: Asked<'_>) {
        self.cases += 1;
        let answer = self.request(self.subject, &asked).send().await.unwrap();
        self.write(what, &asked, answer).await;
    }

    /// Asks as somebody else until the answer has this status.
    async fn until(&mut self, status: u16, what: &str, asked: Asked<'_>) {
        self.cases += 1;
        let subject = format!("flood-{}", self.cases);
        for _ in 0..MOST_TRIES {
            let mut flood = JoinSet::new();
            for _ in 0..AT_ONCE {
                flood.spawn(self.request(&subject, &asked).send());
            }
            let mut answers = flood.join_all().await.into_iter().map(Result::unwrap);
            if let Some(answer) = answers.find(|answer| answer.status() == status) {
                return self.write(what, &asked, answer).await;
            }
        }
        panic!("{what}: never {status}");
    }

    /// An object that browsers show by themselves, and what opens it without a token.
    async fn links(&mut self, is_local: bool) {
        self.subject = "user-2";
        let (read, write) = ("/api/links/c.pdf?{link}", "/api/links/d.txt?{link}");
        let (pdf, none) = ("/api/media/c.pdf", "/api/links/c.pdf?s=x");
        let presign = "/api/media-ops/presign";
        let is_pdf = ("content-type", "application/pdf");
        let to_read = r#"{"key":"c.pdf","method":"GET"}"#;
        let to_write = r#"{"key":"d.txt","method":"PUT"}"#;
        let too_long = r#"{"key":"c.pdf","method":"GET","expires_in":86401}"#;
        let cases: &[(&str, Asked<'_>)] = &[
            ("PDF", ("PUT", pdf, ALL, &[is_pdf], "%PDF-1.7")),
            ("PDF", ("GET", pdf, ALL, &[], "")),
            ("as it is", ("GET", pdf, ALL, &[("if-none-match", "*")], "")),
            ("for too long", ("POST", presign, ALL, &[JSON], too_long)),
            ("no token", ("POST", presign, None, &[JSON], to_read)),
            ("to read", ("POST", presign, ALL, &[JSON], to_read)),
            (LINK_TO_READ, ("GET", read, None, &[], "")),
            (LINK_TO_READ, ("HEAD", read, None, &[], "")),
            ("to write", ("POST", presign, ALL, &[JSON], to_write)),
            ("by a link to write", ("PUT", write, None, &[], "hello")),
            ("by a link to write", ("GET", write, None, &[], "")),
            ("no link of ours", ("GET", none, None, &[], "")),
            ("no link of ours", ("HEAD", none, None, &[], "")),
            ("no link of ours", ("PUT", none, None, &[], "x")),
        ];
        for (what, asked) in cases {
            if is_local || *what != LINK_TO_READ {
                self.case(what, *asked).await;
            }
        }
    }

    async fn uploads(&mut self) {
        self.subject = "user-3";
        let (all, one, unknown) = ("/api/uploads", "/api/uploads/{id}", "/api/uploads/unknown");
        let (length, key) = (("upload-length", "5"), ("upload-metadata", "key dS50eHQ="));
        let bytes = ("content-type", "application/offset+octet-stream");
        let at = |offset| ("upload-offset", offset);
        let instead = |method| ("x-http-method-override", method);
        let cases: &[(&str, Asked<'_>)] = &[
            ("what they can", ("OPTIONS", all, None, &[], "")),
            ("no length", ("POST", all, ALL, &[TUS, key], "")),
            ("no version", ("POST", all, ALL, &[length, key], "")),
            ("no token", ("POST", all, None, &[TUS, length], "")),
            ("begun", ("POST", all, ALL, &[TUS, length, key], "")),
            ("what it can", ("OPTIONS", one, None, &[], "")),
            ("begun", ("HEAD", one, ALL, &[TUS], "")),
            ("no token", ("HEAD", one, None, &[TUS], "")),
            ("unknown", ("HEAD", unknown, ALL, &[TUS], "")),
            (
                "elsewhere",
                ("PATCH", one, ALL, &[TUS, bytes, at("3")], "lo"),
            ),
            ("no offset", ("PATCH", one, ALL, &[TUS, bytes], "he")),
            (
                "no token",
                ("PATCH", one, None, &[TUS, bytes, at("0")], "he"),
            ),
            (
                "first bytes",
                ("PATCH", one, ALL, &[TUS, bytes, at("0")], "he"),
            ),
            (
                "more bytes",
                (
                    "POST",
                    one,
                    ALL,
                    &[TUS, bytes, at("2"), instead("PATCH")],
                    "l",
                ),
            ),
            ("as HEAD", ("POST", one, ALL, &[TUS, instead("HEAD")], "")),
            ("nothing instead", ("POST", one, ALL, &[TUS], "")),
            (
                "last bytes",
                ("PATCH", one, ALL, &[TUS, bytes, at("3")], "lo"),
            ),
            ("done", ("HEAD", one, ALL, &[TUS], "")),
            ("begun", ("POST", all, ALL, &[TUS, length, key], "")),
            ("no token", ("DELETE", one, None, &[TUS], "")),
            ("ended", ("DELETE", one, ALL, &[TUS], "")),
            ("gone", ("DELETE", one, ALL, &[TUS], "")),
            ("gone", ("HEAD", one, ALL, &[TUS], "")),
            ("method", ("PUT", one, ALL, &[TUS], "")),
        ];
        for (what, asked) in cases {
            self.case(what, *asked).await;
        }
    }

    async fn write(&mut self, what: &str, asked: &Asked<'_>, answer: Response) {
        let (method, path, _, sent, _) = asked;
        let status = answer.status().as_u16();
        // A preflight is answered before there is a route.
        let is_preflight = sent
            .iter()
            .any(|(name, _)| *name == "access-control-request-method");
        if status < 400 && !is_preflight {
            self.served.insert(format!("{method} {}", template(path)));
        }
        let as_first = |name: &str, value: &str| {
            let mut profile = self.profile.iter();
            profile.any(|(known, first)| *known == name && first == value)
        };
        // Until the next one may come: how long, depends on when the last ones did.
        let wait = header(&answer, "retry-after");
        let until_next = format!(";t={wait}");
        if status == 429 {
            assert_ne!(wait, "0", "{what}");
            let limit = header(&answer, "ratelimit");
            assert!(limit.ends_with(&until_next), "{what}: {limit}, not {wait}");
        }
        let headers = answer.headers().iter();
        let mut lines: Vec<String> = headers
            .map(|(name, value)| (name, value.to_str().unwrap()))
            .filter(|(name, value)| !as_first(name.as_str(), value))
            .map(|(name, value)| {
                // How much of its bucket a subject has left is for `rates`, and how long a text is, for nobody.
                let masked = VARYING.contains(&name.as_str())
                    || (name == "ratelimit" && status != 429)
                    || (name == "retry-after" && status == 429)
                    || (name == "content-length" && !is_content(method, path, status));
                match value.split_once("; boundary=") {
                    _ if masked => format!("  {name}: …\n"),
                    None if name == "ratelimit" => {
                        format!("  {name}: {}\n", value.replace(&until_next, ";t=…"))
                    }
                    Some((value, _)) => format!("  {name}: {value}; boundary=…\n"),
                    None => format!("  {name}: {value}\n"),
                }
            })
            .collect();
        for name in PROFILE {
            if !answer.headers().contains_key(name) {
                lines.push(format!("  {name} is missing\n"));
            }
        }
        lines.sort();
        if self.profile.is_empty() {
            let value = |name| answer.headers()[name].to_str().unwrap().to_owned();
            self.profile = PROFILE.map(|name| (name, value(name))).into();
        }
        let location = answer.headers().get("location");
        if let Some((_, id)) = location.and_then(|at| at.to_str().unwrap().rsplit_once('/')) {
            self.made_up.insert(ID, id.to_owned());
        }
        let body = answer.text().await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        if let Some((_, link)) = body["url"].as_str().and_then(|url| url.split_once('?')) {
            self.made_up.insert(LINK, link.to_owned());
        }
        let code = body["code"].as_str();
        let code = code.map(|code| format!(" {code}")).unwrap_or_default();
        let _ = writeln!(self.text, "{method} {path} ({what}): {status}{code}");
        self.text.extend(lines);
        self.text.push('\n');
    }
}

/// Whether an answer's length is that of what was put there.
fn is_content(method: &str, path: &str, status: u16) -> bool {
    let is_object = path.contains("/media/") || path.contains("/links/");
    is_object && method != "PUT" && status < 300
}

/// The route of a path, as the document of the API has it.
fn template(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    for (start, name) in [
        ("/api/media/", "{key}"),
        ("/api/links/", "{key}"),
        ("/api/uploads/", "{id}"),
    ] {
        if path.starts_with(start) {
            return format!("{start}{name}");
        }
    }
    path.to_owned()
}

/// `is_left_out` tells which of the committed cases this run did not have.
fn compare(text: &str, is_left_out: impl Fn(&str) -> bool) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/headers.txt");
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    let mut cases: Vec<&str> = committed.split_inclusive("\n\n").collect();
    let all = cases.len();
    cases.retain(|case| !is_left_out(case));
    if cases.len() == all && std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&file, text).unwrap();
        return;
    }
    let committed = cases.concat();
    for (number, (now, then)) in text.lines().zip(committed.lines()).enumerate() {
        let number = number + 1;
        assert_eq!(now, then, "headers.txt, line {number} (left: as it is now)");
    }
    assert_eq!(text.len(), committed.len(), "headers.txt ends elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_header_of_every_route_is_as_it_was_agreed_on() {
    let mut store = Store::of_this_run();
    let proxy = store.port().map(|port| Proxy::start(port).unwrap());
    if let Some(proxy) = &proxy {
        store = store.through(proxy.port());
    }
    let service = Service::limited_on(store, SLOW_END).await;
    let mut snapshot = Snapshot {
        service: &service,
        text: String::new(),
        profile: Vec::new(),
        cases: 0,
        subject: "user-1",
        made_up: BTreeMap::new(),
        served: BTreeSet::new(),
    };
    let large = "x".repeat(TOO_LARGE);
    let (read, write) = (Some("media:read"), Some("media:write"));
    let svg = ("content-type", "image/svg+xml");
    let text = ("content-type", "text/plain");
    let meta = ("x-meta-colour", "red");
    let none_match = ("if-none-match", "*");
    let match_none = ("if-match", "\"nothing\"");
    let malformed = ("if-match", "nothing");
    let (a, svg_path, absent) = ("/api/media/a.txt", "/api/media/b.svg", "/api/media/absent");
    let digest = (
        "repr-digest",
        "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
    );
    let copy = r#"{"from":"a.txt","to":"c"}"#;
    let back = r#"{"from":"c","to":"a.txt","overwrite":true}"#;
    let cases: &[(&str, Asked<'_>)] = &[
        ("first", ("GET", "/health/live", None, &[], "")),
        ("created", ("PUT", a, ALL, &[text, meta], "hello")),
        ("replaced", ("PUT", a, ALL, &[text, meta], "hello")),
        ("active", ("PUT", svg_path, ALL, &[svg], "<svg/>")),
        ("no token", ("PUT", a, None, &[], "x")),
        ("reader", ("PUT", a, read, &[], "x")),
        ("bad key", ("PUT", "/api/media/a//b", ALL, &[], "x")),
        ("is there", ("PUT", a, ALL, &[none_match], "x")),
        ("other state", ("PUT", a, ALL, &[match_none], "x")),
        ("condition", ("PUT", a, ALL, &[malformed], "x")),
        ("digest", ("PUT", a, ALL, &[digest], "x")),
        (
            "coded",
            ("PUT", a, ALL, &[("content-encoding", "gzip")], "x"),
        ),
        ("whole", ("GET", a, ALL, &[], "")),
        ("part", ("GET", a, ALL, &[("range", "bytes=1-2")], "")),
        ("parts", ("GET", a, ALL, &[("range", "bytes=0-0,3-4")], "")),
        (
            "behind its end",
            ("GET", a, ALL, &[("range", "bytes=9-")], ""),
        ),
        ("as it is", ("GET", a, ALL, &[("if-none-match", "*")], "")),
        ("other state", ("GET", a, ALL, &[match_none], "")),
        (
            "saved",
            ("GET", "/api/media/a.txt?download=n.txt", ALL, &[], ""),
        ),
        ("active", ("GET", svg_path, ALL, &[], "")),
        ("absent", ("GET", absent, ALL, &[], "")),
        ("no token", ("GET", a, None, &[], "")),
        ("writer", ("GET", a, write, &[], "")),
        ("listed origin", ("GET", a, ALL, &[("origin", ORIGIN)], "")),
        (
            "other origin",
            ("GET", a, ALL, &[("origin", "https://evil.example")], ""),
        ),
        (
            "by https",
            ("GET", a, ALL, &[("x-forwarded-proto", "https")], ""),
        ),
        ("there", ("HEAD", a, ALL, &[], "")),
        ("absent", ("HEAD", absent, ALL, &[], "")),
        ("no token", ("HEAD", a, None, &[], "")),
        ("all", ("GET", "/api/media", ALL, &[], "")),
        ("query", ("GET", "/api/media?limit=0", ALL, &[], "")),
        ("no token", ("GET", "/api/media", None, &[], "")),
        ("writer", ("GET", "/api/media", write, &[], "")),
        (
            "copied",
            ("POST", "/api/media-ops/copy", ALL, &[JSON], copy),
        ),
        (
            "is there",
            ("POST", "/api/media-ops/copy", ALL, &[JSON], copy),
        ),
        (
            "no JSON",
            ("POST", "/api/media-ops/copy", ALL, &[text], copy),
        ),
        (
            "too large",
            ("POST", "/api/media-ops/copy", ALL, &[JSON], &large),
        ),
        (
            "not understood",
            ("POST", "/api/media-ops/copy", ALL, &[JSON], "{}"),
        ),
        (
            "no token",
            ("POST", "/api/media-ops/copy", None, &[JSON], copy),
        ),
        (
            "reader",
            ("POST", "/api/media-ops/copy", read, &[JSON], copy),
        ),
        ("moved", ("POST", "/api/media-ops/move", ALL, &[JSON], back)),
        (
            "source absent",
            ("POST", "/api/media-ops/move", ALL, &[JSON], back),
        ),
        (
            "no token",
            ("POST", "/api/media-ops/move", None, &[JSON], back),
        ),
        (
            "each told",
            (
                "POST",
                "/api/media-ops/delete",
                ALL,
                &[JSON],
                r#"{"keys":["nobody"]}"#,
            ),
        ),
        (
            "nothing named",
            ("POST", "/api/media-ops/delete", ALL, &[JSON], "{}"),
        ),
        (
            "no token",
            ("POST", "/api/media-ops/delete", None, &[JSON], "{}"),
        ),
        ("other state", ("DELETE", a, ALL, &[match_none], "")),
        ("gone", ("DELETE", a, ALL, &[], "")),
        ("absent", ("DELETE", a, ALL, &[], "")),
        ("no token", ("DELETE", a, None, &[], "")),
        ("good", ("GET", "/api/auth/validate", ALL, &[], "")),
        ("good", ("POST", "/api/auth/validate", ALL, &[], "")),
        ("no token", ("GET", "/api/auth/validate", None, &[], "")),
        ("no token", ("POST", "/api/auth/validate", None, &[], "")),
        (
            "listed origin",
            (
                "POST",
                "/api/auth/validate",
                None,
                &[("origin", ORIGIN)],
                "",
            ),
        ),
        ("well", ("GET", "/health", None, &[], "")),
        ("document", ("GET", "/openapi.json", None, &[], "")),
        ("by a proxy", ("GET", "/metrics", None, &[], "")),
        ("method", ("PATCH", a, ALL, &[], "")),
        ("method", ("DELETE", "/api/media", ALL, &[], "")),
        ("method", ("POST", "/health", None, &[], "")),
        ("nowhere", ("GET", "/nowhere", None, &[], "")),
        ("nowhere", ("GET", "/api/media/", ALL, &[], "")),
        (
            "preflight of a listed origin",
            (
                "OPTIONS",
                a,
                None,
                &[
                    ("origin", ORIGIN),
                    ("access-control-request-method", "PUT"),
                    ("access-control-request-headers", "authorization,x-meta-a"),
                ],
                "",
            ),
        ),
        (
            "preflight of another origin",
            (
                "OPTIONS",
                a,
                None,
                &[
                    ("origin", "https://evil.example"),
                    ("access-control-request-method", "PUT"),
                ],
                "",
            ),
        ),
    ];
    for (what, asked) in cases {
        snapshot.case(what, *asked).await;
    }
    // From this machine itself, so with nobody to be forwarded for.
    let metrics = service.bare(Method::GET, "/metrics");
    let answer = metrics.header("x-request-id", "id").send().await.unwrap();
    let asked = ("GET", "/metrics", None, &[][..], "");
    snapshot.write("from this machine", &asked, answer).await;
    let is_local = service.local("uploads").is_some();
    snapshot.links(is_local).await;
    snapshot.uploads().await;
    for (what, asked) in [
        // What needs no store, so that a slow one lets nobody have a share back.
        ("too often", ("GET", "/api/media/a//b", ALL, &[][..], "")),
        (
            "too often",
            ("POST", "/api/media-ops/delete", ALL, &[JSON], "{}"),
        ),
        ("too often", ("GET", "/api/media", None, &[], "")),
        ("too often", ("GET", "/api/auth/validate", ALL, &[], "")),
    ] {
        snapshot.until(429, what, asked).await;
    }

    // The store is away.
    let away = service.folder.path().join("away");
    match (&proxy, service.local("uploads")) {
        (Some(proxy), _) => proxy.set(Traffic::Breaks),
        (None, uploads) => std::fs::rename(uploads.unwrap(), &away).unwrap(),
    }
    snapshot.case("no store", ("PUT", a, ALL, &[], "x")).await;
    match (&proxy, service.local("uploads")) {
        (Some(proxy), _) => proxy.set(Traffic::Flows),
        (None, uploads) => std::fs::rename(&away, uploads.unwrap()).unwrap(),
    }
    // A key that nobody can fetch: its issuer is away.
    service.issuer.set_fault(Fault::Status(500));
    let unknown = dailey_auth::testing::SigningKey::generate();
    let token = service.token().sign(&unknown);
    for path in ["/api/media", "/api/auth/validate"] {
        let asked = ("GET", path, None, &[][..], "");
        let request = snapshot.request("user-1", &asked).bearer_auth(&token);
        let answer = request.send().await.unwrap();
        snapshot.write("no keys", &asked, answer).await;
    }
    service.child.signal(Signal::Terminate).unwrap();
    let health = ("GET", "/health", None, &[][..], "");
    snapshot.until(503, "about to end", health).await;

    let mut agreed: BTreeSet<String> = ROUTES.map(str::to_owned).into();
    agreed.retain(|route| is_local || !BY_LINKS_TO_READ.contains(&route.as_str()));
    let differ: Vec<_> = agreed.symmetric_difference(&snapshot.served).collect();
    assert!(
        differ.is_empty(),
        "each route gives more than a refusal here, and no other does: {differ:?}"
    );
    compare(&snapshot.text, |case| {
        !is_local && case.contains(LINK_TO_READ)
    });
}
