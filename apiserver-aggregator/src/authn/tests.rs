use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::http::HeaderValue;
use karmada_machinery::GroupVersionResource;
use karmada_rest::access::{AllowAll, Attributes, Decision};
use serde_json::{Value, json};

use super::*;
use crate::{
    objects::ObjectReader,
    pki::{Pki, ServerNames},
    serve::tls,
};

#[derive(Default)]
struct Objects(Mutex<BTreeMap<String, Value>>);

#[async_trait]
impl ObjectReader for Objects {
    async fn get(
        &self,
        resource: &GroupVersionResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, StatusError> {
        Ok(self.0.lock().get(&format!("{}/{namespace}/{name}", resource.resource)).cloned())
    }

    async fn list(&self, _: &GroupVersionResource, _: &str) -> Result<Vec<Value>, StatusError> {
        Ok(Vec::new())
    }
}

fn now() -> Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

fn pki() -> Pki {
    Pki::ephemeral(ServerNames::with_defaults(Vec::<String>::new()), std::time::SystemTime::now()).unwrap()
}

fn layer(pki: &Pki, objects: Arc<Objects>, authorizer: Arc<dyn Authorizer>) -> Authentication {
    let certificates = ClientCertificates::new(
        std::slice::from_ref(pki.ca.certificate()),
        std::slice::from_ref(pki.front_proxy_ca.certificate()),
    )
    .unwrap();
    let tokens = ServiceAccountTokens::new(
        service_account::DEFAULT_ISSUER.to_owned(),
        Vec::new(),
        &pki.service_account_key,
        &[],
        objects.clone(),
    )
    .unwrap();
    let mut layer = Authentication::new(Arc::new(certificates), Arc::new(tokens), authorizer);
    layer.bootstrap_tokens = Some(BootstrapTokens::new(objects));
    layer.request_headers = Some(RequestHeaders::standard(vec!["front-proxy-client".to_owned()]));
    layer
}

fn connection(layer: &Authentication, certificate: &str) -> Connection {
    let chain = tls::chain(certificate).unwrap();
    Connection { peer: "127.0.0.1:1".parse().unwrap(), certificate: layer.certificates.read(&chain).map(Arc::new) }
}

fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    headers
}

#[tokio::test]
async fn certificates_identify_users_of_the_own_authority_only() {
    let pki = pki();
    let layer = layer(&pki, Arc::default(), Arc::new(AllowAll));
    let now = Timestamp::now();
    let admin = connection(&layer, &pki.admin.certificate);
    let user = layer.authenticate(&HeaderMap::new(), Some(&admin), now).await.unwrap();
    assert_eq!(
        (user.name.as_str(), &user.groups[..]),
        ("system:admin", &["system:masters".to_owned(), "system:authenticated".to_owned()][..])
    );
    assert!(user.extra[CREDENTIAL_ID][0].starts_with("X509SHA256="));

    let foreign = connection(&layer, &self::pki().admin.certificate);
    let error = layer.authenticate(&HeaderMap::new(), Some(&foreign), now).await.unwrap_err();
    assert_eq!(error.code, 401);
    let much_later = now + jiff::SignedDuration::from_hours(24 * 400);
    assert!(layer.authenticate(&HeaderMap::new(), Some(&admin), much_later).await.is_err());
    let nobody = layer.authenticate(&HeaderMap::new(), None, now).await.unwrap();
    assert_eq!(nobody, UserInfo::anonymous());
}

