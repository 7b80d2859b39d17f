//! Signatures that are none: forged, reused, padded in other ways (RFC 8017 section 8.2.2 asks for
//! one block and no other).

use super::super::forge::Forge;
use super::super::rsa::{Hash, SHA1, SHA256, SHA384, SHA512, pkcs1_block};
use super::super::topic::Topic;
use super::header::noise;

const CODE: &str = "signature_invalid";

pub(super) fn fill(topic: &mut Topic<'_>) {
    psychic(topic);
    arithmetic(topic);
    padding(topic);
    reused(topic);
}

fn psychic(topic: &mut Topic<'_>) {
    for (name, signature) in [
        ("256 zero bytes", vec![0; 256]),
        ("256 bytes FF", vec![0xff; 256]),
        ("the number one", [&[0; 255][..], &[1]].concat()),
        ("the number two", [&[0; 255][..], &[2]].concat()),
        ("one byte", vec![0]),
        ("three bytes", vec![0; 3]),
        ("64 bytes, as of an elliptic curve", noise(64)),
        ("128 bytes", noise(128)),
        ("255 zero bytes", vec![0; 255]),
        ("257 zero bytes", vec![0; 257]),
        ("256 bytes of noise", noise(256)),
        ("512 zero bytes", vec![0; 512]),
        ("5000 zero bytes", vec![0; 5000]),
        (
            "DER of two zeros",
            b"\x30\x06\x02\x01\x00\x02\x01\x00".to_vec(),
        ),
    ] {
        let token = topic.good().with_signature(signature);
        topic.refuse(
            CODE,
            &format!("signature of {name}"),
            "nobody has signed it",
            "attack: psychic signatures",
            token,
        );
    }
    let key = &topic.keys.rsa_8192;
    for (name, signature) in [
        ("1024 zero bytes", vec![0; 1024]),
        ("1023 zero bytes", vec![0; 1023]),
    ] {
        let token = Forge::new(key).with_signature(signature);
        topic.refuse(
            CODE,
            &format!("RSA 8192, signature of {name}"),
            "nobody has signed it",
            "attack: psychic signatures",
            token,
        );
    }
}

fn arithmetic(topic: &mut Topic<'_>) {
    const SOURCE: &str = "attack: psychic signatures";
    let rsa = &topic.keys.main.rsa;
    let forge = topic.good();
    let good = forge.signature();
    let n = rsa.n();
    let mut below = n.clone();
    *below.last_mut().expect("a modulus") -= 1;
    for (name, signature, why) in [
        (
            "n itself",
            n.clone(),
            "not below the modulus (RFC 8017 section 5.2.2)",
        ),
        ("n less one", below, "minus one is nobody's signature"),
        (
            "n less the good one",
            rsa.minus(&good),
            "the negative of a signature is none",
        ),
        (
            "a zero byte and the good one",
            [&[0], &good[..]].concat(),
            "longer than the modulus (RFC 8017 section 8.2.2 step 1)",
        ),
        (
            "the good one and a zero byte",
            [&good[..], &[0]].concat(),
            "longer than the modulus",
        ),
        (
            "the good one cut by a byte",
            good[..255].to_vec(),
            "shorter than the modulus",
        ),
        (
            "the good one without its first byte",
            good[1..].to_vec(),
            "shorter than the modulus",
        ),
        (
            "the good one in reverse",
            good.iter().rev().copied().collect(),
            "little-endian is not the form",
        ),
        (
            "the good one twice",
            good.repeat(2),
            "longer than the modulus",
        ),
        (
            "the good one with its lowest bit flipped",
            flipped(&good, 255, 1),
            "one bit off",
        ),
        (
            "the good one with its highest bit flipped",
            flipped(&good, 0, 0x80),
            "one bit off",
        ),
        (
            "the good one with a bit in the middle flipped",
            flipped(&good, 128, 0x10),
            "one bit off",
        ),
    ] {
        topic.refuse(
            CODE,
            &format!("signature: {name}"),
            why,
            SOURCE,
            forge.with_signature(signature),
        );
    }
    // Some token whose signature stays within 256 bytes when the modulus is added.
    let (forge, sum) = (0..)
        .find_map(|at| {
            let forge = topic.good().claim("jti", format!("\"{at}\""));
            rsa.plus_modulus(&forge.signature()).map(|sum| (forge, sum))
        })
        .expect("one of many");
    topic.refuse(
        CODE,
        "signature: the good one plus n",
        "the same number to whoever forgets the range check (RFC 8017 section 5.2.2)",
        SOURCE,
        forge.with_signature(sum),
    );
    // Less than a whole signature and yet the same number.
    let (forge, short) = (0..)
        .find_map(|at| {
            let forge = topic.good().claim("jti", format!("\"z{at}\""));
            let signature = forge.signature();
            (signature[0] == 0).then_some((forge, signature))
        })
        .expect("one of many");
    topic.refuse(
        CODE,
        "signature: a leading zero byte left out",
        "the same number in another spelling",
        SOURCE,
        forge.with_signature(&short[1..]),
    );
    topic.accept(
        "signature with a leading zero byte",
        "one in 256 signatures begins so",
        "RFC 8017 section 8.2.1",
        forge.with_signature(&short),
    );
}

