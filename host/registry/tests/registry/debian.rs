//! Debian's `docker-registry`, and `skopeo`, which know nothing of Brewer.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL};
use brewer_registry::{Credential, Digest, Reference, Secret, Settings, Store, bundle, plugin, signature::Signatures};
use ring::{rand::SystemRandom, signature};
use serde_json::{Value, json};

use crate::debian_registry::{HTPASSWD, Running, tools};
use crate::server::{Reply, Seen, Server};
use crate::world::{client, component, settings};

fn reference(registry: &Running, path: &str) -> Reference {
    format!("oci://{}/{path}", registry.host).parse().unwrap()
}

fn store(registry: &Running) -> Store {
    Store::open(&registry.folder.path().join("store")).unwrap()
}

fn push(settings: Settings, reference: &Reference, component: &[u8]) -> brewer_registry::Result<Reference> {
    plugin::push(&client(settings), reference, component, &BTreeMap::new(), 0).map(|pushed| pushed.reference)
}

/// Runs skopeo, which trusts everything.
pub fn skopeo(folder: &Path, arguments: &[&str]) {
    let (tools, policy) = (tools(), folder.join("policy.json"));
    fs::write(&policy, r#"{ "default": [{ "type": "insecureAcceptAnything" }] }"#).unwrap();
    let libraries =
        ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|path| tools.join(path).display().to_string());
    let mut command = Command::new(tools.join("usr/bin/skopeo"));
    command.arg("--policy").arg(&policy).arg("--registries.d").arg(folder).args(arguments);
    command.env("LD_LIBRARY_PATH", libraries.join(":")).env("HOME", folder).env("XDG_RUNTIME_DIR", folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_pushed_is_pulled_also_through_skopeo() {
    let registry = Running::start("", |_| {});
    // Pieces and the whole.
    for (name, size) in [("small", 1_000), ("large", 9 << 20)] {
        let component = component(size);
        let mine = reference(&registry, &format!("team/{name}:1.0.0"));
        let pinned = push(settings(), &mine, &component).unwrap();
        assert_eq!(push(settings(), &mine, &component).unwrap(), pinned);
        let pulled = plugin::pull(&client(settings()), &store(&registry), &pinned).unwrap();
        assert!(pulled.bytes == component && pulled.warnings.is_empty());
    }
    // To a folder and to another repository, by a tool that takes manifests as they are.
    let folder = registry.folder.path();
    let from = format!("docker://{}/team/small:1.0.0", registry.host);
    let layout = format!("oci:{}:1.0.0", folder.join("layout").display());
    let to = format!("docker://{}/other/copied:2", registry.host);
    skopeo(folder, &["copy", "--src-tls-verify=false", &from, &layout]);
    skopeo(folder, &["copy", "--dest-tls-verify=false", &layout, &to]);
    let there = reference(&registry, "team/small:1.0.0");
    let original = plugin::pull(&client(settings()), &store(&registry), &there).unwrap();
    let copied = plugin::pull(&client(settings()), &store(&registry), &reference(&registry, "other/copied:2")).unwrap();
    assert_eq!(copied.manifest, original.manifest);
    assert_eq!(Digest::of(&copied.bytes), Digest::of(&component(1_000)));

    let missing =
        plugin::pull(&client(settings()), &store(&registry), &reference(&registry, "team/small:9")).unwrap_err();
    assert!(missing.is_input() && missing.to_string().contains("MANIFEST_UNKNOWN"), "{missing}");
}

#[test]
fn passwords_are_asked_for_and_checked() {
    let registry = Running::start("auth: { htpasswd: { realm: test, path: FOLDER/htpasswd } }\n", |folder| {
        fs::write(folder.join("htpasswd"), HTPASSWD).unwrap();
    });
    let mine = reference(&registry, "team/mine:1");
    let component = component(10);
    let error = push(settings(), &mine, &component).unwrap_err().to_string();
    assert!(error.contains("there are no credentials for it in /nowhere/config.json"), "{error}");

    let known = || Settings { docker_config: Some(registry.folder.path().to_owned()), ..settings() };
    let secret = |password: &str| Credential {
        secret: Secret::Password { user: "alice".into(), password: password.into() },
        source: "this test".into(),
    };
    let mut login = client(known());
    let error = login.check_login(&registry.host, secret("wrong")).unwrap_err().to_string();
    assert!(error.contains("it answers 401") && error.contains("those of alice from this test"), "{error}");
    login.check_login(&registry.host, secret("secret")).unwrap();
    login.credentials().store(&registry.host, "alice", "secret").unwrap();
    push(known(), &mine, &component).unwrap();
    assert_eq!(plugin::pull(&client(known()), &store(&registry), &mine).unwrap().bytes, component);
}

/// A certificate of its own for `name`, in `folder`.
fn certificate(folder: &Path, name: &str) {
    // It is none of an authority, or it could not be a server's.
    let config = format!(
        "[req]\ndistinguished_name = name\nx509_extensions = extensions\nprompt = no\n[name]\nCN = test\n\
         [extensions]\nbasicConstraints = critical,CA:FALSE\nsubjectAltName = {name}\n"
    );
    fs::write(folder.join("openssl.cnf"), config).unwrap();
    let mut command = Command::new("openssl");
    command.current_dir(folder).args([
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]);
    command.args(["-keyout", "key.pem", "-out", "certificate.pem", "-days", "2", "-config", "openssl.cnf"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The same certificate, signed for a day that is long past.
fn expired_certificate(folder: &Path) {
    certificate(folder, "IP:127.0.0.1");
    let authority = format!(
        "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\ndefault_md = sha256\n\
         policy = any\nx509_extensions = extensions\n[any]\ncommonName = supplied\n{}",
        fs::read_to_string(folder.join("openssl.cnf")).unwrap()
    );
    fs::write(folder.join("openssl.cnf"), authority).unwrap();
    fs::write(folder.join("index.txt"), "").unwrap();
    fs::write(folder.join("serial"), "01\n").unwrap();
    let request = ["req", "-new", "-key", "key.pem", "-out", "request.pem", "-config", "openssl.cnf"];
    let sign = [
        "ca",
        "-batch",
        "-notext",
        "-selfsign",
        "-keyfile",
        "key.pem",
        "-in",
        "request.pem",
        "-out",
        "certificate.pem",
        "-config",
        "openssl.cnf",
        "-startdate",
        "20200101000000Z",
        "-enddate",
        "20200102000000Z",
    ];
    for arguments in [&request[..], &sign[..]] {
        let output = Command::new("openssl").current_dir(folder).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn certificates_are_checked() {
    let tls = "http:\n  addr: '127.0.0.1:0'\n  tls: { certificate: FOLDER/certificate.pem, key: FOLDER/key.pem }\n";
    let registry = Running::start(tls, |folder| certificate(folder, "IP:127.0.0.1"));
    let other = Running::start(tls, |folder| certificate(folder, "DNS:elsewhere.example"));
    let component = component(10);
    let trusting =
        |trusted: &Running| Settings { ca_file: Some(trusted.folder.path().join("certificate.pem")), ..settings() };

    let mine = reference(&registry, "team/mine:1");
    push(trusting(&registry), &mine, &component).unwrap();
    assert_eq!(plugin::pull(&client(trusting(&registry)), &store(&registry), &mine).unwrap().bytes, component);

    let unknown = push(trusting(&other), &mine, &component).unwrap_err().to_string();
    assert!(unknown.contains("certificate") && !unknown.contains("tries"), "{unknown}");
    let wrong_name = push(trusting(&other), &reference(&other, "team/mine:1"), &component).unwrap_err().to_string();
    assert!(wrong_name.contains("certificate") && !wrong_name.contains("tries"), "{wrong_name}");
    let expired = Running::start(tls, expired_certificate);
    let past = push(trusting(&expired), &reference(&expired, "team/mine:1"), &component).unwrap_err().to_string();
    assert!(past.contains("xpired") && !past.contains("tries"), "{past}");
    let no_pem = Settings { ca_file: Some(registry.folder.path().join("key.pem")), ..settings() };
    let error = brewer_registry::Client::new(no_pem).unwrap_err();
    assert!(error.is_input() && error.to_string().contains("there is no certificate in it"), "{error}");
}

#[test]
fn https_never_leads_to_http() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "IP:127.0.0.1");
    let elsewhere = Server::start(|_| Reply::new(200, "{}"));
    // What openssl answers is the file that the path names, headers included.
    let manifests = folder.path().join("v2/team/mine/manifests");
    fs::create_dir_all(&manifests).unwrap();
    let answer = format!("HTTP/1.0 307 Moved\r\nlocation: http://{}/x\r\ncontent-length: 0\r\n\r\n", elsewhere.host);
    fs::write(manifests.join("1"), answer).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["s_server", "-accept", "127.0.0.1:0", "-HTTP", "-cert", "certificate.pem", "-key", "key.pem"]);
    let mut server = openssl.current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let host = lines.find_map(|line| Some(line.strip_prefix("ACCEPT ")?.to_owned())).unwrap();

    let ca_file = Some(folder.path().join("certificate.pem"));
    // Plain http is allowed there, and still not on the way from https.
    let settings = Settings { ca_file, plain_http: vec![elsewhere.host.clone()], ..settings() };
    let mine: Reference = format!("oci://{host}/team/mine:1").parse().unwrap();
    let error = client(settings).resolve(&mine).unwrap_err().to_string();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(error.contains(&format!("it redirects, but http://{} is plain http", elsewhere.host)), "{error}");
    assert!(elsewhere.seen().is_empty());
}

/// A token for what a request asks for, as Docker's registry takes it: a JWT signed with the key in `folder`. Only alice
/// may push.
fn token(folder: &Path, seen: &Seen) -> Reply {
    let query = seen.path.split_once('?').map_or("", |(_, query)| query);
    let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope=")).map(|scope| scope.replace("%3A", ":"));
    let is_alice = seen.header("authorization") == Some("Basic YWxpY2U6c2VjcmV0");
    let access = scopes.map(|scope| {
        let scope = scope.replace("%2F", "/").replace("%2C", ",");
        let [kind, name, actions] = scope.split(':').collect::<Vec<_>>()[..] else { panic!("{scope}") };
        let actions = actions.split(',').filter(|action| is_alice || *action == "pull").collect::<Vec<_>>();
        json!({ "type": kind, "name": name, "actions": actions })
    });
    let access: Vec<Value> = access.collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({
        "iss": "test", "sub": "alice", "aud": "registry", "nbf": now - 9, "iat": now, "exp": now + 300, "jti": "1",
        "access": access,
    });
    let der = |file: &str| pem::parse(fs::read(folder.join(file)).unwrap()).unwrap().into_contents();
    let header = json!({
        "typ": "JWT", "alg": "ES256",
        "x5c": [base64::prelude::BASE64_STANDARD.encode(der("certificate.pem"))],
    });
    let text = [header, claims].map(|part| BASE64_URL.encode(part.to_string())).join(".");
    let (algorithm, random) = (&signature::ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let key = signature::EcdsaKeyPair::from_pkcs8(algorithm, &der("key.pem"), &random).unwrap();
    let signed = key.sign(&random, text.as_bytes()).unwrap();
    Reply::new(200, json!({ "token": format!("{text}.{}", BASE64_URL.encode(signed)) }).to_string())
}

#[test]
fn tokens_are_asked_for_and_bound_to_what_they_are_for() {
    let keys = tempfile::tempdir().unwrap();
    certificate(keys.path(), "IP:127.0.0.1");
    let folder = keys.path().to_owned();
    let service = Server::start(move |seen| token(&folder, seen));
    let auth = format!(
        "http: {{ addr: '127.0.0.1:0' }}\nauth: {{ token: {{ realm: 'http://{}/token', service: registry, issuer: test, rootcertbundle: '{}' }} }}\n",
        service.host,
        keys.path().join("certificate.pem").display()
    );
    let registry = Running::start(&auth, |_| {});
    let (mine, component) = (reference(&registry, "team/mine:1"), component(10));
    let denied = push(settings(), &mine, &component).unwrap_err().to_string();
    assert!(denied.contains("UNAUTHORIZED") && denied.contains("there are no credentials for it in"), "{denied}");
    let alice = || Settings { docker_config: Some(keys.path().to_owned()), ..settings() };
    client(alice()).credentials().store(&registry.host, "alice", "secret").unwrap();
    push(alice(), &mine, &component).unwrap();
    // Whoever may not push may pull.
    let pulled = plugin::pull(&client(settings()), &store(&registry), &mine).unwrap();
    assert_eq!(pulled.bytes, component);
    let scopes: Vec<_> =
        service.seen().iter().filter_map(|seen| Some(seen.path.split_once("scope=")?.1.to_owned())).collect();
    let push = "repository%3Ateam%2Fmine%3Apull%2Cpush";
    // Without a name the first token lets the client look, and the second does not let it write.
    assert_eq!(scopes, [push, push, push, "repository%3Ateam%2Fmine%3Apull"]);

    // A bundle with it in another repository: the registry takes the blobs from where they are, which needs leave for both.
    let store = store(&registry);
    store.record(&mine, pulled.manifest, BTreeMap::new()).unwrap();
    let made = bundle::create(&store, "t", None, &[("mine".to_owned(), pulled.manifest)].into(), vec![]).unwrap();
    let suite = reference(&registry, "else/suite:1");
    bundle::push(&client(alice()), &store, &suite, &made, &Signatures::new()).unwrap();
    let both = "repository%3Aelse%2Fsuite%3Apull%2Cpush&scope=repository%3Ateam%2Fmine%3Apull";
    assert!(service.seen().iter().any(|seen| seen.path.ends_with(both)));
    let fresh = Store::open(&keys.path().join("store")).unwrap();
    assert_eq!(bundle::pull(&client(settings()), &fresh, &suite).unwrap(), made);
}
