//! Customizations in Lua 5.1: users' own scripts, run in a sandbox.
//!
//! A script defines one function, named after its operation, that gets the object as a table and answers with a table,
//! a number or a boolean. Every call gets a machine of its own: scripts can't see each other or what an earlier call
//! left behind. A machine has no access to files, processes or the network, and limits on memory and on the number of
//! instructions; the latter stands for upstream's limit of one second, so that the answer doesn't depend on the clock.
//!
//! Values cross the border as upstream's do, without its losses: integers beyond 2⁵³ that a script hands back untouched
//! keep their digits, and an empty list stays one wherever the script moves it.

mod convert;
mod kube;
mod machine;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use karmada_api::config::{ResourceInterpreterCustomization, Script};
use karmada_api::gvk::Gvk;
use karmada_api::meta::ResourceList;
use karmada_api::quantity::{Amount, Quantity};
use karmada_api::work::v1alpha2::{Component as TypedComponent, ReplicaRequirements};
use mlua::{MultiValue, Value as LuaValue};
use serde_json::Value;

use crate::answer::{Component, Dependency, Replicas, StatusItem};
use crate::error::InterpretError;
use crate::layer::Layer;
use crate::operation::{Operation, kind_of};
use machine::Machine;

/// Scripts by kind and operation.
#[derive(Clone, Debug, Default)]
pub struct LuaLayer {
    scripts: HashMap<(Gvk, Operation), Vec<Arc<str>>>,
}

/// The name of an operation's function in a script.
const fn function_of(operation: Operation) -> &'static str {
    match operation {
        Operation::InterpretReplica => "GetReplicas",
        Operation::InterpretComponent => "GetComponents",
        Operation::ReviseReplica => "ReviseReplica",
        Operation::Retain => "Retain",
        Operation::AggregateStatus => "AggregateStatus",
        Operation::InterpretStatus => "ReflectStatus",
        Operation::InterpretHealth => "InterpretHealth",
        Operation::InterpretDependency => "GetDependencies",
    }
}

fn failed(message: impl ToString) -> InterpretError {
    InterpretError::Script(message.to_string())
}

/// Checks that a text is Lua; it isn't run.
///
/// # Errors
/// The compiler's message.
pub fn compile(script: &str) -> Result<(), InterpretError> {
    Machine::new().and_then(|machine| machine.compile(script)).map_err(failed)
}

