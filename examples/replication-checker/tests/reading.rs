//! What servers and clients print is read without trust: odd, old and broken output is named, never guessed
//! at, and never makes the checker fall over.

use jiff::Timestamp;
use proptest::prelude::*;
use replication_checker::client_output;
use replication_checker::gtid::GtidSet;
use replication_checker::observation::Contact;
use replication_checker::replica_status::ReplicaStatus;
use replication_checker::row::Row;
use replication_checker::statements::{Answer, Answers, Question};

fn server_of(version: &str) -> Answers {
    let row = |columns: &[(&str, &str)]| {
        columns
            .iter()
            .map(|(name, value)| (*name, Some((*value).to_owned())))
            .collect::<Row>()
    };
    Answers::from([
        (
            Question::Version,
            Answer::Rows(vec![row(&[("version", version), ("server_id", "1")])]),
        ),
        (Question::ReplicaStatus, Answer::Rows(vec![])),
    ])
}

#[test]
fn mariadb_and_old_servers_are_named_as_unsupported() {
    for version in [
        "10.11.19-MariaDB-deb12",
        "8.0.21",
        "5.7.44-log",
        "",
        "nonsense",
    ] {
        let contact = Contact::from_answers(&server_of(version), Timestamp::UNIX_EPOCH);
        assert!(matches!(contact, Contact::Unsupported(_)), "{version}");
    }
    for version in ["8.0.22", "8.4.3-log", "9.7.4-2", "10.0.0"] {
        let contact = Contact::from_answers(&server_of(version), Timestamp::UNIX_EPOCH);
        assert!(matches!(contact, Contact::Observed(_)), "{version}");
    }
}

#[test]
fn columns_with_old_names_are_not_taken_for_an_empty_status() {
    let output = "*** 1. row ***\n";
    assert!(client_output::vertical(output).is_err());
    let output = "*************************** 1. row ***************************\n\
        Slave_IO_Running: Yes\nSlave_SQL_Running: Yes\nSeconds_Behind_Master: 0\n";
    let rows = client_output::vertical(output).unwrap();
    assert_eq!(rows.len(), 1);
    assert!(ReplicaStatus::from_row(&rows[0]).is_err());
}

#[test]
fn null_is_nothing_and_the_word_in_xml_is_a_word() {
    let xml = "<resultset statement=\"x\"><row><field name=\"a\" xsi:nil=\"true\" />\
        <field name=\"b\">NULL</field></row></resultset>";
    let row = &client_output::xml(xml).unwrap()[0].rows[0];
    assert_eq!((row.text("a"), row.text("b")), (None, Some("NULL")));
    assert_eq!(row.number::<u64>("a"), None);
}

#[test]
fn an_empty_result_has_no_rows_in_any_form() {
    assert!(client_output::vertical("").unwrap().is_empty());
    assert!(client_output::tsv("").unwrap().is_empty());
    assert!(client_output::xml("").unwrap().is_empty());
}

#[test]
fn xml_that_breaks_off_is_an_error_and_not_fewer_rows() {
    let whole = "<resultset statement=\"x\"><row><field name=\"a\">1</field></row></resultset>";
    for end in whole.find("=\"x\"").unwrap()..whole.len() {
        assert!(
            client_output::xml(&whole[..end]).is_err(),
            "{}",
            &whole[..end]
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_output_makes_a_reader_fall_over(text in ".{0,400}") {
        let _ = client_output::vertical(&text);
        let _ = client_output::tsv(&text);
        let _ = client_output::xml(&text);
        let _ = GtidSet::parse(&text);
    }

    #[test]
    fn markup_in_any_order_makes_no_reader_fall_over(
        pieces in proptest::collection::vec(prop_oneof![
            Just("<resultset "), Just("statement=\""), Just("\">"), Just("<row>"), Just("</row>"),
            Just("<field name=\"a\">"), Just("/>"), Just("</field>"), Just("</resultset>"), Just("é"),
        ], 0..40)
    ) {
        let _ = client_output::xml(&pieces.concat());
    }

    #[test]
    fn a_set_counts_what_its_intervals_hold(
        members in proptest::collection::vec(
            (any::<u128>(), proptest::collection::vec((1_u64..1_000_000, 0_u64..1000), 1..4)), 0..5)
    ) {
        let mut total = 0;
        let mut texts = Vec::new();
        for (uuid, intervals) in members {
            let hex = format!("{uuid:032x}");
            let mut text = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
            for (first, more) in intervals {
                total += more + 1;
                text = format!("{text}:{first}-{}", first + more);
            }
            texts.push(text);
        }
        let set = GtidSet::parse(&texts.join(",\n")).unwrap();
        prop_assert_eq!(set.count(), total);
        prop_assert!(!set.as_str().contains(char::is_whitespace));
    }
}
