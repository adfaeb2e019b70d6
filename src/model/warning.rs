//! What was odd about a document: told to those who publish it and to those who subscribe to it, never kept.

/// Where in the document something was odd; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// What kind of oddity a [`Warning`] tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WarningCode {
    /// The named encoding does not fit the bytes.
    EncodingMismatch,
    /// The named encoding is not known.
    EncodingUnknown,
    /// Bytes that no encoding explains.
    EncodingError,
    /// Syntax that had to be repaired.
    XmlError,
    /// Syntax that had to be repaired.
    JsonError,
    /// A reference to an entity nobody declared.
    EntityUndefined,
    /// A prefix nobody declared.
    NamespaceUndeclared,
    /// A date that cannot be read.
    BadDate,
    /// An address that is none, or not a safe one.
    BadUrl,
    /// A value that is not what it should be.
    BadValue,
    /// Two entries with one id.
    DuplicateId,
    /// A limit cut something off.
    Limit,
    /// The document ends in the middle.
    Truncated,
    /// Nothing there.
    Empty,
    /// Not a feed at all.
    NotAFeed,
}

impl WarningCode {
    /// The code as `aggd parse` prints it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EncodingMismatch => "encoding-mismatch",
            Self::EncodingUnknown => "encoding-unknown",
            Self::EncodingError => "encoding-error",
            Self::XmlError => "xml-error",
            Self::JsonError => "json-error",
            Self::EntityUndefined => "entity-undefined",
            Self::NamespaceUndeclared => "namespace-undeclared",
            Self::BadDate => "bad-date",
            Self::BadUrl => "bad-url",
            Self::BadValue => "bad-value",
            Self::DuplicateId => "duplicate-id",
            Self::Limit => "limit",
            Self::Truncated => "truncated",
            Self::Empty => "empty",
            Self::NotAFeed => "not-a-feed",
        }
    }
}

/// Something odd that did not stop the reading; the message helps the publisher mend the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Kind.
    pub code: WarningCode,
    /// In words: what, and the mend.
    pub message: String,
    /// Where, if it has a place.
    pub position: Option<Position>,
}
