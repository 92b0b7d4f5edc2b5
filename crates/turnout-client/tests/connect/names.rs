//! A name server (RFC 1035, over UDP) that says what a test wants, and writes down what it was asked.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::SOA;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::watch;

/// What is said to one question.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Those of the family that was asked for, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// There is no such name, for so many seconds.
    NoName(u32),
    /// Not now.
    Failure,
    /// Nothing.
    Silence,
}

/// Running as long as its runtime does.
#[derive(Clone)]
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
    count: watch::Receiver<usize>,
}

impl NameServer {
    /// `script` is given the name, the family, and how often just that was asked before.
    pub(crate) async fn start(script: impl Fn(&str, RecordType, usize) -> Reply + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (counter, count) = watch::channel(0);
        let server = Self { address, asked: Arc::clone(&asked), count };
        tokio::spawn(async move {
            let mut packet = [0; 4096];
            while let Ok((length, peer)) = socket.recv_from(&mut packet).await {
                let message = Message::from_vec(&packet[..length]).unwrap();
                let query = message.queries[0].clone();
                let name = query.name().to_ascii().trim_end_matches('.').to_owned();
                let question = (name.clone(), query.query_type());
                let before = asked.lock().iter().filter(|other| **other == question).count();
                asked.lock().push(question);
                counter.send_modify(|count| *count += 1);
                if let Some(answer) = answer(&message, script(&name, query.query_type(), before)) {
                    socket.send_to(&answer.to_vec().unwrap(), peer).await.unwrap();
                }
            }
        });
        server
    }

    /// The same addresses for every name.
    pub(crate) async fn saying(addresses: &[&str], ttl: u32) -> Self {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Self::start(move |_, _, _| Reply::Addresses(addresses.clone(), ttl)).await
    }

    /// How often it was asked for an IPv4 address of `name`.
    pub(crate) fn asked_for(&self, name: &str) -> usize {
        self.asked.lock().iter().filter(|(asked, family)| asked == name && *family == RecordType::A).count()
    }

    /// All names, in order, each as often as it was asked for an IPv4 address.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock();
        asked.iter().filter(|(_, family)| *family == RecordType::A).map(|(name, _)| name.clone()).collect()
    }

    /// Waits until it has been asked something `count` times.
    pub(crate) async fn until_asked(&self, count: usize) {
        self.count.clone().wait_for(|asked| *asked >= count).await.unwrap();
    }
}

fn answer(question: &Message, reply: Reply) -> Option<Message> {
    let query = &question.queries[0];
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.recursion_available = true;
    answer.queries.push(query.clone());
    match reply {
        Reply::Silence => return None,
        Reply::Failure => answer.metadata.response_code = ResponseCode::ServFail,
        Reply::NoName(ttl) => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            answer.authorities.push(soa(ttl));
        }
        Reply::Addresses(addresses, ttl) => {
            let wanted: Vec<IpAddr> = addresses
                .into_iter()
                .filter(|address| address.is_ipv4() == (query.query_type() == RecordType::A))
                .collect();
            if wanted.is_empty() {
                answer.authorities.push(soa(ttl));
            }
            for address in wanted {
                answer.answers.push(Record::from_rdata(query.name().clone(), ttl, RData::from(address)));
            }
        }
    }
    Some(answer)
}

fn soa(ttl: u32) -> Record {
    let here = Name::from_ascii("example.").unwrap();
    let soa = SOA::new(here.clone(), here.clone(), 1, 3600, 600, 86_400, ttl);
    Record::from_rdata(here, ttl, RData::SOA(soa))
}
