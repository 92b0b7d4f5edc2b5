//! Asks for the addresses of a name: `/etc/hosts` first, then the name servers of `/etc/resolv.conf`, in the order glibc's `files dns` has.
//! Remembers no answer: see `resolver`.
//!
//! Not `getaddrinfo`: it keeps a thread for as long as a name server is silent, tells no TTL, and cannot be cancelled. What it knows beyond
//! files and DNS (mDNS, LDAP, ...) is asked for only where `/etc/nsswitch.conf` names such a service, and only for names that have no
//! address otherwise: see `elsewhere`. There is no public name server to fall back to: it would learn internal names.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fmt, fs};

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};
use parking_lot::Mutex;
use tokio::runtime;
use tokio::time::{Instant, sleep};

/// How often it is looked whether the system's files have changed.
const FILES_CHECKED: Duration = Duration::from_secs(5);

/// How long the second family of addresses may come after the first (RFC 8305, 3: "Resolution Delay").
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Questions on one TCP connection to a name server; over UDP each has a socket of its own.
const MAX_QUESTIONS: usize = 256;

/// Whom names are asked of.
#[derive(Clone, Debug, Default)]
pub enum NameServers {
    /// The system's files, read again when they change.
    #[default]
    System,
    /// These, and no file.
    These {
        /// Asked in this order.
        servers: Vec<SocketAddr>,
        /// Names that are not asked for.
        hosts: Vec<(String, IpAddr)>,
        /// For names with less than one dot.
        search: Vec<String>,
        /// For one question to one server; each is asked twice.
        patience: Duration,
    },
}

/// The addresses of a name, and how long they may be remembered.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ttl: Duration,
}

/// Why there is no address.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// Whoever is responsible for it says that the name has none; for so long.
    NoAddress(Duration),
    /// Nobody could say.
    NoAnswer(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress(_) => formatter.write_str("there is no such name"),
            Self::NoAnswer(why) => formatter.write_str(why),
        }
    }
}

/// Asks, and keeps what it needs for that. Follows whatever runtime it is polled on: nothing of a runtime that is gone is used again.
pub(super) struct Asker {
    servers: NameServers,
    setup: Mutex<Option<(runtime::Id, Instant, Arc<Setup>)>>,
}

/// What the files say.
struct Setup {
    resolver: Result<TokioResolver, String>,
    search: Vec<Name>,
    dots: usize,
    hosts: Hosts,
    elsewhere: bool,
    stamps: Stamps,
}

type Stamps = [Option<SystemTime>; 3];

impl Asker {
    pub(super) fn new(servers: NameServers) -> Self {
        Self { servers, setup: Mutex::new(None) }
    }

    /// Every address of `host`. The caller limits the time.
    pub(super) async fn ask(&self, host: &str) -> Result<Found, Failure> {
        // No name that DNS can carry (RFC 1035, 2.3.4): nobody needs to be asked.
        let Ok(name) = Name::from_ascii(host) else { return Err(Failure::NoAddress(Duration::MAX)) };
        let setup = self.setup();
        if let Some(found) = setup.listed(&name) {
            return Ok(found);
        }
        let outcome = match &setup.resolver {
            Ok(resolver) => setup.search(resolver, &name).await,
            Err(why) => Err(Failure::NoAnswer(why.clone())),
        };
        match outcome {
            Err(Failure::NoAddress(ttl)) if setup.elsewhere => elsewhere(host).await.ok_or(Failure::NoAddress(ttl)),
            outcome => outcome,
        }
    }

    fn setup(&self) -> Arc<Setup> {
        let here = runtime::Handle::current().id();
        let now = Instant::now();
        let mut kept = self.setup.lock();
        if let Some((runtime, checked, setup)) = &mut *kept
            && *runtime == here
        {
            if now.duration_since(*checked) < FILES_CHECKED {
                return Arc::clone(setup);
            }
            *checked = now;
            if !matches!(self.servers, NameServers::System) || setup.stamps == stamps() {
                return Arc::clone(setup);
            }
        }
        let setup = Arc::new(match &self.servers {
            NameServers::System => Setup::from_system(),
            NameServers::These { servers, hosts, search, patience } => {
                Setup::from_parts(servers, hosts, search, *patience)
            }
        });
        *kept = Some((here, now, Arc::clone(&setup)));
        setup
    }
}

