//! How a client reacts to an event that its secret does not open.

/// Determined by the client name in the URL; `docs/keys.md` has a row for each client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reauthorization {
    /// Drops the event and never asks for another secret: pusher-websocket-dotnet,
    /// dart_pusher_channels.
    Never,
    /// Asks, and has no secret after one failed request until it subscribes again:
    /// pusher-websocket-java, also inside the Android builds of Flutter and React Native.
    LosesSecret,
    /// Asks, and asks again on a later event if the request fails: pusher-js, Swift and others.
    Retries,
    /// Keeps the events that it cannot open, asks once, and opens them in order: event streams.
    Once,
}

impl Reauthorization {
    pub fn of_client(name: Option<&str>) -> Self {
        match name {
            Some("pusher-dotnet-client" | "dart") => Self::Never,
            Some("java-client") => Self::LosesSecret,
            _ => Self::Retries,
        }
    }

    pub fn asks(self) -> bool {
        match self {
            Self::Never => false,
            Self::LosesSecret | Self::Retries | Self::Once => true,
        }
    }

    /// True if the client can take the next secret's events at any time: its gate needs no nudge,
    /// buffer or ping.
    pub fn keeps_events(self) -> bool {
        match self {
            Self::Never | Self::LosesSecret | Self::Retries => false,
            Self::Once => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_library_is_known_by_its_name() {
        for (name, expected) in [
            (Some("pusher-dotnet-client"), Reauthorization::Never),
            (Some("dart"), Reauthorization::Never),
            (Some("java-client"), Reauthorization::LosesSecret),
            (Some("js"), Reauthorization::Retries),
            (Some("pusher-websocket-swift"), Reauthorization::Retries),
            (Some("JAVA-CLIENT"), Reauthorization::Retries),
            (None, Reauthorization::Retries),
        ] {
            assert_eq!(Reauthorization::of_client(name), expected, "{name:?}");
        }
    }
}
