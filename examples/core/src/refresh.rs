//! What becomes of a presented refresh token: a pure decision over what is stored and the time.
//!
//! A token is good once. Two tabs, a retry after a lost answer or a phone waking up present a just-spent token
//! honestly; a thief presents it later (RFC 9700 section 4.14.2). Nothing is ever minted for a spent token.

/// How long after its rotation a spent token is taken for an honest repetition, in milliseconds.
pub const GRACE_MS: i64 = 10_000;

/// A stored refresh token, as far as the decision needs it. Times are milliseconds UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// When it ends.
    pub expires_at: i64,
    /// When it was exchanged for its successor.
    pub spent_at: Option<i64>,
    /// When its family was revoked. Not the same as spent: a revoked token never falls into the grace window.
    pub revoked_at: Option<i64>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Spend it and hand out its successor.
    Rotate,
    /// Refuse it; the family lives.
    Superseded,
    /// Refuse it and revoke the family: someone else has it.
    Reused,
    /// Refuse it; nothing else.
    Invalid,
}

/// Decides; `None` is a token that is not stored.
pub fn decide(stored: Option<Stored>, now: i64) -> Decision {
    match stored {
        None => Decision::Invalid,
        Some(token) if token.revoked_at.is_some() => Decision::Invalid,
        Some(token) if now >= token.expires_at => Decision::Invalid,
        Some(Stored { spent_at: None, .. }) => Decision::Rotate,
        // A clock that was set back must not turn an honest repetition into theft.
        Some(Stored {
            spent_at: Some(spent_at),
            ..
        }) if now - spent_at <= GRACE_MS => Decision::Superseded,
        Some(_) => Decision::Reused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_answer() {
        const NOW: i64 = 1_000_000_000;
        let token = Stored {
            expires_at: NOW + 1,
            spent_at: None,
            revoked_at: None,
        };
        let table = [
            ("unknown", None, Decision::Invalid),
            ("fresh", Some(token), Decision::Rotate),
            (
                "expires now",
                Some(Stored {
                    expires_at: NOW,
                    ..token
                }),
                Decision::Invalid,
            ),
            (
                "spent now",
                Some(Stored {
                    spent_at: Some(NOW),
                    ..token
                }),
                Decision::Superseded,
            ),
            (
                "spent 10 s ago",
                Some(Stored {
                    spent_at: Some(NOW - GRACE_MS),
                    ..token
                }),
                Decision::Superseded,
            ),
            (
                "spent before that",
                Some(Stored {
                    spent_at: Some(NOW - GRACE_MS - 1),
                    ..token
                }),
                Decision::Reused,
            ),
            (
                "spent in the future",
                Some(Stored {
                    spent_at: Some(NOW + 5_000),
                    ..token
                }),
                Decision::Superseded,
            ),
            (
                "revoked",
                Some(Stored {
                    revoked_at: Some(NOW),
                    ..token
                }),
                Decision::Invalid,
            ),
            (
                "revoked within the grace window",
                Some(Stored {
                    spent_at: Some(NOW - 1),
                    revoked_at: Some(NOW),
                    ..token
                }),
                Decision::Invalid,
            ),
            (
                "spent long ago and expired",
                Some(Stored {
                    expires_at: NOW - 1,
                    spent_at: Some(NOW - 60_000),
                    ..token
                }),
                Decision::Invalid,
            ),
        ];
        for (name, stored, decision) in table {
            assert_eq!(decide(stored, NOW), decision, "{name}");
        }
    }
}
