//! The little DER (X.690) that is needed to take an RSA public key apart and to name what a wrong file holds.

/// Modulus and exponent, big-endian without leading zeros, of a PKCS#1 `RSAPublicKey` (RFC 8017 A.1.1).
pub(super) fn rsa_public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, rest) = element(der, 0x30)?;
    let (modulus, more) = element(sequence, 0x02)?;
    let (exponent, end) = element(more, 0x02)?;
    (rest.is_empty() && end.is_empty()).then_some((unsigned(modulus)?, unsigned(exponent)?))
}

/// What kind of key a PKCS#8 `PrivateKeyInfo` or an X.509 `SubjectPublicKeyInfo` says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rsa,
    Other(&'static str),
}

/// Reads the algorithm's object identifier (RFC 5208 section 5, RFC 5280 section 4.1).
pub(super) fn algorithm(der: &[u8]) -> Option<Algorithm> {
    let (body, _) = element(der, 0x30)?;
    // A private key begins with its version.
    let body = element(body, 0x02).map_or(body, |(_, rest)| rest);
    let (identifier, _) = element(body, 0x30)?;
    let (oid, _) = element(identifier, 0x06)?;
    Some(match oid {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] => Algorithm::Rsa,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a] => {
            Algorithm::Other("an RSA-PSS key")
        }
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => {
            Algorithm::Other("an elliptic-curve (EC) key")
        }
        [0x2b, 0x65, 0x70] => Algorithm::Other("an Ed25519 key"),
        [0x2b, 0x65, 0x71] => Algorithm::Other("an Ed448 key"),
        _ => Algorithm::Other("not an RSA key"),
    })
}

/// The modulus' length in bits of a PKCS#1 `RSAPrivateKey`, also when it stands inside of a PKCS#8 key.
pub(super) fn rsa_private_key_bits(der: &[u8]) -> Option<usize> {
    let (body, _) = element(der, 0x30)?;
    let (_version, rest) = element(body, 0x02)?;
    if let Some((modulus, _)) = element(rest, 0x02) {
        return unsigned(modulus).map(bits);
    }
    let (_algorithm, rest) = element(rest, 0x30)?;
    let (inner, _) = element(rest, 0x04)?;
    let (body, _) = element(inner, 0x30)?;
    let (_version, rest) = element(body, 0x02)?;
    let (modulus, _) = element(rest, 0x02)?;
    unsigned(modulus).map(bits)
}

/// Length in bits of a big-endian number without leading zeros.
pub(super) fn bits(number: &[u8]) -> usize {
    number
        .first()
        .map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// One element with this tag: its content, and what comes after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (
            usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])),
            &rest[2..],
        ),
        _ => return None,
    };
    (first == tag && length <= rest.len()).then(|| rest.split_at(length))
}

/// A non-negative INTEGER without its sign byte.
fn unsigned(integer: &[u8]) -> Option<&[u8]> {
    match integer {
        [0, rest @ ..] if !rest.is_empty() => Some(rest),
        [first, ..] if *first < 0x80 => Some(integer),
        _ => None,
    }
}