#[tokio::test]
async fn front_proxies_speak_for_others() {
    let pki = pki();
    let layer = layer(&pki, Arc::default(), Arc::new(AllowAll));
    let now = Timestamp::now();
    let mut headers = HeaderMap::new();
    headers.insert("x-remote-user", HeaderValue::from_static("alice"));
    headers.append("x-remote-group", HeaderValue::from_static("dev"));
    headers.append("x-remote-group", HeaderValue::from_static("ops"));
    headers.insert("x-remote-extra-example.com%2fscope", HeaderValue::from_static("s"));
    let proxy = connection(&layer, &pki.front_proxy_client.certificate);
    let user = layer.authenticate(&headers, Some(&proxy), now).await.unwrap();
    assert_eq!(user.name, "alice");
    assert_eq!(user.groups, ["dev", "ops", "system:authenticated"]);
    assert_eq!(user.extra["example.com/scope"], ["s"]);
    // A client certificate is no front proxy: its headers mean nothing.
    let admin = connection(&layer, &pki.admin.certificate);
    assert_eq!(layer.authenticate(&headers, Some(&admin), now).await.unwrap().name, "system:admin");
}

#[tokio::test]
async fn service_account_tokens_live_with_their_account() {
    let pki = pki();
    let objects = Arc::new(Objects::default());
    let layer = layer(&pki, objects.clone(), Arc::new(AllowAll));
    let tokens = &layer.service_accounts;
    let hour = Duration::from_secs(3600);
    let token = tokens.issue("ns", "sa", "u1", None, &[], hour, now()).unwrap();
    assert!(layer.authenticate(&bearer(&token), None, now()).await.is_err());

    objects.0.lock().insert("serviceaccounts/ns/sa".to_owned(), json!({"metadata": {"name": "sa", "uid": "u1"}}));
    let user = layer.authenticate(&bearer(&token), None, now()).await.unwrap();
    assert_eq!(user.name, "system:serviceaccount:ns:sa");
    assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"]);
    assert_eq!(user.uid, "u1");
    assert!(user.extra[CREDENTIAL_ID][0].starts_with("JTI="));

    let late = now() + jiff::SignedDuration::from_hours(2);
    assert!(tokens.verify(&token, &[], late).await.unwrap_err().contains("expired"));
    let other = ["other".to_owned()];
    let error = tokens.verify(&token, &other, now()).await.unwrap_err();
    assert!(error.contains("is invalid for the target audiences [\"other\"]"), "{error}");
    let mut forged = token.clone();
    forged.replace_range(token.len() - 4.., "AAAA");
    assert_eq!(tokens.verify(&forged, &[], now()).await.unwrap_err(), "invalid bearer token");

    let bound = service_account::BoundObject { kind: "Pod".to_owned(), name: "p".to_owned(), uid: "pu".to_owned() };
    let of_pod = tokens.issue("ns", "sa", "u1", Some(&bound), &[], hour, now()).unwrap();
    assert!(tokens.verify(&of_pod, &[], now()).await.is_err());
    objects.0.lock().insert("pods/ns/p".to_owned(), json!({"metadata": {"name": "p", "uid": "pu"}}));
    let (user, audiences) = tokens.verify(&of_pod, &[], now()).await.unwrap();
    assert_eq!(user.extra["authentication.kubernetes.io/pod-name"], ["p"]);
    assert_eq!(audiences, [service_account::DEFAULT_ISSUER]);

    let legacy = tokens.issue_legacy("ns", "sa", "u1", "sa-token").unwrap();
    assert!(tokens.verify(&legacy, &[], now()).await.is_err());
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(&legacy);
    objects.0.lock().insert("secrets/ns/sa-token".to_owned(), json!({"metadata": {}, "data": {"token": data}}));
    assert_eq!(tokens.verify(&legacy, &[], now()).await.unwrap().0.name, "system:serviceaccount:ns:sa");
    assert!(tokens.is_own_legacy(&legacy, "ns", "u1") && !tokens.is_own_legacy(&legacy, "ns", "u2"));
}

