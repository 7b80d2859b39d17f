//! `docs/integrate.md`: its commands, its excerpts, and its code in other languages.

use std::fs;
use std::path::{Path, PathBuf};

use deploy_tests::page::{Shell, assert_said, blocks};
use deploy_tests::programs;
use deploy_tests::world::in_a_world;

const PAGE: &str = "docs/integrate.md";

/// Prints the subject of each token on standard input, or the kind of its refusal.
const MAIN_JS: &str = r"
import { readFileSync } from 'node:fs';
for (const token of readFileSync(0, 'utf8').trim().split('\n')) {
  try { console.log((await verify(token)).sub); } catch (error) { console.log(error.code); }
}
";
const MAIN_PY: &str = r#"
import sys
for line in sys.stdin:
    try:
        print(verify(line.strip())["sub"])
    except jwt.PyJWTError as error:
        print(type(error).__name__)
"#;

/// Where `cargo xtask test` has set the peers up.
fn peers() -> PathBuf {
    std::env::var_os("DAILEY_PEERS").map_or_else(
        || deploy_tests::root().join("target/testbed/peers"),
        PathBuf::from,
    )
}

#[test]
fn every_excerpt_is_in_the_program_that_it_is_taken_from() {
    let mut excerpts = 0;
    for block in blocks(PAGE) {
        if let Some(file) = block.language.strip_prefix("rust ") {
            let source = fs::read_to_string(deploy_tests::root().join(file)).unwrap();
            assert!(
                source.contains(&format!("{}\n", block.text)),
                "{file} has changed; the page says\n{}",
                block.text
            );
            excerpts += 1;
        }
    }
    assert_eq!(excerpts, 5);
}

#[test]
#[ignore = "needs the outside verifiers: `cargo xtask test` sets them up and runs this"]
fn an_app_comes_to_its_tokens_from_the_page() {
    in_a_world(|world| {
        let programs = programs::built();
        fs::create_dir_all("/srv/try").unwrap();
        let mut sh = world.on_machine("sh");
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        sh.arg("-eu").current_dir("/srv/try").env("PATH", path);
        for key in [
            "CORE_AUDIENCE",
            "CORE_JWKS_URL",
            "DAILEY_CORE_URL",
            "CORE_APP_ID",
        ] {
            sh.env_remove(key);
        }
        let mut shell = Shell::start(sh);
        let mut said = String::new();
        let mut languages = Vec::new();
        for block in blocks(PAGE) {
            match block.language.as_str() {
                "sh" => said = shell.run(&block.text),
                "text" => assert_said(&said, &block.text),
                "js" => {
                    let folder = Path::new("/srv/try/js");
                    fs::create_dir_all(folder).unwrap();
                    std::os::unix::fs::symlink(
                        peers().join("node/node_modules"),
                        folder.join("node_modules"),
                    )
                    .unwrap();
                    fs::write(folder.join("try.mjs"), block.text + MAIN_JS).unwrap();
                    verifies(
                        &mut shell,
                        "node js/try.mjs",
                        "ERR_JWT_CLAIM_VALIDATION_FAILED",
                    );
                    languages.push("js");
                }
                "python" => {
                    fs::write("/srv/try/try.py", block.text + MAIN_PY).unwrap();
                    let python = peers().join("python/bin/python");
                    verifies(
                        &mut shell,
                        &format!("{} try.py", python.display()),
                        "InvalidAudienceError",
                    );
                    languages.push("python");
                }
                other => assert!(
                    other.starts_with("rust "),
                    "nobody knows how to run a block of {other}"
                ),
            }
        }
        assert_eq!(languages, ["js", "python"]);
        let explained = fs::read_to_string("/srv/try/explained").unwrap();
        assert!(
            explained.contains('✓') && !explained.contains('✗'),
            "{explained}"
        );
    });
}

/// A program takes the page's token, and refuses one that is for Core itself.
fn verifies(shell: &mut Shell, program: &str, refusal: &str) {
    let said = shell.run(&format!("echo \"$TOKEN\" | {program}"));
    // A user's id.
    assert_eq!(said.trim().len(), 36, "{program}: {said}");
    let other = format!("echo \"$TOKEN\" | CORE_APP_ID=another {program}");
    assert_eq!(shell.run(&other), format!("{refusal}\n"), "{program}");
}

#[test]
fn every_link_of_the_guides_leads_somewhere() {
    let root = deploy_tests::root();
    for page in [
        "docs/integrate.md",
        "docs/operate.md",
        "docs/review.md",
        "docs/operations/failover.md",
        "deploy/cloudflare.md",
        "README.md",
        "SECURITY.md",
        "ARCHITECTURE.md",
    ] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let folder = root.join(page).parent().unwrap().to_owned();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap();
            let outside =
                target.contains("://") || target.starts_with("mailto:") || target.is_empty();
            assert!(outside || folder.join(target).exists(), "{page}: {link}");
        }
    }
}