impl LuaLayer {
    /// The layer of users' customizations. Among several for one kind the first by name counts, operation by operation;
    /// of scripts for dependencies, all.
    pub fn of_customizations<'a>(
        customizations: impl IntoIterator<Item = &'a ResourceInterpreterCustomization>,
    ) -> Self {
        let sorted: BTreeMap<&str, &ResourceInterpreterCustomization> = customizations
            .into_iter()
            .map(|customization| (customization.metadata.name.as_deref().unwrap_or_default(), customization))
            .collect();
        let mut layer = Self::default();
        for customization in sorted.into_values() {
            let target = &customization.spec.target;
            let kind = Gvk::of(&target.api_version, &target.kind);
            let rules = &customization.spec.customizations;
            for (operation, script) in [
                (Operation::Retain, &rules.retention),
                (Operation::InterpretReplica, &rules.replica_resource),
                (Operation::InterpretComponent, &rules.component_resource),
                (Operation::ReviseReplica, &rules.replica_revision),
                (Operation::InterpretStatus, &rules.status_reflection),
                (Operation::AggregateStatus, &rules.status_aggregation),
                (Operation::InterpretHealth, &rules.health_interpretation),
                (Operation::InterpretDependency, &rules.dependency_interpretation),
            ] {
                if let Some(Script { lua_script }) = script {
                    layer.add(kind.clone(), operation, lua_script);
                }
            }
        }
        layer
    }

    /// Adds a script. An empty one doesn't count; only dependencies have more than one.
    pub fn add(&mut self, kind: Gvk, operation: Operation, script: &str) {
        if script.is_empty() {
            return;
        }
        let scripts = self.scripts.entry((kind, operation)).or_default();
        if scripts.is_empty() || operation == Operation::InterpretDependency {
            scripts.push(script.into());
        }
    }

    fn scripts(&self, object: &Value, operation: Operation) -> Result<&[Arc<str>], InterpretError> {
        let kind = kind_of(object);
        match self.scripts.get(&(kind.clone(), operation)) {
            Some(scripts) => Ok(scripts),
            None => Err(InterpretError::NotFound { operation, kind }),
        }
    }

    /// Sums up statuses as [`Layer::aggregate_status`] does; a script can tell no items from an empty list of items.
    ///
    /// # Errors
    /// The script fails, or its answer is no object.
    pub fn aggregate(&self, object: &Value, items: Option<&[StatusItem]>) -> Result<Value, InterpretError> {
        let items = serde_json::to_value(items).map_err(failed)?;
        self.run_for_object(object, Operation::AggregateStatus, &[object, &items], &[object])
    }

    /// Runs the one script of the operation; `read` takes its answer.
    fn run<T>(
        &self,
        object: &Value,
        operation: Operation,
        arguments: &[&Value],
        read: impl FnOnce(&Machine, &mut std::vec::IntoIter<LuaValue>) -> Result<T, InterpretError>,
    ) -> Result<T, InterpretError> {
        let script = self.scripts(object, operation)?.first().cloned().unwrap_or_else(|| Arc::from(""));
        run(&script, operation, arguments, read)
    }

    /// Runs a script that answers with a whole object.
    fn run_for_object(
        &self,
        object: &Value,
        operation: Operation,
        arguments: &[&Value],
        references: &[&Value],
    ) -> Result<Value, InterpretError> {
        self.run(object, operation, arguments, |machine, answers| {
            let table = expect_table(answers.next(), "requires")?;
            let answer = machine.to_json(&table, references).map_err(encode_failed)?;
            match &answer {
                Value::Object(map) => match map.get("kind").and_then(Value::as_str) {
                    Some(kind) if !kind.is_empty() => Ok(answer),
                    _ => Err(failed(format!("json unmarshal obj failed: Object 'Kind' is missing in '{answer}'"))),
                },
                _ => Err(failed(
                    "json unmarshal obj failed: json: cannot unmarshal array into Go value of type map[string]interface {}",
                )),
            }
        })
    }
}

fn run<T>(
    script: &str,
    operation: Operation,
    arguments: &[&Value],
    read: impl FnOnce(&Machine, &mut std::vec::IntoIter<LuaValue>) -> Result<T, InterpretError>,
) -> Result<T, InterpretError> {
    let machine = Machine::new().map_err(failed)?;
    let arguments: MultiValue =
        arguments.iter().map(|argument| machine.to_lua(argument)).collect::<mlua::Result<_>>().map_err(failed)?;
    let answers = machine.call(script, function_of(operation), arguments).map_err(failed)?;
    read(&machine, &mut answers.into_vec().into_iter())
}

fn encode_failed(error: convert::EncodeError) -> InterpretError {
    failed(format!("encode lua result to json failed: {error}"))
}

/// The number of a type, by which some messages name it.
fn type_number(value: Option<&LuaValue>) -> u8 {
    match value {
        None | Some(LuaValue::Nil) => 0,
        Some(LuaValue::Boolean(_)) => 1,
        Some(LuaValue::Integer(_) | LuaValue::Number(_)) => 2,
        Some(LuaValue::String(_)) => 3,
        Some(LuaValue::Function(_)) => 4,
        Some(LuaValue::Thread(_)) => 6,
        Some(LuaValue::Table(_)) => 7,
        Some(_) => 5,
    }
}

fn expect_table(value: Option<LuaValue>, what: &str) -> Result<mlua::Table, InterpretError> {
    match value {
        Some(LuaValue::Table(table)) => Ok(table),
        other => {
            let got = other.as_ref().map_or("nil", |value| match value {
                LuaValue::Integer(_) => "number",
                value => value.type_name(),
            });
            Err(failed(format!("expect the returned {what} type is table but got {got}")))
        }
    }
}

/// Reads a typed answer, whose fields must have the right types, and gives it back in canonical form.
fn typed<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, InterpretError> {
    serde_json::from_value(answer).map_err(|error| failed(format!("json unmarshal obj failed: {error}")))
}

fn canonical_requests(requests: &mut ResourceList) -> Result<(), InterpretError> {
    for quantity in requests.values_mut() {
        *quantity = amount(quantity)?.into();
    }
    Ok(())
}

fn amount(quantity: &Quantity) -> Result<Amount, InterpretError> {
    quantity.amount().map_err(|error| failed(format!("json unmarshal obj failed: {error}")))
}

