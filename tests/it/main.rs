//! The one test binary: what a reader or an operator can see, through real parts.

mod fetch;
mod origin;
mod poll;
mod tidy;
