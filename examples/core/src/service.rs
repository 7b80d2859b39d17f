//! The running Core: the store, the gate for passwords, and everything that a reload exchanges as one.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use dailey_auth::{KeySet, Verifier};
use uuid::Uuid;

use crate::keys::{JwksDocument, KeyRing};
use crate::password::Gate;
use crate::settings::{Registration, Settings};
use crate::store::Store;
use crate::token::{Grant, SigningBench, SigningFailed, TokenSigner};

/// What every request works with.
pub struct Core {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Whether anyone may make an account.
    pub registration: Registration,
    /// Turns to hash a password.
    pub gate: Gate,
    bench: SigningBench,
    live: ArcSwap<Live>,
    own_app_id: OnceLock<Uuid>,
}

/// What a reload exchanges: a request sees all of the old or all of the new.
pub struct Live {
    /// The published keys.
    pub jwks: JwksDocument,
    /// Verifies tokens for Core itself, with Core's own keys.
    pub verifier: Verifier,
    /// How long a refresh token lives.
    pub refresh_life: Duration,
    signer: TokenSigner,
}

impl Live {
    /// Loads the keys and puts together what depends on them; everything wrong with them at once.
    pub fn load(settings: &Settings, core_app_id: Option<Uuid>) -> Result<Self, Vec<String>> {
        // Nobody's audience, while Core's own is not known.
        let core_app_id = core_app_id.unwrap_or(Uuid::nil());
        let ring = KeyRing::load(&settings.keys)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let jwks = ring.jwks().clone();
        // What Core publishes must be what verifiers take: the same import, before anyone sees it.
        let (keys, skipped) =
            KeySet::from_json(&jwks.body).map_err(|error| vec![error.to_string()])?;
        if !skipped.is_empty() {
            return Err(vec![
                "a published key would be refused by verifiers".to_owned(),
            ]);
        }
        let verifier = Verifier::builder(&settings.issuer, [core_app_id.to_string()])
            .key_set(keys)
            .build()
            .map_err(|error| vec![error.to_string()])?;
        if let Some(waiting) = &ring.waiting_kid {
            tracing::warn!(
                active_kid = %ring.active_kid,
                waiting_kid = %waiting,
                "JWT_PRIVATE_KEY_FILE holds another key than JWT_ACTIVE_KID names: set JWT_ACTIVE_KID to finish the activation"
            );
        }
        let signer = TokenSigner {
            issuer: settings.issuer.clone(),
            kid: ring.active_kid,
            key: ring.signing_key,
            life: settings.token_life,
        };
        Ok(Self {
            jwks,
            verifier,
            refresh_life: settings.refresh_life,
            signer,
        })
    }

    /// The kid of the signing key.
    pub fn active_kid(&self) -> &str {
        self.signer.kid.as_str()
    }

    /// The issuer of tokens.
    pub fn issuer(&self) -> &str {
        &self.signer.issuer
    }

    /// Life of an access token in seconds.
    pub fn token_life_seconds(&self) -> u64 {
        self.signer.life.as_secs()
    }
}

impl Core {
    /// Puts a Core together.
    pub fn new(store: Arc<dyn Store>, registration: Registration, live: Live) -> Self {
        Self {
            store,
            registration,
            gate: Gate::new(),
            bench: SigningBench::new(),
            live: ArcSwap::from_pointee(live),
            own_app_id: OnceLock::new(),
        }
    }

    /// Core's own app, the audience of tokens that manage apps; none until the database was reached.
    pub fn core_app_id(&self) -> Option<Uuid> {
        self.own_app_id.get().copied()
    }

    /// Says which app is Core's own. It never changes.
    pub fn know_core_app(&self, app_id: Uuid) {
        self.own_app_id.get_or_init(|| app_id);
    }

    /// What holds now. Take it once for a request.
    pub fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Exchanges what a reload brought.
    pub fn replace(&self, live: Live) {
        self.live.store(Arc::new(live));
    }

    /// An access token.
    pub async fn issue(&self, live: &Live, grant: Grant) -> Result<String, SigningFailed> {
        let now = jiff::Timestamp::now().as_second().unsigned_abs();
        self.bench.sign(live.signer.clone(), grant, now).await
    }
}
