//! Volumes of pods and the sources they share with persistent volumes.

use serde_json::Value;

use super::common::*;
use super::{container, storage};
use crate::field::{FieldError, FieldErrors};
use crate::kinds::names;

/// The names of a pod's volumes.
pub(super) struct Names<'a>(Vec<&'a str>);

impl Names<'_> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

/// A path inside of something: it may not lead out of it.
pub(super) fn not_up(e: &mut FieldErrors, target: &str, path: &str) {
    if target.split('/').any(|part| part == "..") {
        e.push(FieldError::invalid(path, target, "must not contain '..'"));
    }
}

fn relative(e: &mut FieldErrors, target: &str, path: &str) {
    if target.starts_with('/') {
        e.push(FieldError::invalid(path, target, "must be a relative path"));
    }
    not_up(e, target, path);
    if target.starts_with("..") && !target.starts_with("../") {
        e.push(FieldError::invalid(path, target, "must not start with '..'"));
    }
}

/// The volumes of a pod; returns their names.
pub(super) fn volumes<'a>(e: &mut FieldErrors, spec: &'a Value, path: &str) -> Names<'a> {
    let mut seen: Vec<&str> = Vec::new();
    for (item, volume) in each(spec, "volumes", path) {
        let name = text(volume, "name");
        sources(e, volume, &item, true);
        if name.is_empty() {
            e.push(FieldError::required(at(&item, "name"), ""));
        } else if let Some(wrong) = names::dns_label(name) {
            e.push(FieldError::invalid(at(&item, "name"), name, wrong));
        } else if seen.contains(&name) {
            e.push(FieldError::duplicate(at(&item, "name"), name));
        }
        seen.push(name);
    }
    Names(seen)
}

type Check = fn(&mut FieldErrors, &Value, &str);

/// Sources of pods and persistent volumes, in the order in which Kubernetes looks at them.
const SOURCES: &[(&str, Check)] = &[
    ("emptyDir", |e, s, path| {
        if let Some(limit) = given(s, "sizeLimit")
            && amount(limit) < 0
        {
            e.push(FieldError::forbidden(at(path, "sizeLimit"), "SizeLimit field must be a valid resource quantity"));
        }
    }),
    ("hostPath", |e, s, path| {
        if required(e, s, "path", path) {
            not_up(e, text(s, "path"), &at(path, "path"));
        }
        let kinds =
            ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
        one_of(e, s, "type", path, &kinds, true);
    }),
    ("gitRepo", |e, s, path| {
        if required(e, s, "repository", path) {
            relative(e, text(s, "directory"), &at(path, "directory"));
        }
    }),
    ("gcePersistentDisk", |e, s, path| {
        required(e, s, "pdName", path);
    }),
    ("awsElasticBlockStore", |e, s, path| {
        required(e, s, "volumeID", path);
    }),
    ("secret", |e, s, path| {
        required(e, s, "secretName", path);
        keys(e, s, path);
    }),
    ("nfs", |e, s, path| {
        required(e, s, "server", path);
        required(e, s, "path", path);
        if !text(s, "path").is_empty() && !text(s, "path").starts_with('/') {
            e.push(FieldError::invalid(at(path, "path"), text(s, "path"), "must be an absolute path"));
        }
    }),
    ("iscsi", |e, s, path| {
        required(e, s, "targetPortal", path);
        required(e, s, "iqn", path);
    }),
    ("glusterfs", |e, s, path| {
        required(e, s, "endpoints", path);
        required(e, s, "path", path);
    }),
    ("flocker", |e, s, path| {
        if text(s, "datasetName").is_empty() && text(s, "datasetUUID").is_empty() {
            e.push(FieldError::required(path, "one of datasetName and datasetUUID is required"));
        }
    }),
    ("rbd", |e, s, path| {
        if list(s, "monitors").is_empty() {
            e.push(FieldError::required(at(path, "monitors"), ""));
        }
        required(e, s, "image", path);
    }),
    ("cephfs", |e, s, path| {
        if list(s, "monitors").is_empty() {
            e.push(FieldError::required(at(path, "monitors"), ""));
        }
    }),
    ("quobyte", |e, s, path| {
        required(e, s, "registry", path);
        required(e, s, "volume", path);
    }),
    ("downwardAPI", downward),
    ("fc", |e, s, path| {
        if list(s, "targetWWNs").is_empty() && list(s, "wwids").is_empty() {
            e.push(FieldError::required(
                at(path, "targetWWNs"),
                "must specify either targetWWNs or wwids, but not both",
            ));
        }
    }),
    ("persistentVolumeClaim", |e, s, path| {
        required(e, s, "claimName", path);
    }),
    ("configMap", |e, s, path| {
        required(e, s, "name", path);
        keys(e, s, path);
    }),
    ("azureFile", |e, s, path| {
        required(e, s, "secretName", path);
        required(e, s, "shareName", path);
    }),
    ("flexVolume", |e, s, path| {
        required(e, s, "driver", path);
    }),
    ("cinder", |e, s, path| {
        required(e, s, "volumeID", path);
    }),
    ("photonPersistentDisk", |e, s, path| {
        required(e, s, "pdID", path);
    }),
    ("vsphereVolume", |e, s, path| {
        required(e, s, "volumePath", path);
    }),
    ("azureDisk", |e, s, path| {
        required(e, s, "diskName", path);
        required(e, s, "diskURI", path);
    }),
    ("storageos", |_, _, _| {}),
    ("projected", projected),
    ("portworxVolume", |e, s, path| {
        required(e, s, "volumeID", path);
    }),
    ("scaleIO", |e, s, path| {
        required(e, s, "gateway", path);
        required(e, s, "system", path);
        required(e, s, "volumeName", path);
    }),
    ("local", |e, s, path| {
        if text(s, "path").is_empty() {
            e.push(FieldError::required(at(path, "path"), ""));
        } else {
            not_up(e, text(s, "path"), &at(path, "path"));
        }
    }),
    ("csi", |e, s, path| {
        required(e, s, "driver", path);
    }),
    ("ephemeral", |e, s, path| match given(s, "volumeClaimTemplate") {
        None => e.push(FieldError::required(at(path, "volumeClaimTemplate"), "")),
        Some(template) => {
            let path = format!("{path}.volumeClaimTemplate.spec");
            storage::claim_spec(e, template.get("spec").unwrap_or(&Value::Null), &path);
        }
    }),
    ("image", |e, s, path| {
        required(e, s, "reference", path);
        one_of(e, s, "pullPolicy", path, &["Always", "IfNotPresent", "Never"], true);
    }),
];

