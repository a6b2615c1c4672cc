//! Signed tokens (RFC 7519): ES256 is made and verified, RS256 is verified too, so that tokens of an earlier
//! kube-apiserver stay good when its public key is given.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, EcdsaKeyPair,
        RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};

use super::x509::base64url;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("use a token key: {0}")]
pub struct KeyError(String);

/// Makes tokens.
pub struct Signer {
    key: EcdsaKeyPair,
    id: String,
    random: SystemRandom,
}

/// A public key that tokens may be signed with.
#[derive(Clone)]
pub struct VerificationKey {
    id: String,
    name: &'static str,
    algorithm: &'static dyn VerificationAlgorithm,
    key: Vec<u8>,
}

impl Signer {
    /// Signs with a PKCS#8 PEM key on P-256.
    pub fn new(pem: &str) -> Result<Self, KeyError> {
        let fail = |error: &dyn std::fmt::Display| KeyError(error.to_string());
        let parsed = pem::parse(pem).map_err(|e| fail(&e))?;
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, parsed.contents(), &random)
            .map_err(|e| fail(&e))?;
        let public = crate::pki::authority::public_key(pem).map_err(|e| fail(&e))?;
        let id = VerificationKey::parse(&public)?.id;
        Ok(Self { key, id, random })
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> Result<String, KeyError> {
        let header = json!({"alg": "ES256", "kid": self.id});
        let text = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
        let signature = self.key.sign(&self.random, text.as_bytes()).map_err(|_| KeyError("sign".to_owned()))?;
        Ok(format!("{text}.{}", base64url(signature.as_ref())))
    }
}

impl VerificationKey {
    /// Parses a PEM public key (`PUBLIC KEY`): P-256, P-384 or RSA.
    pub fn parse(pem: &str) -> Result<Self, KeyError> {
        let parsed = pem::parse(pem).map_err(|e| KeyError(e.to_string()))?;
        let der = parsed.contents();
        let (_, info) = SubjectPublicKeyInfo::from_der(der).map_err(|e| KeyError(e.to_string()))?;
        let bits = info.subject_public_key.data.to_vec();
        let algorithm = info.algorithm.algorithm.to_id_string();
        let (name, algorithm): (_, &'static dyn VerificationAlgorithm) = match (algorithm.as_str(), bits.len()) {
            ("1.2.840.10045.2.1", 65) => ("ES256", &ECDSA_P256_SHA256_FIXED),
            ("1.2.840.10045.2.1", 97) => ("ES384", &ECDSA_P384_SHA384_FIXED),
            ("1.2.840.113549.1.1.1", _) => ("RS256", &RSA_PKCS1_2048_8192_SHA256),
            (other, _) => return Err(KeyError(format!("unsupported kind of key {other}"))),
        };
        // As kube-apiserver derives it, so that keys keep their ids when a control plane moves.
        let id = base64url(digest::digest(&digest::SHA256, der).as_ref());
        Ok(Self { id, name, algorithm, key: bits })
    }

    /// The key in the form of a JSON Web Key.
    pub fn to_jwk(&self) -> Value {
        match self.name {
            "RS256" => rsa_jwk(&self.key, &self.id),
            name => {
                let half = (self.key.len() - 1) / 2;
                json!({
                    "use": "sig",
                    "kty": "EC",
                    "kid": self.id,
                    "crv": if name == "ES256" { "P-256" } else { "P-384" },
                    "alg": name,
                    "x": base64url(&self.key[1..=half]),
                    "y": base64url(&self.key[half + 1..]),
                })
            }
        }
    }
}

fn rsa_jwk(key: &[u8], id: &str) -> Value {
    let (modulus, exponent) = match x509_parser::public_key::RSAPublicKey::from_der(key) {
        Ok((_, key)) => (key.modulus.to_vec(), key.exponent.to_vec()),
        Err(_) => (Vec::new(), Vec::new()),
    };
    let unpadded = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|&&b| b == 0).count();
        base64url(&bytes[zeros..])
    };
    json!({"use": "sig", "kty": "RSA", "kid": id, "alg": "RS256", "n": unpadded(&modulus), "e": unpadded(&exponent)})
}

/// The claims of a token without any check: to find out whether it is worth one.
pub fn peek(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

/// The claims of a token that one of the keys has signed. Times are not looked at.
pub fn verify(token: &str, keys: &[VerificationKey]) -> Option<Value> {
    let (text, signature) = token.rsplit_once('.')?;
    let (header, claims) = text.split_once('.')?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let id = header["kid"].as_str().unwrap_or_default();
    let verified = keys
        .iter()
        .filter(|key| header["alg"] == key.name && (id.is_empty() || id == key.id))
        .any(|key| UnparsedPublicKey::new(key.algorithm, &key.key).verify(text.as_bytes(), &signature).is_ok());
    if !verified {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}
