//! A plain HTTP client, for asking aggd what any reader would ask.

use std::sync::OnceLock;

/// Cloning shares its connections.
pub(crate) fn client() -> reqwest::Client {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    // Another test may have put it in place already.
    PROVIDER.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    builder
        .build()
        .expect("a client without special wishes can be built")
}
