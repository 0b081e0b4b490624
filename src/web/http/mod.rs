//! Parts of HTTP that all handlers share: bodies, errors, headers, methods, queries.

pub mod body;
pub mod delivery;
pub mod error;
pub mod headers;
pub mod methods;
pub mod plain_refusal;
pub mod query;
pub mod remote;
