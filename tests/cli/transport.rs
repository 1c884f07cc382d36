//! Proxies and certificates, with real TLS on loopback. A relay that speaks TLS stands in front of the simulated tenant,
//! and a proxy in front of the relay: one over HTTP, or one over SOCKS 5.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

use crate::support::command::{Ran, assert_contains};
use crate::support::tenant::{QUICK, Tenant};

/// A tenant that is reached over TLS by the name `localhost` or `tenant.invalid`. Only the authority of this test vouches
/// for its certificate.
struct Secured {
    tenant: Tenant,
    port: u16,
    runtime: Runtime,
}

impl Secured {
    fn start() -> Self {
        let tenant = Tenant::start(QUICK);
        tenant.write("links.csv", "name,url\nWiki,https://wiki.example\n");
        let (authority, config) = certificates();
        tenant.write("ca.pem", &authority);
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let behind = tenant.url.strip_prefix("http://").unwrap().to_owned();
        runtime.spawn(relay(listener, TlsAcceptor::from(Arc::new(config)), behind));
        Self {
            tenant,
            port,
            runtime,
        }
    }

    fn command(&self, host: &str, args: &[&str]) -> Command {
        let mut command = self.tenant.command(args);
        command.env("ZPA_BULK_BASE_URL", format!("https://{host}:{}", self.port));
        command
    }

    /// Starts a proxy on which every name leads to the relay. Answers its address and the requests that it gets.
    fn proxy(&self) -> (String, Arc<Mutex<Vec<String>>>) {
        let (listener, address) = self.listen();
        let asked = Arc::new(Mutex::new(Vec::new()));
        self.runtime
            .spawn(proxy(listener, self.port, Arc::clone(&asked)));
        (format!("http://{address}"), asked)
    }

    /// The same with SOCKS 5, for users with a password. Answers its host and port, and who asked for what.
    fn socks(&self) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
        let (listener, address) = self.listen();
        let asked = Arc::new(Mutex::new(Vec::new()));
        self.runtime
            .spawn(socks(listener, self.port, Arc::clone(&asked)));
        (address, asked)
    }

    fn listen(&self) -> (TcpListener, SocketAddr) {
        let listening = self.runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listening.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }
}

/// An authority's certificate in PEM, and a server with a certificate of that authority.
fn certificates() -> (String, ServerConfig) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let names = ["localhost", "tenant.invalid"].map(str::to_owned);
    let params = CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (authority.pem(), config)
}

async fn relay(listener: TcpListener, acceptor: TlsAcceptor, behind: String) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, behind) = (acceptor.clone(), behind.clone());
        tokio::spawn(async move {
            // A client that does not trust the certificate leaves here.
            let secure = acceptor.accept(stream).await.ok()?;
            let (mut requests, mut answers) = tokio::io::split(secure);
            let plain = TcpStream::connect(behind).await.ok()?;
            let (mut tenant, mut onward) = plain.into_split();
            let back = async { tokio::io::copy(&mut tenant, &mut answers).await.ok() };
            let there = renamed(&mut requests, &mut onward);
            tokio::join!(back, there).1
        });
    }
}

/// Passes requests on under a name of loopback: the simulated tenant answers to no other.
async fn renamed(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> Option<()> {
    let mut bytes = [0; 1 << 14];
    loop {
        let read = match from.read(&mut bytes).await {
            Ok(0) | Err(_) => return to.shutdown().await.ok(),
            Ok(read) => read,
        };
        let text = std::str::from_utf8(&bytes[..read]).ok()?;
        let text = text.replace("tenant.invalid", "here.localhost");
        to.write_all(text.as_bytes()).await.ok()?;
    }
}

async fn proxy(listener: TcpListener, relay: u16, asked: Arc<Mutex<Vec<String>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let asked = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.ok()?);
            }
            let head = String::from_utf8(head).ok()?;
            asked.lock().unwrap().push(head.lines().next()?.to_owned());
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
            let mut onward = TcpStream::connect(("127.0.0.1", relay)).await.ok()?;
            copy_bidirectional(&mut stream, &mut onward).await.ok()
        });
    }
}

async fn socks(listener: TcpListener, relay: u16, asked: Arc<Mutex<Vec<String>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let asked = Arc::clone(&asked);
        tokio::spawn(async move {
            let request = socks_request(&mut stream).await.ok()?;
            asked.lock().unwrap().push(request);
            stream
                .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
                .await
                .ok()?;
            let mut onward = TcpStream::connect(("127.0.0.1", relay)).await.ok()?;
            copy_bidirectional(&mut stream, &mut onward).await.ok()
        });
    }
}

/// Signs a client in (RFC 1929), and reads where it wants to go (RFC 1928): `user:password name:port`.
async fn socks_request(stream: &mut TcpStream) -> std::io::Result<String> {
    assert_eq!(stream.read_u8().await?, 5);
    let methods = counted(stream).await?;
    assert!(methods.contains(&2), "no password is offered");
    stream.write_all(&[5, 2]).await?;
    assert_eq!(stream.read_u8().await?, 1);
    let user = counted(stream).await?;
    let password = counted(stream).await?;
    stream.write_all(&[1, 0]).await?;
    let mut connect = [0; 4];
    stream.read_exact(&mut connect).await?;
    assert_eq!(connect, [5, 1, 0, 3], "the proxy is to resolve a name");
    let name = counted(stream).await?;
    let port = stream.read_u16().await?;
    let [user, password, name] = [user, password, name].map(|b| String::from_utf8(b).unwrap());
    Ok(format!("{user}:{password} {name}:{port}"))
}

