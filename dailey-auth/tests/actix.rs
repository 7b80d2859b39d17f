//! Actix Web's extractors and middleware.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use actix_web::dev::ServiceResponse;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, HttpMessage as _, HttpRequest, web};
use dailey_auth::actix::{Authenticated, MaybeAuthenticated, RequireScopes};
use dailey_auth::testing::{SigningKey, TokenBuilder};
use dailey_auth::{KeySet, Verified, Verifier};

const ISSUER: &str = "https://core.example";

struct House {
    key: SigningKey,
    verifier: Verifier,
}

impl House {
    fn new() -> Self {
        let key = SigningKey::generate();
        let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
        let builder = Verifier::builder(ISSUER, ["app"]).key_set(keys);
        let verifier = builder.build().unwrap();
        Self { key, verifier }
    }

    fn token(&self, scope: &str) -> String {
        let token = TokenBuilder::new(ISSUER, "app").claim("scope", scope);
        format!("Bearer {}", token.sign(&self.key))
    }

    /// The answer of an application with one verifier and these routes.
    async fn answer(&self, path: &str, authorization: &[&str]) -> (u16, String) {
        let scopes = |scopes: &[&str]| {
            let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
            RequireScopes::new(self.verifier.clone(), scopes)
        };
        let other = Verifier::builder(ISSUER, ["other app"]);
        let (keys, _) = KeySet::from_json(self.key.public_jwks().as_bytes()).unwrap();
        let other = other.key_set(keys).build().unwrap();
        let app = App::new()
            .app_data(web::Data::new(self.verifier.clone()))
            .route("/hello", web::get().to(hello))
            .route("/public", web::get().to(public))
            .service(
                web::resource("/scoped")
                    .wrap(scopes(&["a", "b"]))
                    .to(subject),
            )
            .service(web::resource("/any").wrap(scopes(&[])).to(hello))
            .service(
                web::scope("/other")
                    .app_data(web::Data::new(other))
                    .service(web::resource("").wrap(scopes(&["a"])).to(hello)),
            );
        let app = init_service(app).await;
        let mut request = TestRequest::get().uri(path);
        for value in authorization {
            request = request.append_header(("authorization", *value));
        }
        text(call_service(&app, request.to_request()).await).await
    }
}

async fn text(response: ServiceResponse<impl actix_web::body::MessageBody>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = read_body(response).await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn hello(token: Authenticated) -> String {
    token.claims().subject().to_owned()
}

async fn public(MaybeAuthenticated(token): MaybeAuthenticated) -> String {
    token.map_or("nobody".to_owned(), |token| {
        token.claims().subject().to_owned()
    })
}

/// What the middleware put there.
async fn subject(request: HttpRequest) -> String {
    let extensions = request.extensions();
    let token = extensions.get::<Verified>().unwrap();
    token.claims().subject().to_owned()
}

#[actix_web::test]
async fn a_handler_that_takes_a_token_runs_for_verified_ones_only() {
    let house = House::new();
    let good = house.token("a");
    let expected = (200, "user-1".to_owned());
    assert_eq!(house.answer("/hello", &[&good]).await, expected);
    assert_eq!(house.answer("/any", &[&good]).await, expected);
    for (authorization, code) in [
        (&[][..], "token_missing"),
        (&[good.as_str(), good.as_str()], "token_missing"),
        (&["Basic dXNlcjpwYXNz"], "token_missing"),
        (&["Bearer x.y.z"], "token_malformed"),
    ] {
        for path in ["/hello", "/any"] {
            let (status, body) = house.answer(path, authorization).await;
            assert!(status == 401 && body.contains(code), "{path} {code} {body}");
        }
    }
}

#[actix_web::test]
async fn an_optional_token_may_be_absent_but_never_bad() {
    let house = House::new();
    let good = house.token("a");
    assert_eq!(
        house.answer("/public", &[]).await,
        (200, "nobody".to_owned())
    );
    assert_eq!(
        house.answer("/public", &[&good]).await,
        (200, "user-1".to_owned())
    );
    for bad in ["Bearer garbage", "Basic dXNlcjpwYXNz", "Bearer"] {
        assert_eq!(house.answer("/public", &[bad]).await.0, 401, "{bad:?}");
    }
}

#[actix_web::test]
async fn every_scope_is_required() {
    let house = House::new();
    assert_eq!(house.answer("/scoped", &[]).await.0, 401);
    let (status, body) = house.answer("/scoped", &[&house.token("a")]).await;
    assert!(
        status == 403 && body.contains("insufficient_scope"),
        "{body}"
    );
    assert_eq!(
        house.answer("/scoped", &[&house.token("b a")]).await,
        (200, "user-1".to_owned())
    );
}

#[actix_web::test]
async fn the_verdict_of_one_verifier_never_counts_for_another() {
    let house = House::new();
    let (status, body) = house.answer("/other", &[&house.token("a")]).await;
    assert!(
        status == 401 && body.contains("audience_mismatch"),
        "{body}"
    );
}

#[actix_web::test]
async fn without_a_verifier_nobody_gets_in() {
    let house = House::new();
    let app = App::new()
        .route("/hello", web::get().to(hello))
        .route("/public", web::get().to(public));
    let app = init_service(app).await;
    for path in ["/hello", "/public"] {
        let request = TestRequest::get().uri(path);
        let request = request.insert_header(("authorization", house.token("a")));
        let (status, body) = text(call_service(&app, request.to_request()).await).await;
        assert!(status == 500 && body.contains("internal_error"), "{body}");
    }
}
