//! The busiest channels of an app.

use serde::{Deserialize, Serialize};

use crate::{
    cli::{
        amounts::rate,
        table::{Column, TextTable},
    },
    engine::busiest::BusyChannel,
};

#[derive(Deserialize)]
pub struct TopChannels {
    pub channels: Vec<BusyChannel>,
}

#[derive(Serialize)]
pub struct TopOfApp<'a> {
    app: &'a str,
    channels: &'a [BusyChannel],
}

/// Rows for people; `--json` has all.
const SHOWN: usize = 20;

impl TopChannels {
    pub fn of_app<'a>(&'a self, app: &'a str) -> TopOfApp<'a> {
        TopOfApp { app, channels: &self.channels }
    }

    pub fn text(&self) -> String {
        if self.channels.is_empty() {
            return "no events in these seconds\n".into();
        }
        let mut table = TextTable::new([
            Column::shrinking("CHANNEL", 20),
            Column::number("EVENTS/S"),
            Column::number("DELIVERIES/S"),
        ]);
        for channel in self.channels.iter().take(SHOWN) {
            table.row([
                channel.name.to_string(),
                rate(channel.events_per_second),
                rate(channel.deliveries_per_second),
            ]);
        }
        table.render()
    }
}