/// Reads a byte that says how many follow, and these.
async fn counted(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[test]
fn an_untrusted_certificate_is_refused_with_a_hint() {
    let secured = Secured::start();
    let ran = Ran::of(&mut secured.command("localhost", &["doctor"])).expect(1);
    let line = ran
        .stdout
        .lines()
        .find(|line| line.starts_with("FAIL"))
        .unwrap();
    assert!(
        line.contains("certificate is not trusted") && line.contains("--ca-cert"),
        "{line}"
    );
    assert!(secured.tenant.log().is_empty());
}

#[test]
fn the_certificate_of_a_named_authority_is_trusted() {
    let secured = Secured::start();
    let args = ["apply", "links.csv", "--yes", "--ca-cert", "ca.pem"];
    Ran::of(&mut secured.command("localhost", &args)).expect(0);
    assert_eq!(secured.tenant.links().len(), 1);
    let mut command = secured.command("localhost", &["doctor"]);
    Ran::of(command.env("ZPA_BULK_CA_CERT", "ca.pem")).expect(0);
    secured
        .tenant
        .write("settings.toml", "ca_cert = \"ca.pem\"\n");
    let args = ["doctor", "--config", "settings.toml"];
    Ran::of(&mut secured.command("localhost", &args)).expect(0);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let secured = Secured::start();
    let args = ["doctor", "--ca-cert", "ca.pem"];
    let ran = Ran::of(&mut secured.command("127.0.0.1", &args)).expect(1);
    assert_contains(&ran.stdout, "is for another name");
}

#[test]
fn a_file_without_a_certificate_is_refused() {
    let secured = Secured::start();
    secured.tenant.write("none.pem", "nothing");
    for file in ["none.pem", "absent.pem"] {
        let args = ["plan", "links.csv", "--ca-cert", file];
        let ran = Ran::of(&mut secured.command("localhost", &args)).expect(2);
        assert!(
            ran.stderr.contains("certificate") || ran.stderr.contains("absent.pem"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn only_the_proxy_needs_to_know_the_name() {
    let secured = Secured::start();
    let (proxy, asked) = secured.proxy();
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let args = ["plan", "links.csv", "--ca-cert", "ca.pem"];
        let mut command = secured.command("tenant.invalid", &args);
        Ran::of(command.env(variable, &proxy)).expect(0);
    }
    let asked = asked.lock().unwrap();
    let expected = format!("CONNECT tenant.invalid:{} HTTP/1.1", secured.port);
    assert!(
        asked.len() >= 3 && asked.iter().all(|line| *line == expected),
        "{asked:?}"
    );
}

#[test]
fn a_socks_proxy_signs_the_user_in_and_resolves_the_name() {
    let secured = Secured::start();
    let (address, asked) = secured.socks();
    for variable in ["ALL_PROXY", "https_proxy"] {
        let args = ["plan", "links.csv", "--ca-cert", "ca.pem"];
        let mut command = secured.command("tenant.invalid", &args);
        let proxy = format!("socks5h://me:hunter2@{address}");
        Ran::of(command.env(variable, proxy)).expect(0);
    }
    let asked = asked.lock().unwrap();
    let expected = format!("me:hunter2 tenant.invalid:{}", secured.port);
    assert!(
        asked.len() >= 2 && asked.iter().all(|line| *line == expected),
        "{asked:?}"
    );
}

#[test]
fn a_proxy_that_no_proxy_excludes_is_not_judged() {
    let secured = Secured::start();
    let args = ["doctor", "--ca-cert", "ca.pem"];
    let mut command = secured.command("localhost", &args);
    command.env("ALL_PROXY", "gopher://me:hunter2@pro xy");
    Ran::of(&mut command).expect(2);
    let ran = Ran::of(command.env("NO_PROXY", "other.example, localhost")).expect(0);
    assert_contains(&ran.stdout, "answers\n");
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
}

#[test]
fn no_proxy_hosts_and_local_calls_go_past_the_proxy() {
    let secured = Secured::start();
    let (proxy, asked) = secured.proxy();
    let args = ["doctor", "--ca-cert", "ca.pem"];
    let mut command = secured.command("localhost", &args);
    command
        .env("HTTPS_PROXY", &proxy)
        .env("NO_PROXY", "example.com,localhost");
    Ran::of(&mut command).expect(0);
    let mut plain = secured.tenant.command(&["doctor"]);
    plain
        .env("HTTPS_PROXY", &proxy)
        .env("HTTP_PROXY", &proxy)
        .env("ALL_PROXY", &proxy);
    Ran::of(&mut plain).expect(0);
    assert!(asked.lock().unwrap().is_empty());
    let mut command = secured.command("localhost", &args);
    let ran = Ran::of(command.env("HTTPS_PROXY", &proxy)).expect(0);
    assert_contains(&ran.stdout, "answers (proxy of HTTPS_PROXY)");
    assert!(!asked.lock().unwrap().is_empty());
}

#[test]
fn a_malformed_proxy_is_refused_without_its_password() {
    let secured = Secured::start();
    for proxy in ["gopher://me:hunter2@proxy:1", "http://me:hunter2@pro xy"] {
        let mut command = secured.command("localhost", &["plan", "links.csv"]);
        let ran = Ran::of(command.env("HTTPS_PROXY", proxy)).expect(2);
        assert_contains(&ran.stderr, "HTTPS_PROXY");
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
}
