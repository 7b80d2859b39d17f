//! Other people's vectors: Wycheproof's RSASSA-PKCS1-v1_5 signatures and RFC 7515 appendix A.2,
//! through our own key import and signature check.

use serde_json::json;
use wycheproof::HashFunction;
use wycheproof::TestResult::{Acceptable, Invalid, Valid};
use wycheproof::rsa_pkcs1_verify::{TestFlag, TestGroup, TestName, TestSet};

use super::jwk::RsaKey;
use super::{KeySet, SkipReason};
use crate::text::base64url;

const KID: &str = "vector";

/// The key as our import takes it in from a JWK Set, or why it does not.
fn import(n: &[u8], e: &[u8]) -> Result<RsaKey, SkipReason> {
    // Wycheproof writes integers as ASN.1 does; RFC 7518 section 6.3.1 allows no leading zero.
    let minimal = |bytes: &[u8]| {
        let first = bytes.iter().position(|byte| *byte != 0).unwrap_or_default();
        base64url::encode(&bytes[first..])
    };
    let key = json!({"kty": "RSA", "kid": KID, "n": minimal(n), "e": minimal(e)});
    // A set must hold one usable key, or there is nobody to tell why the other was skipped.
    let good = json!({"kty": "RSA", "kid": "good", "n": A2_MODULUS, "e": "AQAB"});
    let document = json!({ "keys": [good, key] }).to_string();
    let (keys, skipped) = KeySet::from_json(document.as_bytes()).expect("one key is good");
    if let Some(key) = keys.find(KID) {
        assert!(skipped.is_empty());
        Ok(key.clone())
    } else {
        assert_eq!((skipped.len(), skipped[0].kid()), (1, Some(KID)));
        Err(skipped[0].reason())
    }
}

fn import_group(group: &TestGroup) -> Result<RsaKey, SkipReason> {
    import(&group.key.n, &group.key.e)
}

/// How many vectors came to which end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    valid: usize,
    acceptable: usize,
    invalid: usize,
    /// In groups whose key the import refuses.
    key_refused: usize,
}

fn run(name: TestName) -> Count {
    let set = TestSet::load(name).unwrap();
    let mut count = Count::default();
    for group in &set.test_groups {
        assert_eq!(group.hash, HashFunction::Sha2_256);
        let key = match import_group(group) {
            Ok(key) => key,
            Err(reason) => {
                assert_eq!(reason, SkipReason::ExponentNotAllowed);
                assert_eq!(group.key.e.as_ref(), [3]);
                count.key_refused += group.tests.len();
                continue;
            }
        };
        for test in &group.tests {
            let accepted = key.verifies(&test.msg, &base64url::encode(&test.sig));
            let id = (name, test.tc_id, &test.comment);
            assert_eq!(accepted, test.result == Valid, "{id:?}");
            match test.result {
                Valid => count.valid += 1,
                Invalid => count.invalid += 1,
                Acceptable => {
                    // The one kind there is: a DigestInfo without its NULL (RFC 8017 appendix B.1
                    // lets a verifier take it). Refused: one signature has one encoding.
                    assert_eq!(test.flags, [TestFlag::MissingNull], "{id:?}");
                    count.acceptable += 1;
                }
            }
        }
    }
    count
}

#[test]
fn wycheproof_signatures_get_wycheproofs_verdicts_and_the_acceptable_ones_are_refused() {
    let count = |invalid, key_refused| Count {
        valid: 7,
        acceptable: 1,
        invalid,
        key_refused,
    };
    assert_eq!(run(TestName::Rsa2048Sha256), count(249, 2));
    assert_eq!(run(TestName::Rsa3072Sha256), count(250, 1));
    assert_eq!(run(TestName::Rsa4096Sha256), count(250, 0));
    assert_eq!(run(TestName::Rsa8192Sha256), count(250, 0));
}

