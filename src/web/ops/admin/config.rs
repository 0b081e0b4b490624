//! The configuration in force, as `sealcast config show` prints it.

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::value::RawValue;

use super::server_request::ServerRequest;
use crate::{
    engine::{Engine, LastReload},
    web::settings::config_report::ConfigReport,
};

#[derive(Serialize, utoipa::ToSchema)]
pub struct ConfigAnswer<'a> {
    #[schema(value_type = Vec<Object>)]
    settings: &'a RawValue,
    /// Names of changed settings that are not in force.
    waits_for_restart: Vec<String>,
    /// `None` before the first reload.
    last_reload: Option<LastReload>,
}

pub async fn show(admin: ServerRequest) -> HttpResponse {
    let report = admin.worker.settings().config_report.clone();
    HttpResponse::Ok().json(answer(&report, &admin.worker.engine))
}

fn answer<'a>(report: &'a ConfigReport, engine: &Engine) -> ConfigAnswer<'a> {
    ConfigAnswer {
        settings: report.settings(),
        waits_for_restart: engine.reloads.waits_for_restart(),
        last_reload: engine.reloads.last(),
    }
}
