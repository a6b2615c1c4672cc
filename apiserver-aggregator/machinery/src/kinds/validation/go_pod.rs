//! A pod's spec as the Go structures print it, for the message that shows what may not change.

use serde_json::Value;

/// The fields of a structure in the order of its declaration: its name in JSON, in Go, and what an absent one prints as.
type Fields = &'static [(&'static str, &'static str, Zero)];

#[derive(Clone, Copy)]
enum Zero {
    Null,
    Text,
    False,
    Number,
    /// A structure that is always there.
    Made(Fields),
    /// A pointer to or a list of structures.
    Many(Fields),
}

use Zero::{False, Made, Many, Null, Number, Text};

const RESOURCES: Fields = &[("limits", "Limits", Null), ("requests", "Requests", Null), ("claims", "Claims", Null)];
const PORT: Fields = &[
    ("name", "Name", Text),
    ("hostPort", "HostPort", Number),
    ("containerPort", "ContainerPort", Number),
    ("protocol", "Protocol", Text),
    ("hostIP", "HostIP", Text),
];
const ENV: Fields = &[("name", "Name", Text), ("value", "Value", Text), ("valueFrom", "ValueFrom", Null)];
const MOUNT: Fields = &[
    ("name", "Name", Text),
    ("readOnly", "ReadOnly", False),
    ("recursiveReadOnly", "RecursiveReadOnly", Null),
    ("mountPath", "MountPath", Text),
    ("subPath", "SubPath", Text),
    ("mountPropagation", "MountPropagation", Null),
    ("subPathExpr", "SubPathExpr", Text),
];
const CONTAINER: Fields = &[
    ("name", "Name", Text),
    ("image", "Image", Text),
    ("command", "Command", Null),
    ("args", "Args", Null),
    ("workingDir", "WorkingDir", Text),
    ("ports", "Ports", Many(PORT)),
    ("envFrom", "EnvFrom", Null),
    ("env", "Env", Many(ENV)),
    ("resources", "Resources", Made(RESOURCES)),
    ("resizePolicy", "ResizePolicy", Null),
    ("restartPolicy", "RestartPolicy", Null),
    ("restartPolicyRules", "RestartPolicyRules", Null),
    ("volumeMounts", "VolumeMounts", Many(MOUNT)),
    ("volumeDevices", "VolumeDevices", Null),
    ("livenessProbe", "LivenessProbe", Null),
    ("readinessProbe", "ReadinessProbe", Null),
    ("startupProbe", "StartupProbe", Null),
    ("lifecycle", "Lifecycle", Null),
    ("terminationMessagePath", "TerminationMessagePath", Text),
    ("terminationMessagePolicy", "TerminationMessagePolicy", Text),
    ("imagePullPolicy", "ImagePullPolicy", Text),
    ("securityContext", "SecurityContext", Null),
    ("stdin", "Stdin", False),
    ("stdinOnce", "StdinOnce", False),
    ("tty", "TTY", False),
];
const SECURITY: Fields = &[
    ("hostNetwork", "HostNetwork", False),
    ("hostPID", "HostPID", False),
    ("hostIPC", "HostIPC", False),
    ("shareProcessNamespace", "ShareProcessNamespace", Null),
    ("hostUsers", "HostUsers", Null),
    ("seLinuxOptions", "SELinuxOptions", Null),
    ("windowsOptions", "WindowsOptions", Null),
    ("runAsUser", "RunAsUser", Null),
    ("runAsGroup", "RunAsGroup", Null),
    ("runAsNonRoot", "RunAsNonRoot", Null),
    ("supplementalGroups", "SupplementalGroups", Null),
    ("supplementalGroupsPolicy", "SupplementalGroupsPolicy", Null),
    ("fsGroup", "FSGroup", Null),
    ("fsGroupChangePolicy", "FSGroupChangePolicy", Null),
    ("sysctls", "Sysctls", Null),
    ("seccompProfile", "SeccompProfile", Null),
    ("appArmorProfile", "AppArmorProfile", Null),
    ("seLinuxChangePolicy", "SELinuxChangePolicy", Null),
];
const TOLERATION: Fields = &[
    ("key", "Key", Text),
    ("operator", "Operator", Text),
    ("value", "Value", Text),
    ("effect", "Effect", Text),
    ("tolerationSeconds", "TolerationSeconds", Null),
];
const SPEC: Fields = &[
    ("volumes", "Volumes", Null),
    ("initContainers", "InitContainers", Many(CONTAINER)),
    ("containers", "Containers", Many(CONTAINER)),
    ("ephemeralContainers", "EphemeralContainers", Null),
    ("restartPolicy", "RestartPolicy", Text),
    ("terminationGracePeriodSeconds", "TerminationGracePeriodSeconds", Null),
    ("activeDeadlineSeconds", "ActiveDeadlineSeconds", Null),
    ("dnsPolicy", "DNSPolicy", Text),
    ("nodeSelector", "NodeSelector", Null),
    ("serviceAccountName", "ServiceAccountName", Text),
    ("automountServiceAccountToken", "AutomountServiceAccountToken", Null),
    ("nodeName", "NodeName", Text),
    ("securityContext", "SecurityContext", Made(SECURITY)),
    ("imagePullSecrets", "ImagePullSecrets", Null),
    ("hostname", "Hostname", Text),
    ("subdomain", "Subdomain", Text),
    ("setHostnameAsFQDN", "SetHostnameAsFQDN", Null),
    ("affinity", "Affinity", Null),
    ("schedulerName", "SchedulerName", Text),
    ("tolerations", "Tolerations", Many(TOLERATION)),
    ("hostAliases", "HostAliases", Null),
    ("priorityClassName", "PriorityClassName", Text),
    ("priority", "Priority", Null),
    ("preemptionPolicy", "PreemptionPolicy", Null),
    ("dnsConfig", "DNSConfig", Null),
    ("readinessGates", "ReadinessGates", Null),
    ("runtimeClassName", "RuntimeClassName", Null),
    ("overhead", "Overhead", Null),
    ("enableServiceLinks", "EnableServiceLinks", Null),
    ("topologySpreadConstraints", "TopologySpreadConstraints", Null),
    ("os", "OS", Null),
    ("schedulingGates", "SchedulingGates", Null),
    ("resourceClaims", "ResourceClaims", Null),
    ("resources", "Resources", Null),
    ("hostnameOverride", "HostnameOverride", Null),
    ("workloadRef", "WorkloadRef", Null),
];