#[tokio::test]
async fn bootstrap_tokens_come_from_secrets() {
    let pki = pki();
    let objects = Arc::new(Objects::default());
    let layer = layer(&pki, objects.clone(), Arc::new(AllowAll));
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let secret = |groups: &str, expiration: &str| {
        json!({"type": bootstrap_token::SECRET_TYPE, "metadata": {}, "data": {
            "token-id": encode("abcdef"), "token-secret": encode("0123456789abcdef"),
            "usage-bootstrap-authentication": encode("true"), "auth-extra-groups": encode(groups),
            "expiration": encode(expiration),
        }})
    };
    let key = "secrets/kube-system/bootstrap-token-abcdef".to_owned();
    let token = bearer("abcdef.0123456789abcdef");
    let group = "system:bootstrappers:karmada:default-cluster-token";
    for (groups, expiration, good) in [
        (group, "2026-11-22T00:00:00Z", true),
        (group, "2026-11-20T00:00:00Z", false),
        (group, "soon", false),
        ("system:masters", "2026-11-22T00:00:00Z", false),
    ] {
        objects.0.lock().insert(key.clone(), secret(groups, expiration));
        let user = layer.authenticate(&token, None, now()).await;
        assert_eq!(user.is_ok(), good, "{groups} {expiration}");
        if let Ok(user) = user {
            assert_eq!(user.name, "system:bootstrap:abcdef");
            assert_eq!(user.groups, ["system:bootstrappers", group, "system:authenticated"]);
        }
    }
    assert!(layer.authenticate(&bearer("abcdef.0123456789abcdeX"), None, now()).await.is_err());
    assert!(layer.authenticate(&bearer("nonsense"), None, now()).await.is_err());
}

struct Only(&'static [(&'static str, &'static str)]);

#[async_trait]
impl Authorizer for Only {
    async fn authorize(&self, attributes: &Attributes) -> Result<Decision, StatusError> {
        let allowed = self.0.iter().any(|(r, n)| attributes.resource == *r && attributes.name == *n);
        Ok(if allowed { Decision::Allow(String::new()) } else { Decision::NoOpinion(String::new()) })
    }
}

#[tokio::test]
async fn impersonation_is_checked_piece_by_piece() {
    let request = |pairs: &[(&'static str, &'static str)]| {
        let mut request = Request::new(axum::body::Body::empty());
        for (name, value) in pairs {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request.extensions_mut().insert(UserInfo { name: "root".to_owned(), ..UserInfo::default() });
        request
    };
    let rules = Only(&[("users", "bob"), ("groups", "g"), ("userextras", "s"), ("serviceaccounts", "sa")]);
    let mut good =
        request(&[("impersonate-user", "bob"), ("impersonate-group", "g"), ("impersonate-extra-scopes", "s")]);
    impersonation::apply(&rules, &mut good).await.unwrap();
    let user = good.extensions().get::<UserInfo>().unwrap();
    assert_eq!(user.name, "bob");
    assert_eq!(user.groups, ["g", "system:authenticated"]);
    assert_eq!(user.extra["scopes"], ["s"]);
    assert!(good.headers().is_empty());

    let mut account = request(&[("impersonate-user", "system:serviceaccount:ns:sa")]);
    impersonation::apply(&rules, &mut account).await.unwrap();
    let user = account.extensions().get::<UserInfo>().unwrap();
    assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"]);

    let mut group = request(&[("impersonate-user", "bob"), ("impersonate-group", "system:masters")]);
    let error = impersonation::apply(&rules, &mut group).await.unwrap_err();
    assert_eq!(error.code, 403);
    assert_eq!(
        error.message,
        "groups \"system:masters\" is forbidden: User \"root\" cannot impersonate resource \"groups\" in API group \"\" at the cluster scope"
    );
    let mut without_user = request(&[("impersonate-group", "g")]);
    assert_eq!(impersonation::apply(&rules, &mut without_user).await.unwrap_err().code, 500);
    let mut none = request(&[]);
    impersonation::apply(&rules, &mut none).await.unwrap();
    assert_eq!(none.extensions().get::<UserInfo>().unwrap().name, "root");
}
