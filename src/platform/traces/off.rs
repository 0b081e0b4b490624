//! Empty spans, for a build without `otel`.

#[derive(Clone, Copy)]
pub struct DisabledSpan;

/// Must live as long as spans are created.
pub struct DisabledTraces;

impl DisabledSpan {
    #[inline]
    pub fn request<'a>(_: &str, _: impl FnOnce() -> Option<&'a str>) -> Self {
        Self
    }

    #[inline]
    pub fn answered(&self, _: impl FnOnce() -> (Option<String>, u16)) {}

    #[inline]
    pub fn publish(_: &'static str) -> Self {
        Self
    }

    #[inline]
    pub fn receivers(_: impl FnOnce() -> u32) {}

    #[inline]
    pub fn seal() -> Self {
        Self
    }

    #[inline]
    pub fn authorize(_: &str, _: &'static str) -> Self {
        Self
    }

    #[inline]
    pub fn forward(_: &str) -> Self {
        Self
    }

    #[inline]
    pub fn webhook(_: &str, _: &str) -> Self {
        Self
    }

    #[inline]
    pub fn outcome(&self, _: bool) {}

    #[inline]
    pub fn within<T>(&self, action: impl FnOnce() -> T) -> T {
        action()
    }

    #[inline]
    pub fn around<F: Future>(&self, future: F) -> F {
        future
    }
}

/// The `traceparent` header for an outgoing request.
#[inline]
pub fn traceparent() -> Option<String> {
    None
}