impl Setup {
    fn from_system() -> Self {
        let stamps = stamps();
        let hosts = Hosts::from_system().unwrap_or_default();
        let elsewhere = fs::read_to_string("/etc/nsswitch.conf").is_ok_and(|text| knows_elsewhere(&text));
        match system_conf::read_system_conf() {
            Ok((config, options)) => {
                let mut search = config.search().to_vec();
                if search.is_empty() {
                    search.extend(config.domain().cloned());
                }
                let dots = options.ndots;
                Self { resolver: resolver(config, options), search, dots, hosts, elsewhere, stamps }
            }
            Err(error) => {
                let why = format!("no name server is known, /etc/resolv.conf cannot be used: {error}");
                Self { resolver: Err(why), search: Vec::new(), dots: 1, hosts, elsewhere, stamps }
            }
        }
    }

    fn from_parts(servers: &[SocketAddr], hosts: &[(String, IpAddr)], search: &[String], patience: Duration) -> Self {
        let servers = servers.iter().map(|server| {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for connection in &mut connections {
                connection.port = server.port();
            }
            NameServerConfig::new(server.ip(), true, connections)
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let mut options = ResolverOpts::default();
        options.timeout = patience;
        let mut listed = Hosts::default();
        let lines: Vec<String> = hosts.iter().map(|(name, address)| format!("{address} {name}")).collect();
        listed.read_hosts_conf(lines.join("\n").as_bytes()).unwrap_or_default();
        Self {
            resolver: resolver(config, options),
            search: search.iter().filter_map(|domain| Name::from_ascii(domain).ok()).collect(),
            dots: 1,
            hosts: listed,
            elsewhere: false,
            stamps: Stamps::default(),
        }
    }

    /// What the file of hosts says: if it knows a name in one family, nobody is asked for the other.
    fn listed(&self, name: &Name) -> Option<Found> {
        let name = name.to_lowercase();
        let addresses: Vec<IpAddr> = [RecordType::AAAA, RecordType::A]
            .into_iter()
            .filter_map(|family| self.hosts.lookup_static_host(&Query::query(name.clone(), family)))
            .flat_map(|lookup| lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>())
            .collect();
        (!addresses.is_empty()).then_some(Found { addresses, ttl: FILES_CHECKED })
    }

    /// The name in each domain that it may be meant in: the first that has an address.
    async fn search(&self, resolver: &TokioResolver, name: &Name) -> Result<Found, Failure> {
        let mut no_address = Duration::MAX;
        let mut no_answer = None;
        for candidate in self.candidates(name) {
            match both_families(resolver, candidate).await {
                Err(Failure::NoAddress(ttl)) => no_address = no_address.min(ttl),
                Err(failure) => no_answer = no_answer.or(Some(failure)),
                found => return found,
            }
        }
        Err(no_answer.unwrap_or(Failure::NoAddress(no_address)))
    }

    fn candidates(&self, name: &Name) -> Vec<Name> {
        let mut absolute = name.clone();
        absolute.set_fqdn(true);
        if name.is_fqdn() {
            return vec![absolute];
        }
        let dots = usize::from(name.num_labels()).saturating_sub(1);
        let mut candidates: Vec<Name> =
            self.search.iter().filter_map(|domain| name.clone().append_domain(domain).ok()).collect();
        for candidate in &mut candidates {
            candidate.set_fqdn(true);
        }
        candidates.insert(if dots >= self.dots { 0 } else { candidates.len() }, absolute);
        candidates
    }
}

fn resolver(config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, String> {
    // Remembered in one place, and that is not this one.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.max_active_requests = MAX_QUESTIONS;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    options.num_concurrent_reqs = 1;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .map_err(|error| format!("no name server can be used: {error}"))
}

async fn both_families(resolver: &TokioResolver, name: Name) -> Result<Found, Failure> {
    let mut v6 = std::pin::pin!(one_family(resolver, name.clone(), RecordType::AAAA));
    let mut v4 = std::pin::pin!(one_family(resolver, name, RecordType::A));
    let (mut six, mut four) = (None, None);
    while six.is_none() || four.is_none() {
        let one_is_enough = matches!(six, Some(Ok(_))) || matches!(four, Some(Ok(_)));
        tokio::select! {
            result = &mut v6, if six.is_none() => six = Some(result),
            result = &mut v4, if four.is_none() => four = Some(result),
            () = sleep(RESOLUTION_DELAY), if one_is_enough => break,
        }
    }
    match (six, four) {
        (Some(Ok(mut found)), Some(Ok(more))) => {
            found.addresses.extend(more.addresses);
            found.ttl = found.ttl.min(more.ttl);
            Ok(found)
        }
        (Some(Ok(found)), _) | (_, Some(Ok(found))) => Ok(found),
        (Some(Err(Failure::NoAddress(one))), Some(Err(Failure::NoAddress(other)))) => {
            Err(Failure::NoAddress(one.min(other)))
        }
        (Some(Err(failure @ Failure::NoAnswer(_))), _) | (_, Some(Err(failure))) | (Some(Err(failure)), None) => {
            Err(failure)
        }
        (None, None) => Err(Failure::NoAnswer("nobody was asked".to_owned())),
    }
}

async fn one_family(resolver: &TokioResolver, name: Name, family: RecordType) -> Result<Found, Failure> {
    match resolver.lookup(name, family).await {
        Ok(lookup) => {
            let addresses: Vec<IpAddr> = lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect();
            let ttl = lookup.valid_until().saturating_duration_since(std::time::Instant::now());
            if addresses.is_empty() { Err(Failure::NoAddress(ttl)) } else { Ok(Found { addresses, ttl }) }
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            Err(Failure::NoAddress(Duration::from_secs(none.negative_ttl.unwrap_or_default().into())))
        }
        Err(NetError::Timeout) => Err(Failure::NoAnswer("no name server has answered in time".to_owned())),
        Err(NetError::Dns(DnsError::ResponseCode(code))) => {
            Err(Failure::NoAnswer(format!("the name server says \"{code}\"")))
        }
        Err(error) => Err(Failure::NoAnswer(format!("the name servers cannot be asked: {error}"))),
    }
}

/// Through glibc, for what only it knows. Takes a thread for a while; the caller bounds how many.
async fn elsewhere(host: &str) -> Option<Found> {
    let addresses: Vec<IpAddr> = tokio::net::lookup_host((host, 0)).await.ok()?.map(|address| address.ip()).collect();
    (!addresses.is_empty()).then_some(Found { addresses, ttl: FILES_CHECKED })
}

/// Whether the line for hosts has a service that neither the files nor DNS stand for.
fn knows_elsewhere(nsswitch: &str) -> bool {
    let line = nsswitch.lines().find_map(|line| line.trim_start().strip_prefix("hosts:"));
    line.unwrap_or_default()
        .split('#')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .filter(|word| !word.starts_with('[') && !word.ends_with(']'))
        .any(|service| !matches!(service, "files" | "dns" | "resolve"))
}

fn stamps() -> Stamps {
    ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"]
        .map(|file| fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glibc_is_asked_only_where_it_knows_more_than_files_and_dns() {
        assert!(!knows_elsewhere("passwd: files sss\nhosts: files dns # mdns\n"));
        assert!(!knows_elsewhere("hosts:\tfiles resolve [!UNAVAIL=return] dns\n"));
        assert!(knows_elsewhere("hosts: files mdns4_minimal [NOTFOUND=return] dns\n"));
        assert!(!knows_elsewhere(""));
    }
}
