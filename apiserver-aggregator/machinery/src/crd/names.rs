//! Which names a definition gets, and when it is established.

use serde_json::{Map, Value, json};

use super::{list, strings, text};

/// The conditions that follow from the names, without their times: the caller keeps the time of a condition that did not
/// change.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// `status.acceptedNames`.
    pub accepted_names: Value,
    /// The condition `NamesAccepted`.
    pub names_accepted: Value,
    /// The condition `Established`.
    pub established: Value,
}

impl Conditions {
    /// Writes names and conditions into the definition's status; conditions that change get this time. Returns whether
    /// anything changed.
    pub fn apply(&self, definition: &mut Value, now: &str) -> bool {
        let before = definition.get("status").cloned();
        let Some(object) = definition.as_object_mut() else { return false };
        let status = object.entry("status").or_insert_with(|| Value::Object(Map::new()));
        if !status.is_object() {
            *status = Value::Object(Map::new());
        }
        status["acceptedNames"] = self.accepted_names.clone();
        for condition in [&self.names_accepted, &self.established] {
            set_condition(status, condition, now);
        }
        before.as_ref() != definition.get("status")
    }
}

/// Sets a condition by type; its time changes with its status only.
fn set_condition(status: &mut Value, condition: &Value, now: &str) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    let mut fresh = condition.clone();
    match conditions.iter_mut().find(|c| c["type"] == condition["type"]) {
        Some(old) => {
            let time = if old["status"] == fresh["status"] { old["lastTransitionTime"].clone() } else { now.into() };
            fresh["lastTransitionTime"] = time;
            *old = fresh;
        }
        None => {
            fresh["lastTransitionTime"] = now.into();
            conditions.push(fresh);
        }
    }
}

fn condition(kind: &str, status: &str, reason: &str, message: impl Into<String>) -> Value {
    let message: String = message.into();
    json!({"type": kind, "status": status, "reason": reason, "message": message})
}

/// Decides on the names of a definition, given all other definitions of its group and the names that built-in resources of
/// the group take. Names that are in use by another's accepted names are refused, one by one; what was accepted before
/// stays.
pub fn accept_names<'a>(definition: &Value, others: impl IntoIterator<Item = &'a Value>) -> Conditions {
    let mut resources: Vec<String> = Vec::new();
    let mut kinds: Vec<String> = Vec::new();
    let own_name = crate::meta::name(definition);
    for other in others {
        if other["spec"]["group"] != definition["spec"]["group"] || crate::meta::name(other) == own_name {
            continue;
        }
        let names = &other["status"]["acceptedNames"];
        resources.push(text(names, "plural").to_owned());
        resources.push(text(names, "singular").to_owned());
        resources.extend(strings(names, "shortNames"));
        kinds.push(text(names, "kind").to_owned());
        kinds.push(text(names, "listKind").to_owned());
    }
    let wanted = &definition["spec"]["names"];
    let before = &definition["status"]["acceptedNames"];
    let mut accepted = Map::new();
    let mut problem: Option<(&str, String)> = None;
    let mut decide = |key: &str, reason: &'static str, taken: &[String], always: bool| {
        let name = text(wanted, key);
        if name.is_empty() || !taken.iter().any(|t| t == name) {
            if always || !name.is_empty() {
                accepted.insert(key.to_owned(), name.into());
            }
            return;
        }
        if always || !text(before, key).is_empty() {
            accepted.insert(key.to_owned(), text(before, key).into());
        }
        problem = Some((reason, format!("{name:?} is already in use")));
    };
    decide("plural", "PluralConflict", &resources, true);
    decide("singular", "SingularConflict", &resources, false);
    let short: Vec<&str> = list(wanted, "shortNames").iter().filter_map(Value::as_str).collect();
    let conflicts: Vec<&&str> = short.iter().filter(|s| resources.iter().any(|r| r == **s)).collect();
    let (short_names, short_problem) = match conflicts.first() {
        None => (short.iter().map(|s| (*s).to_owned()).collect(), None),
        Some(name) => {
            (strings(before, "shortNames"), Some(("ShortNamesConflict", format!("{name:?} is already in use"))))
        }
    };
    decide("kind", "KindConflict", &kinds, true);
    decide("listKind", "ListKindConflict", &kinds, false);
    let problem = problem.or(short_problem);
    // A definition whose kind is refused gets none of the optional names that belong to the kind.
    if !short_names.is_empty() {
        accepted.insert("shortNames".to_owned(), short_names.into());
    }
    let categories = strings(wanted, "categories");
    if !categories.is_empty() {
        accepted.insert("categories".to_owned(), categories.into());
    }
    let names_accepted = match &problem {
        Some((reason, message)) => condition("NamesAccepted", "False", reason, message.as_str()),
        None => condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
    };
    let was_established = established(definition);
    let established = match &problem {
        _ if was_established => find(definition, "Established")
            .map_or(Value::Null, |c| condition("Established", "True", text(c, "reason"), text(c, "message"))),
        None => condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
        Some(_) => condition("Established", "False", "NotAccepted", "not all names are accepted"),
    };
    Conditions { accepted_names: Value::Object(accepted), names_accepted, established }
}

fn find<'a>(definition: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&definition["status"], "conditions").iter().find(|c| c["type"] == kind)
}

/// Whether the definition's resources are served.
pub fn established(definition: &Value) -> bool {
    find(definition, "Established").is_some_and(|c| c["status"] == "True")
}