impl Layer for LuaLayer {
    fn enabled(&self, kind: &Gvk, operation: Operation) -> bool {
        self.scripts.contains_key(&(kind.clone(), operation))
    }

    fn get_replicas(&self, object: &Value) -> Result<Replicas, InterpretError> {
        self.run(object, Operation::InterpretReplica, &[object], |machine, answers| {
            let count = answers.next();
            let number = match count {
                Some(LuaValue::Integer(whole)) => whole as f64,
                Some(LuaValue::Number(number)) => number,
                other => return Err(failed(format!("result type {} is not number", type_number(other.as_ref())))),
            };
            // What doesn't fit becomes the smallest number, as upstream's conversion has it.
            let fits = number > f64::from(i32::MIN) - 1.0 && number < f64::from(i32::MAX) + 1.0;
            let replica = if fits { number as i32 } else { i32::MIN };
            let requirements = match answers.next() {
                None | Some(LuaValue::Nil) => None,
                other => {
                    let table = expect_table(other, "requires")?;
                    let answer = machine.to_json(&table, &[object]).map_err(encode_failed)?;
                    let mut requirements: ReplicaRequirements = typed(answer)?;
                    canonical_requests(&mut requirements.resource_request)?;
                    Some(serde_json::to_value(requirements).map_err(failed)?)
                }
            };
            Ok(Replicas { replica, requirements })
        })
    }

    fn get_components(&self, object: &Value) -> Result<Vec<Component>, InterpretError> {
        let operation = Operation::InterpretComponent;
        let components = |error: InterpretError| failed(format!("failed to convert lua table for components: {error}"));
        self.run(object, operation, &[object], |machine, answers| {
            let table = expect_table(answers.next(), "components")?;
            let answer = machine.to_json_list(&table, &[]).map_err(encode_failed).map_err(components)?;
            let list: Vec<TypedComponent> = typed(answer).map_err(components)?;
            // Unlike those of replicas, the requests of components stay as they are written.
            for requirements in list.iter().filter_map(|component| component.replica_requirements.as_ref()) {
                requirements
                    .resource_request
                    .values()
                    .try_for_each(|quantity| amount(quantity).map(drop))
                    .map_err(components)?;
            }
            typed(serde_json::to_value(list).map_err(failed)?)
        })
        .map_err(|error| match error {
            InterpretError::Script(text) if text.starts_with("<string>") => {
                failed(format!("failed to run 'GetComponents' script: {text}"))
            }
            other => other,
        })
    }

    fn revise_replica(&self, object: &Value, replicas: i64) -> Result<Value, InterpretError> {
        self.run_for_object(object, Operation::ReviseReplica, &[object, &Value::from(replicas)], &[object])
    }

    fn retain(&self, desired: &Value, observed: &Value) -> Result<Value, InterpretError> {
        self.run_for_object(desired, Operation::Retain, &[desired, observed], &[desired, observed])
    }

    fn aggregate_status(&self, object: &Value, items: &[StatusItem], _now: Timestamp) -> Result<Value, InterpretError> {
        self.aggregate(object, Some(items))
    }

    fn reflect_status(&self, object: &Value) -> Result<Option<Value>, InterpretError> {
        self.run(object, Operation::InterpretStatus, &[object], |machine, answers| {
            let table = expect_table(answers.next(), "replica")?;
            machine.to_json(&table, &[object]).map(Some).map_err(encode_failed)
        })
    }

    fn interpret_health(&self, object: &Value) -> Result<bool, InterpretError> {
        self.run(object, Operation::InterpretHealth, &[object], |_, answers| match answers.next() {
            Some(LuaValue::Boolean(healthy)) => Ok(healthy),
            other => Err(failed(format!("result type {} is not bool", type_number(other.as_ref())))),
        })
    }

    fn get_dependencies(&self, object: &Value) -> Result<Vec<Dependency>, InterpretError> {
        let operation = Operation::InterpretDependency;
        let mut all = Vec::new();
        for script in self.scripts(object, operation)? {
            let dependencies: Vec<Dependency> = run(script, operation, &[object], |machine, answers| {
                let table = expect_table(answers.next(), "requires")?;
                typed(machine.to_json_list(&table, &[]).map_err(encode_failed)?)
            })?;
            all.extend(dependencies);
        }
        Ok(all)
    }
}
