//! The files of the console. A debug build reads them from the folder, so that a change needs no new
//! build.

mod compressed;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ETag, EntityTag, HeaderMap},
    web,
};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::{Console, access};
use crate::web::http::{error::ApiError, methods::get};

pub use compressed::CompressedFiles;

#[derive(RustEmbed)]
#[folder = "console"]
struct ConsoleFiles;

const INDEX: &str = "index.html";
/// Other files of the folder are for its makers.
const TYPES: [(&str, &str); 4] = [
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("svg", "image/svg+xml"),
];

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(get(web::resource(""), index))
        .service(get(web::resource("/"), without_slash))
        .service(get(web::resource("/{file:.+}"), file));
}

async fn index(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    serve(&request, INDEX)
}

/// ConsoleFiles are named from the path without the slash.
async fn without_slash(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    access::check_peer(&request)?;
    let location = (header::LOCATION, "/console");
    Ok(HttpResponse::PermanentRedirect().insert_header(location).finish())
}

async fn file(request: HttpRequest, path: web::Path<String>) -> Result<HttpResponse, ApiError> {
    serve(&request, &path)
}

fn serve(request: &HttpRequest, path: &str) -> Result<HttpResponse, ApiError> {
    access::check_peer(request)?;
    let found = content_type(path).and_then(|kind| Some((kind, ConsoleFiles::get(path)?)));
    let (kind, file) = found.ok_or_else(|| ApiError::path_not_found(request))?;
    let is_compressed = compressed::accepts_gzip(request.headers());
    let tag = tag(&file, is_compressed);
    let is_known = is_known(request.headers(), &tag);
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // Asked for each time, and answered in a few bytes.
    answer.insert_header(ETag(tag)).insert_header((header::CACHE_CONTROL, "no-cache"));
    answer.insert_header((header::VARY, "Accept-Encoding"));
    if is_known {
        return Ok(answer.finish());
    }
    answer.content_type(kind);
    if is_compressed && let Ok(body) = Console::of(request).files.get(path, &file) {
        return Ok(answer.insert_header((header::CONTENT_ENCODING, "gzip")).body(body));
    }
    Ok(answer.body(file.data.into_owned()))
}

fn content_type(path: &str) -> Option<&'static str> {
    let extension = path.rsplit_once('.')?.1;
    TYPES.iter().find(|(known, _)| *known == extension).map(|(_, kind)| *kind)
}

/// Each form of a file has its own.
fn tag(file: &EmbeddedFile, is_compressed: bool) -> EntityTag {
    let hash = file.metadata.sha256_hash();
    let digits: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    EntityTag::new_strong(if is_compressed { digits + "-gzip" } else { digits })
}

fn is_known(headers: &HeaderMap, tag: &EntityTag) -> bool {
    let listed = headers.get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let mut tags = listed.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|given| given == "*" || given.trim_start_matches("W/") == tag.to_string())
}
