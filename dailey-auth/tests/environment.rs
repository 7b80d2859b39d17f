//! What the environment may say, and what is answered when it says it wrongly.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use dailey_auth::Environment::{self, Development, Production};
use dailey_auth::VerifierSettings;

const GUID: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

fn settings(pairs: &[(&str, &str)]) -> Result<VerifierSettings, String> {
    let pairs: Vec<(String, String)> = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let lookup = move |key: &str| {
        pairs
            .iter()
            .find(|(own, _)| own == key)
            .map(|(_, value)| value.clone())
    };
    VerifierSettings::from_lookup(&lookup).map_err(|error| {
        assert!(error.to_string().starts_with(error.setting()));
        error.setting().to_owned()
    })
}

const ISSUER: (&str, &str) = ("JWT_ISSUER", "https://core.example");
const APP: (&str, &str) = ("CORE_APP_ID", GUID);

#[test]
fn issuer_and_audience_are_required_and_production_is_the_default() {
    let least = settings(&[ISSUER, APP]).unwrap();
    assert_eq!(least.environment(), Environment::Production);
    assert_eq!(
        (least.issuer(), least.audiences()),
        ("https://core.example", &[GUID.to_owned()][..])
    );
    assert_eq!(
        least.jwks_url(),
        "https://core.example/.well-known/jwks.json"
    );
    assert_eq!(settings(&[APP]).unwrap_err(), "JWT_ISSUER");
    assert_eq!(
        settings(&[("JWT_ISSUER", ""), APP]).unwrap_err(),
        "JWT_ISSUER"
    );
    assert_eq!(settings(&[ISSUER]).unwrap_err(), "CORE_APP_ID");
}

#[test]
fn the_address_comes_from_the_nearest_setting() {
    let core = ("DAILEY_CORE_URL", "https://inside.example/");
    let jwks = ("CORE_JWKS_URL", "https://keys.example/jwks");
    let url = |pairs: &[_]| settings(pairs).unwrap().jwks_url().to_owned();
    assert_eq!(
        url(&[ISSUER, APP, core]),
        "https://inside.example/.well-known/jwks.json"
    );
    assert_eq!(url(&[ISSUER, APP, core, jwks]), "https://keys.example/jwks");
}

#[test]
fn audiences_are_checked() {
    let (a, b) = ("CORE_APP_ID", "CORE_AUDIENCE");
    let audiences = |pairs: &[_]| {
        settings(&[&[ISSUER], pairs].concat()).map(|settings| settings.audiences().len())
    };
    let two = format!("{GUID}, {}", GUID.replace('6', "7"));
    let seventeen = [GUID; 17].join(",");
    assert_eq!(audiences(&[(a, &two)]), Ok(2));
    assert_eq!(audiences(&[(b, "one,two")]), Ok(2));
    assert_eq!(audiences(&[(a, GUID), (b, GUID)]), Ok(1));
    assert_eq!(audiences(&[(a, GUID), (b, "other")]), Err(a.to_owned()));
    let (comma, braces) = (format!("{GUID},"), format!("{{{GUID}}}"));
    for wrong in ["app", "6f9619ff8b864d01b42d00cf4fc964ff", &comma, &braces] {
        assert_eq!(audiences(&[(a, wrong)]), Err(a.to_owned()), "{wrong}");
    }
    assert_eq!(audiences(&[(a, &seventeen)]), Err(a.to_owned()));
    assert_eq!(audiences(&[(b, "one,,two")]), Err(b.to_owned()));
}

#[test]
fn node_env_counts_only_without_dailey_env() {
    let environment = |pairs: &[_]| {
        settings(&[&[ISSUER, APP], pairs].concat()).map(|settings| settings.environment())
    };
    assert_eq!(
        environment(&[("DAILEY_ENV", "development")]),
        Ok(Development)
    );
    assert_eq!(environment(&[("NODE_ENV", "development")]), Ok(Development));
    assert_eq!(
        environment(&[("DAILEY_ENV", "production"), ("NODE_ENV", "development")]),
        Ok(Production)
    );
    assert_eq!(
        environment(&[("DAILEY_ENV", "Development")]),
        Err("DAILEY_ENV".to_owned())
    );
    assert_eq!(
        environment(&[("NODE_ENV", "staging")]),
        Err("NODE_ENV".to_owned())
    );
}

#[tokio::test]
async fn only_development_allows_plain_http_on_loopback() {
    let local = ("CORE_JWKS_URL", "http://127.0.0.1:9/jwks.json");
    let read = |environment| settings(&[ISSUER, APP, local, ("DAILEY_ENV", environment)]);
    assert!(read("development").unwrap().builder().build().is_ok());
    assert_eq!(read("production").unwrap_err(), "CORE_JWKS_URL");
}

#[test]
fn an_error_names_the_key_to_change() {
    let long = "x".repeat(600);
    for (pairs, key) in [
        (
            &[("JWT_ISSUER", " https://core.example"), APP][..],
            "JWT_ISSUER",
        ),
        (&[("JWT_ISSUER", "core"), APP], "JWT_ISSUER"),
        (&[("JWT_ISSUER", "http://127.0.0.1:1"), APP], "JWT_ISSUER"),
        (
            &[("JWT_ISSUER", "https://core.example?x=1"), APP],
            "JWT_ISSUER",
        ),
        (&[ISSUER, ("CORE_AUDIENCE", &long)], "CORE_AUDIENCE"),
        (
            &[ISSUER, APP, ("DAILEY_CORE_URL", "http://core")],
            "DAILEY_CORE_URL",
        ),
        (
            &[ISSUER, APP, ("DAILEY_CORE_URL", "https://core/?a=b")],
            "DAILEY_CORE_URL",
        ),
        (
            &[ISSUER, APP, ("CORE_JWKS_URL", "https://u:p@core/")],
            "CORE_JWKS_URL",
        ),
        (
            &[ISSUER, APP, ("CORE_JWKS_URL", "https:core/jwks")],
            "CORE_JWKS_URL",
        ),
    ] {
        assert_eq!(settings(pairs).unwrap_err(), key, "{pairs:?}");
    }
    let one = "CORE_APP_ID";
    let (a, b) = (
        format!("{GUID},{}", GUID.replace('6', "7")),
        format!("{},{GUID}", GUID.replace('6', "7")),
    );
    assert!(
        settings(&[ISSUER, (one, &a), ("CORE_AUDIENCE", &b)]).is_ok(),
        "the order says nothing"
    );
}

#[test]
fn debug_shows_no_address() {
    let url = ("CORE_JWKS_URL", "https://keys.example/?key=s3cret");
    let shown = format!("{:?}", settings(&[ISSUER, APP, url]).unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}
