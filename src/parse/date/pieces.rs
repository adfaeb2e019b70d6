//! Cuts a date into numbers, words and signs.

/// What a date is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Number(&'a str),
    Word(&'a str),
    Sign(char),
}

/// A piece, and whether white space stands before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) piece: Piece<'a>,
    pub(super) spaced: bool,
}

/// Cuts a text that [`super::normal`] has prepared.
pub(super) fn pieces(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut spaced = false;
    while let Some(c) = rest.chars().next() {
        let end_of = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        let (piece, length) = match c {
            '0'..='9' => {
                let end = end_of(|c| c.is_ascii_digit());
                (Some(Piece::Number(&rest[..end])), end)
            }
            c if c.is_alphabetic() => {
                let end = end_of(char::is_alphabetic);
                (Some(Piece::Word(&rest[..end])), end)
            }
            c if c.is_whitespace() => (None, c.len_utf8()),
            c => (Some(Piece::Sign(c)), c.len_utf8()),
        };
        if let Some(piece) = piece {
            tokens.push(Token { piece, spaced });
        }
        spaced = piece.is_none();
        rest = &rest[length..];
    }
    tokens
}
