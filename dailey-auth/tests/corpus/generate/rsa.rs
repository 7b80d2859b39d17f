//! RSA by hand: what no honest library signs, and keys that none takes.
//!
//! Slow and without any protection of the private key. For the committed test keys only.

use aws_lc_rs::digest::{self, Algorithm};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use num_bigint::BigUint;

/// An RSA key of the corpus with its private half.
pub(crate) struct RsaKey {
    n: BigUint,
    e: BigUint,
    d: BigUint,
}

impl RsaKey {
    /// The key of an unencrypted PKCS#8 PEM text.
    pub(crate) fn from_pem(pem: &str) -> Self {
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = BASE64.decode(base64.as_bytes()).expect("a PEM file");
        // RFC 5208: version, algorithm, and an octet string around RFC 8017's RSAPrivateKey, which
        // starts with version, n, e, d.
        let outer = elements(elements(&der)[0].1);
        let numbers = elements(elements(outer[2].1)[0].1);
        let number = |at: usize| BigUint::from_bytes_be(numbers[at].1);
        Self {
            n: number(1),
            e: number(2),
            d: number(3),
        }
    }

    /// The modulus' length in bytes, which is every signature's.
    pub(crate) fn length(&self) -> usize {
        usize::try_from(self.n.bits().div_ceil(8)).expect("keys are small")
    }

    /// The modulus, big-endian without leading zeros.
    pub(crate) fn n(&self) -> Vec<u8> {
        self.n.to_bytes_be()
    }

    pub(crate) fn n_base64url(&self) -> String {
        BASE64URL_NOPAD.encode(&self.n())
    }

    pub(crate) fn e_base64url(&self) -> String {
        BASE64URL_NOPAD.encode(&self.e.to_bytes_be())
    }

    pub(crate) fn d_base64url(&self) -> String {
        BASE64URL_NOPAD.encode(&self.d.to_bytes_be())
    }

    /// `block ^ d mod n`: a signature if the block is a padded digest (RFC 8017 5.2.1).
    pub(crate) fn raise(&self, block: &[u8]) -> Vec<u8> {
        assert_eq!(
            block.len(),
            self.length(),
            "a block is as long as the modulus"
        );
        let block = BigUint::from_bytes_be(block);
        self.fit(&block.modpow(&self.d, &self.n))
    }

    /// The signature plus the modulus: the same number to whoever forgets the range check.
    /// `None` where it needs a byte more than the modulus has.
    pub(crate) fn plus_modulus(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let sum = BigUint::from_bytes_be(signature) + &self.n;
        (sum.bits().div_ceil(8) == self.length() as u64).then(|| self.fit(&sum))
    }

    /// The modulus less the signature: its negative, for schemes that forget the sign.
    pub(crate) fn minus(&self, signature: &[u8]) -> Vec<u8> {
        self.fit(&(&self.n - BigUint::from_bytes_be(signature)))
    }

    /// PKCS#1 v1.5 (RFC 8017 8.2.1).
    pub(crate) fn pkcs1(&self, hash: &Hash, message: &[u8]) -> Vec<u8> {
        self.raise(&pkcs1_block(self.length(), &hash.info(message)))
    }

    /// PSS (RFC 8017 9.1.1) with a salt of as many `salt` bytes as the hash is long: PS256, PS384,
    /// PS512 of RFC 7518 3.5, but the same each time.
    pub(crate) fn pss(&self, hash: &Hash, message: &[u8], salt: u8) -> Vec<u8> {
        let algorithm = hash.algorithm;
        let length = algorithm.output_len();
        let salt = vec![salt; length];
        let digest = digest::digest(algorithm, message);
        let inner = [&[0; 8][..], digest.as_ref(), &salt].concat();
        let inner = digest::digest(algorithm, &inner);
        let mut block = vec![0; self.length() - length - 1];
        let at = block.len() - length - 1;
        block[at] = 1;
        block[at + 1..].copy_from_slice(&salt);
        let mask = (0_u32..).flat_map(|counter| {
            let input = [inner.as_ref(), &counter.to_be_bytes()].concat();
            digest::digest(algorithm, &input).as_ref().to_vec()
        });
        block
            .iter_mut()
            .zip(mask)
            .for_each(|(byte, mask)| *byte ^= mask);
        // The block has one bit less than the modulus, whose length is a multiple of eight here.
        block[0] &= 0x7f;
        block.extend_from_slice(inner.as_ref());
        block.push(0xbc);
        self.raise(&block)
    }

