//! The size of a page of channels, members or connections.

use crate::{
    domain::refusal::RefusalCode,
    web::http::{error::ApiError, query::Query},
};

pub const MAX_PAGE: usize = 200;

/// The parameter `limit`; without one, as many as there may be.
pub fn limit(query: &Query) -> Result<usize, ApiError> {
    limit_within(query, MAX_PAGE)
}

pub fn limit_within(query: &Query, max: usize) -> Result<usize, ApiError> {
    let Some(text) = query.first("limit") else { return Ok(max) };
    text.parse().ok().filter(|limit| (1..=max).contains(limit)).ok_or_else(|| {
        let message = format!("limit must be a whole number, 1 to {max}");
        ApiError::new(RefusalCode::InvalidLimit, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_within_its_bounds() {
        let of = |text: &str| limit(&Query::parse(text)).map_err(|error| error.code().name());
        assert_eq!((of(""), of("limit=1"), of("limit=200")), (Ok(200), Ok(1), Ok(200)));
        for wrong in ["limit=", "limit=0", "limit=201", "limit=-1", "limit=a"] {
            assert_eq!(of(wrong), Err("invalid_limit"), "{wrong}");
        }
    }
}