fn flipped(signature: &[u8], at: usize, bit: u8) -> Vec<u8> {
    let mut signature = signature.to_vec();
    signature[at] ^= bit;
    signature
}

/// Made with the private key: what a loose parser of the padding would let through.
fn padding(topic: &mut Topic<'_>) {
    const SOURCE: &str = "attack: RSA forgery at low exponent / loose PKCS#1 parsing";
    let rsa = &topic.keys.main.rsa;
    let forge = topic.good();
    let message = forge.signing_input();
    let message = message.as_bytes();
    let info = SHA256.info(message);
    let digest = SHA256.digest(message);
    let good = pkcs1_block(256, &info);
    assert_eq!(
        rsa.raise(&good),
        forge.signature(),
        "our own arithmetic is right"
    );

    let changed = |at: usize, byte: u8| {
        let mut block = good.clone();
        block[at] = byte;
        block
    };
    // 00 01 FF×8 00, DigestInfo, and whatever fills the rest.
    let short_run = |filler: u8| {
        let mut block = [&[0, 1], &[0xff; 8][..], &[0], &info].concat();
        block.resize(256, filler);
        block
    };
    // DigestInfo's outer length and the algorithm's are at 1 and 3.
    let with_info = |info: &[u8]| pkcs1_block(256, info);
    let mut without_null = info.clone();
    without_null.splice(1..2, [0x2f]);
    without_null.splice(3..4, [0x0b]);
    without_null.drain(15..17);
    let mut long_null = info.clone();
    long_null.splice(1..2, [0x32]);
    long_null.splice(3..4, [0x0e]);
    long_null.splice(15..17, [0x05, 0x01, 0x00]);
    let ber_length = [&[0x30, 0x81, 0x31], &info[2..]].concat();
    let mut garbage_inside = info.clone();
    garbage_inside.splice(1..2, [0x39]);
    garbage_inside.splice(3..4, [0x15]);
    garbage_inside.splice(15..17, [0x04, 0x08, 1, 2, 3, 4, 5, 6, 7, 8]);
    let mut other_oid = info.clone();
    other_oid[14] = 0x02;
    let mut truncated = info.clone();
    truncated.pop();
    truncated[1] -= 1;
    truncated[18] -= 1;
    for (name, block, why) in [
        (
            "garbage behind the digest, eight FF",
            short_run(0xa5),
            "Bleichenbacher 2006: the digest must be the end",
        ),
        (
            "zeros behind the digest, eight FF",
            short_run(0),
            "Bleichenbacher 2006: the digest must be the end",
        ),
        (
            "garbage behind the digest, one byte",
            [&good[..2], &good[3..], &[0xa5]].concat(),
            "Bleichenbacher 2006: the digest must be the end",
        ),
        (
            "no FF at all",
            [&[0, 1, 0], &info[..], &[0; 202]].concat(),
            "at least eight FF, and here exactly 202",
        ),
        (
            "another byte among the FF",
            changed(100, 0xfe),
            "every byte of the run is FF",
        ),
        (
            "a zero among the FF",
            changed(100, 0),
            "every byte of the run is FF",
        ),
        (
            "block type 0",
            changed(1, 0),
            "block type 1 is for signatures",
        ),
        (
            "block type 2",
            changed(1, 2),
            "block type 2 is for encryption",
        ),
        ("first byte 1", changed(0, 1), "the first byte is 0"),
        (
            "no zero before the digest",
            changed(256 - info.len() - 1, 0xff),
            "a zero ends the run",
        ),
        (
            "bare digest without DigestInfo",
            pkcs1_block(256, &digest),
            "the hash must be named",
        ),
        (
            "digest alone, unpadded",
            [&[0; 224][..], &digest].concat(),
            "no padding at all",
        ),
        (
            "DigestInfo without its NULL",
            with_info(&without_null),
            "one encoding is compared, with the NULL (RFC 8017 section 9.2 note 1)",
        ),
        (
            "DigestInfo with a NULL of one byte",
            with_info(&long_null),
            "one encoding is compared",
        ),
        (
            "DigestInfo with a long-form length",
            with_info(&ber_length),
            "DER has one form of a length",
        ),
        (
            "DigestInfo with garbage for parameters",
            with_info(&garbage_inside),
            "one encoding is compared",
        ),
        (
            "DigestInfo that names SHA-384 for a SHA-256 digest",
            with_info(&other_oid),
            "the hash must be the one that was used",
        ),
        (
            "digest cut by a byte",
            with_info(&truncated),
            "32 bytes of digest",
        ),
        (
            "an empty digest",
            with_info(&[&info[..18], &[0]].concat()),
            "32 bytes of digest",
        ),
    ] {
        topic.refuse(
            CODE,
            &format!("padding: {name}"),
            why,
            SOURCE,
            forge.with_signature(rsa.raise(&block)),
        );
    }
    let hashes: [(&str, &Hash); 3] = [("SHA-1", &SHA1), ("SHA-384", &SHA384), ("SHA-512", &SHA512)];
    for (name, hash) in hashes {
        topic.refuse(
            CODE,
            &format!("padding: DigestInfo of {name}, alg RS256"),
            "RS256 is SHA-256",
            SOURCE,
            forge.with_signature(rsa.pkcs1(hash, message)),
        );
    }
    topic.refuse(
        CODE,
        "PSS signature, alg RS256",
        "RS256 is PKCS#1 v1.5",
        "attack: allow list checked on one name, key uses another",
        forge.with_signature(rsa.pss(&SHA256, message, 7)),
    );
}

