//! Any text as a front end's build settings: whatever dotenv reads from an accepted file, and a
//! browser makes of it, leads to nobody but us.

#![no_main]

use std::sync::LazyLock;

use dailey_media::preflight::check_frontend_env;
use libfuzzer_sys::fuzz_target;
use regex::Regex;
use url::{Host, Url};

/// dotenv's own expression for a line.
static LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"(?m)^\s*(?:export\s+)?([0-9A-Za-z_.-]+)(?:\s*=\s*?|:\s+?)"#,
        r#"(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:\#.*)?$"#
    ))
    .expect("an expression")
});

static PAGE: LazyLock<Url> =
    LazyLock::new(|| Url::parse("https://dailey.cloud/").expect("an address"));

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if check_frontend_env(text).is_err() {
        return;
    }
    for line in LINE.captures_iter(text) {
        let value = line.get(2).map_or("", |value| value.as_str().trim());
        let value = value
            .strip_prefix(['\'', '"', '`'])
            .map_or(value, |inside| &inside[..inside.len() - 1]);
        leads_to_us(value);
        // A list, read by whoever splits it.
        value
            .split([',', ';', '|', ' ', '\'', '"'])
            .for_each(leads_to_us);
    }
    // One more line of somebody else is never overlooked.
    let text = format!("{text}\nLAST=https://evil.example");
    assert!(check_frontend_env(&text).is_err());
});

fn leads_to_us(value: &str) {
    let Ok(url) = PAGE.join(value) else { return };
    let name = match url.host() {
        None => return,
        Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name),
        Some(number) => panic!("a browser goes to {number}"),
    };
    // A list taken for one address, `https://a,https://b`: there is no top-level domain like that.
    let top = name.rsplit('.').next().unwrap_or_default();
    if !top
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return;
    }
    let ours = name == "dailey.cloud" || name.ends_with(".dailey.cloud");
    assert!(ours, "a browser goes to {name}");
    assert_eq!(url.scheme(), "https");
    assert!(url.username().is_empty() && url.password().is_none());
}
