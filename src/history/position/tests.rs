//! Tests of positions.
