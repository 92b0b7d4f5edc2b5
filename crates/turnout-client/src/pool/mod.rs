//! The connections of a process: who may use which, and who waits.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};

use crate::answer::{Answer, AnswerBody, Head};
use crate::call::{Body, Call};
use crate::connect::{Connector, Place};
use crate::error::{Error, Kind};
use crate::options::Limits;
use crate::timings::Timings;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    _limits: Limits,
    connector: Connector,
}

impl Pool {
    pub(crate) fn new(limits: Limits, connector: Connector) -> Self {
        Self { _limits: limits, connector }
    }

    /// One attempt: a connection, the request, the answer. No policy, no redirect. Time limits below `attempt` are kept here.
    pub(crate) async fn attempt(&self, call: &Arc<Call>) -> Result<Answer, Error> {
        let options = &call.options;
        let host = call.url.host_str().ok_or_else(|| Error::new(Kind::InvalidUrl, "the URL has no host"))?;
        let place = Place {
            secure: call.url.scheme() == "https",
            host: Arc::from(host),
            port: call.url.port_or_known_default().unwrap_or(80),
            tls: Arc::clone(&options.tls),
            proxies: Arc::clone(&options.proxies),
            addresses: Arc::clone(&options.addresses),
            http2: options.http2,
        };
        let connected = self.connector.connect(&place).await?;
        let io = hyper_util::rt::TokioIo::new(connected.stream);
        let broken =
            |error: hyper::Error| Error::new(Kind::RemoteProtocol, "the upstream spoke nonsense").caused_by(error);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(broken)?;
        tokio::spawn(async move { drop(connection.await) });
        let body = match &call.body {
            Body::Whole(bytes) => bytes.clone(),
            _ => Bytes::new(),
        };
        let mut request = http::Request::new(Full::new(body));
        *request.method_mut() = call.method.clone();
        let target = &call.url[url::Position::BeforePath..url::Position::AfterQuery];
        *request.uri_mut() = target
            .parse()
            .map_err(|error: http::uri::InvalidUri| Error::new(Kind::InvalidUrl, "not a URL").caused_by(error))?;
        *request.headers_mut() = call.headers.clone();
        let authority = &call.url[url::Position::BeforeHost..url::Position::AfterPort];
        if let Ok(value) = http::HeaderValue::from_str(authority) {
            request.headers_mut().insert(http::header::HOST, value);
        }
        let response = sender.send_request(request).await.map_err(broken)?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(broken)?.to_bytes();
        Ok(Answer {
            head: Head { url: call.url.clone(), status: parts.status, headers: parts.headers, version: parts.version },
            body: AnswerBody::Whole(body),
            timings: Timings::default(),
            attempts: 1,
            remote: Some(connected.remote),
            from_cache: false,
            stale: false,
            coalesced: false,
            hedged: false,
            history: Vec::new(),
        })
    }
}
