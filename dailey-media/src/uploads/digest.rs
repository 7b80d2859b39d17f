//! The digest of an upload's bytes so far, in a form that can be put down and taken up again: on
//! another replica, or after a restart, what came before need not be read once more.

use data_encoding::HEXLOWER;
use sha2::Digest as _;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};

use crate::digest::Sha256;
use crate::storage::StorageError;

#[derive(Clone, Debug, Default)]
pub(super) struct RunningDigest(sha2::Sha256);

impl RunningDigest {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> Result<Sha256, StorageError> {
        Sha256::from_bytes(&self.0.finalize()).ok_or(DAMAGED)
    }

    pub(super) fn to_text(&self) -> String {
        HEXLOWER.encode(&self.0.serialize())
    }

    pub(super) fn from_text(text: &str) -> Result<Self, StorageError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| DAMAGED)?;
        let state = SerializedState::<sha2::Sha256>::try_from(&*bytes).map_err(|_| DAMAGED)?;
        sha2::Sha256::deserialize(&state)
            .map(Self)
            .map_err(|_| DAMAGED)
    }
}

const DAMAGED: StorageError = StorageError::Damaged("the digest of an upload cannot be read");

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};

    use super::*;

    #[test]
    fn a_digest_that_is_put_down_and_taken_up_is_that_of_all_bytes() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let whole = Sha256::from_bytes(digest(&SHA256, &bytes).as_ref()).unwrap();
        for cut in [0, 1, 55, 63, 64, 65, 640, 999, 1000] {
            let mut first = RunningDigest::default();
            first.update(&bytes[..cut]);
            let mut second = RunningDigest::from_text(&first.to_text()).unwrap();
            second.update(&bytes[cut..]);
            assert_eq!(second.finish().unwrap(), whole, "{cut}");
        }
        let text = RunningDigest::default().to_text();
        for wrong in [
            "",
            "xx",
            &text[2..],
            &format!("{text}00"),
            &text.to_uppercase(),
        ] {
            assert!(RunningDigest::from_text(wrong).is_err(), "{wrong}");
        }
    }
}