#[test]
fn a_good_signature_with_another_hash_is_none_of_ours() {
    let (mut groups, mut signatures) = (0, 0);
    for name in TestName::all() {
        let set = TestSet::load(name).unwrap();
        let others = set.test_groups.iter();
        for group in others.filter(|group| group.hash != HashFunction::Sha2_256) {
            let Ok(key) = import_group(group) else {
                assert_eq!(group.key.e.as_ref(), [3]);
                continue;
            };
            groups += 1;
            for test in group.tests.iter().filter(|test| test.result == Valid) {
                assert!(
                    !key.verifies(&test.msg, &base64url::encode(&test.sig)),
                    "{name:?} {}",
                    test.tc_id
                );
                signatures += 1;
            }
        }
    }
    assert_eq!((groups, signatures), (20, 140));
}

#[test]
fn wycheproofs_keys_of_the_edge_sizes_are_refused_one_bit_further() {
    let modulus = |name| {
        let set = TestSet::load(name).unwrap();
        let n = set.test_groups[0].key.n.iter();
        n.copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>()
    };
    let verdict = |n: &[u8], e: &[u8]| import(n, e).map(|_| ()).err();
    let (smallest, largest) = (
        modulus(TestName::Rsa2048Sha256),
        modulus(TestName::Rsa8192Sha256),
    );
    assert_eq!((smallest.len(), largest.len()), (256, 1024));

    let mut bits_2047 = smallest.clone();
    bits_2047[0] = bits_2047[0] & 0x7f | 0x40;
    assert_eq!(
        verdict(&bits_2047, &[1, 0, 1]),
        Some(SkipReason::ModulusSize)
    );
    assert_eq!(verdict(&smallest, &[1, 0, 1]), None);
    assert_eq!(verdict(&largest, &[1, 0, 1]), None);
    let bits_8193 = [&[1], &largest[..]].concat();
    assert_eq!(
        verdict(&bits_8193, &[1, 0, 1]),
        Some(SkipReason::ModulusSize)
    );

    for e in [
        &[1][..],
        &[3],
        &[17],
        &[1, 0],
        &[1, 0, 3],
        &[1, 0, 0, 0, 1],
        &smallest,
    ] {
        assert_eq!(
            verdict(&smallest, e),
            Some(SkipReason::ExponentNotAllowed),
            "{e:?}"
        );
    }
}

/// RFC 7515 appendix A.2.1: header, payload and signature of the example.
const A2_SIGNED: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const A2_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const A2_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

fn a2_set() -> KeySet {
    let document =
        json!({"keys": [{"kty": "RSA", "kid": KID, "n": A2_MODULUS, "e": "AQAB"}]}).to_string();
    KeySet::from_json(document.as_bytes()).unwrap().0
}

#[test]
fn the_example_of_rfc_7515_verifies_and_not_with_one_bit_changed() {
    let keys = a2_set();
    let key = keys.find(KID).unwrap();
    assert!(key.verifies(A2_SIGNED.as_bytes(), A2_SIGNATURE));

    for bit in 0..A2_SIGNED.len() * 8 {
        let mut message = A2_SIGNED.as_bytes().to_vec();
        message[bit / 8] ^= 1 << (bit % 8);
        assert!(!key.verifies(&message, A2_SIGNATURE), "bit {bit}");
    }
    let signature = base64url::decode::<256>(A2_SIGNATURE).unwrap();
    for bit in 0..signature.len() * 8 {
        let mut signature = signature.clone();
        signature[bit / 8] ^= 1 << (bit % 8);
        let signature = base64url::encode(&signature);
        assert!(!key.verifies(A2_SIGNED.as_bytes(), &signature), "bit {bit}");
    }
}

#[test]
fn the_token_of_rfc_7515_is_refused_for_its_missing_type() {
    let verifier = crate::Verifier::builder("joe", ["app"])
        .key_set(a2_set())
        .build()
        .unwrap();
    let token = format!("{A2_SIGNED}.{A2_SIGNATURE}");
    let refusal = verifier.try_verify(&token).unwrap_err();
    assert_eq!(refusal.code(), "type_not_allowed");
}
