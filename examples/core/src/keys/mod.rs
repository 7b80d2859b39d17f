//! The keys: what signs, what is published, and how one takes over from another.
//!
//! ```text
//! kid          the name of a key: RFC 7638 thumbprint, or a given one
//! der          the few bytes of DER that say what a key is
//! public_key   modulus and exponent: JWK, thumbprint, PEM
//! private_key  reads, makes and signs
//! key_file     files: who may read them, how they are written
//! record       when things happened to which key
//! ring         everything `serve` needs, loaded and checked at once
//! rotation     generate, publish, activate, retire
//! ```

mod der;
mod key_file;
mod kid;
mod private_key;
mod public_key;
mod record;
mod ring;
mod rotation;

pub use key_file::{KeyFileError, KeyFileProblem};
pub use kid::{Kid, KidError};
pub use private_key::PrivateKey;
pub use public_key::{KeyProblem, PublicKey};
pub use record::RecordError;
pub use ring::{JwksDocument, KeyRing, KeySettings, RingError};
pub use rotation::{
    Activated, Generated, KeyState, ListedKey, Published, Retired, Retirement, Rotation,
    RotationError,
};
