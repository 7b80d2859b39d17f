//! The reader against texts that it must take and texts that it must not.

use super::*;

const LIMITS: Limits = Limits {
    depth: 16,
    members: 256,
};

fn verdict(text: impl AsRef<[u8]>) -> Result<(), JsonError> {
    read_object(text.as_ref(), LIMITS, |_, _| {})
}

#[test]
fn strict_objects_are_read() {
    for text in [
        "{}",
        " \t\r\n{ \"a\" : 1 , \"b\" : [ ] }\n",
        r#"{"a":"\u0041\ud83d\ude00\/\"\\\b\f\n\r\t"}"#,
        r#"{"a":[1,-0,0.5,1e3,1E+3,1e-3,[],{}],"b":{"a":null},"c":true,"d":false}"#,
        "{\"a\":\"\u{7f}\u{80}\u{ffff}\"}",
        r#"{"a":{"a":{"a":1}}}"#,
    ] {
        assert_eq!(verdict(text), Ok(()), "{text}");
    }
}

#[test]
fn everything_outside_the_grammar_is_refused() {
    for text in [
        "",
        " ",
        "7",
        "\"a\"",
        "[]",
        "null",
        "{",
        "}",
        "{}{}",
        "{} x",
        "{}\0",
        "\u{feff}{}",
        "{a:1}",
        "{'a':1}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":[,1]}"#,
        r#"{"a":[1 2]}"#,
        r#"{"a":[1}"#,
        r#"{"a":01}"#,
        r#"{"a":+1}"#,
        r#"{"a":.5}"#,
        r#"{"a":1.}"#,
        r#"{"a":1e}"#,
        r#"{"a":1e+}"#,
        r#"{"a":-}"#,
        r#"{"a":--1}"#,
        r#"{"a":0x1}"#,
        r#"{"a":NaN}"#,
        r#"{"a":Infinity}"#,
        r#"{"a":1_0}"#,
        r#"{"a":tru}"#,
        r#"{"a":TRUE}"#,
        r#"{"a":nul}"#,
        r#"{"a":"\x41"}"#,
        r#"{"a":"\u12"}"#,
        r#"{"a":"\u+123"}"#,
        r#"{"a":"\U0041"}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\udc00"}"#,
        r#"{"a":"\ud800\ud800"}"#,
        r#"{"a":"\ud800x"}"#,
        r#"{"a":"\udc00\ud800"}"#,
        r#"{"a":"\ud800\u0041"}"#,
        "{\"a\":\"\n\"}",
        "{\"a\":\"\0\"}",
        "{\"a\":\"\u{1f}\"}",
        r#"{"a":"b}"#,
        r#"{"a":"\"#,
        "{\"a\":1}\u{a0}",
        "{\u{b}}",
        "/**/{}",
        "{\"a\":1//\n}",
    ] {
        assert_eq!(verdict(text), Err(JsonError::Invalid), "{text:?}");
    }
}

#[test]
fn bad_utf8_is_refused() {
    for bytes in [
        &b"{\"a\":\"\xff\"}"[..],
        b"{\"a\":\"\xc0\xaf\"}",         // overlong slash
        b"{\"a\":\"\xed\xa0\x80\"}",     // a surrogate
        b"{\"a\":\"\xf4\x90\x80\x80\"}", // beyond U+10FFFF
        b"{\"a\":\"\xe2\x82\"}",         // cut short
        b"\xef\xbb\xbf{}",
        b"{\0\"\0a\0\"\0:\x001\0}\0", // UTF-16
    ] {
        assert_eq!(verdict(bytes), Err(JsonError::Invalid), "{bytes:?}");
    }
}

