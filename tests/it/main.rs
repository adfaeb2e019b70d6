//! The one test binary.

mod parse_props;
