//! The page's files, as they lay in `dashboard/dist/` when this was built.

use bytes::Bytes;
use http::StatusCode;
use turnout_http::Response;

use crate::answers::{HTML, TEXT, full};

/// By path.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file of that path; the page itself for `/`.
pub(crate) fn find(path: &str) -> Option<Response> {
    let path = if path == "/" { "/index.html" } else { path };
    let (name, content) = FILES.iter().find(|(name, _)| *name == path)?;
    Some(full(StatusCode::OK, kind(name), Bytes::from_static(content)))
}

/// By the ends of names that a page is made of. `nosniff` is sent too: what stands here is what a browser takes it for.
fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => HTML,
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" => TEXT,
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_there_and_nothing_that_was_not_built_in() {
        assert!(find("/").is_some_and(|page| page.headers["content-type"] == HTML));
        assert!(find("/index.html").is_some());
        for path in ["/../Cargo.toml", "//index.html", "/index.html/", "", "/nothing.js"] {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