    /// RFC 8017 appendix A.1.1: `RSAPublicKey`.
    pub(crate) fn pkcs1_der(&self) -> Vec<u8> {
        let number = |number: &BigUint| {
            let mut bytes = number.to_bytes_be();
            if bytes[0] & 0x80 != 0 {
                bytes.insert(0, 0);
            }
            element(0x02, &bytes)
        };
        element(0x30, &[number(&self.n), number(&self.e)].concat())
    }

    /// RFC 5280 4.1: `SubjectPublicKeyInfo`.
    pub(crate) fn spki_der(&self) -> Vec<u8> {
        // rsaEncryption, 1.2.840.113549.1.1.1, with its NULL.
        let algorithm = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
        let key = [&[0], &self.pkcs1_der()[..]].concat();
        element(0x30, &[&algorithm[..], &element(0x03, &key)].concat())
    }

    /// What `openssl pkey -pubout` writes.
    pub(crate) fn spki_pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki_der())
    }

    /// What `openssl rsa -RSAPublicKey_out` writes.
    pub(crate) fn pkcs1_pem(&self) -> String {
        pem("RSA PUBLIC KEY", &self.pkcs1_der())
    }

    fn fit(&self, number: &BigUint) -> Vec<u8> {
        let bytes = number.to_bytes_be();
        let mut block = vec![0; self.length() - bytes.len()];
        block.extend_from_slice(&bytes);
        block
    }
}

/// A hash with the start of its `DigestInfo` (RFC 8017 9.2, note 1).
pub(crate) struct Hash {
    algorithm: &'static Algorithm,
    info: &'static [u8],
}

pub(crate) static SHA1: Hash = Hash {
    algorithm: &digest::SHA1_FOR_LEGACY_USE_ONLY,
    info: b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
};
pub(crate) static SHA256: Hash = Hash {
    algorithm: &digest::SHA256,
    info: b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
};
pub(crate) static SHA384: Hash = Hash {
    algorithm: &digest::SHA384,
    info: b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
};
pub(crate) static SHA512: Hash = Hash {
    algorithm: &digest::SHA512,
    info: b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
};

impl Hash {
    /// The `DigestInfo` of a message.
    pub(crate) fn info(&self, message: &[u8]) -> Vec<u8> {
        [self.info, &self.digest(message)].concat()
    }

    pub(crate) fn digest(&self, message: &[u8]) -> Vec<u8> {
        digest::digest(self.algorithm, message).as_ref().to_vec()
    }
}

/// 00 01 FF … FF 00 and the payload (RFC 8017 9.2).
pub(crate) fn pkcs1_block(length: usize, payload: &[u8]) -> Vec<u8> {
    let mut block = vec![0xff; length - payload.len()];
    let zero = block.len() - 1;
    (block[0], block[1], block[zero]) = (0, 1, 0);
    block.extend_from_slice(payload);
    block
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

/// A DER element (X.690 8.1).
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let bytes = content.len().to_be_bytes();
    let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let length = match content.len() {
        0..0x80 => bytes.to_vec(),
        _ => [
            &[0x80 + u8::try_from(bytes.len()).expect("8 at most")],
            bytes,
        ]
        .concat(),
    };
    [&[tag], &length[..], content].concat()
}

/// The DER elements that stand one after another in `bytes`: tags and contents.
fn elements(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let [tag, first, rest @ ..] = bytes {
        let more = usize::from(first.saturating_sub(0x80));
        let length = match first {
            0..0x80 => usize::from(*first),
            _ => rest[..more]
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte)),
        };
        found.push((*tag, &rest[more..more + length]));
        bytes = &rest[more + length..];
    }
    found
}