#[test]
fn a_name_stands_once_in_an_object_however_it_is_spelt() {
    for text in [
        r#"{"aud":1,"aud":1}"#,
        r#"{"aud":1,"\u0061ud":2}"#,
        r#"{"\u0061ud":1,"a\u0075d":2}"#,
        r#"{"":1,"":2}"#,
        r#"{"x":{"a":1,"b":2,"a":3}}"#,
        r#"{"x":[{"a":1},{"a":1,"a":2}]}"#,
        r#"{"\ud83d\ude00":1,"😀":2}"#,
        r#"{"/":1,"\/":2}"#,
        r#"{"a":{"b":1},"c":2,"a":3}"#,
    ] {
        assert_eq!(verdict(text), Err(JsonError::DuplicateMember), "{text}");
    }
    for text in [
        r#"{"a":{"a":1},"b":{"a":1}}"#,
        r#"{"a":1,"A":2,"a ":3,"":4}"#,
    ] {
        assert_eq!(verdict(text), Ok(()), "{text}");
    }
}

#[test]
fn sixteen_levels_are_read_and_seventeen_are_not() {
    let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    assert_eq!(verdict(nested(16)), Ok(()));
    assert_eq!(verdict(nested(17)), Err(JsonError::TooDeep));
    assert_eq!(verdict(nested(5_000)), Err(JsonError::TooDeep));
    let arrays = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(verdict(arrays(15)), Ok(()));
    assert_eq!(verdict(arrays(16)), Err(JsonError::TooDeep));
}

#[test]
fn two_hundred_and_fifty_six_members_are_read_and_one_more_is_not() {
    let members = |count: usize| {
        let members: Vec<_> = (0..count).map(|n| format!("\"m{n}\":{{}}")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(verdict(members(256)), Ok(()));
    assert_eq!(verdict(members(257)), Err(JsonError::Invalid));
}

#[test]
fn texts_mean_what_they_say() {
    let json = r#"{"a":"\u0041\ud83d\ude00\/\n","b":"plain"}"#;
    let mut values = Vec::new();
    read_object(json.as_bytes(), LIMITS, |_, value| {
        values.push(value.text().unwrap());
    })
    .unwrap();
    assert_eq!(values[0].unescaped(), "A😀/\n");
    assert!(values[0].means("A😀/\n") && !values[0].means("A😀/"));
    assert_eq!(values[1].unescaped(), "plain");
    let start = values[1].start_in(json);
    assert_eq!(&json[start..start + 5], values[1].raw());
}

#[test]
fn array_values_are_handed_out_with_their_place() {
    let json = r#"{"aud" : [ "one" , "t\u0077o", 3, [ "in" ], {} ] }"#;
    let mut texts = Vec::new();
    read_object(json.as_bytes(), LIMITS, |_, value| {
        let Value::Array(array) = value else {
            panic!("not an array")
        };
        texts.extend(array.values());
    })
    .unwrap();
    assert_eq!(texts.len(), 5);
    let one = texts[0].text().unwrap();
    assert_eq!(&json[one.start_in(json)..one.start_in(json) + 3], "one");
    assert_eq!(texts[1].text().unwrap().unescaped(), "two");
    assert!(matches!(texts[2], Value::Number(_)));
    let Value::Array(inner) = texts[3] else {
        panic!("not an array")
    };
    let inner = inner.values().next().unwrap().text().unwrap();
    assert_eq!(&json[inner.start_in(json)..inner.start_in(json) + 2], "in");
}

#[test]
fn numbers_never_overflow_and_never_become_infinite() {
    let read = |raw| Number { raw }.non_negative();
    assert_eq!(read("1700000000.5"), Some(1_700_000_000.5));
    assert_eq!(read("1e3"), Some(1000.0));
    assert_eq!(read("0"), Some(0.0));
    assert_eq!(read("9007199254740992"), Some(9_007_199_254_740_992.0));
    for refused in [
        "1e400",
        "1e300",
        "-1",
        "-0",
        "-0.0",
        "-1e400",
        "9007199254740993",
        "9007199254740992.5",
        "18446744073709551616",
    ] {
        assert_eq!(read(refused), None, "{refused}");
    }
    assert_eq!(read(&format!("1{}", "0".repeat(6_000))), None);
}
