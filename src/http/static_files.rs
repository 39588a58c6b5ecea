//! `/static/{file}`: what the pages load. A closed list, compiled in: no path reaches the disk.

use axum::{
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::answer;

/// Name, content type, content.
const FILES: [(&str, &str, &str); 2] = [
    ("style.css", "text/css; charset=utf-8", include_str!("static/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("static/icon.svg")),
];

/// One of the files.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, content)) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], *content).into_response()
        }
        None => answer::not_found().await,
    }
}
