//! Step 7. Renders a selection in a format to bytes with an `ETag`, and keeps them for as long as nothing changes.

/// `[publish]` of feeds.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Articles in a feed.
    pub items: usize,
    /// Bytes of a document; what does not fit is on the next page.
    pub max_bytes: usize,
    /// How much of the text.
    pub content: Extent,
    /// Bytes of rendered documents to keep in memory.
    pub cache: usize,
}

/// How much of the text a feed carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Extent {
    /// All.
    #[default]
    Full,
    /// The summary.
    Summary,
    /// The headline alone.
    Title,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            items: 50,
            max_bytes: 1 << 20,
            content: Extent::Full,
            cache: 64 << 20,
        }
    }
}

/// What the feeds say of the aggregator itself, the same in every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Origin of ids, self links and OPML, with a slash at the end.
    pub public_url: url::Url,
    /// `[server] title`.
    pub title: String,
}
