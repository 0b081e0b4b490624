//! What the auth endpoints and the client API share about their callers, who may be any page in any
//! browser: origins, cookies, CORS, refusals.

pub mod cors;
pub mod credentials;
pub mod page;
pub mod refusal;