/// The spec, one line per field.
fn lines(spec: &Value) -> Vec<String> {
    let mut out = Vec::new();
    structure(&mut out, 0, "", spec, SPEC, "");
    out
}

fn structure(out: &mut Vec<String>, depth: usize, name: &str, value: &Value, fields: Fields, comma: &str) {
    let indent = " ".repeat(depth);
    out.push(format!("{indent}{name}{{"));
    for (index, (key, go, zero)) in fields.iter().enumerate() {
        let comma = if index + 1 == fields.len() { "" } else { "," };
        let name = format!("\"{go}\": ");
        let mut given = value.get(key).filter(|v| !v.is_null());
        // These stand in the pod's security context in Go and in the spec in JSON.
        if depth == 0 && *key == "securityContext" {
            let mut merged = value.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
            for (key, _, _) in &SECURITY[..5] {
                if let Some(set) = value.get(key) {
                    merged.insert((*key).to_owned(), set.clone());
                }
            }
            structure(out, depth + 1, &name, &Value::Object(merged), SECURITY, comma);
            continue;
        }
        if given.is_some_and(|v| v.as_array().is_some_and(Vec::is_empty)) {
            given = None;
        }
        let indent = " ".repeat(depth + 1);
        match (zero, given) {
            (Made(fields), value) => structure(out, depth + 1, &name, value.unwrap_or(&Value::Null), fields, comma),
            (Many(fields), Some(Value::Array(items))) => {
                out.push(format!("{indent}{name}["));
                for (index, item) in items.iter().enumerate() {
                    let comma = if index + 1 == items.len() { "" } else { "," };
                    structure(out, depth + 2, "", item, fields, comma);
                }
                out.push(format!("{indent}]{comma}"));
            }
            (Text, None) => out.push(format!("{indent}{name}\"\"{comma}")),
            (False, None) => out.push(format!("{indent}{name}false{comma}")),
            (Number, None) => out.push(format!("{indent}{name}0{comma}")),
            (_, None) => out.push(format!("{indent}{name}null{comma}")),
            (_, Some(value)) => any(out, depth + 1, &name, value, comma),
        }
    }
    out.push(format!("{indent}}}{comma}"));
}

