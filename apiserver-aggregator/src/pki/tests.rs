use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn at(days: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + days * 24 * 3600)
}

#[test]
fn opening_twice_changes_nothing_and_expiry_renews_leaves_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pki");
    let names = ServerNames::with_defaults(["example.test"]);
    let first = Pki::open(&path, names.clone(), at(0)).unwrap();
    let second = Pki::open(&path, names.clone(), at(100)).unwrap();
    assert_eq!(first.server, second.server);
    assert_eq!(first.admin, second.admin);
    assert_eq!(first.service_account_key, second.service_account_key);
    assert_eq!(first.ca.certificate_pem(), second.ca.certificate_pem());

    let later = Pki::open(&path, names.clone(), at(340)).unwrap();
    assert_ne!(first.server, later.server);
    assert_eq!(first.ca.certificate_pem(), later.ca.certificate_pem());

    let mut wider = names;
    wider.add("10.1.2.3");
    let widened = Pki::open(&path, wider, at(341)).unwrap();
    assert_ne!(later.server, widened.server);
    assert_eq!(later.admin, widened.admin);

    for file in ["ca.key", "ca.crt", "apiserver.key", "sa.key", "sa.pub", "front-proxy-client.key"] {
        let mode = std::fs::metadata(path.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
}

#[test]
fn a_running_server_renews() {
    let mut pki = Pki::ephemeral(ServerNames::with_defaults(Vec::<String>::new()), at(0)).unwrap();
    let before = pki.server.clone();
    assert!(!pki.renew(at(300)).unwrap());
    assert!(pki.renew(at(336)).unwrap());
    assert_ne!(before, pki.server);
}

#[test]
fn a_lost_authority_key_is_an_error_and_a_foreign_leaf_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let names = ServerNames::with_defaults(Vec::<String>::new());
    Pki::open(path, names.clone(), at(0)).unwrap();
    let other = Pki::ephemeral(names.clone(), at(0)).unwrap();
    std::fs::write(path.join("apiserver.crt"), &other.server.certificate).unwrap();
    let again = Pki::open(path, names.clone(), at(0)).unwrap();
    assert_ne!(again.server.certificate, other.server.certificate);
    std::fs::remove_file(path.join("ca.key")).unwrap();
    assert!(Pki::open(path, names, at(0)).is_err());
}

#[test]
fn requests_are_signed_with_their_subject() {
    let pki = Pki::ephemeral(ServerNames::with_defaults(Vec::<String>::new()), at(0)).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "system:node:member1");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "system:nodes");
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let signed = pki
        .ca
        .sign_request(&request, &[rcgen::ExtendedKeyUsagePurpose::ClientAuth], Duration::from_secs(3600), at(0))
        .unwrap();
    use rustls_pki_types::pem::PemObject as _;
    use x509_parser::prelude::FromDer as _;
    let der = rustls_pki_types::CertificateDer::from_pem_slice(signed.as_bytes()).unwrap();
    let (_, certificate) = x509_parser::prelude::X509Certificate::from_der(&der).unwrap();
    let (name, groups) = authority::subject_of(&certificate);
    assert_eq!(name, "system:node:member1");
    assert_eq!(groups, ["system:nodes"]);
}
