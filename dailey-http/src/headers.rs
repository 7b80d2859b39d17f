//! The security headers of a JSON API, as one layer: a response without them cannot leave.
//!
//! Helmet 8's set, closed further: nothing of an API is ever rendered, framed or cached. A
//! handler that set one of them itself (an object's body, a public document) keeps its own.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::client::ForwardedProto;

/// The profile. `Strict-Transport-Security` is apart ([`HSTS`]): it needs an https client.
const API: [(HeaderName, HeaderValue); 13] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("origin-agent-cluster"),
        HeaderValue::from_static("?1"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        PERMISSIONS_POLICY,
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::X_DNS_PREFETCH_CONTROL,
        HeaderValue::from_static("off"),
    ),
    (
        HeaderName::from_static("x-download-options"),
        HeaderValue::from_static("noopen"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("x-permitted-cross-domain-policies"),
        HeaderValue::from_static("none"),
    ),
    (header::X_XSS_PROTECTION, HeaderValue::from_static("0")),
];

/// No feature for anybody. The header has no word for all of them, so they are named: OWASP's secure headers
/// list, without `interest-cohort`, which was given up, and with what has been specified and shipped since.
const PERMISSIONS_POLICY: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), autoplay=(), bluetooth=(), camera=(), clipboard-read=(), clipboard-write=(), \
     cross-origin-isolated=(), display-capture=(), encrypted-media=(), fullscreen=(), gamepad=(), \
     geolocation=(), gyroscope=(), hid=(), identity-credentials-get=(), idle-detection=(), keyboard-map=(), \
     local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), \
     publickey-credentials-create=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), \
     storage-access=(), sync-xhr=(), unload=(), usb=(), web-share=(), window-management=(), \
     xr-spatial-tracking=()",
);

/// Two years, as OWASP's secure headers list has it; no `preload` from an API.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// The profile, once for all responses.
static PROFILE: LazyLock<HeaderMap> = LazyLock::new(|| API.into_iter().collect());

pub(crate) fn complete(headers: &mut HeaderMap, proto: ForwardedProto) {
    let own = std::mem::replace(headers, PROFILE.clone());
    headers.extend(own);
    // RFC 6797 7.2: never over plain http.
    if proto == ForwardedProto::Https {
        headers
            .entry(header::STRICT_TRANSPORT_SECURITY)
            .or_insert(HSTS);
    }
}
