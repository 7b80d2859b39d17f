//! `docs/review.md` against the code and the configuration that it speaks of.

use std::fs;

/// The rows of the table under a heading: the texts between the bars.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(deploy_tests::root().join("docs/review.md")).unwrap();
    let (_, section) = page.split_once(&format!("## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| "));
    lines
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells
                .map(|cell| cell.trim().trim_matches('`').to_owned())
                .collect()
        })
        .collect()
}

/// `95 MiB`, `64 KiB`, `30 s`, `16`: bytes, seconds, or how many.
fn value(text: &str) -> u64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: u64 = number.parse().unwrap();
    number
        * match unit {
            "" | "s" => 1,
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            other => panic!("{other} is not a unit"),
        }
}

/// `const NAME: u64 = 95 * 1024 * 1024;`, `Duration::from_secs(30)`, or a default: `name: 95 * MIB,`.
fn of_rust(source: &str, name: &str) -> Option<u64> {
    let mut named = source.lines().rev().filter_map(|line| {
        let (before, rest) = line.split_once(&format!("{name}:"))?;
        let constant = before.trim_end().ends_with("const");
        let (_, rest) = if constant {
            rest.split_once('=')?
        } else {
            ("", rest)
        };
        let expression = rest.trim().trim_end_matches([',', ';']);
        let product = expression
            .strip_prefix("Duration::from_secs(")
            .and_then(|rest| rest.strip_suffix(')'))
            .unwrap_or(expression);
        let factors = product.split('*').map(|factor| match factor.trim() {
            "KIB" => Some(1 << 10),
            "MIB" => Some(1 << 20),
            "GIB" => Some(1 << 30),
            number => number.replace('_', "").parse::<u64>().ok(),
        });
        factors.product::<Option<u64>>()
    });
    // The last one: a field's default stands below its declaration.
    named.next()
}

/// The largest of the directive's values: `client_max_body_size 100m;`.
fn of_nginx(source: &str, name: &str) -> Option<u64> {
    let lines = source.lines().filter_map(|line| {
        let text = line.trim().strip_prefix(name)?.trim().strip_suffix(';')?;
        let digits = text.trim_end_matches(['m', 'k', 's']);
        let number: u64 = digits.parse().ok()?;
        Some(
            number
                * match &text[digits.len()..] {
                    "m" => 1024 * 1024,
                    "k" => 1024,
                    _ => 1,
                },
        )
    });
    lines.max()
}

#[test]
fn every_limit_of_the_table_is_that_of_the_code() {
    let rows = rows("Limits");
    assert!(rows.len() > 15, "{rows:?}");
    for row in rows {
        let [limit, said, file, name] = &row[..] else {
            panic!("{row:?}");
        };
        let source = fs::read_to_string(deploy_tests::root().join(file))
            .unwrap_or_else(|error| panic!("{limit}: {file}: {error}"));
        let found = if file.starts_with("deploy/") {
            of_nginx(&source, name)
        } else {
            of_rust(&source, name)
        };
        assert_eq!(found, Some(value(said)), "{limit}: `{name}` in {file}");
    }
}

#[test]
fn the_edge_lets_through_what_the_services_take_and_no_more_than_cloudflare() {
    let read = |file: &str| fs::read_to_string(deploy_tests::root().join(file)).unwrap();
    let limits = read("dailey-media/src/settings/limits.rs");
    let object = of_rust(&limits, "put_max_bytes").unwrap();
    let edge = of_nginx(
        &read("deploy/nginx/dailey/media.conf"),
        "client_max_body_size",
    )
    .unwrap();
    // Free and Pro.
    let cloudflare = 100_000_000;
    assert!(object <= edge && object <= cloudflare);
    let json = of_rust(&read("examples/core/src/routes/body.rs"), "MAX_BODY_BYTES").unwrap();
    let edge = of_nginx(
        &read("deploy/nginx/dailey/core.conf"),
        "client_max_body_size",
    )
    .unwrap();
    assert!(json <= edge);
}

#[test]
fn every_command_of_the_page_names_what_there_is() {
    let manifests = fs::read_to_string(deploy_tests::root().join("Cargo.lock")).unwrap();
    let xtask = fs::read_to_string(deploy_tests::root().join("xtask/src/main.rs")).unwrap();
    for row in rows("Run every proof again") {
        let words: Vec<&str> = row[1].split(' ').collect();
        if let Some(at) = words.iter().position(|word| *word == "-p") {
            assert!(
                manifests.contains(&format!("name = \"{}\"\n", words[at + 1])),
                "{row:?}"
            );
        }
        if words[1] == "xtask" {
            let mut name: Vec<char> = words[2].chars().collect();
            name[0].make_ascii_uppercase();
            let name: String = name.into_iter().collect();
            assert!(xtask.contains(&format!("    {name}")), "{row:?}");
        }
    }
}