/// The one source of a volume.
pub(super) fn sources(e: &mut FieldErrors, volume: &Value, path: &str, pod: bool) {
    let mut count = 0;
    for (key, judge) in SOURCES {
        // These two mean something only to the other kind of volume.
        if (pod && *key == "local") || (!pod && matches!(*key, "emptyDir" | "secret" | "configMap" | "projected")) {
            continue;
        }
        let Some(source) = given(volume, key) else { continue };
        count += 1;
        if count > 1 {
            e.push(FieldError::forbidden(at(path, key), "may not specify more than 1 volume type"));
        } else {
            judge(e, source, &at(path, key));
        }
    }
    if count == 0 {
        e.push(FieldError::required(path, "must specify a volume type"));
    }
}

fn mode(e: &mut FieldErrors, object: &Value, key: &str, path: &str) {
    if let Some(mode) = int(object, key).filter(|m| !(0..=0o777).contains(m)) {
        let wrong = "must be a number between 0 and 0777 (octal), both inclusive";
        e.push(FieldError::invalid(at(path, key), mode, wrong));
    }
}

/// The keys of a ConfigMap or Secret that become files.
fn keys(e: &mut FieldErrors, source: &Value, path: &str) {
    mode(e, source, "defaultMode", path);
    for (item, key) in each(source, "items", path) {
        if text(key, "key").is_empty() {
            e.push(FieldError::required(at(&item, "key"), ""));
        }
        if text(key, "path").is_empty() {
            e.push(FieldError::required(at(&item, "path"), ""));
        }
        relative(e, text(key, "path"), &at(&item, "path"));
        mode(e, key, "mode", &item);
    }
}

fn downward(e: &mut FieldErrors, source: &Value, path: &str) {
    mode(e, source, "defaultMode", path);
    for (item, file) in each(source, "items", path) {
        if text(file, "path").is_empty() {
            e.push(FieldError::required(at(&item, "path"), ""));
        }
        relative(e, text(file, "path"), &at(&item, "path"));
        match (given(file, "fieldRef"), given(file, "resourceFieldRef")) {
            (Some(field), other) => {
                container::field_ref(e, field, &at(&item, "fieldRef"), true);
                if other.is_some() {
                    let wrong = "fieldRef and resourceFieldRef can not be specified simultaneously";
                    e.push(FieldError::invalid(item.as_str(), "resource", wrong));
                }
            }
            (None, Some(resource)) => {
                container::resource_field_ref(e, resource, &at(&item, "resourceFieldRef"));
            }
            (None, None) => {
                e.push(FieldError::required(item.as_str(), "one of fieldRef and resourceFieldRef is required"))
            }
        }
        mode(e, file, "mode", &item);
    }
}

fn projected(e: &mut FieldErrors, source: &Value, path: &str) {
    mode(e, source, "defaultMode", path);
    for (item, part) in each(source, "sources", path) {
        let mut count = 0;
        for key in ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate"]
        {
            let Some(value) = given(part, key) else { continue };
            let path = at(&item, key);
            count += 1;
            if count > 1 {
                e.push(FieldError::forbidden(path, "may not specify more than 1 volume type per source"));
                continue;
            }
            match key {
                "secret" | "configMap" => {
                    required(e, value, "name", &path);
                    keys(e, value, &path);
                }
                "downwardAPI" => downward(e, value, &path),
                "serviceAccountToken" => {
                    let seconds = int(value, "expirationSeconds").unwrap_or(3600);
                    if seconds < 600 {
                        let wrong = "may not specify a duration less than 10 minutes";
                        e.push(FieldError::invalid(at(&path, "expirationSeconds"), seconds, wrong));
                    }
                    if seconds > 1 << 32 {
                        let wrong = "may not specify a duration larger than 2^32 seconds";
                        e.push(FieldError::invalid(at(&path, "expirationSeconds"), seconds, wrong));
                    }
                    required(e, value, "path", &path);
                }
                _ => {}
            }
        }
        if count == 0 {
            e.push(FieldError::required(item, "must specify a volume type per source"));
        }
    }
}
