//! A plain HTTP client, for asking aggd what any reader would ask.

use std::sync::OnceLock;

/// Cloning shares its connections.
pub(crate) fn client() -> reqwest::Client {
    builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client without special wishes can be built")
}

/// A client to be.
pub(crate) fn builder() -> reqwest::ClientBuilder {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    // Another test may have put it in place already.
    PROVIDER.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().no_proxy()
}
