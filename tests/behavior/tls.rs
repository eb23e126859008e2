//! Redis over TLS: which certificates are trusted, and what is said of those that are not.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use cache_runtime::{Cache, CacheBuilder, ErrorKind, Outcome, State, redis_cached, report};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use support::{Events, Origin, PATIENCE, RedisServer, Worker, built};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// A CA, and a server's certificate that it signed, in files.
struct Certificates {
    folder: TempDir,
    ca: String,
}

impl Certificates {
    /// For a server of these names.
    fn of(names: &[&str]) -> Self {
        Self::with("a CA", names, |_| {})
    }

    /// Of a CA of this name, for a server of these names, and with these changes to its certificate.
    fn with(ca: &str, names: &[&str], changes: impl Fn(&mut CertificateParams)) -> Self {
        let key = || KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, ca);
        let ca = CertifiedIssuer::self_signed(params, key()).expect("a CA");
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let (mut params, key) = (CertificateParams::new(names).expect("names of hosts"), key());
        changes(&mut params);
        let certificate = params.signed_by(&key, &ca).expect("a certificate");
        let folder = TempDir::with_prefix("redis-cached-").expect("a temporary folder for the certificates");
        let files = [("ca.pem", ca.pem()), ("server.pem", certificate.pem()), ("server.key", key.serialize_pem())];
        for (name, content) in files {
            fs::write(folder.path().join(name), content).expect("the folder can be written to");
        }
        Self { folder, ca: ca.pem() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn server(&self, args: &[&str]) -> RedisServer {
        let [ca, certificate, key] = ["ca.pem", "server.pem", "server.key"].map(|name| self.file(name));
        let files = [&ca, &certificate, &key].map(|file| file.to_str().expect("the path is text"));
        let tls = ["--tls-ca-cert-file", files[0], "--tls-cert-file", files[1], "--tls-key-file", files[2]];
        let clients: &[&str] = if args.contains(&"--tls-auth-clients") { &[] } else { &["--tls-auth-clients", "no"] };
        RedisServer::start_with(&[&tls, clients, args].concat()).await
    }
}

#[redis_cached(key = "answer:<id>", ttl = 600, cache = cache, skip(cache, origin))]
async fn answer(cache: &Cache, origin: &Origin, id: u64) -> u64 {
    assert!(id < 100);
    origin.run().await
}

/// The first call runs the function, and the second is a hit.
async fn is_served(builder: CacheBuilder) {
    let (cache, origin) = (built(builder.deadline(PATIENCE)), Origin::default());
    for outcome in [Outcome::Miss, Outcome::Hit] {
        let (_, reported) = report(answer(&cache, &origin, 7)).await;
        assert_eq!(reported.calls()[0].outcome(), outcome, "{}", cache.health());
    }
    assert_eq!(cache.health().state(), State::Up);
}

/// Each call runs the function, and `health()` says why.
async fn is_refused(builder: CacheBuilder, why: &str) {
    let (cache, origin, events) =
        (built(builder.deadline(Duration::from_secs(2))), Origin::default(), Events::capture());
    for run in 1.. {
        assert_eq!(answer(&cache, &origin, 7).await, run);
        let health = cache.health();
        assert!(health.to_string().contains(why), "{health} instead of {why}, {:?}", events.all());
        match health.state() {
            State::NotContacted => {}
            state => return assert_eq!(state, State::Down),
        }
    }
}

#[tokio::test]
async fn a_hit_over_tls_with_the_ca_of_the_builder() {
    let certificates = Certificates::of(&["localhost", "127.0.0.1"]);
    let server = certificates.server(&[]).await;
    for host in ["localhost", "127.0.0.1"] {
        is_served(Cache::builder().redis_url(server.tls_url(host)).tls_ca_pem(certificates.ca.clone())).await;
        let ca = certificates.file("ca.pem");
        redis::cmd("FLUSHALL").exec_async(&mut server.client().await).await.expect("the server is up");
        is_served(Cache::builder().redis_url(server.tls_url(host)).tls_ca_file(ca)).await;
        redis::cmd("FLUSHALL").exec_async(&mut server.client().await).await.expect("the server is up");
    }
}

#[tokio::test]
async fn a_hit_over_tls_with_the_file_that_the_environment_names() {
    let certificates = Certificates::of(&["localhost"]);
    let server = certificates.server(&[]).await;
    let (url, ca) = (server.tls_url("localhost"), certificates.file("ca.pem"));
    let ca = ca.to_str().expect("the path is text");
    for (file, outcomes, healthy) in [
        (Some(ca), "7 hit:2 miss:2", " up for "),
        (None, "7 degraded:4", "certificate verify failed: unknown issuer"),
        (Some("/no/such/file"), "7 degraded:4", "the certificates of this machine cannot be read; see SSL_CERT_FILE"),
    ] {
        let variables = [("REDIS_URL", url.as_str())].into_iter().chain(file.map(|file| ("SSL_CERT_FILE", file)));
        let mut worker = Worker::start_in(env!("CARGO_BIN_EXE_worker"), "environment", variables).await;
        worker.tell("go").await;
        let (said, health) = (worker.hear().await, worker.hear().await);
        assert!(said == outcomes && health.contains(healthy), "{said}, {health}");
    }
}

// Two crates of a program may bring one each, and rustls panics where none of them was chosen.
#[tokio::test]
async fn a_cache_brings_its_cryptography_where_the_process_has_none() {
    let suites = async |whose: &str| {
        let scenario = format!("cryptography {whose}");
        let mut worker = Worker::start(env!("CARGO_BIN_EXE_worker"), &scenario, None).await;
        worker.tell("go").await;
        worker.hear().await.parse::<usize>().expect("a number")
    };
    assert_eq!(suites("own").await, 1, "the program's own is left alone");
    assert!(suites("none").await > 1);
}

#[tokio::test]
async fn the_nodes_of_a_cluster_are_connected_to_as_the_first_is() {
    let certificates = Certificates::of(&["localhost", "127.0.0.1"]);
    let cluster = ["--cluster-enabled", "yes", "--tls-cluster", "yes", "--cluster-announce-ip", "127.0.0.1"];
    let server = certificates.server(&cluster).await;
    let mut client = server.client().await;
    redis::cmd("CLUSTER")
        .arg(&["ADDSLOTSRANGE", "0", "16383"])
        .exec_async(&mut client)
        .await
        .expect("the server is up");
    let is_ready = async {
        let info = async |client: &mut _| redis::cmd("CLUSTER").arg("INFO").query_async::<String>(client).await;
        while !info(&mut client).await.is_ok_and(|info| info.contains("cluster_state:ok")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    support::within("a cluster of one node", is_ready).await;
    // The map says `127.0.0.1`, so the node is not the one that was named.
    let builder = Cache::builder().redis_cluster([server.tls_url("localhost")]);
    let cache = built(builder.tls_ca_pem(certificates.ca.clone()).deadline(PATIENCE));
    let origin = Origin::default();
    assert_eq!((answer(&cache, &origin, 7).await, answer(&cache, &origin, 7).await), (1, 1));
    let health = cache.health();
    assert_eq!(health.servers()[0].name(), format!("127.0.0.1:{}", server.tls_port()), "{health}");
    let other = Certificates::with("another CA", &[], |_| {});
    let with_other = Cache::builder().redis_cluster([server.tls_url("localhost")]).tls_ca_pem(other.ca.clone());
    is_refused(with_other, "unknown issuer").await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_trusted_is_said_to_be_so_and_how_to_trust_it() {
    let certificates = Certificates::of(&["localhost", "127.0.0.1"]);
    let server = certificates.server(&[]).await;
    for (ca, said) in [
        ("another CA", "certificate verify failed: unknown issuer; name the CA that signed"),
        ("a CA", "certificate verify failed: bad signature; a CA of the same name"),
    ] {
        let other = Certificates::with(ca, &["localhost"], |_| {});
        let with_other = Cache::builder().redis_url(server.tls_url("localhost")).tls_ca_pem(other.ca.clone());
        is_refused(with_other, said).await;
    }

    let elsewhere = Certificates::of(&["cache.example"]);
    let server_elsewhere = elsewhere.server(&[]).await;
    for host in ["localhost", "127.0.0.1"] {
        let of_other_host = Cache::builder().redis_url(server_elsewhere.tls_url(host)).tls_ca_pem(elsewhere.ca.clone());
        is_refused(of_other_host, "certificate verify failed: it is for another host").await;
    }

    let expired = Certificates::with("a CA", &["localhost"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let server_expired = expired.server(&[]).await;
    let old = Cache::builder().redis_url(server_expired.tls_url("localhost")).tls_ca_pem(expired.ca.clone());
    is_refused(old, "certificate verify failed: it has expired").await;
}

#[tokio::test]
async fn a_server_that_listens_without_tls_is_said_to() {
    // It says something, as a mail server does.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("rediss://{}/", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            client.write_all(b"-ERR unknown command\r\n").await.expect("the client listens");
        }
    });
    is_refused(Cache::builder().redis_url(url), "the server does not answer in TLS; if it listens without").await;

    // It waits for more, as Redis does.
    let server = RedisServer::start().await;
    let cache = built(Cache::builder().redis_url(format!("rediss://127.0.0.1:{}/", server.port())));
    answer(&cache, &Origin::default(), 7).await;
    let said = async {
        while cache.health().why().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    support::within("the attempt to connect to end", said).await;
    let health = cache.health();
    assert!(health.why().is_some_and(|why| why.ends_with("write redis:// instead of rediss://")), "{health}");
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_is_said_to() {
    let certificates = Certificates::of(&["localhost"]);
    let server = certificates.server(&["--tls-auth-clients", "yes"]).await;
    let builder = Cache::builder().redis_url(server.tls_url("localhost")).tls_ca_pem(certificates.ca.clone());
    is_refused(builder, "the server requires a client certificate").await;
}

#[test]
fn a_ca_that_cannot_be_used_or_is_not_used_is_a_mistake() {
    let refused = |builder: CacheBuilder| {
        let error = builder.build().expect_err("the CA cannot be used");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        error.to_string()
    };
    let (tls, ca) = (|| Cache::builder().redis_url("rediss://ada:hunter2@localhost/"), Certificates::of(&[]));
    for (builder, said) in [
        (tls().tls_ca_file("/no/such/file"), "/no/such/file cannot be read: No such file"),
        (tls().tls_ca_pem("no certificate"), "there is no certificate in it: it must be PEM"),
        (tls().tls_ca_file(ca.file("server.key")), "there is no certificate in it"),
        (tls().tls_ca_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"), "is damaged"),
        (
            Cache::builder().redis_url("redis://localhost/").tls_ca_pem(ca.ca.clone()),
            "write `rediss://`, or leave the CA out",
        ),
        (Cache::builder().memory(cache_runtime::Memory::default()).tls_ca_pem(ca.ca.clone()), "leave the CA out"),
    ] {
        let refused = refused(builder);
        assert!(refused.contains(said) && !refused.contains("hunter2"), "{refused}");
    }
}