/// Good signatures of something else.
fn reused(topic: &mut Topic<'_>) {
    const COLLISION: &str = "attack: verified-token cache collision";
    let main = &topic.keys.main;
    let twin = || Forge::new(main).claim("jti", "\"twin\"");
    let forge = twin();
    let good = forge.signature();
    topic.accept(
        "twin of the tokens below",
        "the good one whose parts they borrow",
        COLLISION,
        twin().sign(),
    );
    for (name, token) in [
        (
            "same header and signature, other claims",
            twin().claim("sub", "\"admin\"").with_signature(&good),
        ),
        (
            "same claims and signature, other header",
            twin().header("cty", "\"JWT\"").with_signature(&good),
        ),
        (
            "same claims and signature, header in another spelling",
            twin().header_within(" ", "").with_signature(&good),
        ),
        (
            "same header and signature, claims in another spelling",
            twin().payload_within("", " ").with_signature(&good),
        ),
        (
            "same header and signature, one character of sub changed",
            twin().claim("sub", "\"user-2\"").with_signature(&good),
        ),
        (
            "same header and signature, exp one second later",
            twin().claim("exp", "1800000301").with_signature(&good),
        ),
        (
            "same header and claims, another token's signature",
            forge.with_signature(twin().claim("sub", "\"user-2\"").signature()),
        ),
        (
            "same kid in another published name",
            twin().kid("good-no-alg").with_signature(&good),
        ),
    ] {
        topic.refuse(
            CODE,
            name,
            "the signature belongs to another text",
            COLLISION,
            token,
        );
    }
    for (name, message) in [
        ("the claims alone", forge.payload_bytes()),
        (
            "header and claims decoded",
            [&forge.header_bytes()[..], b".", &forge.payload_bytes()].concat(),
        ),
        (
            "header and claims without the dot",
            forge.signing_input().replace('.', "").into_bytes(),
        ),
        (
            "a dot at the end",
            format!("{}.", forge.signing_input()).into_bytes(),
        ),
        (
            "a line feed at the end",
            format!("{}\n", forge.signing_input()).into_bytes(),
        ),
        (
            "claims before header",
            forge
                .signing_input()
                .split('.')
                .rev()
                .collect::<Vec<_>>()
                .join(".")
                .into_bytes(),
        ),
        (
            "the hash instead of the text",
            SHA256.digest(forge.signing_input().as_bytes()),
        ),
        ("nothing", Vec::new()),
    ] {
        topic.refuse(
            CODE,
            &format!("signed over {name}"),
            "RFC 7515 section 5.1: header, dot, payload, as they stand",
            "RFC 7515 section 5.1",
            forge.with_signature(topic.keys.main.rs256(&message)),
        );
    }
    for at in 0..6 {
        let forge = topic.good().claim("jti", format!("\"flood-{at}\""));
        topic.refuse(
            CODE,
            &format!("known kid, noise for a signature {at}"),
            "a flood that must not cause a fetch",
            "attack: known kid + bad signature flood",
            forge.with_signature(flipped(&noise(256), 0, at + 1)),
        );
    }
    let token = topic
        .good_of(&topic.keys.attacker)
        .kid("rsa-2048")
        .claim("sub", "\"admin\"")
        .sign();
    topic.refuse(
        CODE,
        "signed by the attacker under our kid",
        "another key's signature, of the right length",
        "attack: cross-issuer cache poisoning",
        token,
    );
}
