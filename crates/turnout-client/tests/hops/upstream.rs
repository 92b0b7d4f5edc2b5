//! An upstream for all origins: answers by script, and writes down what it was sent.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use parking_lot::Mutex;
use turnout_client::{
    Answer, AnswerBody, Body, Call, Client, Error, Head, Limits, Options, Redirects, Scope, Transport, send,
};
use url::Url;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Request {
    /// The values of all fields of this name.
    pub(crate) fn field(&self, name: &str) -> String {
        let values: Vec<_> = self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        values.join(" | ")
    }

    /// Method and URL.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.url)
    }
}

/// A status and fields, one a line as they are written.
pub(crate) type Reply = (u16, String);

type Script = dyn Fn(&Request, usize) -> Reply + Send + Sync;

pub(crate) struct Upstream {
    script: Box<Script>,
    seen: Mutex<Vec<Request>>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Upstream")
    }
}

impl Upstream {
    /// `script` is given each request with the number of those before it. A line `body: X` is the answer's body.
    pub(crate) fn new(script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { script: Box::new(script), seen: Mutex::default() })
    }

    /// Redirects each path as this table says, and answers 200 to all others.
    pub(crate) fn redirecting(table: &'static [(&'static str, u16, &'static str)]) -> Arc<Self> {
        Self::new(|request, _| {
            let row = table.iter().find(|(url, ..)| *url == request.url);
            row.map_or((200, String::new()), |(_, status, location)| (*status, format!("location: {location}")))
        })
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen.lock().iter().map(Request::line).collect()
    }
}

impl Transport for Upstream {
    fn send(&self, call: Arc<Call>) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>> {
        let mut body = Vec::new();
        let mut stream = None;
        match &call.body {
            Body::Empty => {}
            Body::Whole(bytes) => body.extend_from_slice(bytes),
            Body::Stream(taken, _) => stream = Some(taken.lock().take().unwrap()),
        }
        assert!(stream.is_none() || body.is_empty());
        let request = Request {
            method: call.method.clone(),
            url: call.url[..url::Position::AfterQuery].to_owned(),
            headers: call.headers.clone(),
            body: String::from_utf8(body).unwrap(),
        };
        let (status, fields) = {
            let mut seen = self.seen.lock();
            seen.push(request.clone());
            (self.script)(&request, seen.len() - 1)
        };
        let mut headers = HeaderMap::new();
        let mut body = "";
        for line in fields.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            if name == "body" {
                body = value;
            } else {
                headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
        }
        let status = StatusCode::from_u16(status).unwrap();
        let head = Head { url: call.url.clone(), status, headers, version: Version::HTTP_11 };
        let answer = Answer::new(head, AnswerBody::Whole(Bytes::from(body.to_owned())));
        Box::pin(async move { Ok(answer) })
    }
}

/// Follows redirects, five at most.
pub(crate) fn following(upstream: &Arc<Upstream>) -> Options {
    let transport: Arc<dyn Transport> = Arc::clone(upstream) as _;
    Options { transport: Some(transport), redirects: Redirects { follow: true, max: 5 }, ..Options::default() }
}

/// A call without body and fields.
pub(crate) fn call(method: &Method, url: &str, options: Options) -> Call {
    Call {
        method: method.clone(),
        url: Url::parse(url).unwrap(),
        headers: HeaderMap::new(),
        body: Body::Empty,
        idempotent: method.is_idempotent(),
        stream: false,
        options: Arc::new(options),
    }
}

pub(crate) async fn answer(call: Call) -> Result<Answer, Error> {
    send(&Client::new(Limits::default()), Arc::new(call), &Scope::default()).await
}

pub(crate) fn with_fields(mut call: Call, fields: &[(&'static str, &'static str)]) -> Call {
    for (name, value) in fields {
        call.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    call
}