/// A value whose structure is not spelled out here.
fn any(out: &mut Vec<String>, depth: usize, name: &str, value: &Value, comma: &str) {
    let indent = " ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push(format!("{indent}{name}{{"));
            for (index, (key, value)) in map.iter().enumerate() {
                let comma = if index + 1 == map.len() { "" } else { "," };
                any(out, depth + 1, &format!("\"{key}\": "), value, comma);
            }
            out.push(format!("{indent}}}{comma}"));
        }
        Value::Array(items) if !items.is_empty() => {
            out.push(format!("{indent}{name}["));
            for (index, value) in items.iter().enumerate() {
                let comma = if index + 1 == items.len() { "" } else { "," };
                any(out, depth + 1, "", value, comma);
            }
            out.push(format!("{indent}]{comma}"));
        }
        other => out.push(format!("{indent}{name}{other}{comma}")),
    }
}

/// How two specs differ, as `diff -u` shows it; empty if they print the same.
pub(super) fn difference(old: &Value, new: &Value) -> String {
    unified(&lines(old), &lines(new))
}

const CONTEXT: usize = 3;
/// A spec beyond this many lines is not compared line by line.
const MOST_LINES: usize = 4000;

/// One line of an edit script: kept, removed or added.
#[derive(Clone, Copy, PartialEq)]
enum Edit {
    Keep,
    Remove,
    Add,
}

fn unified(old: &[String], new: &[String]) -> String {
    if old == new {
        return String::new();
    }
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let end = old[start..].iter().rev().zip(new[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    let mut edits: Vec<Edit> = vec![Edit::Keep; start];
    edits.extend(if a.len() + b.len() > MOST_LINES {
        [vec![Edit::Remove; a.len()], vec![Edit::Add; b.len()]].concat()
    } else {
        script(a, b)
    });
    edits.extend(vec![Edit::Keep; end]);
    hunks(old, new, &edits)
}

/// The shortest edit script, removals first.
fn script(a: &[String], b: &[String]) -> Vec<Edit> {
    let width = b.len() + 1;
    let mut common = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = if a[i] == b[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut edits) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            edits.push(Edit::Keep);
            (i, j) = (i + 1, j + 1);
        } else if i < a.len() && (j == b.len() || common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            edits.push(Edit::Remove);
            i += 1;
        } else {
            edits.push(Edit::Add);
            j += 1;
        }
    }
    edits
}

fn hunks(old: &[String], new: &[String], edits: &[Edit]) -> String {
    let mut out = String::new();
    let changed: Vec<usize> = (0..edits.len()).filter(|i| edits[*i] != Edit::Keep).collect();
    let mut index = 0;
    while index < changed.len() {
        let first = changed[index].saturating_sub(CONTEXT);
        let mut last = changed[index];
        while index < changed.len() && changed[index] <= last + 2 * CONTEXT + 1 {
            last = changed[index];
            index += 1;
        }
        let stop = (last + CONTEXT + 1).min(edits.len());
        let count = |range: &[Edit], not: Edit| range.iter().filter(|e| **e != not).count();
        let (mut i, mut j) = (count(&edits[..first], Edit::Add), count(&edits[..first], Edit::Remove));
        let hunk = &edits[first..stop];
        out.push_str(&format!(
            "@@ -{},{} +{},{} @@\n",
            i + 1,
            count(hunk, Edit::Add),
            j + 1,
            count(hunk, Edit::Remove)
        ));
        for edit in hunk {
            let (sign, line) = match edit {
                Edit::Keep => (' ', old.get(i)),
                Edit::Remove => ('-', old.get(i)),
                Edit::Add => ('+', new.get(j)),
            };
            out.push(sign);
            out.push_str(line.map_or("", String::as_str));
            out.push('\n');
            i += usize::from(*edit != Edit::Add);
            j += usize::from(*edit != Edit::Remove);
        }
    }
    out
}
