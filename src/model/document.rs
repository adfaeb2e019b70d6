//! Bytes that arrived, before anybody understood them.

use bytes::Bytes;

/// The body of one answer, decoded from its content coding, with what is needed to read it.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The body as bytes; its character encoding is not yet known.
    pub body: Bytes,
    /// The URL that answered, after redirects and `Content-Location`: the base of relative URLs.
    pub url: Option<String>,
    /// The `Content-Type` header with its parameters.
    pub content_type: Option<String>,
}
