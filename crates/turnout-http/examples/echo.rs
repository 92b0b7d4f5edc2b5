//! Answers every request with what arrived, as JSON: for suites that judge the server and not an app.
//!
//! `/hello` is answered with two words instead, so that the cost of the server alone can be measured.
//! `cargo run -p turnout-http --example echo -- 127.0.0.1:0` prints the address it listens on, one line, and serves until killed.
#![allow(clippy::print_stdout, reason = "its output is the address")]

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use turnout_http::{Admission, App, Body, BodyError, Config, Drain, Request, Response, serve};
use turnout_net::Bind;

struct Echo;

impl App for Echo {
    async fn call(&self, mut request: Request) -> Response {
        if request.target.path() == "/hello" {
            return Response::plain(StatusCode::OK, "Hello, world!");
        }
        let mut length = 0;
        while let Some(chunk) = request.body.next().await {
            match chunk {
                Ok(chunk) => length += chunk.len(),
                Err(error) => return failed(&error),
            }
        }
        let text = |bytes: &[u8]| Value::from(bytes.iter().map(|byte| char::from(*byte)).collect::<String>());
        let said = json!({
            "method": request.method.as_str(),
            "target": request.target.to_string(),
            "headers": request.headers.iter().map(|(name, value)| json!([name.as_str(), text(value.as_bytes())])).collect::<Vec<_>>(),
            "body_length": length,
        });
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Response {
            status: StatusCode::OK,
            reason: None,
            headers,
            body: Body::Full(said.to_string().into()),
            spent: None,
        }
    }
}

fn failed(error: &BodyError) -> Response {
    let mut response = Response::plain(StatusCode::BAD_REQUEST, "");
    response.body = Body::Full(error.to_string().into());
    response
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bind = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = Bind::parse(&bind)?.listen(1024, false)?;
    println!("{listener}");
    let admission = Arc::new(Admission::new(10_000, None));
    serve(vec![listener], Arc::new(Echo), Arc::new(Config::default()), admission, Drain::new()).await;
    Ok(())
}
